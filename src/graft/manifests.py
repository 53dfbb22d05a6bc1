"""What a run is named after and what its manifest says: all that could change an answer.

`Comparing` makes the manifests of its arms here before it asks them, and notes afterwards
what serving an arm takes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from graft.adapters import build_of, read_receipt
from graft.arms import ARMS, CONTROLS, TUNED
from graft.assembly import Assembly, folder_bytes
from graft.config import EffortPlan
from graft.corpus import Corpus
from graft.metrics import METRICS_VERSION
from graft.question_set import plain_question
from graft.references import find_reference, is_reference
from graft.runs import RunManifest, read_manifest, write_manifest
from graft.training import Training
from graft.types import GenerateOptions, Question, fingerprint

__all__ = ["Manifests"]

RUN_VERSION = 3


@dataclass(frozen=True, slots=True)
class Manifests:
    """Makes the manifests of one comparison."""

    assembly: Assembly
    corpus: Corpus
    training: Training
    plan: EffortPlan
    index_seconds: float

    def of(
        self,
        name: str,
        options: GenerateOptions,
        questions: Sequence[Question],
        not_applicable: str = "",
    ) -> RunManifest:
        """Return the manifest of an arm that is asked these questions."""
        adapter = None
        if name in TUNED and not not_applicable:
            adapter = self.training.folder(TUNED[name])
        uses_index = self.assembly.reads_index(name)
        weights = self.assembly.weights_of(name)
        asked = fingerprint([plain_question(item) for item in questions])
        config = self.assembly.config
        settings = {
            "max_new_tokens": options.max_new_tokens,
            "temperature": options.temperature,
            "passages": self.plan.passages if uses_index else 0,
            "pairs": config.retrieval.pairs if uses_index else 0,
            "prompt_tokens": self.plan.prompt_tokens,
            "latency_questions": self.plan.latency_questions,
        }
        corpus = self.corpus.version if uses_index else ""
        parts = (weights, self.assembly.engine, self.training.contract.hash)
        key = fingerprint(
            RUN_VERSION,
            name,
            parts,
            build_of(adapter) if adapter else None,
            corpus,
            asked,
            settings,
            self._search_key if uses_index else "",
            self.training.questions.hash,
        )
        build = self.index_seconds if uses_index else 0.0
        if adapter is not None:
            build += self._training_seconds(TUNED[name])
        return RunManifest(
            run_id=f"{name.replace(':', '-')}-{key}",
            arm=name,
            control=name in CONTROLS,
            base_model=self.model_name(name),
            weights=weights,
            generator="openai" if is_reference(name) else self.assembly.engine,
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
            not_applicable=not_applicable,
            metrics=METRICS_VERSION,
            embeddings=self.assembly.embedded_with() if uses_index else "",
        )

    @property
    def _search_key(self) -> str:
        """Name all that decides what is found; documents kept out hide their training pairs."""
        config = self.assembly.config
        kept_out = sorted(self.training.kept_out)
        embedder = (config.embedder, self.assembly.embedded_with())
        return fingerprint(embedder, dataclasses.asdict(config.retrieval), kept_out)

    @property
    def base_name(self) -> str:
        """Name the base as the verdict does."""
        if self.assembly.engine == "openai":
            return self.assembly.config.openai.model
        if self.assembly.engine == "fake":
            return "fake"
        return self.assembly.config.base_model

    def model_name(self, name: str) -> str:
        """Name the model that answers for an arm: a reference has its own."""
        if is_reference(name):
            return find_reference(self.assembly.config, name).model
        return self.base_name

    def begin(self, manifest: RunManifest) -> Path:
        """Return a run's folder; its manifest is written where it is not there yet."""
        folder = self.assembly.state / "runs" / manifest.run_id
        if not (folder / "manifest.json").exists():
            write_manifest(folder, dataclasses.asdict(manifest))
        return folder

    def note_storage(self, folder: Path) -> None:
        """Write into a finished run what serving its arm keeps on disk."""
        stored = read_manifest(folder)
        if stored["not_applicable"] or stored["storage_bytes"]:
            return
        if kept := self._storage(stored["arm"]):
            note(folder, {"storage_bytes": kept})

    def _storage(self, name: str) -> int:
        adapter = self.training.folder(TUNED[name]) if name in TUNED else None
        model = self.assembly.model_bytes(adapter) if name in (*ARMS, "bolt-on") else 0
        index = (
            folder_bytes(self.assembly.state / self.corpus.index_name())
            if self.assembly.reads_index(name)
            else 0
        )
        return model + index

    def _training_seconds(self, name: str) -> float:
        """Return the seconds of an adapter and of the one that it went on from."""
        receipt = read_receipt(self.training.folder(name))
        own = float(receipt["seconds"])
        return own + (self._training_seconds("finetuned") if receipt["started_from"] else 0.0)


def note(folder: Path, values: dict[str, Any]) -> None:
    """Write values into a run's manifest; the others stay."""
    write_manifest(folder, read_manifest(folder) | values)
