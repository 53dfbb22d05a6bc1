"""Folding a LoRA adapter into the weights of its checkpoint, in float32.

W' = W + (alpha / r) * B A (Hu et al. 2021, 2106.09685, section 4.1). Always into the
unquantised checkpoint: merging into four bits rounds a light adapter away.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from graft.errors import BadInput

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["merged_weights"]

_PREFIX = "base_model.model."


def merged_weights(checkpoint: Path, adapter: Path) -> dict[str, NDArray[np.float32]]:
    """Return the weights that the adapter changes, by their name in the checkpoint.

    Raises:
        BadInput: the adapter does not fit the checkpoint.
    """
    from safetensors import safe_open
    from safetensors.numpy import load_file

    config = json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))
    scale = config["lora_alpha"] / config["r"]
    parts = load_file(adapter / "adapter_model.safetensors")
    merged = {}
    with safe_open(checkpoint / "model.safetensors", framework="np") as tensors:
        known = set(tensors.keys())
        for name, down in parts.items():
            if not name.endswith("lora_A.weight"):
                continue
            up = parts[name.replace("lora_A", "lora_B")]
            target = name.removeprefix(_PREFIX).replace(".lora_A.weight", ".weight")
            shape = (up.shape[0], down.shape[1])
            if target not in known or tuple(tensors.get_slice(target).get_shape()) != shape:
                raise BadInput(
                    "the adapter does not fit the base model",
                    where=str(adapter),
                    why=f"{target} of shape {shape} is not in {checkpoint.name}",
                    next_step="graft train --force",
                )
            weight = tensors.get_tensor(target).astype("float32")
            merged[target] = weight + scale * (up.astype("float32") @ down.astype("float32"))
    return merged
