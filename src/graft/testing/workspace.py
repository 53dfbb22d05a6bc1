"""A fake workspace for tests of the command line and the server; it is called fake.

It has the methods of `graft.workspace.Workspace` and returns the same values, without models,
index or training: the generator is the fake one, passages are found by shared words, the
comparison is made up. What it is told it keeps in `.graft/fake.json`, since each command
opens it anew.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from graft.adapters import TrainReport
from graft.arms import Arm, DeclineArm, GeneratorArm
from graft.config import Config, Effort, default_toml, parse_config
from graft.corpus import AddReport, Skipped
from graft.doctor import Check
from graft.embed.fake import FakeEmbedder
from graft.errors import BadInput, UsageError
from graft.estimate import ComparePlan
from graft.generate.fake import FakeGenerator
from graft.prompts import PromptContract
from graft.protocols import Progress
from graft.questions import (
    ImportReport,
    QuestionSet,
    export_questions,
    load_questions,
    read_questions,
    store_questions,
)
from graft.results import CompareResult, RescoreResult
from graft.retrieval_curve import RetrievalCurve, measure_retrieval
from graft.retrieve import Found
from graft.spaces import space_data
from graft.testing.made_up import FakeTuning
from graft.types import GenerateOptions, Hit, Passage, Where, fingerprint
from graft.workspace import AskResult

if TYPE_CHECKING:
    from graft.retrieve import Retriever

__all__ = ["FakeWorkspace", "fake_comparison"]

EXAMPLE_DOCUMENT = "# Kiln\n\nThe kiln is fired on Mondays.\n"
EXAMPLE_WORDINGS = {
    "When is the kiln fired?": "train",
    "On which day is the kiln fired?": "dev",
    "What is the day of the kiln?": "test",
    "Which day is kiln day?": "test",
    "Kiln day?": "test",
}
EXAMPLE_QUESTIONS = [
    {"id": f"q{place}", "question": wording, "answers": ["Mondays"], "split": split,
     "group": f"g{place}", "doc_ids": ["kiln.md"], "core": wording != "Kiln day?"}
    for place, (wording, split) in enumerate(EXAMPLE_WORDINGS.items())
]  # fmt: skip
READABLE = (".md", ".txt")
MODEL_ARMS = ("base", "finetuned", "rag", "hybrid")


class WordRetriever:
    """Finds passages by the number of words that they share with the query."""

    def __init__(self, documents: Mapping[str, str]) -> None:
        """Take texts by document id; each is one passage."""
        self._passages = [
            Passage(doc_id, doc_id, text.strip().splitlines()[-1], 0, heading_path=("Fake",))
            for doc_id, text in documents.items()
        ]

    def search(self, query: str) -> list[Hit]:
        """Return every passage, best first."""
        asked = set(query.lower().split())
        hits = [
            Hit(item, float(len(asked & set(item.text.lower().split())))) for item in self._passages
        ]
        return sorted(hits, key=lambda hit: (-hit.score, hit.passage.id))

    def find_many(
        self, queries: Sequence[str], passages: int, pairs: int, where: Where | None = None
    ) -> list[Found]:
        """Return the best passages of every query."""
        return [Found(self.search(query)[:passages], {"search_seconds": 0.0}) for query in queries]


class FakeWorkspace:
    """The methods of `Workspace` without anything heavy behind them."""

    def __init__(self, root: Path, config: Config) -> None:
        """Use `open` or `create`."""
        self.root = root
        self.config = config
        self._generator = FakeGenerator()

    @classmethod
    def create(
        cls,
        folder: Path | str,
        *,
        example: bool = False,
        base_model: str = "",
        force: bool = False,
    ) -> FakeWorkspace:
        """Make a workspace; refuse where there is one."""
        root = Path(folder).resolve()
        if (root / "graft.toml").exists() and not force:
            raise BadInput(
                "this folder is a workspace already",
                where=str(root),
                why="graft.toml is there",
                next_step="graft init --force",
            )
        (root / ".graft").mkdir(parents=True, exist_ok=True)
        config = Config(base_model=base_model) if base_model else Config()
        (root / "graft.toml").write_text(default_toml(config), encoding="utf-8")
        if example:
            (root / "docs").mkdir(exist_ok=True)
            (root / "docs" / "kiln.md").write_text(EXAMPLE_DOCUMENT, encoding="utf-8")
            lines = "".join(json.dumps(item) + "\n" for item in EXAMPLE_QUESTIONS)
            (root / "questions.jsonl").write_text(lines, encoding="utf-8")
        return cls.open(root)

    @classmethod
    def open(cls, folder: Path | str | None = None) -> FakeWorkspace:
        """Open the workspace of a folder or of the nearest folder above it."""
        start = Path(folder or Path.cwd()).resolve()
        for root in (start, *start.parents):
            path = root / "graft.toml"
            if path.is_file():
                return cls(root, parse_config(path.read_text(encoding="utf-8"), str(path)))
        raise BadInput(
            "no workspace here",
            where=str(start),
            why="neither this folder nor one above it has a graft.toml",
            next_step="graft init",
        )

    def add(
        self,
        paths: Sequence[Path | str],
        on_progress: Progress | None = None,
        *,
        retry: bool = False,
    ) -> AddReport:
        """Keep the texts of Markdown and text files; skip all others."""
        known = dict(self._state["documents"])
        found, skipped = dict[str, str](), list[Skipped]()
        for start in map(Path, paths):
            files = sorted(start.rglob("*")) if start.is_dir() else [start]
            for path in (item for item in files if item.is_file()):
                doc_id = str(path.relative_to(start if start.is_dir() else start.parent))
                if path.suffix in READABLE:
                    found[doc_id] = path.read_text(encoding="utf-8")
                else:
                    skipped.append(Skipped(doc_id, f"no loader for {path.suffix or path.name}"))
        _tell(on_progress, "read", len(found))
        self._store(documents=known | found)
        return AddReport(
            added=tuple(name for name in found if name not in known),
            updated=tuple(name for name in found if known.get(name, found[name]) != found[name]),
            unchanged=tuple(name for name in found if known.get(name) == found[name]),
            skipped=tuple(skipped),
            passages=len(known | found),
        )

    def import_questions(
        self,
        path: Path | str,
        where: Mapping[str, str],
        on_progress: Progress | None = None,
        *,
        group_from: str = "",
    ) -> ImportReport:
        """Read a question file as the real workspace does and keep it and its number."""
        report = read_questions(Path(path), where, group_from)
        _tell(on_progress, "questions", 1)
        store_questions(self.root / ".graft", report.questions)
        self._store(questions=len(report.questions.questions))
        return report

    def export_questions(
        self, path: Path | str, form: str = "", *, force: bool = False
    ) -> QuestionSet:
        """Write the questions as the real workspace does, without documents."""
        questions = load_questions(self.root / ".graft")
        export_questions(Path(path), questions, form, force=force)
        return questions

    def check_questions(self) -> list[str]:
        """Return one sentence about the set."""
        self._need("questions", "graft questions import questions.jsonl")
        return [f"{self._state['questions']} questions."]

    def search(self, query: str, limit: int = 5) -> list[Hit]:
        """Return the passages that share most words with the query."""
        self._need("documents", "graft add docs/")
        return self._retriever.search(query)[:limit]

    def ask(self, question: str, arm: str = "") -> AskResult:
        """Ask one arm."""
        name = arm or self.recommended() or "rag"
        found = self.arm(name).answer(question)
        return AskResult(
            name, question, found.text, found.declined, found.hits, found.stage_seconds
        )

    def ask_all(self, question: str) -> list[AskResult]:
        """Ask every arm."""
        return [self.ask(question, name) for name in self.arm_names()]

    def arm_names(self) -> list[str]:
        """Return the arms that can answer: the trained ones after a comparison."""
        names = MODEL_ARMS if self._state["comparison"] else ("base", "rag")
        return [*names, "decline"]

    def recommended(self) -> str:
        """Return the recommended arm of the comparison."""
        return str((self._state["comparison"] or {"verdict": {}})["verdict"].get("recommended", ""))

    def arm(self, name: str) -> Arm:
        """Return an arm of the real kind over the fake generator."""
        if name not in self.arm_names():
            raise UsageError(
                f"unknown arm {name!r}",
                why="arms are " + ", ".join(self.arm_names()),
                next_step="graft status",
            )
        contract = PromptContract.from_config(self.config.prompt)
        if name == "decline":
            return DeclineArm(contract)
        retriever = self._retriever if name in ("rag", "hybrid") else None
        options = GenerateOptions(max_new_tokens=32)
        shared = cast("Retriever | None", retriever)
        return GeneratorArm(name, self._generator, contract, options, shared, passages=2)

    @property
    def tuning(self) -> FakeTuning:
        """Return training that is made up."""
        return FakeTuning(self.root, self._state, self._store)

    def train(
        self,
        names: Sequence[str] = (),
        *,
        effort: Effort = "quick",
        force: bool = False,
        on_progress: Progress | None = None,
    ) -> list[TrainReport]:
        """Pretend to train."""
        return self.tuning.train(names, effort=effort, force=force, on_progress=on_progress)

    def plan_compare(
        self, *, effort: Effort = "quick", arms: Sequence[str] = (), limit: int | None = None
    ) -> ComparePlan:
        """Return a made-up plan."""
        self._need("documents", "graft add docs/")
        self._need("questions", "graft questions import questions.jsonl")
        steps = (("train finetuned", 200.0), ("ask 4 arms", 40.0))
        settings = {"effort": effort, "caps": {"limit": limit}, "arms": list(arms or MODEL_ARMS)}
        return ComparePlan(steps, 240.0, settings)

    def compare(
        self,
        *,
        effort: Effort = "quick",
        arms: Sequence[str] = (),
        limit: int | None = None,
        on_progress: Progress | None = None,
    ) -> CompareResult:
        """Return the made-up comparison; the same inputs again are reused."""
        state = self._state
        key = fingerprint(state["documents"], state["questions"], effort, list(arms), limit)
        reused = state["compared"] == key
        _tell(on_progress, "ask", 1 if reused else 4)
        self._store(compared=key, comparison=fake_comparison(arms or MODEL_ARMS))
        return self._result(reused)

    def measure_retrieval(self, on_progress: Progress | None = None) -> RetrievalCurve:
        """Measure the retrieval by words."""
        self._need("documents", "graft add docs/")
        questions = load_questions(self.root / ".graft").questions
        return measure_retrieval(questions, self._retriever, passages=2, on_progress=on_progress)

    def report(self) -> CompareResult:
        """Return the comparison again."""
        self._need("comparison", "graft compare")
        return self._result(reused=True)

    def score(self, report_id: str = "") -> RescoreResult:
        """Pretend that one score of four changed."""
        self._need("comparison", "graft compare")
        return RescoreResult(self._result(reused=True), report_id or "fake", 4, {"f1": 1}, ())

    def status(self) -> dict[str, Any]:
        """Return what is kept."""
        return {
            "schema": 1,
            "workspace": str(self.root),
            "documents": len(self._state["documents"]),
            "embeddings": space_data(FakeEmbedder.identity),
            "skipped": [["logo.png", "no loader for .png"]],
            "questions": {"train": 0, "dev": 0, "test": self._state["questions"]},
            "recommended": self.recommended(),
            "next": "graft serve" if self.recommended() else "graft compare",
        }

    def doctor(self) -> list[Check]:
        """Return one check that passes and one that does not."""
        return [
            Check("python", True, "3.11", ""),
            Check("disk", False, "0.1 GB free, about 5 GB needed", "free some space"),
        ]

    def change_verdict(self, **fields: object) -> None:
        """Give the comparison another verdict; only the fake can."""
        comparison = self._state["comparison"]
        self._store(comparison=comparison | {"verdict": comparison["verdict"] | fields})

    @property
    def _retriever(self) -> WordRetriever:
        return WordRetriever(self._state["documents"])

    @property
    def _state(self) -> dict[str, Any]:
        empty: dict[str, Any] = {
            "documents": {}, "questions": 0, "adapters": [], "compared": "", "comparison": {},
        }  # fmt: skip
        path = self.root / ".graft" / "fake.json"
        return empty | (json.loads(path.read_text(encoding="utf-8")) if path.exists() else {})

    def _store(self, **changes: Any) -> None:  # noqa: ANN401 - any part of the state
        text = json.dumps(self._state | changes)
        (self.root / ".graft" / "fake.json").write_text(text, encoding="utf-8")

    def _need(self, what: str, next_step: str) -> None:
        if not self._state[what]:
            raise BadInput(
                f"no {what} yet",
                where=str(self.root),
                why=f"this workspace has no {what}",
                next_step=next_step,
            )

    def _result(self, reused: bool) -> CompareResult:
        folder = self.root / ".graft" / "reports" / "fake"
        comparison = self._state["comparison"]
        return CompareResult(comparison, folder / "report.html", folder / "report.md", reused, 0)


def fake_comparison(arms: Sequence[str]) -> dict[str, Any]:
    """Return a comparison in which the last arm wins by ten points on each one before it."""

    def score(value: float, n: int) -> dict[str, Any]:
        return {"score": value, "low": value - 0.05, "high": value + 0.05, "n": n}

    rows = [
        {
            "name": name,
            "control": False,
            "not_applicable": "",
            "exposure": {"all": score(0.3 + place / 10, 40)},
            "decline_recall": score(0.5, 10),
            "headline": score(0.3 + place / 10, 50),
            "latency_ms": {"p50": 100.0, "p95": None, "stages": {}, "n": 20},
            "build_seconds": 1.0,
            "storage_bytes": 1000,
            "failed": 0,
        }
        for place, name in enumerate(arms)
    ]
    best = arms[-1]
    verdict = {
        "clear": True,
        "recommended": best,
        "tie_set": [best],
        "sentence": f"Use {best}: it is the fake winner.",
        "flags": [],
        "blocked_by": [],
    }
    return {
        "schema": 1,
        "base_model": "fake",
        "created": "2026-01-01T00:00:00Z",
        "arms": rows,
        "contrasts": [],
        "verdict": verdict,
        "questions": "fake",
        "margin": 0.05,
    }


def _tell(on_progress: Progress | None, phase: str, total: int) -> None:
    if on_progress is not None:
        for done in range(total + 1):
            on_progress(phase, done, total, "fake")
