"""Building adapters for a workspace: rows, plan, training, receipt; reused when nothing changed.

An adapter's folder is named after a fingerprint of everything that goes into it, so "is it
current?" is a look at a name. The receipt beside the weights says what it was made of.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
import time
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graft.adapters import (
    RECEIPT_NEEDS,
    RECEIPT_SCHEMA,
    TrainReport,
    build_of,
    read_receipt,
    report_of,
)
from graft.assembly import Assembly
from graft.config import EffortPlan
from graft.contexts import ContextBuilder, decline_share
from graft.corpus import Corpus, silent
from graft.exposure import Seen, seen_in
from graft.files import raise_no_space
from graft.fitting import Fitted, fit_adapter
from graft.locking import WriterLock
from graft.prompts import PromptContract
from graft.protocols import Progress
from graft.questions import QuestionSet
from graft.receipts import choose_probes, probe_answers, probe_options, stamps
from graft.rows import RowSet, RowSources, build_rows, kept_out_documents
from graft.train.curves import curve_csv
from graft.train.plan import TrainPlan, make_plan
from graft.types import Passage, Question, fingerprint

__all__ = ["Training"]

ROWS_VERSION = 4
FINETUNED_SHARE = 0.55  # of a cap that is for both adapters together
# Rows looked at during training: closed-book, with passages (ten times as long).
DEV_ROWS = {"quick": (40, 10), "normal": (80, 40), "thorough": (200, 100)}
SEEDS = {"quick": 1, "normal": 1, "thorough": 3}


@dataclass(frozen=True, slots=True)
class Training:
    """Trains the adapters of one workspace at one effort."""

    assembly: Assembly
    corpus: Corpus
    questions: QuestionSet
    contract: PromptContract
    plan: EffortPlan
    index: Any

    @property
    def kept_out(self) -> frozenset[str]:
        """Return the documents that no training row may touch."""
        config = self.assembly.config
        return kept_out_documents(
            self.questions.questions,
            [item.id for item in self.corpus.documents()],
            config.train.hold_out,
            config.seed,
        )

    @property
    def usable(self) -> list[Question]:
        """Return the training questions that a row may be made of."""
        train, kept_out = self.questions.by_split("train"), self.kept_out
        return [item for item in train if not set(item.doc_ids) & kept_out]

    def folder(self, name: str) -> Path:
        """Return where an adapter of the present inputs lies or would lie."""
        config = self.assembly.config
        key = fingerprint(
            ROWS_VERSION,
            name,
            self.assembly.base.name,
            self.contract.hash,
            self.questions.hash,
            self.corpus.version,
            self.assembly.config.embedder,
            dataclasses.asdict(config.retrieval),
            dataclasses.asdict(self.plan) | {"seeds": SEEDS[self.plan.effort]},
            dataclasses.asdict(config.train),
            config.seed,
        )
        return self.assembly.state / "adapters" / f"{name}-{key}"

    def is_built(self, name: str) -> bool:
        """Tell whether the adapter is there, whole."""
        return (self.folder(name) / "receipt.json").is_file()

    def _is_current(self, name: str, start_from: Path | None) -> bool:
        """Tell whether the adapter is there and went on from the build that is there now."""
        if not self.is_built(name):
            return False
        before = read_receipt(self.folder(name)).get("started_from_build")
        return start_from is None or before in (None, build_of(start_from))

    def ensure(
        self, name: str, *, force: bool = False, on_progress: Progress | None = None
    ) -> TrainReport:
        """Train an adapter unless it is there; what is written is whole or not there."""
        folder = self.folder(name)
        start_from = None
        if name == "hybrid":
            start_from = self.ensure("finetuned", on_progress=on_progress).folder
        if not force and self._is_current(name, start_from):
            return report_of(folder, name, reused=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        with WriterLock(folder.parent).held(on_progress or silent):
            self._build(name, folder, start_from, on_progress)
        return report_of(folder, name, reused=False)

    def _build(
        self, name: str, folder: Path, start_from: Path | None, on_progress: Progress | None
    ) -> None:
        """Train in a draft that a stop leaves behind, and put it in place whole.

        There is one draft an adapter, whatever its inputs: a run that was stopped is gone on
        with, or what differs is told.
        """
        draft = folder.parent / f".{name}.part"
        try:
            draft.mkdir(exist_ok=True)
            self._train(name, draft, start_from, on_progress)
            self.assembly.forget(folder)  # what was made of an earlier build
            shutil.rmtree(folder, ignore_errors=True)
            draft.replace(folder)
        except OSError as error:
            raise_no_space(error, folder)
            raise

    def seen(self, names: Sequence[str]) -> Seen:
        """Return what the rows of adapters show of documents and answers."""
        seen = Seen(frozenset(), frozenset())
        for name in names:
            receipt = read_receipt(self.folder(name))
            learned = frozenset((doc, answer) for doc, answer in receipt["learned"])
            seen = seen | Seen(learned, frozenset(receipt["doc_ids"]))
        return seen

    def budget(self, name: str) -> int | None:
        """Return the token budget of an adapter's rows; `tokens` under [train] overrides it."""
        if own := self.assembly.config.train.tokens:
            return own
        if self.plan.train_tokens is None or self.plan.effort != "quick":
            return self.plan.train_tokens
        share = FINETUNED_SHARE if name == "finetuned" else 1 - FINETUNED_SHARE
        return int(self.plan.train_tokens * share)

    def rows(self, name: str) -> RowSet:
        """Build the rows of an adapter."""
        config = self.assembly.config
        kept_out = self.kept_out
        train = self.questions.by_split("train")
        wordings: dict[str, set[str]] = defaultdict(set)
        for item in train:
            if item.fact:
                wordings[item.fact].add(item.id)
        by_document: dict[str, list[Passage]] = defaultdict(list)
        for passage in self.corpus.passages():
            by_document[passage.doc_id].append(passage)
        contexts = ContextBuilder(
            self._retriever,
            self.contract,
            kept_out,
            self.plan.passages,
            config.retrieval.pairs,
            self.plan.prompt_tokens,
            config.seed,
            {fact: frozenset(ids) for fact, ids in wordings.items()},
            by_document,
            decline_share(self.questions.questions),
        )
        sources = RowSources(
            train,
            self.questions.by_split("dev"),
            list(self.corpus.documents()),
            list(self.corpus.passages()),
            kept_out,
            self.contract,
            contexts,
            self.assembly.base.chat.count,
            config.seed,
            max(config.train.max_row_tokens, self.plan.prompt_tokens + 64),
            self.budget("finetuned"),
        )
        return build_rows(
            sources,
            hybrid=name == "hybrid",
            budget=self.budget(name),
            dev_rows=DEV_ROWS[self.plan.effort][name == "hybrid"],
        )

    @property
    def _retriever(self) -> Any:  # noqa: ANN401
        return self.assembly.retriever(self.index)

    def _train(
        self, name: str, draft: Path, start_from: Path | None, on_progress: Progress | None
    ) -> None:
        started = time.monotonic()
        if on_progress is not None:
            on_progress(f"rows {name}", 0, 1)
        rows = self.rows(name)

        def tell(phase: str, done: int, total: int, note: str = "") -> None:
            if on_progress is not None:
                on_progress(f"{phase} {name}", done, total, note)

        fitted = fit_adapter(
            self.assembly.base,
            rows,
            self.train_plan,
            draft,
            start_from=start_from,
            pilot=self.pilots,
            seeds=SEEDS[self.plan.effort],
            on_progress=tell,
        )
        receipt = self._receipt(name, rows, fitted, start_from)
        receipt |= self._stamped(draft, rows, tell)
        receipt["seconds"] = time.monotonic() - started
        (draft / "receipt.json").write_text(json.dumps(receipt, indent=1), encoding="utf-8")
        (draft / "curve.csv").write_text(curve_csv(fitted.trained.curve), encoding="utf-8")

    def _stamped(self, draft: Path, rows: RowSet, tell: Progress) -> dict[str, Any]:
        """Return the hashes of what was trained and its answers to the probes, not merged."""
        base = self.assembly.base
        probes = choose_probes(rows.rows, rows.dev)
        prompts = [row.messages for row in probes]
        tell("ask probes", 0, 1)
        model = self.assembly.unmerged(draft)
        try:
            tuned = [item.text for item in model.generate_many(prompts, probe_options())]
            with model.without_adapter():
                plain = [item.text for item in model.generate_many(prompts, probe_options())]
        finally:
            model.close()
        found: dict[str, Any] = dict(stamps(draft, base.checkpoint, base.chat.hash, self.contract))
        return found | {"probe_answers": probe_answers(probes, tuned, plain)}

    @property
    def pilots(self) -> bool:
        """Tell whether the learning rate is chosen on `dev`: where none is set and effort asks."""
        return self.plan.pilot and not self.assembly.config.train.learning_rate

    @property
    def train_plan(self) -> TrainPlan:
        """Return the numbers of the loop, before a pilot."""
        return make_plan(
            self.assembly.config.train,
            hidden_size=self.assembly.base.hidden_size,
            tokens=None,
            seed=self.assembly.config.seed,
            adapted_share=self.plan.adapted_share,
        )

    def _receipt(
        self, name: str, rows: RowSet, fitted: Fitted, start_from: Path | None
    ) -> dict[str, Any]:
        seen, trained = seen_in(rows.rows), fitted.trained
        kept_out = self.kept_out
        touched = sorted(seen.documents & kept_out)
        if touched:
            raise AssertionError(f"rows of {name} touch documents kept out: {touched[:3]}")
        return {
            "schema": RECEIPT_SCHEMA,
            "needs": RECEIPT_NEEDS,
            "adapter": name,
            "base": self.assembly.base.name,
            "contract": self.contract.hash,
            "data": rows.hash,
            "corpus": self.corpus.version,
            "seed": fitted.plan.seed,
            "started_from": start_from.name if start_from else "",
            "started_from_build": build_of(start_from) if start_from else "",
            "plan": dataclasses.asdict(fitted.plan),
            "rows": sum(len(epoch) for epoch in rows.epochs),
            "kinds": _count(row.kind for row in rows.rows),
            "left_out": dict(rows.left_out),
            "kept_out": sorted(kept_out),
            "doc_ids": sorted(seen.documents),
            "question_ids": sorted({row.question_id for row in rows.rows if row.question_id}),
            "learned": sorted(seen.learned),
            "steps": trained.steps,
            "kept_step": trained.kept_step,
            "tokens": trained.tokens,
            "learned_tokens": trained.learned_tokens,
            "changed": trained.changed,
            "curve": [dataclasses.asdict(point) for point in trained.curve],
            "losses": [round(loss, 4) for loss in trained.losses],
            "audit": dataclasses.asdict(trained.audit),
            "resumed_at": trained.resumed_at,
            "differing": list(trained.differing),
            "rates": [dataclasses.asdict(trial) for trial in fitted.trials],
            "seeds": list(fitted.seeds),
            "created": time.time(),
            "documents": self._hashes(seen.documents),
            "pairs": _taught(rows),
        }

    def _hashes(self, doc_ids: Collection[str]) -> dict[str, str]:
        """Return the content hash of each document that was trained on."""
        documents = self.corpus.documents()
        return {item.id: item.content_hash for item in documents if item.id in doc_ids}


def _taught(rows: RowSet) -> dict[str, str]:
    """Return the answer that was taught to each question by its id."""
    return {row.question_id: row.answer for row in rows.rows if row.question_id}


def _count(kinds: Any) -> dict[str, int]:  # noqa: ANN401 - an iterable of names
    counts: dict[str, int] = defaultdict(int)
    for kind in kinds:
        counts[kind] += 1
    return dict(counts)
