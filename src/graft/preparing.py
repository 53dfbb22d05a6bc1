"""A comparison put together and checked before anything is computed; made by the workspace."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graft.asking import known_arm
from graft.assembly import Assembly, choose_examples
from graft.comparing import Comparing
from graft.config import Effort, EffortPlan, effort_plan
from graft.corpus import Corpus, silent
from graft.errors import BadInput
from graft.files import write_atomically
from graft.formats import sealed, unsealed
from graft.models.device import is_fast
from graft.pilot import Pilot, with_choice
from graft.prompts import PromptContract
from graft.protocols import Progress
from graft.questions import QuestionSet, leakage_blockers, load_leakage, pairs_gate
from graft.references import check_reference, reference_names
from graft.training import Training

__all__ = ["BuildTimes", "Preparing"]


@dataclass(frozen=True, slots=True)
class BuildTimes:
    """How long the index took, kept across additions in `build.json`."""

    path: Path

    @property
    def index_seconds(self) -> float:
        """Return the seconds of all additions; 0 where nothing is known.

        Raises:
            BadInput: the file cannot be read.
        """
        if not self.path.is_file():
            return 0.0
        try:
            stored = unsealed(json.loads(self.path.read_text(encoding="utf-8")))
            return float(stored["index_seconds"])
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise BadInput(
                "the time that the index took cannot be read",
                where=str(self.path),
                why=str(error),
                next_step=f"remove {self.path}; only the build time of the report is lost",
            ) from error

    def add(self, seconds: float) -> None:
        """Add the seconds of one addition."""
        total = self.index_seconds + seconds
        write_atomically(self.path, json.dumps(sealed({"index_seconds": total})))


@dataclass(frozen=True, slots=True)
class Preparing:
    """Puts comparisons together from what the workspace has."""

    assembly: Assembly
    corpus: Corpus
    index: Any
    times: BuildTimes

    def contract(self, questions: QuestionSet | None) -> PromptContract:
        """Return the prompt contract: its examples come from the training questions."""
        prompt = self.assembly.config.prompt
        train = questions.by_split("train") if questions else []
        return PromptContract.from_config(prompt, choose_examples(train, prompt.examples))

    def plan(self, effort: Effort) -> EffortPlan:
        """Return what an effort stands for on this machine."""
        passages = self.assembly.config.retrieval.passages
        return effort_plan(effort, fast_device=is_fast(), passages=passages)

    def comparing(
        self, questions: QuestionSet, effort: Effort, arms: Sequence[str], limit: int | None
    ) -> Comparing:
        """Put a comparison together, with the examples that were chosen before, if any were.

        Raises:
            UsageError: an arm given does not exist; `ConfigError` where `graft.toml` names it.
        """
        plain = self._plain(questions, effort, arms, limit)
        return with_choice(plain, self._pilot(plain).stored()) if plain.plan.pilot else plain

    def piloted(
        self,
        questions: QuestionSet,
        effort: Effort,
        arms: Sequence[str],
        limit: int | None,
        on_progress: Progress | None,
    ) -> Comparing:
        """Put a comparison together and choose its examples on `dev` where the effort asks."""
        plain = self._plain(questions, effort, arms, limit)
        if not plain.plan.pilot:
            return plain
        return with_choice(plain, self._pilot(plain).run(on_progress))

    def _pilot(self, comparing: Comparing) -> Pilot:
        return Pilot(comparing, self.assembly.state)

    def _plain(
        self, questions: QuestionSet, effort: Effort, arms: Sequence[str], limit: int | None
    ) -> Comparing:
        config = self.assembly.config
        wanted = tuple(arms) or config.compare.arms
        where = "--arms" if arms else str(self.assembly.root / "graft.toml")
        references = reference_names(config)
        for name in wanted:
            known_arm(name, where, references, configured=not arms)
        for name in references:
            if not wanted or name in wanted:
                check_reference(config, name)
        plan = self.plan(effort)
        contract = self.contract(questions)
        scored = _scored(questions, self.assembly.root)
        training = Training(self.assembly, self.corpus, scored, contract, plan, self.index)
        flags = []
        if unscored := len(questions.questions) - len(scored.questions):
            flags.append(f"retrieval_only:{unscored}")
        if skipped := sum(item.state != "removed" for item in self.corpus.skipped()):
            flags.append(f"skipped_documents:{skipped}")
        if not scored.by_split("dev"):
            flags.append("no_dev")
        pairs = len(scored.by_split("train"))
        if pairs and pairs_gate(pairs)[0]:
            flags.append(f"few_pairs:{pairs}")
        return Comparing(
            self.assembly,
            self.corpus,
            training,
            plan,
            wanted,
            limit,
            flags,
            list(leakage_blockers(questions)),
            self.times.index_seconds,
            leakage=load_leakage(self.assembly.state, questions).to_json(),
        )

    def index_pairs(self, training: Training, on_progress: Progress | None) -> None:
        """Make the training pairs findable, those about documents kept out left out."""
        config = self.assembly.config
        self.corpus.add_pairs(
            training.usable,
            self.assembly.embedder,
            self.index,
            decline=config.prompt.decline,
            on_progress=on_progress or silent,
        )


def _scored(questions: QuestionSet, root: Path) -> QuestionSet:
    """Return the questions that an arm's answer can be scored on.

    Raises:
        BadInput: no test question is among them.
    """
    scored = questions.scored
    test = questions.by_split("test")
    if test and not scored.by_split("test"):
        raise BadInput(
            "no test question has an answer to compare with",
            where=str(root),
            why=f"all {len(test):,} name documents only, so that retrieval alone can be measured",
            next_step="graft compare --retrieval",
        )
    return scored
