"""Text in pictures, by RapidOCR: a small network on the processor, its weights in the package.

Used for pages that hold a picture and no text, and only where it is asked for: it takes
seconds a page, misreads, and needs the extra `ocr`. It knows no file format.
"""

from __future__ import annotations

import functools
import importlib.util
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np

__all__ = ["is_installed", "read_picture"]

# Below it a line is more often noise of the paper than text.
_LEAST_SCORE = 0.5
_SAME_LINE = 0.6


class _Piece(NamedTuple):
    text: str
    top: float
    bottom: float
    left: float
    right: float


def is_installed() -> bool:
    """Tell whether the extra is there, without loading it."""
    return all(importlib.util.find_spec(name) for name in ("rapidocr", "onnxruntime"))


def read_picture(pixels: np.ndarray) -> list[str]:
    """Return the lines of text in a picture, from the top; sideways text is turned."""
    found = _engine()(pixels)
    if found.txts is None or found.boxes is None:
        return []
    lines: list[list[_Piece]] = []
    for text, score, box in zip(found.txts, found.scores, found.boxes, strict=True):
        sides, tops = [float(x) for x, _ in box], [float(y) for _, y in box]
        piece = _Piece(text.strip(), min(tops), max(tops), min(sides), max(sides))
        if score < _LEAST_SCORE or not piece.text:
            continue
        if lines and _is_beside(lines[-1][-1], piece):
            lines[-1].append(piece)
        else:
            lines.append([piece])
    in_order = (sorted(line, key=lambda piece: piece.left) for line in lines)
    return [" ".join(piece.text for piece in line) for line in in_order]


def _is_beside(one: _Piece, other: _Piece) -> bool:
    """Tell whether two pieces stand in one line; sideways ones (higher than wide) never do."""
    if one.bottom - one.top > one.right - one.left:
        return False
    shared = min(one.bottom, other.bottom) - max(one.top, other.top)
    least = min(one.bottom - one.top, other.bottom - other.top)
    return shared > _SAME_LINE * least


@functools.cache
def _engine() -> Any:  # noqa: ANN401 - a class of a library without types
    """Load the network once a process, which takes seconds."""
    from rapidocr import RapidOCR

    return RapidOCR(params={"Global.log_level": "critical"})
