"""A merged model, or an adapter, as a folder that transformers, peft and vLLM load as it is."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from graft.models.tensors import Tensors
from graft.models.weight_files import read_settings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["copy_base", "write_adapter", "write_merged"]

# Beside the weights: nothing else of a base's folder is taken, code least of all.
SETTINGS = (
    "config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja",
    "special_tokens_map.json",
)  # fmt: skip


def write_merged(
    checkpoint: Path,
    merged: Mapping[str, NDArray[np.float32]],
    target: Path,
    stop_ids: tuple[int, ...],
) -> None:
    """Write a whole model: weights in the base's own precision, tokenizer, chat template.

    Args:
        checkpoint: the folder of the base.
        merged: weights that replace the base's, by name (float32).
        target: a folder that exists and is empty.
        stop_ids: the tokens that end an answer; written where every engine looks for them.
    """
    import torch
    from safetensors.torch import save_file

    kinds = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
    tensors = Tensors(checkpoint)
    whole = {}
    for name in tensors:
        values = merged[name] if name in merged else tensors.get(name)
        kind = kinds.get(tensors.dtype(name), torch.float32)
        whole[name] = torch.from_numpy(values.copy()).to(kind)
    save_file(whole, target / "model.safetensors", {"format": "pt"})
    _copy_settings(checkpoint, target, stop_ids)


def copy_base(checkpoint: Path, target: Path, stop_ids: tuple[int, ...]) -> None:
    """Copy a base's checked weights, tokenizer and settings into a folder."""
    for path in sorted(checkpoint.glob("*.safetensors*")):
        shutil.copyfile(path, target / path.name)
    _copy_settings(checkpoint, target, stop_ids)


def _copy_settings(checkpoint: Path, target: Path, stop_ids: tuple[int, ...]) -> None:
    for name in SETTINGS:
        if (checkpoint / name).is_file():
            shutil.copyfile(checkpoint / name, target / name)
    # without these an engine that knows one end of a turn only writes on and on
    generation = read_settings(checkpoint / "generation_config.json")
    for name in ("temperature", "top_p", "top_k", "max_length", "max_new_tokens"):
        generation.pop(name, None)
    generation |= {"do_sample": False, "eos_token_id": list(stop_ids)}
    _write(target / "generation_config.json", generation)


def write_adapter(adapter: Path, base: str, target: Path) -> None:
    """Write a PEFT folder whose settings name the base that it belongs to."""
    shutil.copyfile(adapter / "adapter_model.safetensors", target / "adapter_model.safetensors")
    settings = read_settings(adapter / "adapter_config.json")
    _write(
        target / "adapter_config.json",
        settings | {"base_model_name_or_path": base, "inference_mode": True},
    )


def _write(path: Path, settings: Mapping[str, object]) -> None:
    path.write_text(json.dumps(settings, indent=1), encoding="utf-8")
