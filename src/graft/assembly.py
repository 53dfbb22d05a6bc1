"""From configuration to objects: models, generators, retriever and arms, each made once.

Beside `workspace.py` the only place that knows which class stands behind a name. All arms
start from one dequantised checkpoint and, with OpenVINO, go through one Q8_0 export.
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from graft.arms import RETRIEVING, TUNED, Arm, DeclineArm, GeneratorArm, PassageArm
from graft.config import Config, EffortPlan
from graft.errors import GraftError, MissingPrerequisite
from graft.models.cache import cache_root, made_once
from graft.models.chat import Chat
from graft.models.convert import checkpoint_from_gguf
from graft.models.device import has_gpu
from graft.models.resolve import ModelFiles, resolve_model, set_offline
from graft.prompts import PromptContract
from graft.protocols import Embedder, Generator
from graft.receipts import check_prompt, check_stamps, recorded
from graft.references import (
    check_reference,
    find_reference,
    is_reference,
    key_of,
    reference_weights,
)
from graft.retrieve import Retriever
from graft.spaces import parsed_space
from graft.types import GenerateOptions, Question, fingerprint

__all__ = ["Assembly", "BaseModel", "choose_examples"]

LONGEST_EXAMPLE_WORDS = 40


@dataclass(frozen=True, slots=True)
class BaseModel:
    """The plain model that every arm starts from: files, checkpoint, tokenizer."""

    files: ModelFiles
    checkpoint: Path
    chat: Chat
    hidden_size: int
    context_tokens: int

    @property
    def name(self) -> str:
        """Name the weights by content: the cache folder has the file's hash in its name."""
        return self.checkpoint.name


class Assembly:
    """Makes objects from a configuration, lazily and once; `close` frees the models.

    `embedded_with` gives the identity of the embedder that the index was made with, empty
    where there is no index.
    """

    def __init__(self, root: Path, config: Config, embedded_with: Callable[[], str] = str) -> None:
        """Remember where and what; nothing is loaded."""
        self.root = root
        self.config = config
        self.embedded_with = embedded_with
        self.state = root / ".graft"
        self._generators: dict[str, Generator] = {}
        set_offline(config.offline)

    @property
    def api_only(self) -> bool:
        """Tell whether the base is behind a server, so that nothing can be trained."""
        return self.engine in ("openai", "fake")

    @cached_property
    def engine(self) -> str:
        """Return the generator's name; `auto` follows the machine and the base's files."""
        if self.config.generator != "auto":
            return self.config.generator
        if self.config.openai.base_url and self.config.openai.model:
            return "openai"
        files = resolve_model(self.config.base_model, offline=self.config.offline, root=self.root)
        return "openvino" if files.layout == "gguf" and not has_gpu() else "transformers"

    @cached_property
    def base(self) -> BaseModel:
        """Find the base model and convert it on first use."""
        files = resolve_model(self.config.base_model, offline=self.config.offline, root=self.root)
        folder = checkpoint_from_gguf(files.path) if files.layout == "gguf" else files.path
        settings = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        settings = settings.get("text_config", settings)
        return BaseModel(
            files,
            folder,
            Chat(folder),
            int(settings["hidden_size"]),
            int(settings.get("max_position_embeddings", 4096)),
        )

    @cached_property
    def embedder(self) -> Embedder:
        """Load the embedder, in the precision of the index where this machine can."""
        if self.config.embedder == "fake":
            return _class("graft.embed.fake", "FakeEmbedder")()  # type: ignore[no-any-return]
        files = resolve_model(
            self.config.embedder,
            offline=self.config.offline,
            root=self.root,
            setting="embedder",
        )
        return _class("graft.embed.local", "LocalEmbedder")(  # type: ignore[no-any-return]
            files.path, like=parsed_space(self.embedded_with()), name=files.name
        )

    @cached_property
    def weights(self) -> str:
        """Name checkpoint and export: what all arms must share."""
        if self.engine == "openai":
            return fingerprint(self.config.openai.base_url, self.config.openai.model)
        if self.engine == "fake":
            return "fake"
        return fingerprint(self.base.name, self.engine, "q8_0" if self.engine == "openvino" else "")

    def weights_of(self, name: str) -> str:
        """Name what stands behind an arm: the shared weights, or those of a reference."""
        if is_reference(name):
            return reference_weights(find_reference(self.config, name))
        return self.weights

    def reads_index(self, name: str) -> bool:
        """Tell whether an arm is given passages."""
        if is_reference(name):
            return find_reference(self.config, name).passages
        return name in RETRIEVING

    def retriever(self, index: object) -> Retriever:
        """Join index and embedder."""
        return Retriever(index, self.embedder, self.config.retrieval)  # type: ignore[arg-type]

    def generator(self, adapter: Path | None) -> Generator:
        """Return the generator of the base or of an adapter, loaded once."""
        name = adapter.name if adapter else "base"
        if name not in self._generators:
            self._generators[name] = self._load(adapter, name)
        return self._generators[name]

    def reference(self, name: str) -> Generator:
        """Return the generator of a reference arm; its key is read here and kept nowhere else.

        Raises:
            UsageError: `graft.toml` has no such reference.
            ConfigError: it would be asked over the network though `offline = true`.
            MissingPrerequisite: its key is not in the environment.
        """
        if name not in self._generators:
            found = check_reference(self.config, name)
            self._generators[name] = _class("graft.generate.openai", "OpenAIGenerator")(
                found.base_url, found.model, key_of(found), timeout_seconds=found.timeout_seconds
            )
        return self._generators[name]

    def forget(self, adapter: Path) -> None:
        """Free and remove what was made of an adapter: it is about to be another one."""
        if generator := self._generators.pop(adapter.name, None):
            generator.close()
        shutil.rmtree(self._export_folder(adapter), ignore_errors=True)

    def close(self) -> None:
        """Free every loaded model."""
        for generator in self._generators.values():
            generator.close()
        self._generators.clear()

    def arm(
        self,
        name: str,
        contract: PromptContract,
        options: GenerateOptions,
        plan: EffortPlan,
        retriever: Retriever | None,
        adapter: Path | None = None,
    ) -> Arm:
        """Put an arm together by name; `adapter` is the folder that a tuned arm needs."""
        if name == "decline":
            return DeclineArm(contract)
        if name in ("top-passage", "nearest-pair"):
            if retriever is None:
                raise AssertionError("a control that retrieves is given a retriever")
            return PassageArm(name, retriever, contract, pairs_only=name == "nearest-pair")
        tuned = name in TUNED
        if tuned and adapter is not None and not self.api_only:
            check_prompt(adapter, contract)
        model = self.reference(name) if is_reference(name) else None
        return GeneratorArm(
            name=name,
            generator=model or self.generator(adapter if tuned else None),
            contract=contract,
            options=options,
            retriever=retriever if self.reads_index(name) else None,
            passages=plan.passages,
            pairs=self.config.retrieval.pairs,
            prompt_tokens=plan.prompt_tokens,
            with_examples=not tuned,
            control=name == "bolt-on",
        )

    def model_bytes(self, adapter: Path | None) -> int:
        """Return the bytes on disk that serving needs of the model (and its adapter)."""
        if self.api_only:
            return 0
        if self.engine == "openvino":
            own = self.export(adapter).stat().st_size
        else:
            own = sum(file.stat().st_size for file in self.base.checkpoint.glob("*.safetensors"))
        return own + folder_bytes(adapter)

    def export(self, adapter: Path | None) -> Path:
        """Return the Q8_0 GGUF file of the base or of an adapter, written on first use."""
        from graft.models.gguf_export import export_gguf
        from graft.models.merge import merged_weights

        base = self.base
        place = self._export_folder(adapter) if adapter else _base_export(base)

        def make(draft: Path) -> None:
            merged = merged_weights(base.checkpoint, adapter) if adapter else {}
            export_gguf(base.checkpoint, base.files.path, draft / "model.gguf", merged)

        return made_once(place, make) / "model.gguf"

    def unmerged(self, adapter: Path) -> Any:  # noqa: ANN401 - a TransformersGenerator
        """Return a generator with the adapter beside the weights, as training left it."""
        base = self.base
        return _class("graft.generate.transformers", "TransformersGenerator")(
            base.checkpoint, base.chat, f"{self.weights}:unmerged", adapter=adapter
        )

    def _export_folder(self, adapter: Path) -> Path:
        return self.state / "models" / adapter.name

    def _load(self, adapter: Path | None, name: str) -> Generator:
        if self.engine == "fake":
            return _class("graft.generate.fake", "FakeGenerator")(  # type: ignore[no-any-return]
                decline=self.config.prompt.decline
            )
        if self.engine == "openai":
            server = self.config.openai
            key = os.environ.get(server.api_key_env, "")
            return _class("graft.generate.openai", "OpenAIGenerator")(  # type: ignore[no-any-return]
                server.base_url, server.model, key, timeout_seconds=server.timeout_seconds
            )
        if adapter is None:
            return self._made(None, name)
        base = self.base
        receipt = check_stamps(adapter, base.checkpoint, base.chat.hash)
        generator = self._made(adapter, name)
        record = self._export_folder(adapter) / f"probes-{self.engine}.json"
        try:
            recorded(record, generator, receipt, f"the model of {name} in {self.engine}")
        except GraftError:
            generator.close()
            raise
        return generator

    def _made(self, adapter: Path | None, name: str) -> Generator:
        """Load base or adapter into the engine, merged."""
        base, identity = self.base, f"{self.weights}:{name}"
        if self.engine == "openvino":
            if base.files.layout != "gguf":
                raise MissingPrerequisite(
                    "the generator openvino needs a GGUF base",
                    where="graft.toml",
                    why=f"{base.files.name} is a folder of weights",
                    next_step='set generator = "transformers" in graft.toml',
                )
            return _class("graft.generate.openvino", "OpenVinoGenerator")(  # type: ignore[no-any-return]
                self.export(adapter), base.chat, identity, base.context_tokens
            )
        from graft.models.merge import merged_weights

        merged = merged_weights(base.checkpoint, adapter) if adapter else None
        return _class("graft.generate.transformers", "TransformersGenerator")(  # type: ignore[no-any-return]
            base.checkpoint, base.chat, identity, merged
        )


def _class(module: str, name: str) -> type:
    found: type = getattr(importlib.import_module(module), name)
    return found


def _base_export(base: BaseModel) -> Path:
    return cache_root() / "exports" / f"{base.name}-q8_0"


def folder_bytes(folder: Path | None) -> int:
    """Return the bytes of all files under a folder."""
    if folder is None or not folder.exists():
        return 0
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def choose_examples(train: Sequence[Question], count: int) -> list[Question]:
    """Choose the examples of the prompt: short answers of different groups, one declined.

    Deterministic: the first by id of each group in the order of ids.
    """
    answered: dict[str, Question] = {}
    for item in sorted(train, key=lambda item: item.id):
        short = item.answers and len(item.answers[0].split()) <= LONGEST_EXAMPLE_WORDS
        if short and item.answers[0] not in {other.answers[0] for other in answered.values()}:
            answered.setdefault(item.group, item)
    declined = [item for item in sorted(train, key=lambda item: item.id) if not item.answerable]
    chosen = list(answered.values())[: max(0, count - bool(declined))] + declined[:1]
    return chosen[:count]
