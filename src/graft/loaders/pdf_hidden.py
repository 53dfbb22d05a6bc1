"""Text of a PDF page that no reader sees: found by how it is painted, and taken off the page.

Looked at are the text's own drawing mode, colour, size and place, and whether anything dark
lies under light text. Doubt speaks for the text: what lies behind clips, masks, patterns and
layers is not followed. The file itself is never changed.
"""

from __future__ import annotations

import ctypes
import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from pypdfium2 import PdfPage

__all__ = ["drop_hidden", "has_picture"]

# A reader at arm's length reads down to three points; below one nothing can be made out.
_LEAST_POINTS = 1.0
_LEAST_ALPHA = 13  # of 255: a twentieth of full ink is not seen on paper
_WHITE = 250  # of 255, in each of red, green and blue
_OUTSIDE_POINTS = 1.0
# Coarser than 36 dots an inch no text can be read in a scan, so none lies behind a picture.
_LEAST_DOTS_A_POINT = 0.5
_LINE_SHARE = 2.0
_MAX_DEPTH = 15
_IDENTITY = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)

Matrix = tuple[float, float, float, float, float, float]


class _Box(NamedTuple):
    left: float
    bottom: float
    right: float
    top: float

    def holds(self, x: float, y: float) -> bool:
        return self.left <= x <= self.right and self.bottom <= y <= self.top


class _Item(NamedTuple):
    """An object of the page; `matrix` places it there, `parent` is the form it stands in."""

    raw: Any
    kind: int
    matrix: Matrix
    parent: Any


class _Suspect(NamedTuple):
    item: _Item
    why: str


class _Canvas:
    """The objects of a page in the order of painting, and what lies where on it."""

    def __init__(self, page: PdfPage, pdfium: ModuleType) -> None:
        self.pdfium = pdfium
        self.items = list(_items(page, pdfium))
        self.box = _Box(*page.get_bbox())

    @cached_property
    def scans(self) -> list[_Box]:
        """Return the places of pictures fine enough that text could be read in them."""
        found = []
        width, height = ctypes.c_uint(), ctypes.c_uint()
        for item in self.items:
            if item.kind != self.pdfium.FPDF_PAGEOBJ_IMAGE:
                continue
            if self.pdfium.FPDFImageObj_GetImagePixelSize(item.raw, width, height):
                box = _box(item, self.pdfium)
                points = (box.right - box.left) * (box.top - box.bottom)
                if width.value * height.value >= points * _LEAST_DOTS_A_POINT**2:
                    found.append(box)
        return found

    @cached_property
    def grounds(self) -> list[tuple[int, _Box]]:
        """Return the places that were painted in anything but white, and when."""
        return [
            (at, _box(item, self.pdfium))
            for at, item in enumerate(self.items)
            if item.kind != self.pdfium.FPDF_PAGEOBJ_TEXT and _is_coloured(item, self.pdfium)
        ]


def drop_hidden(page: PdfPage) -> Counter[str]:
    """Take hidden text off a page in memory; return how many pieces of each kind it was."""
    import pypdfium2.raw as pdfium

    canvas = _Canvas(page, pdfium)
    suspects = [
        _Suspect(item, why)
        for at, item in enumerate(canvas.items)
        if item.kind == pdfium.FPDF_PAGEOBJ_TEXT and (why := _why_hidden(canvas, at))
    ]
    hidden = _with_letters(page, suspects, pdfium) if suspects else []
    for item, _ in hidden:
        if item.parent is None:
            is_removed = pdfium.FPDFPage_RemoveObject(page.raw, item.raw)
        else:
            is_removed = pdfium.FPDFFormObj_RemoveObject(item.parent, item.raw)
        if is_removed:
            pdfium.FPDFPageObj_Destroy(item.raw)
    return Counter(why for _, why in hidden)


def has_picture(page: PdfPage) -> bool:
    """Tell whether a page shows a picture, in which text may stand."""
    import pypdfium2.raw as pdfium

    return any(item.kind == pdfium.FPDF_PAGEOBJ_IMAGE for item in _items(page, pdfium))


def _items(page: PdfPage, pdfium: ModuleType) -> Iterator[_Item]:
    """Yield the objects of a page, those inside forms with what places them on the page."""
    for number in range(pdfium.FPDFPage_CountObjects(page.raw)):
        raw = pdfium.FPDFPage_GetObject(page.raw, number)
        item = _Item(raw, pdfium.FPDFPageObj_GetType(raw), _IDENTITY, None)
        yield from _unfolded(item, 0, pdfium)


def _unfolded(item: _Item, depth: int, pdfium: ModuleType) -> Iterator[_Item]:
    if item.kind != pdfium.FPDF_PAGEOBJ_FORM:
        yield item
        return
    if depth >= _MAX_DEPTH:
        return
    matrix = _product(_matrix(item.raw, pdfium), item.matrix)
    for number in range(pdfium.FPDFFormObj_CountObjects(item.raw)):
        raw = pdfium.FPDFFormObj_GetObject(item.raw, number)
        inner = _Item(raw, pdfium.FPDFPageObj_GetType(raw), matrix, item.raw)
        yield from _unfolded(inner, depth + 1, pdfium)


def _why_hidden(canvas: _Canvas, at: int) -> str:
    """Name what hides a piece of text, or return nothing."""
    item, pdfium = canvas.items[at], canvas.pdfium
    box = _box(item, pdfium)
    if _points(item, pdfium) < _LEAST_POINTS:
        return "tiny"
    if _is_outside(box, canvas.box):
        return "outside the page"
    x, y = (box.left + box.right) / 2, (box.bottom + box.top) / 2
    mode = pdfium.FPDFTextObj_GetTextRenderMode(item.raw)
    if mode == pdfium.FPDF_TEXTRENDERMODE_INVISIBLE:
        # Over a scan it is the layer of an OCR.
        return "" if any(scan.holds(x, y) for scan in canvas.scans) else "invisible"
    is_outline = mode == pdfium.FPDF_TEXTRENDERMODE_STROKE
    get = pdfium.FPDFPageObj_GetStrokeColor if is_outline else pdfium.FPDFPageObj_GetFillColor
    colour = _colour(item.raw, get)
    if colour is None or mode >= pdfium.FPDF_TEXTRENDERMODE_FILL_CLIP:
        return ""
    if colour[3] < _LEAST_ALPHA:
        return "transparent"
    if min(colour[:3]) < _WHITE or mode == pdfium.FPDF_TEXTRENDERMODE_FILL_STROKE:
        return ""
    is_seen = any(order < at and ground.holds(x, y) for order, ground in canvas.grounds)
    return "" if is_seen else "white on white"


def _is_outside(box: _Box, page: _Box) -> bool:
    return (
        box.right < page.left - _OUTSIDE_POINTS
        or box.left > page.right + _OUTSIDE_POINTS
        or box.top < page.bottom - _OUTSIDE_POINTS
        or box.bottom > page.top + _OUTSIDE_POINTS
    )


def _is_coloured(item: _Item, pdfium: ModuleType) -> bool:
    if item.kind != pdfium.FPDF_PAGEOBJ_PATH:
        return True
    fill, stroke = ctypes.c_int(), ctypes.c_int()
    pdfium.FPDFPath_GetDrawMode(item.raw, fill, stroke)
    if fill.value:
        colour = _colour(item.raw, pdfium.FPDFPageObj_GetFillColor)
        if colour is None or (min(colour[:3]) < _WHITE and colour[3] >= _LEAST_ALPHA):
            return True
    if not stroke.value:
        return False
    # A frame is no ground for the text in it, a line as thick as it is high is one.
    width = ctypes.c_float()
    pdfium.FPDFPageObj_GetStrokeWidth(item.raw, width)
    box = _box(item._replace(matrix=_IDENTITY), pdfium)
    is_line = min(box.right - box.left, box.top - box.bottom) <= _LINE_SHARE * width.value
    colour = _colour(item.raw, pdfium.FPDFPageObj_GetStrokeColor)
    return is_line and (colour is None or min(colour[:3]) < _WHITE)


def _with_letters(
    page: PdfPage, suspects: Sequence[_Suspect], pdfium: ModuleType
) -> list[_Suspect]:
    """Return those that hold more than blanks, which part words that are seen."""
    textpage = page.get_textpage()
    try:
        kept = []
        for suspect in suspects:
            item = suspect.item
            size = pdfium.FPDFTextObj_GetText(item.raw, textpage.raw, None, 0)
            buffer = (pdfium.FPDF_WCHAR * max(1, -(-size // 2)))()
            pdfium.FPDFTextObj_GetText(item.raw, textpage.raw, buffer, size)
            if bytes(buffer).decode("utf-16-le", errors="replace").strip("\0 \r\n\t\xa0"):
                kept.append(suspect)
        return kept
    finally:
        textpage.close()


def _points(item: _Item, pdfium: ModuleType) -> float:
    """Return the size of a piece of text as it is shown."""
    size = ctypes.c_float()
    pdfium.FPDFTextObj_GetFontSize(item.raw, size)
    a, b, c, d, _, _ = _product(_matrix(item.raw, pdfium), item.matrix)
    return abs(size.value) * math.sqrt(abs(a * d - b * c))


def _colour(raw: object, get: Callable[..., int]) -> tuple[int, int, int, int] | None:
    """Return red, green, blue and alpha, None for a pattern."""
    red, green, blue, alpha = (ctypes.c_uint() for _ in range(4))
    found = get(raw, red, green, blue, alpha)
    return (red.value, green.value, blue.value, alpha.value) if found else None


def _box(item: _Item, pdfium: ModuleType) -> _Box:
    left, bottom, right, top = (ctypes.c_float() for _ in range(4))
    pdfium.FPDFPageObj_GetBounds(item.raw, left, bottom, right, top)
    if item.matrix == _IDENTITY:
        return _Box(left.value, bottom.value, right.value, top.value)
    a, b, c, d, e, f = item.matrix
    corners = [
        (a * x + c * y + e, b * x + d * y + f)
        for x in (left.value, right.value)
        for y in (bottom.value, top.value)
    ]
    across, up = zip(*corners, strict=True)
    return _Box(min(across), min(up), max(across), max(up))


def _matrix(raw: object, pdfium: ModuleType) -> Matrix:
    found = pdfium.FS_MATRIX()
    if not pdfium.FPDFPageObj_GetMatrix(raw, found):
        return _IDENTITY
    return (found.a, found.b, found.c, found.d, found.e, found.f)


def _product(one: Matrix, two: Matrix) -> Matrix:
    """Return the matrix that does one and then the other."""
    a, b, c, d, e, f = one
    p, q, r, s, t, u = two
    return (
        a * p + b * r,
        a * q + b * s,
        c * p + d * r,
        c * q + d * s,
        e * p + f * r + t,
        e * q + f * s + u,
    )
