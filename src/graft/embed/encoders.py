"""Which encoder runs an embedder on this machine.

bf16 where the processor multiplies in it. Elsewhere int8, if it was shown on text to be true to
the weights; without that, or without onnxruntime, fp32.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from graft.embed.int8 import Int8Encoder, int8_graph
from graft.embed.openvino import OpenVinoEncoder, has_bf16

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Encoder", "can_run", "load_encoder"]


class Encoder(Protocol):
    """What turns token ids (n, tokens) and their mask into unit-length rows (n, dimension)."""

    precision: str
    dimension: int

    def __call__(  # noqa: D102 - said by the class
        self, ids: NDArray[np.int64], mask: NDArray[np.int64]
    ) -> NDArray[np.float32]: ...


def load_encoder(folder: Path, digest: str, precision: str | None = None) -> Encoder:
    """Return the encoder of a sentence-transformers folder; `digest` names its weights.

    `precision` is "bf16", "f32" or "int8" (f32 where that is not true to the weights); none is
    the fastest that may be used here.
    """
    if precision is None and has_bf16():
        precision = "bf16"
    if precision in (None, "int8"):
        graph = int8_graph(folder, digest)
        if graph is not None:
            return Int8Encoder(graph)
    return OpenVinoEncoder(folder, digest, "bf16" if precision == "bf16" else "f32")


def can_run(folder: Path, digest: str, precision: str) -> bool:
    """Tell whether this machine runs the encoder of a folder truly in a precision."""
    if precision == "int8":
        return find_spec("onnxruntime") is not None and int8_graph(folder, digest) is not None
    return precision == "f32" or (precision == "bf16" and has_bf16())
