"""The comparison: builds what is missing, asks every arm the same questions, decides.

Each step finds its own result on disk by fingerprint, so an interrupted comparison goes on
where it stopped and a finished one is only read again. `Comparing` is made by the workspace.
"""

from __future__ import annotations

import dataclasses
import math
import random
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from graft.adapters import build_of, read_receipt
from graft.arms import ARMS, CONTROLS, TUNED, Arm
from graft.assembly import Assembly
from graft.config import EffortPlan
from graft.corpus import Corpus
from graft.decide.failures import training_wordings
from graft.evaluate import ask_all, gold_sources, time_arms
from graft.exposure import Seen, exposures, trained_on_test
from graft.manifests import Manifests
from graft.metrics import METRICS_VERSION, NO_SOURCES
from graft.models.device import machine_line
from graft.probing import Probed, Probing
from graft.protocols import Progress
from graft.references import (
    find_reference,
    is_reference,
    price_per_1000,
    reference_names,
)
from graft.rescoring import refreshed
from graft.runs import ArmRun, Comparand, RunManifest, answered, read_run
from graft.training import Training
from graft.types import Exposure, GenerateOptions, Question

__all__ = ["AnswerTokens", "Comparing", "Measured", "allotted", "new_tokens_limit"]

SHORTEST_LIMIT, QUICK_LIMIT, LONGEST_LIMIT = 16, 48, 320


@dataclass(frozen=True, slots=True)
class Measured:
    """What a comparison is decided from, and whether anything new had to be done."""

    comparand: Comparand
    reused: bool
    failed: int


@dataclass(frozen=True, slots=True)
class AnswerTokens:
    """Answers in the base model's tokens: the limit, the mean, and the mean under the limit."""

    limit: int
    mean: float
    expected: float


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


def allotted(sizes: Mapping[str, int], cap: int) -> dict[str, int]:
    """Share `cap` out over strata by their sizes; the sum is `cap`, or all there is.

    Shares are whole by largest remainder, ties by name. Every stratum gets one where `cap` is
    at least their number.

    >>> allotted({"a": 90, "b": 9, "c": 1}, 5)
    {'a': 3, 'b': 1, 'c': 1}
    """
    whole = sum(sizes.values())
    cap = min(cap, whole)
    least = int(cap >= len(sizes))
    share = {name: max(least, cap * sizes[name] // whole) for name in sorted(sizes)}

    def owed(name: str) -> int:
        return cap * sizes[name] - share[name] * whole

    while sum(share.values()) < cap:
        share[max(share, key=owed)] += 1
    while sum(share.values()) > cap:
        share[min((name for name in share if share[name] > least), key=owed)] -= 1
    return share


@dataclass(slots=True)
class Comparing:
    """One comparison of a workspace at one effort; `leakage` is the import's report."""

    assembly: Assembly
    corpus: Corpus
    training: Training
    plan: EffortPlan
    arms: Sequence[str]
    limit: int | None
    flags: Sequence[str]
    blockers: Sequence[str]
    index_seconds: float
    leakage: Mapping[str, Any] = field(default_factory=dict)

    def not_applicable(self, name: str) -> str:
        """Return why an arm cannot be built here, or an empty string."""
        if name in TUNED and self.assembly.api_only:
            return "the base model is behind a server: its weights cannot be trained here"
        if name == "nearest-pair" and not self.training.questions.by_split("train"):
            return "there are no training pairs"
        if name == "hybrid" and not self.training.usable:
            return "there are no training pairs outside the documents kept out of training"
        return ""

    @property
    def wanted(self) -> list[str]:
        """Return the arms to measure, in the order of the table."""
        everything = [*ARMS, *reference_names(self.assembly.config), *CONTROLS]
        return [name for name in everything if not self.arms or name in self.arms]

    @property
    def adapters(self) -> list[str]:
        """Return the adapters that the wanted arms need."""
        need = {
            TUNED[name] for name in self.wanted if name in TUNED and not self.not_applicable(name)
        }
        return [name for name in ("finetuned", "hybrid") if name in need]

    def run(self, on_progress: Progress | None = None) -> Measured:
        """Train, time, ask, probe; return everything that the verdict is made of."""
        trained = [self.training.ensure(name, on_progress=on_progress) for name in self.adapters]
        exposure, questions = self._sample()
        options = self.options()
        runs = self._begin(options, questions)
        folders = [folder for _, folder in runs]
        unfinished = [
            (item, folder)
            for item, folder in runs
            if not item.not_applicable and not self._is_complete(folder, questions)
        ]
        for name in self.adapters:
            self._probing.ask_trained(name, options)
        if unfinished:
            self._measure(unfinished, questions, options, on_progress)
        for folder in folders:
            self._manifests.note_storage(folder)
        settings = self._settings(options)
        applicable = [item.arm for item, _ in runs if not item.not_applicable]
        probing = self._probing
        probed = probing.run(applicable, self.adapters, questions, options, on_progress)
        probing.serve(folders, questions, settings, probed, on_progress)
        read = self._scored_today(folders, questions)
        finished = tuple(map(self._completed, read))
        failed = sum(1 for run in finished for record in run.records if record.error)
        reused = not unfinished and not probed.asked and all(item.reused for item in trained)
        comparand = self._comparand(finished, exposure, questions, settings, probed)
        return Measured(comparand, reused, failed)

    def pending(self) -> dict[str, list[str]]:
        """Return what is not measured yet: `ask` names arms, the others are those of the probes.

        Nothing is loaded or trained to know it. Before the adapters are trained, all is.
        """
        arms = [name for name in self.wanted if not self.not_applicable(name)]
        there = (self.assembly.state / "runs").is_dir()
        if not there or not all(self.training.is_built(name) for name in self.adapters):
            return self._probing.wanted(arms, self.adapters) | {"ask": arms}
        _, questions = self._sample()
        options = self.options()
        runs = {}
        for name in arms:
            run_id = self._manifests.of(name, options, questions).run_id
            runs[name] = self.assembly.state / "runs" / run_id
        asked = [name for name in arms if not self._is_complete(runs[name], questions)]
        probes = self._probing.pending(runs, self.adapters, questions, options)
        return probes | {"ask": asked}

    def options(self) -> GenerateOptions:
        """Return the decoding that all arms share: greedy, one limit of new tokens."""
        limit = self.answer_tokens().limit
        return GenerateOptions(max_new_tokens=limit, seed=self.assembly.config.seed)

    def answer_tokens(self) -> AnswerTokens:
        """Return how long answers are, from those of the training questions."""
        answers = [
            item.answers[0] for item in self.training.questions.by_split("train") if item.answers
        ]
        if self.assembly.api_only:
            lengths = [len(answer) // 3 for answer in answers]
        else:
            lengths = [len(self.assembly.base.chat.encode(answer)) for answer in answers]
        limit = new_tokens_limit(lengths, self.plan.effort)
        mean = sum(lengths) / len(lengths) if lengths else 0.0
        expected = sum(min(item, limit) for item in lengths) / max(1, len(lengths))
        return AnswerTokens(limit, mean, expected)

    def build_arm(self, name: str, options: GenerateOptions) -> Arm:
        """Put an arm together as it is measured and served."""
        adapter = self.training.folder(TUNED[name]) if name in TUNED else None
        retriever = None
        if self.assembly.reads_index(name):
            retriever = self.assembly.retriever(self.training.index)
        return self.assembly.arm(
            name, self.training.contract, options, self.plan, retriever, adapter
        )

    def _sample(self) -> tuple[Mapping[str, Exposure], list[Question]]:
        """Draw the test questions in strata of exposure, seeded; all of them if they fit."""
        test = self.training.questions.by_split("test")
        seen = self.training.seen(self._stages) if self.adapters else Seen(frozenset(), frozenset())
        exposure = exposures(test, seen)
        cap = self.limit or self.plan.test_questions
        if cap is None or len(test) <= cap:
            return exposure, list(test)
        strata: dict[str, list[Question]] = defaultdict(list)
        for item in test:
            strata[exposure[item.id]].append(item)
        chosen = random.Random(self.assembly.config.seed)
        kept: list[Question] = []
        share = allotted({name: len(members) for name, members in strata.items()}, cap)
        for name in sorted(strata):
            members = sorted(strata[name], key=lambda item: item.id)
            chosen.shuffle(members)
            kept += members[: share[name]]
        return {item.id: exposure[item.id] for item in kept}, kept

    @property
    def _manifests(self) -> Manifests:
        return Manifests(self.assembly, self.corpus, self.training, self.plan, self.index_seconds)

    @property
    def _probing(self) -> Probing:
        return Probing(self.assembly, self.corpus, self.training, self.plan, self.build_arm)

    def _begin(
        self, options: GenerateOptions, questions: Sequence[Question]
    ) -> list[tuple[RunManifest, Path]]:
        """Return the run of every wanted arm and its folder, new or continued."""
        runs = []
        for name in self.wanted:
            item = self._manifests.of(name, options, questions, self.not_applicable(name))
            runs.append((item, self._manifests.begin(item)))
        return runs

    def _is_complete(self, folder: Path, questions: Sequence[Question]) -> bool:
        have = answered(folder / "records.jsonl")
        timed = len(answered(folder / "latency.jsonl"))
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
        timed = self.plan.latency_questions
        time_arms(arms, questions, timed, self.assembly.config.seed, on_progress)
        sources = gold_sources(questions, self.corpus.passages())
        for arm, folder in arms:
            ask_all(arm, questions, folder, on_progress, sources)

    def _scored_today(self, folders: Sequence[Path], questions: Sequence[Question]) -> list[ArmRun]:
        """Read the runs; those scored by an earlier version are scored again, none asked."""
        runs = [read_run(folder) for folder in folders]
        if all(run.manifest.metrics == METRICS_VERSION for run in runs):
            return runs
        asked = {item.id: item for item in questions}
        texts, sources = self._shown_texts, gold_sources(questions, self.corpus.passages())
        now = self.corpus.version
        return [
            refreshed(
                run, folder, asked, texts, sources if run.manifest.corpus == now else NO_SOURCES
            )
            for run, folder in zip(runs, folders, strict=True)
        ]

    @property
    def _shown_texts(self) -> dict[str, str]:
        """Return what arms are shown of documents and pairs, by passage id."""
        found = (*self.corpus.passages(), *self.corpus.passages("pair"))
        return {item.id: item.shown for item in found}

    def _completed(self, run: ArmRun) -> ArmRun:
        """Say whether the adapter of a run changes answers, and what a reference costs."""
        name = run.manifest.arm
        if is_reference(name):
            prices = find_reference(self.assembly.config, name)
            price = price_per_1000(run.records, prices.price_in, prices.price_out)
            manifest = dataclasses.replace(run.manifest, price_per_1000=price)
            return ArmRun(manifest, run.records, run.latency)
        if name not in TUNED or run.manifest.not_applicable:
            return run
        receipt = read_receipt(self.training.folder(TUNED[name]))
        probes = receipt.get("probes", [])
        # without pairs there is nothing to ask again, and the weights have to tell
        differs = not probes or any(probe["tuned"] != probe["base"] for probe in probes)
        changes = receipt["changed"] > 0 and differs
        manifest = dataclasses.replace(run.manifest, adapter_changes_answers=changes)
        return ArmRun(manifest, run.records, run.latency)

    def _comparand(
        self,
        runs: tuple[ArmRun, ...],
        exposure: Mapping[str, Exposure],
        questions: Sequence[Question],
        settings: Mapping[str, Any],
        probed: Probed,
    ) -> Comparand:
        used = {name for run in runs for record in run.records for name in record.passages}
        shown = {name: text for name, text in self._shown_texts.items() if name in used}
        curves = {name: receipt["curve"] for name, receipt in self._receipts().items()}
        config = self.assembly.config
        limits = dataclasses.asdict(config.compare.limits)
        return Comparand(
            base_model=self._manifests.base_name,
            created=time.strftime("%Y-%m-%d"),
            questions=tuple(questions),
            exposure=exposure,
            runs=runs,
            passages=shown,
            flags=(*self.flags, *probed.flags),
            blockers=(*self.blockers, *self._leaks()),
            settings=settings,
            curves=curves,
            margin=config.compare.margin,
            seed=config.seed,
            probes=probed.results,
            leakage=self.leakage,
            target=config.compare.target,
            limits={name: limit for name, limit in limits.items() if limit},
        )

    @property
    def _stages(self) -> list[str]:
        """Return the adapters and the one that the hybrid went on from: all that was learned."""
        first = ["finetuned"] if "hybrid" in self.adapters else []
        return list(dict.fromkeys((*first, *self.adapters)))

    def _receipts(self) -> dict[str, dict[str, Any]]:
        return {name: read_receipt(self.training.folder(name)) for name in self.adapters}

    def _leaks(self) -> list[str]:
        """Return a blocker for every test question that a trained row asks."""
        receipts = [read_receipt(self.training.folder(name)) for name in self._stages]
        trained = {item for receipt in receipts for item in receipt["question_ids"]}
        found = trained_on_test(trained, self.training.questions.questions)
        return [f"leakage:{item}" for item in found]

    def _settings(self, options: GenerateOptions) -> dict[str, Any]:
        """Return the derived values that are stored, and from which an arm is built again."""
        receipts = self._receipts()
        contract = self.training.contract
        return {
            "machine": machine_line(),
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
            "builds": {name: build_of(self.training.folder(name)) for name in self.adapters},
            "training": {
                name: {
                    key: receipt[key]
                    for key in ("rows", "kinds", "left_out", "tokens", "steps", "kept_step", "plan")
                }
                for name, receipt in receipts.items()
            },
            "kept_out": len(self.training.kept_out),
            "training_wordings": training_wordings(
                self.training.questions.by_split("test"), self.training.questions.by_split("train")
            ),
        }
