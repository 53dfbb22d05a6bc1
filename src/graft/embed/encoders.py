"""Which encoder runs an embedder on this machine: the fastest, once measured here.

A less true one must be faster by a tenth: bf16 where the processor multiplies in it, and int8
where it was shown on text to be near enough to the weights. Which of them is fastest cannot be
told from the processor's name: int8 with VNNI is far faster than bf16, with AVX2 a little faster
than fp32, in some engines slower.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from graft.embed.int8 import Int8Encoder, int8_graph
from graft.embed.openvino import OpenVinoEncoder, has_bf16, processor
from graft.models.cache import cache_root, made_once

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Encoder", "can_run", "fastest", "load_encoder"]

_FASTER = 1.1  # what a less true encoder must be faster by
_SHAPE = (16, 100)  # texts and tokens of the batch that is timed
_ROUNDS = 4


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
    int8 that is not near enough to the weights gives way to fp32.
    """
    wanted = precision or _fastest_known(folder, digest)
    found = _candidate(folder, digest, wanted)
    return found if found is not None else OpenVinoEncoder(folder, digest, "f32")


def fastest(rates: Mapping[str, float]) -> str:
    """Return the precision to use, given passages a second; the truest is not passed for little.

    >>> fastest({"f32": 50.0, "bf16": 54.0, "int8": 66.0})
    'int8'
    >>> fastest({"f32": 50.0, "int8": 52.0})
    'f32'
    """
    best = "f32"
    for name in ("bf16", "int8"):
        if rates.get(name, 0.0) > _FASTER * rates[best]:
            best = name
    return best


def _candidate(folder: Path, digest: str, precision: str) -> Encoder | None:
    if precision == "int8":
        graph = int8_graph(folder, digest)
        return None if graph is None else Int8Encoder(graph)
    return OpenVinoEncoder(folder, digest, precision)


def _fastest_known(folder: Path, digest: str) -> str:
    """Return what was fastest on this processor, measured on first use."""
    made = made_once(
        cache_root() / "embedders" / f"{folder.name}-{digest}-{processor()}",
        lambda draft: _measure(folder, digest, draft),
    )
    rates = json.loads((made / "rates.json").read_text(encoding="utf-8"))
    return fastest(rates)


def _measure(folder: Path, digest: str, draft: Path) -> None:
    """Write the rows a second of each precision, in turns, the best of some rounds."""
    import numpy as np

    encoders = {}
    for name in ("f32", *(["bf16"] if has_bf16() else []), "int8"):
        encoder = _candidate(folder, digest, name)
        if encoder is not None:
            encoders[name] = encoder
    ids = mask = np.ones(_SHAPE, dtype=np.int64)  # which tokens they are costs nothing
    seconds = dict.fromkeys(encoders, float("inf"))
    for turn in range(_ROUNDS + 1):
        for name, encoder in encoders.items():
            started = time.monotonic()
            encoder(ids, mask)
            if turn:  # the first call prepares memory and kernels
                seconds[name] = min(seconds[name], time.monotonic() - started)
    rates = {name: _SHAPE[0] / value for name, value in seconds.items()}
    (draft / "rates.json").write_text(json.dumps(rates), encoding="utf-8")


def can_run(folder: Path, digest: str, precision: str) -> bool:
    """Tell whether this machine runs the encoder of a folder truly in a precision."""
    if precision == "int8":
        return find_spec("onnxruntime") is not None and int8_graph(folder, digest) is not None
    return precision == "f32" or (precision == "bf16" and has_bf16())
