"""Which encoder runs an embedder on this machine.

bf16 where the processor multiplies in it. Elsewhere int8, if it was shown on text to be true to
the weights, else fp32.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from graft.embed.int8 import Int8Encoder, int8_graph
from graft.embed.openvino import OpenVinoEncoder, has_bf16

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Encoder", "load_encoder"]


class Encoder(Protocol):
    """What turns token ids (n, tokens) and their mask into unit-length rows (n, dimension)."""

    precision: str
    dimension: int

    def __call__(  # noqa: D102 - said by the class
        self, ids: NDArray[np.int64], mask: NDArray[np.int64]
    ) -> NDArray[np.float32]: ...


def load_encoder(folder: Path, digest: str, precision: str | None = None) -> Encoder:
    """Return the encoder of a sentence-transformers folder; `digest` names its weights.

    `precision` is "bf16", "f32" or "int8"; none is the fastest that may be used here.
    """
    if precision is None and has_bf16():
        precision = "bf16"
    if precision in (None, "int8"):
        graph = int8_graph(folder, digest)
        if graph is not None:
            return Int8Encoder(graph)
    return OpenVinoEncoder(folder, digest, precision or "f32")
