"""The lines of a PDF page as text: cells of tables parted, right-to-left scripts put right.

Both need to know where the characters stand on the page, which the plain text has lost. A row
of a table is a line whose gaps stand above or below the gaps of its neighbours; its cells are
parted by " | ", as in tables of other formats. It joins no lines.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pypdfium2 import PdfTextPage

__all__ = ["CELL", "lines_of"]

CELL = " | "
_ARABIC = "\u0621-\u064a\u066e-\u06d3\u06fa-\u06ff"
_MARKS = "\u064b-\u065f\u0670"
_HAS_ARABIC = re.compile(f"[{_ARABIC}]")
# The ligature of lam and alef comes out with alef first, both letters in one place.
_ALEF_LAM = re.compile("[\u0622\u0623\u0625\u0627]\u0644")
# A mark stands on the letter before it; after a blank it was meant for the letter behind.
_STRAY_MARK = re.compile(f" ([{_MARKS}]+)([{_ARABIC}])")
# Scripts are parted by a turn of the reading direction, which leaves no blank in the file.
_TURN = re.compile(f"([A-Za-z]{{2}})(?=[{_ARABIC}]{{2}})")
# PDFium's mark of a hyphen ends a line too, whatever it put behind it.
_LINE = re.compile(r"[^\r\n\x02\ufffe]+[\x02\ufffe]?")
_BLANK = re.compile(r"[ \t\xa0]+")
_LABEL = re.compile(r"(?:[^\w\s]{1,2}|o|\(?\w{1,3}[.)])$")
# In heights of a letter, which are a bit more than an em: words stand a third of one apart,
# the columns of a table at least one. Columns of numbers align by their right ends.
_GAP_HEIGHTS = 0.9
# Justified print opens up between sentences.
_SENTENCE_GAP = 2.5
_SENTENCE_ENDS = '.?!:;,”"’)'
_ALIGNED_HEIGHTS = 2.0
_LEAST_ROWS = 3
_STAMP_HEIGHTS = 1.25  # letters that much higher than those of the page
_CROSSED_HEIGHTS = 5.0
_SLANT = 0.1  # radians: a page that was laid crooked on a scanner is not slanted
_PROSE_LENGTH = 40
_MAX_PROSE = 0.5


class _Row(NamedTuple):
    """A line: where it starts and ends, and where its gaps are: position and left edge."""

    start: int
    end: int
    gaps: tuple[tuple[int, float], ...]
    height: float


class _Place(NamedTuple):
    """Where a line stands on the page, and at which angle its letters stand."""

    span: tuple[int, int]
    left: float
    bottom: float
    right: float
    top: float
    angle: float


def lines_of(textpage: PdfTextPage, letters: Mapping[int, str] | None = None) -> list[str]:
    """Return the lines of a page, its tables as rows of cells.

    Args:
        textpage: the text of the page.
        letters: what stands at a position instead of the character that the font gives.
    """
    text = str(textpage.get_text_range())
    if len(text) != textpage.count_chars():
        # Some characters have no place of their own, so no position can be trusted.
        return text.splitlines()
    text = "".join(letters.get(at, letter) for at, letter in enumerate(text)) if letters else text
    if not _HAS_ARABIC.search(text):
        return list(_lines(text, textpage))
    lines = _lines(_ligatures_turned(text, textpage), textpage)
    return [_TURN.sub(r"\1 ", _STRAY_MARK.sub(r"\2\1", line)) for line in lines]


def _ligatures_turned(text: str, textpage: PdfTextPage) -> str:
    letters = list(text)
    for found in _ALEF_LAM.finditer(text):
        alef, lam = found.start(), found.start() + 1
        if textpage.get_charbox(alef) == textpage.get_charbox(lam):
            letters[alef], letters[lam] = letters[lam], letters[alef]
    return "".join(letters)


def _lines(text: str, textpage: PdfTextPage) -> Iterator[str]:
    """Yield the lines; those of a table with a bar where one cell ends and the next begins."""
    spans = _edges_in_place([found.span() for found in _LINE.finditer(text)], textpage)
    rows = [_row(text, start, end, textpage) for start, end in spans]
    for has_gaps, group in itertools.groupby(rows, key=lambda row: bool(row.gaps)):
        run = list(group)
        table = _table_rows(text, run) if has_gaps else set()
        for row in run:
            yield CELL.join(_cells(text, row)) if row in table else text[row.start : row.end]


def _edges_in_place(spans: list[tuple[int, int]], textpage: PdfTextPage) -> list[tuple[int, int]]:
    """Put the highest line first, the lowest last, and stamps across the page behind all."""
    import pypdfium2.raw as pdfium

    if len(spans) < _LEAST_ROWS:
        return spans
    places = []
    for start, end in spans:
        left, bottom, _, top = textpage.get_charbox(start, loose=True)
        right = textpage.get_charbox(max(start, end - 2), loose=True)[2]
        angle = pdfium.FPDFText_GetCharAngle(textpage.raw, (start + end) // 2)
        places.append(_Place((start, end), left, bottom, right, top, angle))
    stamps = _stamps(places)
    places = [place for place in places if place not in stamps]
    if places and not any(place.angle > _SLANT for place in places):
        lowest = min(places, key=lambda place: place.top)
        if all(lowest.top < place.bottom for place in places if place is not lowest):
            places.append(places.pop(places.index(lowest)))
        highest = max(places, key=lambda place: place.bottom)
        if all(highest.bottom > place.top for place in places if place is not highest):
            places.insert(0, places.pop(places.index(highest)))
    return [place.span for place in (*places, *stamps)]


def _stamps(places: Sequence[_Place]) -> list[_Place]:
    """Return the lines that stand aslant, or in larger letters across other lines."""
    heights = sorted(place.top - place.bottom for place in places)
    usual = heights[len(heights) // 2]
    return [
        place
        for place in places
        if _is_slanted(place.angle)
        or (
            place.top - place.bottom > usual * _STAMP_HEIGHTS
            and any(_crosses(place, other) for other in places if other is not place)
        )
    ]


def _crosses(stamp: _Place, other: _Place) -> bool:
    """Tell whether at least half a line of text lies under a stamp, and is longer than a word."""
    high = min(stamp.top, other.top) - max(stamp.bottom, other.bottom)
    wide = min(stamp.right, other.right) - max(stamp.left, other.left)
    height = other.top - other.bottom
    return high * 2 > height > 0 and wide > height * _CROSSED_HEIGHTS


def _is_slanted(angle: float) -> bool:
    """Tell whether letters stand at an angle that is neither upright nor a quarter turn."""
    off = angle % (math.pi / 2)
    return _SLANT < off < math.pi / 2 - _SLANT


def _row(text: str, start: int, end: int, textpage: PdfTextPage) -> _Row:
    """Find the gaps of a line; one behind a bullet or a number is none."""
    gaps = []
    height = 0.0
    for blank in _BLANK.finditer(text, start, end):
        if blank.start() == start or blank.end() == end:
            continue
        before = textpage.get_charbox(blank.start() - 1, loose=True)
        behind = textpage.get_charbox(blank.end(), loose=True)
        height = before[3] - before[1]
        least = _SENTENCE_GAP if text[blank.start() - 1] in _SENTENCE_ENDS else _GAP_HEIGHTS
        is_wide = behind[0] - before[2] > least * height > 0
        if is_wide and not _LABEL.match(text[start : blank.start()]):
            gaps.append((blank.end(), behind[0]))
    return _Row(start, end, tuple(gaps), height)


def _cells(text: str, row: _Row) -> list[str]:
    starts = [row.start, *(at for at, _ in row.gaps)]
    ends = [*starts[1:], row.end]
    return [text[start:end].strip() for start, end in zip(starts, ends, strict=True)]


def _table_rows(text: str, run: Sequence[_Row]) -> set[_Row]:
    """Return the rows whose gaps stand one above the other; none where it is running text."""
    if len(run) < _LEAST_ROWS:
        return set()
    cells = [cell for row in run for cell in _cells(text, row)]
    if sum(len(cell) > _PROSE_LENGTH for cell in cells) > len(cells) * _MAX_PROSE:
        return set()
    aligned = {
        row for row in run if _stands_under(row, [other for other in run if other is not row])
    }
    return aligned if len(aligned) * 2 > len(run) else set()


def _stands_under(row: _Row, others: Sequence[_Row]) -> bool:
    """Tell whether every cell of a row begins where one of a third of the others does."""
    reach = _ALIGNED_HEIGHTS * row.height
    return all(
        sum(any(abs(left - at) <= reach for _, at in other.gaps) for other in others) * 3
        >= len(others)
        for _, left in row.gaps
    )
