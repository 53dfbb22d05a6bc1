"""The comparison: builds what is missing, asks every arm the same questions, decides.

Each step finds its own result on disk by fingerprint, so an interrupted comparison goes on
where it stopped and a finished one is only read again. `Comparing` is made by the workspace.
"""

from __future__ import annotations

import dataclasses
import json
import math
import random
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from graft.arms import ARMS, CONTROLS, RETRIEVING, TUNED, Arm
from graft.assembly import Assembly, folder_bytes
from graft.config import EffortPlan
from graft.corpus import Corpus
from graft.evaluate import ask_all, time_arms
from graft.exposure import Seen, exposures
from graft.files import write_atomically
from graft.protocols import Progress
from graft.runs import ArmRun, Comparand, RunManifest, read_records, read_run
from graft.training import Training, read_receipt
from graft.types import Exposure, GenerateOptions, Question, fingerprint

__all__ = ["Comparing", "Measured", "new_tokens_limit"]

RUN_VERSION = 1
PROBES = 6
SHORTEST_LIMIT, QUICK_LIMIT, LONGEST_LIMIT = 16, 48, 320


@dataclass(frozen=True, slots=True)
class Measured:
    """What a comparison is decided from, and whether anything new had to be done."""

    comparand: Comparand
    reused: bool
    failed: int


def new_tokens_limit(answers: Sequence[int], effort: str) -> int:
    """Return the limit of new tokens: the 95th percentile of training answers and a quarter.

    `answers` are lengths in the base model's tokens.
    """
    if not answers:
        return QUICK_LIMIT
    ordered = sorted(answers)
    typical = ordered[min(len(ordered) - 1, math.ceil(0.95 * len(ordered)) - 1)]
    cap = QUICK_LIMIT if effort == "quick" else LONGEST_LIMIT
    return max(SHORTEST_LIMIT, min(cap, round(typical * 1.25) + 4))


@dataclass(slots=True)
class Comparing:
    """One comparison of a workspace at one effort."""

    assembly: Assembly
    corpus: Corpus
    training: Training
    plan: EffortPlan
    arms: Sequence[str]
    limit: int | None
    flags: Sequence[str]
    blockers: Sequence[str]
    index_seconds: float

    def not_applicable(self, name: str) -> str:
        """Return why an arm cannot be built here, or an empty string."""
        if name in TUNED and self.assembly.api_only:
            return "the base model is behind a server: its weights cannot be trained here"
        if name == "nearest-pair" and not self.training.questions.by_split("train"):
            return "there are no training pairs"
        return ""

    @property
    def wanted(self) -> list[str]:
        """Return the arms to measure, in the order of the table."""
        everything = [*ARMS, *CONTROLS]
        return [name for name in everything if not self.arms or name in self.arms]

    @property
    def adapters(self) -> list[str]:
        """Return the adapters that the wanted arms need."""
        need = {
            TUNED[name] for name in self.wanted if name in TUNED and not self.not_applicable(name)
        }
        return [name for name in ("finetuned", "hybrid") if name in need]

    def run(self, on_progress: Progress | None = None) -> Measured:
        """Train, probe, time, ask; return everything that the verdict is made of."""
        trained = [self.training.ensure(name, on_progress=on_progress) for name in self.adapters]
        exposure, questions = self._sample()
        options = self.options()
        manifests = [self._manifest(name, options, questions) for name in self.wanted]
        folders = [self._folder(item) for item in manifests]
        unfinished = [
            (item, folder)
            for item, folder in zip(manifests, folders, strict=True)
            if not item.not_applicable and not self._is_complete(folder, questions)
        ]
        for item, folder in zip(manifests, folders, strict=True):
            path = folder / "manifest.json"
            if not path.exists():
                write_atomically(path, json.dumps(dataclasses.asdict(item), indent=1))
        if unfinished:
            self._measure(unfinished, questions, options, on_progress)
        for folder in folders:
            self._note_storage(folder)
        runs = tuple(self._with_receipt(read_run(folder)) for folder in folders)
        failed = sum(1 for run in runs for record in run.records if record.error)
        reused = not unfinished and all(report.reused for report in trained)
        comparand = self._comparand(runs, exposure, questions, options)
        return Measured(comparand, reused, failed)

    def options(self) -> GenerateOptions:
        """Return the decoding that all arms share: greedy, one limit of new tokens."""
        answers = [
            item.answers[0] for item in self.training.questions.by_split("train") if item.answers
        ]
        if self.assembly.api_only:
            lengths = [len(answer) // 3 for answer in answers]
        else:
            lengths = [len(self.assembly.base.chat.encode(answer)) for answer in answers]
        return GenerateOptions(
            max_new_tokens=new_tokens_limit(lengths, self.plan.effort),
            seed=self.assembly.config.seed,
        )

    def build_arm(self, name: str, options: GenerateOptions) -> Arm:
        """Put an arm together as it is measured and served."""
        adapter = self.training.folder(TUNED[name]) if name in TUNED else None
        retriever = None
        if name in RETRIEVING:
            retriever = self.assembly.retriever(self.training.index)
        return self.assembly.arm(
            name, self.training.contract, options, self.plan, retriever, adapter
        )

    def _sample(self) -> tuple[Mapping[str, Exposure], list[Question]]:
        """Draw the test questions in strata of exposure, seeded; all of them if they fit."""
        test = self.training.questions.by_split("test")
        seen = (
            self.training.seen(self.adapters) if self.adapters else Seen(frozenset(), frozenset())
        )
        exposure = exposures(test, seen)
        cap = self.limit or self.plan.test_questions
        if cap is None or len(test) <= cap:
            return exposure, list(test)
        strata: dict[str, list[Question]] = defaultdict(list)
        for item in test:
            strata[exposure[item.id]].append(item)
        chosen = random.Random(self.assembly.config.seed)
        kept: list[Question] = []
        for name in sorted(strata):
            members = sorted(strata[name], key=lambda item: item.id)
            chosen.shuffle(members)
            kept += members[: max(1, round(cap * len(members) / len(test)))]
        return {item.id: exposure[item.id] for item in kept}, kept

    def _manifest(
        self, name: str, options: GenerateOptions, questions: Sequence[Question]
    ) -> RunManifest:
        tuned = name in TUNED
        reason = self.not_applicable(name)
        adapter = self.training.folder(TUNED[name]) if tuned and not reason else None
        uses_index = name in RETRIEVING
        asked = fingerprint([dataclasses.asdict(item) for item in questions])
        settings = {
            "max_new_tokens": options.max_new_tokens,
            "temperature": options.temperature,
            "passages": self.plan.passages if uses_index else 0,
            "pairs": self.assembly.config.retrieval.pairs if uses_index else 0,
            "prompt_tokens": self.plan.prompt_tokens,
            "latency_questions": self.plan.latency_questions,
        }
        corpus = self.corpus.version if uses_index else ""
        parts = (self.assembly.weights, self.assembly.engine, self.training.contract.hash)
        key = fingerprint(
            RUN_VERSION,
            name,
            parts,
            adapter and adapter.name,
            corpus,
            asked,
            settings,
            self.assembly.config.embedder if uses_index else "",
            self.training.questions.hash,
        )
        build = self.index_seconds if uses_index else 0.0
        if adapter is not None:
            build += self._training_seconds(TUNED[name])
        return RunManifest(
            run_id=f"{name}-{key}",
            arm=name,
            control=name in CONTROLS,
            base_model=self._base_name(),
            weights=self.assembly.weights,
            generator=self.assembly.engine,
            contract=self.training.contract.hash,
            questions=asked,
            corpus=self.corpus.version,
            adapter=adapter.name if adapter else "",
            uses_index=uses_index,
            effort=self.plan.effort,
            seed=self.assembly.config.seed,
            options=settings,
            build_seconds=build,
            started=datetime.now(UTC).isoformat(timespec="seconds"),
            not_applicable=reason,
        )

    def _base_name(self) -> str:
        """Name the base as the verdict does."""
        if self.assembly.engine == "openai":
            return self.assembly.config.openai.model
        if self.assembly.engine == "fake":
            return "fake"
        return self.assembly.config.base_model

    def _training_seconds(self, name: str) -> float:
        """Return the seconds of an adapter and of the one that it went on from."""
        receipt = read_receipt(self.training.folder(name))
        own = float(receipt["seconds"])
        return own + (self._training_seconds("finetuned") if receipt["started_from"] else 0.0)

    def _folder(self, manifest: RunManifest) -> Path:
        return self.assembly.state / "runs" / manifest.run_id

    def _is_complete(self, folder: Path, questions: Sequence[Question]) -> bool:
        have = {record.question_id for record in read_records(folder / "records.jsonl")}
        timed = len(read_records(folder / "latency.jsonl"))
        enough = min(self.plan.latency_questions, max(1, len(questions) - 2))
        return timed >= enough and all(item.id in have for item in questions)

    def _measure(
        self,
        unfinished: Sequence[tuple[RunManifest, Path]],
        questions: Sequence[Question],
        options: GenerateOptions,
        on_progress: Progress | None,
    ) -> None:
        arms = []
        for number, (manifest, folder) in enumerate(unfinished):
            if on_progress is not None:
                on_progress("load arms", number, len(unfinished), manifest.arm)
            arms.append((self.build_arm(manifest.arm, options), folder))
        for name in self.adapters:
            self._probe(name, options)
        timed = self.plan.latency_questions
        time_arms(arms, questions, timed, self.assembly.config.seed, on_progress)
        for arm, folder in arms:
            ask_all(arm, questions, folder, on_progress)

    def _note_storage(self, folder: Path) -> None:
        """Write into a finished run what serving its arm keeps on disk."""
        path = folder / "manifest.json"
        stored = json.loads(path.read_text(encoding="utf-8"))
        if stored["not_applicable"] or stored["storage_bytes"]:
            return
        if kept := self._storage(stored["arm"]):
            write_atomically(path, json.dumps(stored | {"storage_bytes": kept}, indent=1))

    def _storage(self, name: str) -> int:
        adapter = self.training.folder(TUNED[name]) if name in TUNED else None
        model = self.assembly.model_bytes(adapter) if name in (*ARMS, "bolt-on") else 0
        index = folder_bytes(self.assembly.state / "index") if name in RETRIEVING else 0
        return model + index

    def _probe(self, name: str, options: GenerateOptions) -> None:
        """Ask trained questions of base and adapter as served; the receipt keeps both answers."""
        folder = self.training.folder(name)
        receipt = read_receipt(folder)
        if "probes" in receipt:
            return
        train = [item for item in self.training.questions.by_split("train") if item.answers]
        ids = set(receipt["question_ids"])
        chosen = [item for item in train if item.id in ids][:PROBES]
        prompts = [self.training.contract.messages(item.question) for item in chosen]
        tuned = self.assembly.generator(folder).generate_many(prompts, options)
        plain = self.assembly.generator(None).generate_many(prompts, options)
        receipt["probes"] = [
            {"question_id": item.id, "tuned": new.text, "base": old.text}
            for item, new, old in zip(chosen, tuned, plain, strict=True)
        ]
        write_atomically(folder / "receipt.json", json.dumps(receipt, indent=1))

    def _with_receipt(self, run: ArmRun) -> ArmRun:
        """Say whether the adapter of a run changes answers, by its receipt."""
        name = run.manifest.arm
        if name not in TUNED or run.manifest.not_applicable:
            return run
        receipt = read_receipt(self.training.folder(TUNED[name]))
        probes = receipt.get("probes", [])
        changes = receipt["changed"] > 0 and any(
            probe["tuned"] != probe["base"] for probe in probes
        )
        manifest = dataclasses.replace(run.manifest, adapter_changes_answers=changes)
        return ArmRun(manifest, run.records, run.latency)

    def _comparand(
        self,
        runs: tuple[ArmRun, ...],
        exposure: Mapping[str, Exposure],
        questions: Sequence[Question],
        options: GenerateOptions,
    ) -> Comparand:
        used = {name for run in runs for record in run.records for name in record.passages}
        shown = {item.id: item.shown for item in self.corpus.passages() if item.id in used}
        receipts = {name: read_receipt(self.training.folder(name)) for name in self.adapters}
        contract = self.training.contract
        settings: dict[str, Any] = {
            "effort": self.plan.effort,
            "limit": self.limit,
            "plan": dataclasses.asdict(self.plan),
            "options": dataclasses.asdict(options),
            "contract": {
                "system": contract.system,
                "decline": contract.decline,
                "examples": [list(pair) for pair in contract.examples],
            },
            "adapters": {name: self.training.folder(name).name for name in self.adapters},
            "training": {
                name: {
                    key: receipt[key]
                    for key in ("rows", "kinds", "left_out", "tokens", "steps", "kept_step", "plan")
                }
                for name, receipt in receipts.items()
            },
            "kept_out": len(self.training.kept_out),
        }
        return Comparand(
            base_model=self._base_name(),
            created=time.strftime("%Y-%m-%d"),
            questions=tuple(questions),
            exposure=exposure,
            runs=runs,
            passages=shown,
            flags=tuple(self.flags),
            blockers=tuple(self.blockers),
            settings=settings,
            curves={name: receipt["curve"] for name, receipt in receipts.items()},
            margin=self.assembly.config.compare.margin,
            seed=self.assembly.config.seed,
        )
