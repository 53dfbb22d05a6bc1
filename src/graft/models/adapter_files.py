"""The folder of an adapter, looked at before it is loaded: it fits, is whole and plain.

Taken is what Graft's training writes and merging understands: LoRA matrices on linear layers,
one rank, nothing trained beside them. Everything else is refused by name, since a merge that
leaves something out is a model that nobody measured.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path

from graft.errors import FingerprintMismatch
from graft.models.weight_files import (
    PICKLE_ENDINGS,
    TensorEntry,
    check_safetensors,
    read_settings,
    refuse_pickle,
    refused,
)

__all__ = ["check_adapter"]

MAX_RANK = 1_024
MAX_SETTINGS = 1024**2  # bytes
RETRAIN = "graft train --force"
_NAME = re.compile(r"base_model\.model\.(?P<target>[\w.]+)\.lora_(?P<side>[AB])\.weight")
# Settings of PEFT that say nothing of how the weights are used.
_HARMLESS = frozenset(
    (
        *("peft_version", "base_model_name_or_path", "revision", "inference_mode", "lora_dropout"),
        *("layers_to_transform", "layers_pattern", "exclude_modules", "megatron_core"),
        *("qalora_group_size", "target_modules", "r", "lora_alpha", "peft_type", "task_type"),
    )
)
_MUST_BE = {"peft_type": "LORA", "task_type": "CAUSAL_LM", "bias": "none"}
_DTYPES = {"F16": ("<u2", 0x7C00), "BF16": ("<u2", 0x7F80), "F32": ("<u4", 0x7F800000)}


def check_adapter(folder: Path, checkpoint: Path) -> None:
    """Refuse an adapter that does not fit the checkpoint, or is more than LoRA matrices.

    `checkpoint` is the folder of the base, `folder` has `adapter_config.json` and
    `adapter_model.safetensors`. Every weight is looked at: one that is no number is refused.

    Raises:
        BadInput: a file is refused, with the reason.
        FingerprintMismatch: rank, modules or shapes are not those of settings and base.
    """
    weights = folder / "adapter_model.safetensors"
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.suffix.lower() in PICKLE_ENDINGS:
            refuse_pickle(path)
    if not weights.is_file() or not (folder / "adapter_config.json").is_file():
        missing = weights.name if not weights.is_file() else "adapter_config.json"
        raise refused(folder, f"an adapter needs {missing}", RETRAIN)
    rank, targets = _settings(folder / "adapter_config.json")
    entries = check_safetensors(weights)
    _check_modules(weights, entries, rank, targets, _shapes(checkpoint))
    _check_numbers(weights, entries)


def _settings(path: Path) -> tuple[int, tuple[str, ...]]:
    """Return rank and target modules of an adapter's settings after checking all of them."""
    if path.stat().st_size > MAX_SETTINGS:
        raise refused(path, f"settings of more than {MAX_SETTINGS:,} bytes are not read", RETRAIN)
    found = read_settings(path)
    for name in ("auto_map", "auto_mapping", "custom_modules", "runtime_config"):
        if found.get(name):
            why = f"{name} names code to be imported: {str(found[name])[:80]}"
            raise refused(path, why, "code that comes with weights is never run")
    for name, value in _MUST_BE.items():
        if name in found and found[name] != value:
            raise refused(path, f"{name} is {str(found[name])[:40]!r}, not {value!r}", RETRAIN)
    if not isinstance(found.get("init_lora_weights", True), bool):
        why = f"init_lora_weights = {str(found['init_lora_weights'])[:40]!r} changes the base"
        raise refused(path, why, RETRAIN)
    known = {*_HARMLESS, *_MUST_BE, "init_lora_weights"}
    if more := sorted(name for name, value in found.items() if value and name not in known):
        why = f"{more[0]} = {str(found[more[0]])[:60]!r} asks for more than LoRA matrices"
        raise refused(path, why, RETRAIN)
    rank, alpha, targets = (found.get(name) for name in ("r", "lora_alpha", "target_modules"))
    if type(rank) is not int or not 1 <= rank <= MAX_RANK:
        raise refused(path, f"the rank is {str(rank)[:40]}, not 1 to {MAX_RANK:,}", RETRAIN)
    if type(alpha) not in (int, float) or not math.isfinite(alpha) or alpha <= 0:  # type: ignore[arg-type, operator]
        raise refused(path, f"lora_alpha is {str(alpha)[:40]}", RETRAIN)
    if not isinstance(targets, list) or not all(isinstance(item, str) for item in targets):
        raise refused(path, "target_modules is no list of names", RETRAIN)
    return rank, tuple(targets)


def _shapes(checkpoint: Path) -> dict[str, tuple[int, ...]]:
    """Return the shape of every tensor of a checkpoint by name."""
    return {
        name: entry.shape
        for path in sorted(checkpoint.glob("*.safetensors"))
        for name, entry in check_safetensors(path).items()
    }


def _check_modules(
    path: Path,
    entries: Mapping[str, TensorEntry],
    rank: int,
    targets: tuple[str, ...],
    shapes: Mapping[str, tuple[int, ...]],
) -> None:
    """Refuse matrices without a partner, of another rank, of no target or of another base."""
    pairs: dict[str, dict[str, TensorEntry]] = {}
    for name, entry in entries.items():
        found = _NAME.fullmatch(name)
        if found is None:
            raise refused(path, f"{name[:100]!r} is no LoRA matrix of a linear layer", RETRAIN)
        pairs.setdefault(found["target"], {})[found["side"]] = entry
    if not pairs:
        raise refused(path, "it holds no matrix: the adapter changes nothing", RETRAIN)
    for target, pair in pairs.items():
        if set(pair) != {"A", "B"}:
            raise refused(path, f"{target} has only one of its two matrices", RETRAIN)
        down, up = pair["A"].shape, pair["B"].shape
        if len(down) != 2 or len(up) != 2 or down[0] != rank or up[1] != rank:
            why = f"{target} has matrices {down} and {up}, the settings say rank {rank}"
            raise _mismatch(path, why)
        if not any(target == item or target.endswith(f".{item}") for item in targets):
            raise _mismatch(path, f"{target} is none of the target modules of the settings")
        shape = (up[0], down[1])
        own = shapes.get(f"{target}.weight")
        if own != shape:
            has = f"of shape {own}" if own else "not there"
            why = f"{target}.weight is of shape {shape} for the adapter, and {has} in the base"
            raise _mismatch(path, why)


def _mismatch(path: Path, why: str) -> FingerprintMismatch:
    return FingerprintMismatch(
        "the adapter does not fit the base model", where=str(path), why=why, next_step=RETRAIN
    )


def _check_numbers(path: Path, entries: Mapping[str, TensorEntry]) -> None:
    """Refuse weights that are no finite numbers, told by their exponent bits."""
    import numpy as np

    with path.open("rb") as file:
        for name, entry in entries.items():
            if entry.dtype not in _DTYPES:
                raise refused(path, f"{name[:100]!r} is of type {entry.dtype}", RETRAIN)
            kind, bits = _DTYPES[entry.dtype]
            file.seek(entry.start)
            values = np.frombuffer(file.read(entry.end - entry.start), dtype=kind)
            if bool(((values & bits) == bits).any()):
                why = f"{name[:100]!r} has weights that are not finite numbers (NaN or infinite)"
                raise refused(path, why, RETRAIN)
