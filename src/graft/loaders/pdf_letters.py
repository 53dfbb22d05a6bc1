"""Letters that a font of a PDF gives wrongly: ligatures told as one letter, pages of nonsense.

Some fonts name the ligature of f and i as plain f, so that "first" would be read as "frst". Such
a glyph is wider than the f of its font, and its drawing tells which letters it joins. A page whose
characters mean nothing is only recognised here: what is printed there takes OCR to read.
"""

from __future__ import annotations

import ctypes
import unicodedata
from collections.abc import Iterator
from types import ModuleType
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy
    from pypdfium2 import PdfPage, PdfTextPage

__all__ = ["LOST", "SPELLED_OUT", "is_garbled", "ligatures_of", "meaningless"]

# U+FB00 to U+FB06 are one character each and are searched for as letters.
SPELLED_OUT = {code: unicodedata.normalize("NFKC", chr(code)) for code in range(0xFB00, 0xFB07)}
LOST = "f"  # a ligature whose other letters the drawing does not tell
_WIDER = 1.25  # a ligature is at least that much wider than the f of its font
_HEIGHT = 48  # dots: thin strokes are two or three of them
_INK = 128  # of 255, where white is 255
_STEM_ROWS = slice(28, 41)  # between the bar of the f and the serifs at the foot
_BAR_ROWS = slice(14, 40)
_NECK_ROWS = slice(8, 20)  # where an i has a gap below its dot
_MAX_BOXES = 2_000  # on a page; one of print has some dozens
_GARBLED_SHARE = 0.1
_LINE_END_MARKS = (0x02, 0xFFFE)  # PDFium's hyphens
_BLANKS = (0x09, 0x0A, 0x0D, 0x20)


class _Wide(NamedTuple):
    at: int
    box: tuple[float, float, float, float]


def ligatures_of(page: PdfPage, textpage: PdfTextPage, widths: dict[str, float]) -> dict[int, str]:
    """Return which characters of a page are ligatures, by position, as one character each.

    Args:
        page: the page.
        textpage: its text.
        widths: the narrowest f of each font so far, in heights of a line; grows from page to page.
    """
    if page.get_rotation():
        return {}
    found = {}
    for wide in list(_wide_letters(textpage, widths))[:_MAX_BOXES]:
        if letters := _letters_drawn(page, wide.box):
            found[wide.at] = letters
    return found


def meaningless(textpage: PdfTextPage) -> tuple[int, int]:
    """Return how many characters of a page mean nothing, and how many there are beside blanks."""
    import pypdfium2.raw as pdfium

    bad = total = 0
    for at in range(textpage.count_chars()):
        code = pdfium.FPDFText_GetUnicode(textpage.raw, at)
        if code in _BLANKS or code in _LINE_END_MARKS:
            continue
        total += 1
        bad += (
            code == 0xFFFD
            or unicodedata.category(chr(code)) in ("Cc", "Cn", "Co")
            or pdfium.FPDFText_HasUnicodeMapError(textpage.raw, at) == 1
        )
    return bad, total


def is_garbled(bad: int, total: int) -> bool:
    """Tell whether so much of a page is nonsense that the rest is not to be trusted.

    >>> is_garbled(3, 2_000), is_garbled(900, 2_000)
    (False, True)
    """
    return bad > total * _GARBLED_SHARE


def _wide_letters(textpage: PdfTextPage, widths: dict[str, float]) -> Iterator[_Wide]:
    """Yield the letters f that are wider than the f of their font, upright and printed."""
    import pypdfium2.raw as pdfium

    text = str(textpage.get_text_range())
    if len(text) != textpage.count_chars():
        return
    seen = []
    for at, letter in enumerate(text):
        if letter != "f" or pdfium.FPDFText_GetCharAngle(textpage.raw, at):
            continue
        left, bottom, right, top = textpage.get_charbox(at, loose=True)
        # Over a scan invisible letters are stretched to the words of the picture.
        item = pdfium.FPDFText_GetTextObject(textpage.raw, at)
        mode = pdfium.FPDFTextObj_GetTextRenderMode(item)
        if top > bottom and right > left and mode == pdfium.FPDF_TEXTRENDERMODE_FILL:
            font = _font(textpage, at, pdfium)
            width = (right - left) / (top - bottom)
            widths[font] = min(width, widths.get(font, width))
            seen.append((at, font, width))
    for at, font, width in seen:
        if width > widths[font] * _WIDER:
            box = textpage.get_charbox(at)
            # Where the font tells more than one letter for a glyph, they share its place.
            beside = [near for near in (at - 1, at + 1) if 0 <= near < len(text)]
            if not any(textpage.get_charbox(near) == box for near in beside):
                yield _Wide(at, box)


def _font(textpage: PdfTextPage, at: int, pdfium: ModuleType) -> str:
    name = ctypes.create_string_buffer(256)
    pdfium.FPDFText_GetFontInfo(textpage.raw, at, name, len(name), ctypes.c_int())
    return name.value.decode("utf-8", errors="replace")


def _letters_drawn(page: PdfPage, box: tuple[float, float, float, float]) -> str:
    """Return the ligature that stands in a box, nothing for one letter, LOST if it is unclear."""
    left, bottom, right, top = box
    if top <= bottom or right <= left:
        return ""
    edge = page.get_bbox()
    picture = page.render(
        scale=_HEIGHT / (top - bottom),
        crop=(left - edge[0], bottom - edge[1], edge[2] - right, edge[3] - top),
        grayscale=True,
    ).to_numpy()
    ink = picture.reshape(picture.shape[0], picture.shape[1]) < _INK
    return _ligature(ink)


def _ligature(ink: numpy.ndarray) -> str:
    """Name the ligature of a drawing by its stems: the last is of an i, an l or another f."""
    stems = _stems(ink)
    if len(stems) < 2 or len(stems) > 3:
        return ""
    start, end = stems[-1]
    goes_on = bool(ink[_BAR_ROWS, end + 2 :].any())
    has_gap = bool((~ink[_NECK_ROWS, start:end].any(axis=1)).sum() >= 2)
    if goes_on:
        return "\ufb00" if len(stems) == 2 and not has_gap else LOST
    if len(stems) == 2:
        return "\ufb01" if has_gap else "\ufb02"
    return "\ufb03" if has_gap else "\ufb04"


def _stems(ink: numpy.ndarray) -> list[tuple[int, int]]:
    """Return the columns of the upright strokes, from left to right."""
    full = [bool(ink[_STEM_ROWS, column].all()) for column in range(ink.shape[1])]
    stems: list[tuple[int, int]] = []
    for column, is_full in enumerate(full):
        if is_full and stems and stems[-1][1] == column:
            stems[-1] = (stems[-1][0], column + 1)
        elif is_full:
            stems.append((column, column + 1))
    return stems
