"""Tables as text: where the header is, and rows whose lines can be read alone.

A row becomes `Name: Ada; City: Oslo`, so that a passage from the middle of a long table still
says what each value is. It knows no file format; loaders of spreadsheets hand in their cells.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from graft.errors import UnreadableDocument
from graft.types import Section

__all__ = [
    "MAX_TEXT",
    "MAYBE",
    "NO",
    "SURE",
    "Cell",
    "Piece",
    "cell_of",
    "counted",
    "grouped",
    "header_strength",
    "is_value",
    "label",
    "lay_out",
    "row_line",
    "too_much_text",
]

# Names that are repeated in every line make more text than the file has.
MAX_TEXT = 200_000_000
NO, MAYBE, SURE = 0, 1, 2
_VALUE = re.compile(
    r"[-+(]*[$€£¥]?\s?[.,]?\d[\d.,'’\s]*\)?\s?[%€$£¥]?(?:[eE][-+]?\d+)?"  # number, money, share
    r"|\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}(?:[T\s].*)?"  # date
    r"|\d{1,2}:\d{2}(?::\d{2})?(?:\.\d+)?"  # time
    r"|true|false|n/?a|\S+@\S+\.\w+|(?:https?://|www\.)\S+",
    re.IGNORECASE,
)
_VALUE_LENGTH = 200
_YEAR = re.compile(r"(?:19|20)\d\d")
_NAME = re.compile(r"\w|[#%€$£¥°]")
_HEADER_LENGTH = 300
_LABEL_LENGTH = 80
_SAMPLE_ROWS = 50
_SECTION_LINES = 100
_SECTION_CHARACTERS = 20_000


class Cell(NamedTuple):
    """The text of a cell on one line; `is_strong` where it is made to stand out."""

    text: str
    is_value: bool = False
    is_strong: bool = False


class Piece(NamedTuple):
    """A run of text that becomes a section."""

    heading_path: tuple[str, ...]
    text: str


def is_value(text: str) -> bool:
    """Say whether a text is a number, a date or an address, and so no name of a column.

    >>> [is_value(text) for text in ("1 200.50 €", "2024-05-01", "a@b.org", "Q1", "Price")]
    [True, True, True, False, False]
    """
    return len(text) < _VALUE_LENGTH and _VALUE.fullmatch(text) is not None


def cell_of(text: str) -> Cell:
    """Return a cell of a text that may have several lines."""
    text = " ".join(text.split())
    return Cell(text, is_value(text))


def header_strength(first: Sequence[Cell], body: Sequence[Sequence[Cell]]) -> int:
    """Say how surely a row names the columns of the rows below: `NO`, `MAYBE` or `SURE`.

    Names are text, and not values of the kind that stand below; years may be names too.
    """
    named = [cell for cell in first if cell.text]
    rows = [row for row in body[:_SAMPLE_ROWS] if any(cell.text for cell in row)]
    columns = {place for row in (first, *rows) for place, cell in enumerate(row) if cell.text}
    enough = max(min(len(columns), 2), -(-len(columns) // 2))
    if not rows or not named or len(named) < enough:
        return NO
    if not all(_NAME.search(cell.text) and len(cell.text) <= _HEADER_LENGTH for cell in named):
        return NO
    below = {
        place: [row[place] for row in rows if place < len(row) and row[place].text]
        for place in columns
    }
    years = {place for place, cell in enumerate(first) if _YEAR.fullmatch(cell.text)}
    if any(cell.is_value and place not in years for place, cell in enumerate(first)):
        return NO
    if any(
        below[place] and all(_YEAR.fullmatch(cell.text) for cell in below[place]) for place in years
    ):
        return NO
    if years:
        return SURE if len(years) < len(columns) else NO
    if all(cell.is_strong for cell in named) and not all(
        cell.is_strong for row in rows for cell in row if cell.text
    ):
        return SURE
    if any(
        below[place] and all(item.is_value for item in below[place])
        for place, cell in enumerate(first)
        if cell.text
    ):
        return SURE
    is_distinct = len({cell.text.casefold() for cell in named}) == len(named)
    has_sentence = any(cell.text[-1] in ".!" for cell in named)
    return MAYBE if is_distinct and len(columns) > 1 and not has_sentence else NO


def label(text: str) -> str:
    """Return the name of a column as it stands before each value: short, without a colon.

    >>> label("Price: ")
    'Price'
    """
    text = " ".join(text.split()).rstrip(": ")
    return text if len(text) <= _LABEL_LENGTH else text[: _LABEL_LENGTH - 1].rstrip() + "…"


def row_line(labels: Sequence[str], texts: Sequence[str]) -> str:
    """Return a row as a line; an empty cell is passed over, one without a name stands bare.

    >>> row_line(["Name", "", "City"], ["Ada", "x", ""])
    'Name: Ada; x'
    """
    return "; ".join(
        f"{name}: {text}" if name else text
        for name, text in zip(labels, texts, strict=True)
        if text
    )


def grouped(lines: Iterable[str]) -> Iterator[Piece]:
    """Yield groups of lines, none too large to be cut into passages with little work."""
    group: list[str] = []
    size = 0
    for line in lines:
        if group and (len(group) >= _SECTION_LINES or size + len(line) > _SECTION_CHARACTERS):
            yield Piece((), "\n".join(group))
            group, size = [], 0
        group.append(line)
        size += len(line)
    if group:
        yield Piece((), "\n".join(group))


def counted(number: int, kind: str) -> str:
    """Return a number of things in words; the first word is in the singular.

    >>> counted(2, "row with missing cells")
    '2 rows with missing cells'
    """
    first, space, rest = kind.partition(" ")
    return f"{number:,} {first}{'s' if number > 1 else ''}{space}{rest}"


def too_much_text(source: Path) -> UnreadableDocument:
    """Return the refusal of a file whose lines grow beyond `MAX_TEXT`."""
    return UnreadableDocument(
        "the file gives too much text",
        where=str(source),
        why=f"with the name of each value it has more than {MAX_TEXT:,} characters",
        next_step="split it into smaller files and add those",
    )


def lay_out(pieces: Iterable[Piece], gap: str) -> tuple[str, tuple[Section, ...]]:
    """Join the pieces into one text; each is a section, with the gap behind it."""
    parts: list[str] = []
    sections: list[Section] = []
    start = 0
    for piece in pieces:
        if parts:
            parts.append(gap)
            start += len(gap)
            sections[-1] = Section(sections[-1].heading_path, sections[-1].start, start)
        parts.append(piece.text)
        sections.append(Section(piece.heading_path, start, start + len(piece.text)))
        start += len(piece.text)
    return "".join(parts), tuple(sections)
