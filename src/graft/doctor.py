"""Looks at machine and workspace and says what is missing, with the command that mends it."""

from __future__ import annotations

import importlib.util
import shlex
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from graft.config import Config
from graft.errors import GraftError
from graft.models.cache import cache_root, damaged_files
from graft.models.device import has_gpu, is_fast
from graft.models.resolve import resolve_model

__all__ = ["Check", "examine", "next_action"]

LOCAL_PACKAGES = (
    "torch",
    "transformers",
    "peft",
    "accelerate",
    "openvino",
    "openvino_genai",
    "gguf",
)
NEEDED_BYTES = 3 * 1024**3  # checkpoint, three exports and an index of the embedded models


@dataclass(frozen=True, slots=True)
class Check:
    """One look: what, whether it is well, what was found, and the command that mends it."""

    name: str
    ok: bool
    detail: str
    next_step: str = ""


def examine(config: Config, root: Path, state: Path) -> list[Check]:
    """Run every check; none of them loads a model or opens a connection."""
    version = ".".join(str(part) for part in sys.version_info[:3])
    checks = [
        Check("python", sys.version_info >= (3, 11), version, "install Python 3.11 or newer"),
        *_packages(),
        _model("base model", config.base_model, config, root),
        _model("embedder", config.embedder, config, root),
        _space(root),
        _device(),
        *_cache(),
    ]
    writable = state.is_dir()
    checks.append(Check("workspace", writable, str(state), "" if writable else "graft init"))
    return checks


def _packages() -> list[Check]:
    missing = [name for name in LOCAL_PACKAGES if importlib.util.find_spec(name) is None]
    detail = "missing: " + ", ".join(missing) if missing else "all there"
    return [
        Check(
            "extra local",
            not missing,
            detail,
            "pip install -e '.[local]'   # in the folder of Graft's source",
        )
    ]


def _model(label: str, name: str, config: Config, root: Path) -> Check:
    if config.generator == "openai" and label == "base model":
        return _server(label, config)
    if config.generator == "fake" and label == "base model":
        return Check(label, True, f"behind the generator {config.generator}")
    if name == "fake":
        return Check(label, True, "fake")
    try:
        setting = label.replace(" ", "_")
        files = resolve_model(name, offline=True, root=root, setting=setting)
    except GraftError as error:
        return Check(label, False, error.what, error.next_step)
    return Check(label, True, f"{name} ({files.layout})")


def _server(label: str, config: Config) -> Check:
    """Look whether the generator `openai` knows its server and the model there."""
    missing = [name for name in ("base_url", "model") if not getattr(config.openai, name)]
    if not missing:
        return Check(label, True, "behind the generator openai")
    named = " and ".join(missing)
    detail = f"the generator is openai, but [openai] lacks {named}"
    return Check(label, False, detail, f"set {named} under [openai] in graft.toml")


def _space(root: Path) -> Check:
    free = shutil.disk_usage(root).free
    detail = f"{free / 1024**3:.1f} GB free, about {NEEDED_BYTES / 1024**3:.0f} GB needed"
    return Check("disk", free > NEEDED_BYTES, detail, "free some space")


def _device() -> Check:
    kind = "GPU" if has_gpu() else "processor"
    speed = "fast bf16" if is_fast() else "no bf16 in hardware: smaller token caps apply"
    return Check("device", True, f"{kind}, {speed}")


def _cache() -> list[Check]:
    checks = []
    for manifest in sorted(cache_root().glob("*/*/manifest.json")):
        bad = damaged_files(manifest.parent)
        detail = f"damaged: {', '.join(bad)}" if bad else "whole"
        name = f"cache {manifest.parent.name}"
        checks.append(Check(name, not bad, detail, f"rm -r {shlex.quote(str(manifest.parent))}"))
    return checks


def next_action(documents: int, test: int, compared: bool, recommended: str) -> str:
    """Return the one command that a workspace in this state wants next."""
    if not documents:
        return "graft add docs/"
    if not test:
        return "graft questions import questions.jsonl"
    if not compared:
        return "graft compare"
    return "graft serve" if recommended else "graft report"
