"""The probes of a comparison: what they are made of, where their records lie, what they say.

Results are found again by fingerprint, so that a probe done is only read again. Forgetting
is asked of models, distractors and cold start of arms. Made by `Comparing`.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from graft.adapters import build_of, read_receipt
from graft.arms import ARMS, RETRIEVING, TUNED, Arm, GeneratorArm
from graft.assembly import Assembly
from graft.config import EffortPlan
from graft.corpus import Corpus
from graft.errors import GraftError
from graft.files import read_stored, write_atomically
from graft.manifests import note
from graft.probes import coldstart, distractors, forgetting
from graft.probes.general import general_questions, general_text
from graft.probes.text_loss import TEXT_TOKENS, text_losses
from graft.protocols import Progress
from graft.runs import read_manifest
from graft.training import Training
from graft.types import GenerateOptions, Passage, Question, fingerprint

__all__ = ["MODEL_ARMS", "Probed", "Probing"]

TRAINED = 6  # questions asked again to see that an adapter changes answers
MODEL_ARMS = (*ARMS, "bolt-on")
UNREADABLE = "the result of a probe cannot be read"


@dataclass(slots=True)
class Probed:
    """What the probes say, as stored; `asked` is what was done anew, `flags` what failed."""

    results: dict[str, Any] = field(default_factory=dict)
    asked: int = 0
    flags: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Probing:
    """The probes of one comparison; `build_arm` puts an arm together as it is measured."""

    assembly: Assembly
    corpus: Corpus
    training: Training
    plan: EffortPlan
    build_arm: Callable[[str, GenerateOptions], Arm]

    def run(
        self,
        arms: Sequence[str],
        adapters: Sequence[str],
        questions: Sequence[Question],
        options: GenerateOptions,
        on_progress: Progress | None = None,
    ) -> Probed:
        """Ask the general questions, then put distractors before the arms that read passages."""
        probed = Probed()
        if adapters and not self.assembly.api_only:
            probed.results["forgetting"] = self._forgetting(adapters, probed, on_progress)
        reading = [name for name in arms if name in MODEL_ARMS and name in RETRIEVING]
        if reading and distractors.QUESTIONS[self.plan.effort]:
            probed.results["distractors"] = {
                name: self._distractors(name, questions, options, probed, on_progress)
                for name in reading
            }
        return probed

    def pending(
        self,
        runs: Mapping[str, Path],
        adapters: Sequence[str],
        questions: Sequence[Question],
        options: GenerateOptions,
    ) -> dict[str, list[str]]:
        """Return what `run` and `serve` have still to do: by probe, the models or arms to ask.

        `runs` maps the arms to their run folders; nothing is loaded.
        """
        left = self.wanted(list(runs), adapters)
        general = general_questions(forgetting.QUESTIONS[self.plan.effort])
        folders = self._general_folders(adapters) if left["general"] else {}

        def is_unserved(folder: Path) -> bool:
            return not (folder / "manifest.json").is_file() or self._is_unserved(folder)

        def is_distracted(name: str) -> bool:
            folder = self._distractors_folder(name, questions, options)
            return (folder / "result.json").is_file()

        return {
            "general": [
                name for name in left["general"] if not forgetting.is_asked(general, folders[name])
            ],
            "distractors": [name for name in left["distractors"] if not is_distracted(name)],
            "cold": [name for name in left["cold"] if is_unserved(runs[name])],
        }

    def wanted(self, arms: Sequence[str], adapters: Sequence[str]) -> dict[str, list[str]]:
        """Return by probe the models or arms that it asks at this effort."""
        effort = self.plan.effort
        models = [name for name in arms if name in MODEL_ARMS]
        reading = [name for name in models if name in RETRIEVING]
        serves = effort in coldstart.EFFORTS and self.assembly.engine != "fake"
        return {
            "general": ["base", *adapters] if adapters and not self.assembly.api_only else [],
            "distractors": reading if distractors.QUESTIONS[effort] else [],
            "cold": models if serves else [],
        }

    def ask_trained(self, name: str, options: GenerateOptions) -> None:
        """Ask trained questions of base and adapter as served; the receipt keeps both answers."""
        folder = self.training.folder(name)
        receipt = read_receipt(folder)
        if "probes" in receipt:
            return
        train = [item for item in self.training.questions.by_split("train") if item.answers]
        ids = set(receipt["question_ids"])
        chosen = [item for item in train if item.id in ids][:TRAINED]
        prompts = [self.training.contract.messages(item.question) for item in chosen]
        tuned = self.assembly.generator(folder).generate_many(prompts, options)
        plain = self.assembly.generator(None).generate_many(prompts, options)
        receipt["probes"] = [
            {"question_id": item.id, "tuned": new.text, "base": old.text}
            for item, new, old in zip(chosen, tuned, plain, strict=True)
        ]
        write_atomically(folder / "receipt.json", json.dumps(receipt, indent=1))

    def serve(
        self,
        runs: Sequence[Path],
        questions: Sequence[Question],
        settings: Mapping[str, Any],
        probed: Probed,
        on_progress: Progress | None = None,
    ) -> None:
        """Let a process of its own serve each arm; time and memory go into the manifests.

        The models of this process are freed before, so that memory holds one model at a time.
        """
        waiting = [folder for folder in runs if self._is_unserved(folder)]
        if self.plan.effort not in coldstart.EFFORTS or self.assembly.engine == "fake":
            return
        if waiting:
            self.assembly.close()
        for number, folder in enumerate(waiting):
            name = read_manifest(folder)["arm"]
            if on_progress is not None:
                on_progress("cold start", number, len(waiting), name)
            self._serve(name, folder, questions, settings, probed)
        if waiting and on_progress is not None:
            on_progress("cold start", len(waiting), len(waiting))

    def _forgetting(
        self, adapters: Sequence[str], probed: Probed, on_progress: Progress | None
    ) -> dict[str, Any]:
        """Ask base and adapters what both may know; return the comparison by adapter."""
        contract = self.training.contract
        questions = general_questions(forgetting.QUESTIONS[self.plan.effort])
        weights = self._weights(adapters)
        folders = self._general_folders(adapters)
        for name, adapter in weights.items():
            if forgetting.is_asked(questions, folders[name]):
                continue
            generator = self.assembly.generator(adapter)
            probed.asked += forgetting.ask_general(
                name, generator, contract, questions, folders[name], on_progress
            )
        losses = self._losses(weights, folders, probed, on_progress)
        margin = self.assembly.config.compare.forgetting_margin
        return {
            name: dataclasses.asdict(
                forgetting.forgetting_of(
                    folders["base"],
                    folders[name],
                    questions,
                    margin,
                    (losses.get("base"), losses.get(name)),
                )
            )
            for name in adapters
        }

    def _weights(self, adapters: Sequence[str]) -> dict[str, Path | None]:
        """Return the adapter of each model that is asked the general questions."""
        return {"base": None} | {name: self.training.folder(name) for name in adapters}

    def _general_folders(self, adapters: Sequence[str]) -> dict[str, Path]:
        folders = {}
        for name, adapter in self._weights(adapters).items():
            build = build_of(adapter) if adapter else ""
            model = (self.assembly.weights, self.assembly.engine, build)
            key = forgetting.general_key(self.training.contract, *model)
            folders[name] = self.assembly.state / "probes" / f"forgetting-{key}"
        return folders

    def _losses(
        self,
        weights: Mapping[str, Path | None],
        folders: Mapping[str, Path],
        probed: Probed,
        on_progress: Progress | None,
    ) -> dict[str, float]:
        """Return the loss of each model on the general text; what is stored is only read."""
        limit = TEXT_TOKENS[self.plan.effort]
        if limit == 0:
            return {}
        text = general_text()
        place = f"loss-{fingerprint(text, limit)}.json"
        losses = {
            name: float(read_stored(path, UNREADABLE, _anew(path))["loss"])
            for name, folder in folders.items()
            if (path := folder / place).is_file()
        }
        missing = {name: adapter for name, adapter in weights.items() if name not in losses}
        if not missing:
            return losses
        if on_progress is not None:
            on_progress("read the general text", 0, len(missing))
        base = self.assembly.base
        try:
            found = text_losses(base.checkpoint, base.chat, text, missing, limit)
        except GraftError as error:
            probed.flags.append(f"the general text was not read: {error.why}")
            return losses
        if on_progress is not None:
            on_progress("read the general text", len(missing), len(missing))
        for name, loss in found.items():
            write_atomically(folders[name] / place, json.dumps({"loss": loss, "tokens": limit}))
            probed.asked += 1
        return losses | found

    def _distractors(
        self,
        name: str,
        questions: Sequence[Question],
        options: GenerateOptions,
        probed: Probed,
        on_progress: Progress | None,
    ) -> list[dict[str, Any]]:
        """Return the results of an arm among distractors; asked once."""
        config = self.assembly.config
        count = distractors.QUESTIONS[self.plan.effort]
        folder = self._distractors_folder(name, questions, options)
        path = folder / "result.json"
        if path.is_file():
            stored: list[dict[str, Any]] = read_stored(path, UNREADABLE, _anew(path), list)
            return stored
        arm = self.build_arm(name, options)
        if not isinstance(arm, GeneratorArm) or arm.retriever is None:
            raise AssertionError("an arm with a model that retrieves has both")
        by_document: dict[str, list[Passage]] = defaultdict(list)
        for passage in self.corpus.passages():
            by_document[passage.doc_id].append(passage)
        cases = distractors.cases_of(questions, by_document, arm.retriever, count, config.seed)
        results, asked = distractors.ask_distractors(arm, cases, config.seed, folder, on_progress)
        probed.asked += max(1, asked)
        write_atomically(path, json.dumps(results))
        return results

    def _distractors_folder(
        self, name: str, questions: Sequence[Question], options: GenerateOptions
    ) -> Path:
        config = self.assembly.config
        count = distractors.QUESTIONS[self.plan.effort]
        key = fingerprint(
            distractors.PROBE_VERSION,
            (self.assembly.weights, self.assembly.engine, self.training.contract.hash),
            build_of(self.training.folder(TUNED[name])) if name in TUNED else "",
            (self.corpus.version, config.embedder, dataclasses.asdict(config.retrieval)),
            dataclasses.asdict(options),
            (self.plan.prompt_tokens, self.plan.passages, count, config.seed),
            [dataclasses.asdict(item) for item in questions],
        )
        return self.assembly.state / "probes" / f"distractors-{name}-{key}"

    def _is_unserved(self, folder: Path) -> bool:
        stored = read_manifest(folder)
        known = stored.get("cold_seconds") is not None
        return stored["arm"] in MODEL_ARMS and not stored["not_applicable"] and not known

    def _serve(
        self,
        name: str,
        folder: Path,
        questions: Sequence[Question],
        settings: Mapping[str, Any],
        probed: Probed,
    ) -> None:
        adapters = {TUNED[name]: str(self.training.folder(TUNED[name]))} if name in TUNED else {}
        task = {
            "arm": name,
            "settings": dict(settings),
            "adapters": adapters,
            "questions": [item.question for item in questions[: coldstart.QUESTIONS]],
        }
        command = [sys.executable, "-P", "-m", "graft.serve_once", str(self.assembly.root)]
        try:
            found = coldstart.measure_cold_start(command, task)
        except GraftError as error:
            probed.flags.append(f"cold start of {name} was not measured: {error.why}")
            return
        probed.asked += 1
        cold = {"cold_seconds": found.cold_seconds, "peak_memory_bytes": found.peak_memory_bytes}
        note(folder, cold)


def _anew(path: Path) -> str:
    return f"remove {path} and run graft compare again; the probe is done anew"
