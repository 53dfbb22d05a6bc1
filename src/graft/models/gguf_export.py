"""From a checkpoint's weights to a GGUF file (Q8_0 or F16), the same way for every arm.

The plain base goes through this export too: equal weights are the second fairness rule.
Tokenizer and settings are copied from the GGUF file that the checkpoint came from.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from graft.models.convert import permute_rows
from graft.models.gguf_files import check_gguf
from graft.models.tensors import Tensors

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["export_gguf"]

Precision = Literal["q8_0", "f16"]
FILE_TYPES = {"q8_0": 7, "f16": 1}


def export_gguf(
    checkpoint: Path,
    source: Path,
    target: Path,
    merged: Mapping[str, NDArray[np.float32]],
    precision: Precision = "q8_0",
) -> None:
    """Write `target`: matrices as Q8_0 or F16, norms kept in float32.

    Args:
        checkpoint: folder with `config.json` and `model.safetensors` (float32).
        source: the GGUF file whose tokenizer and settings are kept.
        target: file to write; its folder exists.
        merged: weights that replace the checkpoint's, by their name there.
        precision: of the matrices.
    """
    import gguf

    config = json.loads((checkpoint / "config.json").read_text(encoding="utf-8"))
    writer = gguf.GGUFWriter(str(target), "llama")
    _copy_fields(writer, source, precision)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config["num_hidden_layers"])
    heads = {
        "q_proj.weight": config["num_attention_heads"],
        "k_proj.weight": config["num_key_value_heads"],
    }
    tensors = Tensors(checkpoint)
    for name in tensors:
        values = merged[name] if name in merged else tensors.get(name)
        for suffix, count in heads.items():
            if name.endswith(suffix):
                values = permute_rows(values, count)
        _add(writer, names.get_name(name, try_suffixes=(".weight",)), values, precision)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _copy_fields(writer: Any, source: Path, precision: Precision) -> None:  # noqa: ANN401
    for key, value, kind, inner in _fields(source):
        writer.add_key_value(key, value, kind, sub_type=inner)
    writer.add_file_type(FILE_TYPES[precision])
    if precision == "q8_0":
        writer.add_quantization_version(2)


@functools.lru_cache(maxsize=1)
def _fields(source: Path) -> tuple[tuple[str, Any, Any, Any], ...]:
    """Return (key, value, type, type of the items); parsing a vocabulary takes five seconds."""
    import gguf

    check_gguf(source)
    own = {"general.architecture", "general.file_type", "general.quantization_version"}
    found = []
    for key, item in gguf.GGUFReader(str(source)).fields.items():
        if not key.startswith("GGUF.") and key not in own:
            kind = item.types[0]
            inner = item.types[-1] if kind == gguf.GGUFValueType.ARRAY else None
            found.append((key, item.contents(), kind, inner))
    return tuple(found)


def _add(writer: Any, name: str, values: NDArray[np.float32], precision: Precision) -> None:  # noqa: ANN401
    import gguf

    values = values.astype("float32")
    if values.ndim == 2 and precision == "f16":
        writer.add_tensor(name, values.astype("float16"))
    elif values.ndim == 2:
        kind = gguf.GGMLQuantizationType.Q8_0
        writer.add_tensor(name, gguf.quants.quantize(values, kind), raw_dtype=kind)
    else:
        writer.add_tensor(name, values)
