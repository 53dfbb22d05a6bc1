"""Which examples the untuned arms are shown, and in which order: chosen on `dev`.

Tuned arms have their learning rate and their best checkpoint; the untuned ones have their
prompt. Without this they would be compared untuned (measuring.md 6.2: equal tuning effort). A
small model repeats the last example it saw, so where the declined one stands decides how often
it declines (docs/log.md). Every candidate is asked the same `dev` questions through `base` and
`rag`; the best mean headline wins, the earlier candidate where two are level. No test question
is looked at.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from graft.comparing import Comparing
from graft.evaluate import ask_all
from graft.files import read_stored, write_atomically
from graft.metrics import expects_answer
from graft.prompts import PromptContract
from graft.protocols import Progress
from graft.runs import read_records
from graft.types import Question, Record, fingerprint

__all__ = ["Pilot", "candidates_of", "headline_of", "with_choice"]

PILOT_VERSION = 1
ANSWERABLE, UNANSWERABLE = 24, 12
ORDERS = 3  # at most
ARMS = ("base", "rag")

Examples = tuple[tuple[str, str], ...]


def candidates_of(contract: PromptContract) -> Mapping[str, Examples]:
    """Return the orders to try by name, the one to fall back on first.

    >>> pairs = (("a?", "a"), ("b?", "The documents do not say."))
    >>> list(candidates_of(PromptContract("", "The documents do not say.", pairs)))
    ['declined last', 'declined first', 'none']
    """
    answered = tuple(pair for pair in contract.examples if pair[1] != contract.decline)
    declined = tuple(pair for pair in contract.examples if pair[1] == contract.decline)
    if not contract.examples:
        return {"none": ()}
    if not declined or not answered:
        return {"as chosen": contract.examples, "none": ()}
    return {
        "declined last": (*answered, *declined),
        "declined first": (*declined, *answered),
        "none": (),
    }


def headline_of(records: Sequence[Record], questions: Sequence[Question]) -> float | None:
    """Return the mean of the accuracy on the answerable and the recall of declining.

    Where only one of the two kinds is there it is that one; None without any score.
    """
    kinds: dict[bool, list[float]] = {True: [], False: []}
    asked = {item.id: expects_answer(item) for item in questions}
    for record in records:
        score = record.scores.get("primary")
        if record.question_id in asked and score is not None:
            kinds[asked[record.question_id]].append(0.0 if record.error else score)
    means = [sum(values) / len(values) for values in kinds.values() if values]
    return sum(means) / len(means) if means else None


def with_choice(comparing: Comparing, choice: Mapping[str, Any]) -> Comparing:
    """Return the comparison with the examples of a choice; unchanged where there is none."""
    if not choice:
        return comparing
    examples = tuple((asked, answer) for asked, answer in choice["examples"])
    contract = replace(comparing.training.contract, examples=examples)
    return replace(comparing, training=replace(comparing.training, contract=contract))


@dataclass(frozen=True, slots=True)
class Pilot:
    """The choice for one comparison; `state` is the workspace's folder."""

    comparing: Comparing
    state: Path

    @property
    def folder(self) -> Path:
        """Return where the choice of these inputs lies or would lie."""
        comparing = self.comparing
        key = fingerprint(
            PILOT_VERSION,
            comparing.assembly.weights,
            comparing.assembly.engine,
            comparing.training.contract.hash,
            comparing.training.questions.hash,
            comparing.corpus.version,
            comparing.plan.prompt_tokens,
            comparing.plan.passages,
            comparing.assembly.config.embedder,
            asdict(comparing.assembly.config.retrieval),
            sorted(comparing.training.kept_out),
            comparing.assembly.config.seed,
        )
        return self.state / "pilots" / key

    def stored(self) -> Mapping[str, Any]:
        """Return the choice made before, empty where there is none."""
        path = self.folder / "pilot.json"
        if not path.is_file():
            return {}
        anew = f"remove {path} and run graft compare again; no answer is lost"
        found: dict[str, Any] = read_stored(path, "the choice of examples cannot be read", anew)
        return found

    def questions(self) -> list[Question]:
        """Return the `dev` questions to ask, seeded, answerable and unanswerable ones."""
        dev = self.comparing.training.questions.by_split("dev")
        chosen = random.Random(self.comparing.assembly.config.seed)
        parts = []
        for answerable, most in ((True, ANSWERABLE), (False, UNANSWERABLE)):
            items = sorted(
                (item for item in dev if expects_answer(item) == answerable),
                key=lambda item: item.id,
            )
            chosen.shuffle(items)
            parts += items[:most]
        return parts

    def run(self, on_progress: Progress | None = None) -> Mapping[str, Any]:
        """Ask every candidate, store and return the choice; what was asked before is kept."""
        if stored := self.stored():
            return stored
        questions = self.questions()
        contract = self.comparing.training.contract
        candidates = candidates_of(contract)
        tried: list[dict[str, Any]] = []
        best, highest = "", -math.inf
        for name, examples in candidates.items():
            shown = replace(contract, examples=examples)
            scores = self._scores(name, shown, questions, on_progress) if questions else {}
            known = [value for value in scores.values() if value is not None]
            mean = sum(known) / len(known) if known else None
            tried.append({"name": name, "headline": mean, "arms": scores})
            if not best or (mean is not None and mean > highest):
                best, highest = name, -math.inf if mean is None else mean
        choice = {
            "chosen": best,
            "examples": [list(pair) for pair in candidates[best]],
            "questions": len(questions),
            "tried": tried,
        }
        write_atomically(self.folder / "pilot.json", json.dumps(choice, ensure_ascii=False))
        return choice

    def _scores(
        self,
        name: str,
        contract: PromptContract,
        questions: Sequence[Question],
        on_progress: Progress | None,
    ) -> dict[str, float | None]:
        training = replace(self.comparing.training, contract=contract)
        comparing = replace(self.comparing, training=training)
        options = comparing.options()
        scores: dict[str, float | None] = {}

        def tell(phase: str, done: int, total: int, note: str = "") -> None:
            if on_progress is not None:
                on_progress(f"pilot, {phase.removeprefix('ask ')}", done, total, note or name)

        for arm in ARMS:
            folder = self.folder / f"{name.replace(' ', '-')}-{arm}"
            ask_all(comparing.build_arm(arm, options), questions, folder, tell)
            scores[arm] = headline_of(read_records(folder / "records.jsonl"), questions)
        return scores
