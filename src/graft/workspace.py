"""A team's folder as an object: the only place that turns `graft.toml` into objects.

The command line, the server and Python users call these methods and nothing below them.

>>> from graft import Workspace
>>> workspace = Workspace.create("demo", example=True)      # doctest: +SKIP
>>> workspace.add(["demo/docs"])                            # doctest: +SKIP
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from graft.adapters import TrainReport
from graft.adding import sort_given
from graft.arms import ARMS, CONTROLS, TUNED, Arm
from graft.asking import Asking, AskResult, known_arm
from graft.assembly import Assembly, folder_bytes
from graft.changing import Changing, embedded_with, open_index
from graft.comparing import Comparing
from graft.config import Config, Effort, read_config
from graft.corpus import AddReport, Corpus, silent
from graft.creating import CONFIG_NAME, make_workspace
from graft.doctor import Check, examine, next_action
from graft.errors import BadInput
from graft.estimate import ComparePlan, estimate
from graft.evaluate import gold_sources
from graft.judging import Judging
from graft.metrics.sources import Sources
from graft.preparing import BuildTimes, Preparing
from graft.protocols import Progress
from graft.questions import (
    ImportReport,
    QuestionSet,
    check,
    export_questions,
    form_of,
    load_leakage,
    load_questions,
    take_questions,
)
from graft.references import reference_names
from graft.results import CompareResult, RescoreResult, Results
from graft.retrieval_curve import RetrievalCurve, measure_retrieval
from graft.spaces import space_data
from graft.tuning import Tuning
from graft.types import Hit, Question, Where

__all__ = ["AskResult", "Workspace"]


class Workspace:
    """A folder with `graft.toml` and `.graft/`; everything is derived from what lies there."""

    def __init__(self, root: Path, config: Config) -> None:
        """Use `open` or `create`."""
        self.root = root
        self.config = config
        self._arms: dict[str, Arm] = {}

    @classmethod
    def create(
        cls,
        folder: Path | str,
        *,
        example: bool = False,
        base_model: str = "",
        force: bool = False,
    ) -> Workspace:
        """Make a workspace; with `example` the documents and questions of the example too.

        Raises:
            BadInput: the folder is a workspace already (nothing is changed).
        """
        root = Path(folder).resolve()
        make_workspace(root, example=example, base_model=base_model, force=force)
        return cls.open(root)

    @classmethod
    def open(cls, folder: Path | str | None = None) -> Workspace:
        """Open the workspace of a folder or of the nearest folder above it.

        Raises:
            BadInput: there is no workspace here.
            ConfigError: `graft.toml` cannot be used.
        """
        start = Path(folder or Path.cwd()).resolve()
        for root in (start, *start.parents):
            path = root / CONFIG_NAME
            if path.is_file():
                return cls(root, read_config(path))
        raise BadInput(
            "no workspace here",
            where=str(start),
            why=f"neither this folder nor one above it has a {CONFIG_NAME}",
            next_step="graft init",
        )

    @property
    def state(self) -> Path:
        """Return the folder of everything that Graft keeps."""
        return self.root / ".graft"

    @cached_property
    def assembly(self) -> Assembly:
        """Return the maker of models and arms."""
        return Assembly(self.root, self.config, lambda: embedded_with(self.corpus))

    @cached_property
    def corpus(self) -> Corpus:
        """Return the documents."""
        return Corpus(self.state, ocr=self.config.ocr)

    @cached_property
    def index(self) -> Any:  # noqa: ANN401 - graft.index.lancedb.LanceIndex, imported late
        """Return the index of passages and training pairs."""
        return open_index(self.corpus, self.assembly.embedder)

    @cached_property
    def changes(self) -> Changing:
        """Return versions, removal and verification."""
        return Changing(self.corpus, self.assembly, lambda: self.index)

    @cached_property
    def _times(self) -> BuildTimes:
        return BuildTimes(self.state / "build.json")

    @cached_property
    def _preparing(self) -> Preparing:
        return Preparing(self.assembly, self.corpus, self.index, self._times)

    def add(
        self,
        paths: Sequence[Path | str],
        on_progress: Progress | None = None,
        *,
        retry: bool = False,
    ) -> AddReport:
        """Read documents, cut them into passages and index them; unchanged ones cost nothing.

        A path is a file or folder; a string may also be the address of a database or name a
        source of `graft.toml`. With `retry` files that failed are tried before they are due.
        """
        from graft.models.resolve import resolve_model
        from graft.splitters.semantic import SemanticSplitter

        started = time.monotonic()
        given = sort_given(paths, self.config, self.root)
        tokenizer = None
        if self.config.embedder != "fake":
            files = resolve_model(
                self.config.embedder,
                offline=self.config.offline,
                root=self.root,
                setting="embedder",
            )
            tokenizer = files.path / "tokenizer.json"
        splitter = SemanticSplitter(self.config.retrieval.passage_tokens, tokenizer)
        report = self.corpus.add(
            given.paths,
            splitter,
            self.assembly.embedder,
            self.index,
            on_progress or silent,
            given.databases,
            retry=retry,
        )
        if report.added or report.updated or report.reread:
            self._times.add(time.monotonic() - started)
        return report

    def import_questions(
        self,
        path: Path | str,
        where: Mapping[str, str],
        on_progress: Progress | None = None,
        *,
        group_from: str = "",
    ) -> ImportReport:
        """Take a question file; without a `dev` split one is carved from `train`."""
        report = take_questions(
            self.state,
            Path(path),
            where,
            group_from=group_from,
            seed=self.config.seed,
            compared=bool(self.results.newest()),
        )
        if on_progress is not None:
            on_progress("questions", 1, 1)
        return report

    def check_questions(self) -> list[str]:
        """Return plain sentences about the question set."""
        questions = self._questions()
        leakage = load_leakage(self.state, questions)
        return check(questions, list(self.corpus.documents()), leakage)

    def export_questions(
        self, path: Path | str, form: str = "", *, force: bool = False
    ) -> QuestionSet:
        """Write the questions to a file, or with the documents to a BEIR folder."""
        target, questions = Path(path), self._questions()
        beir = form_of(target, form) == "beir"
        documents = self.corpus.documents() if beir else ()
        export_questions(target, questions, form, documents, force=force)
        return questions

    def search(self, query: str, limit: int = 5) -> list[Hit]:
        """Return the best passages for a query."""
        self._need_documents()
        hits = self.assembly.retriever(self.index).search(query, Where())
        return list(hits)[:limit]

    def ask(self, question: str, arm: str = "") -> AskResult:
        """Ask one arm; without a name the recommended one, else `rag`."""
        name = arm or self.recommended() or "rag"
        answer = self.arm(name).answer(question)
        return AskResult(
            name, question, answer.text, answer.declined, answer.hits, answer.stage_seconds
        )

    def ask_all(self, question: str) -> list[AskResult]:
        """Ask every arm that is built."""
        return [self.ask(question, name) for name in self.arm_names()]

    def arm_names(self) -> list[str]:
        """Return the arms that can answer now, without building anything."""
        adapters = self.results.adapters()
        names = []
        for name in (*ARMS, *reference_names(self.config), *CONTROLS):
            has_model = name not in TUNED or TUNED[name] in adapters
            reads = self.assembly.reads_index(name)
            has_index = not reads or self.corpus.has_documents()
            if has_model and has_index:
                names.append(name)
        return names

    def recommended(self) -> str:
        """Return the arm that the newest comparison recommends, or an empty string."""
        return self.results.recommended()

    def arm(self, name: str) -> Arm:
        """Return an arm exactly as the newest comparison measured it.

        Raises:
            UsageError: there is no such arm, or it is not built yet.
        """
        known_arm(name, str(self.root), reference_names(self.config))
        if self.assembly.reads_index(name):
            self._need_documents()
        if name not in self._arms:
            asking = Asking(
                self.assembly,
                self.results.settings(),
                self.results.adapters(),
                self._preparing.contract(self._maybe_questions()),
                self._preparing.plan("normal"),
                lambda: self.index,
            )
            self._arms[name] = asking.arm(name)
        return self._arms[name]

    def train(
        self,
        names: Sequence[str] = (),
        *,
        effort: Effort = "quick",
        force: bool = False,
        on_progress: Progress | None = None,
    ) -> list[TrainReport]:
        """Train adapters by name (default: both)."""
        return self.tuning.train(names, effort=effort, force=force, on_progress=on_progress)

    @cached_property
    def tuning(self) -> Tuning:
        """Return training with its forecast and its check of what has turned stale."""
        return Tuning(
            self.assembly,
            self.results,
            self.corpus,
            lambda: self._preparing,
            self._questions,
            lambda effort: self._comparing(effort, (), None).training,
            lambda: self.index,
        )

    def plan_compare(
        self, *, effort: Effort = "quick", arms: Sequence[str] = (), limit: int | None = None
    ) -> ComparePlan:
        """Return what `compare` would do and how long it would take."""
        return estimate(self._comparing(effort, arms, limit))

    def compare(
        self,
        *,
        effort: Effort = "quick",
        arms: Sequence[str] = (),
        limit: int | None = None,
        on_progress: Progress | None = None,
    ) -> CompareResult:
        """Build what is missing, ask every arm the same questions, decide, write the report."""
        comparing = self._comparing(effort, arms, limit)
        self._preparing.index_pairs(comparing.training, on_progress)
        asked = (self._questions(), effort, arms, limit)
        measured = self._preparing.piloted(*asked, on_progress).run(on_progress)
        self._arms.clear()
        return self.results.store(measured)

    def score(self, report_id: str = "") -> RescoreResult:
        """Score the stored answers of a comparison again with today's measures; no model runs."""

        def texts(questions: Sequence[Question]) -> Sources:
            return gold_sources(questions, self.corpus.passages())

        return self.results.rescore(report_id, texts, self.corpus.version)

    @cached_property
    def judging(self) -> Judging:
        """Return the optional judge."""
        return Judging(self.results, self.config, self.state)

    def measure_retrieval(self, on_progress: Progress | None = None) -> RetrievalCurve:
        """Measure retrieval alone on the test questions; only the embedder runs."""
        self._need_documents()
        return measure_retrieval(
            self._questions().questions,
            self.assembly.retriever(self.index),
            passages=self.config.retrieval.passages,
            passage_tokens=self.config.retrieval.passage_tokens,
            on_progress=on_progress,
        )

    def report(self) -> CompareResult:
        """Draw the newest comparison again from its files."""
        return self.results.redraw()

    @cached_property
    def results(self) -> Results:
        """Return the stored comparisons."""
        return Results(self.state)

    def status(self) -> dict[str, Any]:
        """Return what exists and the one next action."""
        questions = self._maybe_questions()
        counts = {
            split: len(questions.by_split(split)) if questions else 0
            for split in ("train", "dev", "test")
        }
        documents = len(self.corpus.documents())
        newest = self.results.newest()
        return {
            "schema": 1,
            "workspace": str(self.root),
            "base_model": self.config.base_model,
            "documents": documents,
            "embeddings": space_data(embedded_with(self.corpus)),
            "skipped": [[item.path, item.reason, item.next_step] for item in self.corpus.skipped()],
            "questions": counts,
            "arms": self.arm_names(),
            "stale": {name: dataclasses.asdict(item) for name, item in self.tuning.stale().items()},
            "recommended": self.recommended(),
            "verdict": newest["verdict"]["sentence"] if newest else "",
            "storage_bytes": folder_bytes(self.state),
            "next": next_action(documents, counts["test"], bool(newest), self.recommended()),
        }

    def doctor(self) -> list[Check]:
        """Look at everything that could be wrong with machine and workspace."""
        return examine(self.config, self.root, self.state)

    def _need_documents(self) -> None:
        if not self.corpus.has_documents():
            raise BadInput(
                "there are no documents yet",
                where=str(self.root),
                why="nothing has been added to this workspace",
                next_step="graft add docs/",
            )

    def _questions(self) -> QuestionSet:
        return load_questions(self.state)

    def _maybe_questions(self) -> QuestionSet | None:
        try:
            return load_questions(self.state)
        except BadInput:
            return None

    def _comparing(self, effort: Effort, arms: Sequence[str], limit: int | None) -> Comparing:
        """Put a comparison together after checking that it can be made at all."""
        self._need_documents()
        return self._preparing.comparing(self._questions(), effort, arms, limit)
