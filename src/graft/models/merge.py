"""Folding a LoRA adapter into the weights of its checkpoint, in float32.

W' = W + (alpha / r) * B A (Hu et al. 2021, 2106.09685, section 4.1). Always into the
unquantised checkpoint: merging into four bits rounds a light adapter away.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from graft.models.adapter_files import check_adapter
from graft.models.tensors import Tensors
from graft.models.weight_files import read_settings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["merged_weights"]

_PREFIX = "base_model.model."


def merged_weights(checkpoint: Path, adapter: Path) -> dict[str, NDArray[np.float32]]:
    """Return the weights that the adapter changes, by their name in the checkpoint.

    Raises:
        BadInput: a file of the adapter or of the checkpoint is refused.
        FingerprintMismatch: the adapter does not fit the checkpoint.
    """
    check_adapter(adapter, checkpoint)
    config = read_settings(adapter / "adapter_config.json")
    scale = config["lora_alpha"] / config["r"]
    parts, tensors = Tensors(adapter / "adapter_model.safetensors"), Tensors(checkpoint)
    merged = {}
    for name in parts:
        if name.endswith("lora_A.weight"):
            down, up = parts.get(name), parts.get(name.replace("lora_A", "lora_B"))
            target = name.removeprefix(_PREFIX).replace(".lora_A.weight", ".weight")
            merged[target] = tensors.get(target) + scale * (up @ down)
    return merged
