"""The cells of an Excel sheet that a reader sees, read as a stream and within limits.

A sheet may have a million rows that only carry a format, so its XML is never held whole.
Values are those that were stored with the file; a formula is never worked out. Cells in
hidden rows and columns, and those that no one can see, are left out and counted.
"""

from __future__ import annotations

import io
import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from graft.errors import UnreadableDocument
from graft.loaders.container import refuse_without_memory
from graft.loaders.ooxml import Package, clean, local_name
from graft.loaders.tables import Cell, is_value
from graft.loaders.xlsx_values import Formats, hides_text

if TYPE_CHECKING:
    from lxml.etree import _Element as Element

__all__ = ["Area", "Grid", "Sheet", "SheetReader"]

Grid = dict[int, dict[int, Cell]]

_MAX_CELLS = 1_000_000
_MAX_CHARACTERS = 50_000_000
_MAX_COLUMNS = 16_384
_MAX_AREAS = 100_000
_MAX_COMPARED = 5_000_000
_ON = ("1", "true")
_AREA = re.compile(r"\$?([A-Z]{1,3})\$?(\d{1,7}):\$?([A-Z]{1,3})\$?(\d{1,7})")
_LETTERS = re.compile(r"[A-Z]{1,3}")
_PLACELESS = re.compile(rb"<(?:\w+:)?(?:c|row)(?=[\s/>])(?![^<>]*\sr=)")
_EMPTY_CELL = re.compile(rb"<(?:\w+:)?c\s[^<>]*/>")
_EMPTY_ROW = re.compile(
    rb"<(?:\w+:)?row\s(?![^<>]*(?:hidden|ht=[\"']0))[^<>]*(?:/>|(?<!/)>\s*</(?:\w+:)?row>)"
)
_TAGS = ("row", "col", "mergeCell", "conditionalFormatting", "picture") + tuple(
    f"{kind}{place}" for kind in ("odd", "even", "first") for place in ("Header", "Footer")
)


class Area(NamedTuple):
    """A rectangle of cells, its last row and column included."""

    top: int
    left: int
    bottom: int
    right: int

    def holds(self, row: int, column: int) -> bool:
        """Say whether a cell lies in the area."""
        return self.top <= row <= self.bottom and self.left <= column <= self.right


@dataclass(slots=True)
class Sheet:
    """The shown cells by row and column, and the areas of merged ones."""

    rows: Grid = field(default_factory=dict)
    merged: list[Area] = field(default_factory=list)
    colored: list[Area] = field(default_factory=list)
    white: list[tuple[int, int]] = field(default_factory=list)
    hidden_rows: list[int] = field(default_factory=list)
    hidden_columns: bytearray = field(default_factory=lambda: bytearray(_MAX_COLUMNS + 1))
    has_picture: bool = False


class SheetReader:
    """Reads the sheets of one workbook; `is_full` says that the limit of cells is reached."""

    def __init__(self, package: Package, formats: Formats, strings_part: str) -> None:
        self._package = package
        self._formats = formats
        self._cells_left = _MAX_CELLS
        self._characters_left = _MAX_CHARACTERS
        self._strings = [_string(item) for item in self._stream(strings_part, ("si",))]

    @property
    def is_full(self) -> bool:
        """Say whether as much is read as a workbook may have."""
        return self._cells_left <= 0 or self._characters_left <= 0

    def read(self, part: str) -> Sheet:
        """Return what a sheet shows, rows and columns counted without the hidden ones."""
        sheet = Sheet()
        at = 0
        for element in self._stream(part, _TAGS):
            name = local_name(element)
            if name == "row":
                at = self._row(sheet, element, at + 1)
                if self.is_full:
                    break
            elif name == "col":
                _note_hidden(sheet, element)
            elif name == "mergeCell" and len(sheet.merged) < _MAX_AREAS:
                sheet.merged += _areas(element.get("ref"))
            elif name == "conditionalFormatting" and len(sheet.colored) < _MAX_AREAS:
                sheet.colored += _areas(element.get("sqref"))
            elif name == "picture":
                sheet.has_picture = True
            elif name.endswith(("Header", "Footer")):
                self._package.count(
                    "line of page headers and footers", int(bool((element.text or "").strip()))
                )
        self._mark_headers(sheet, part)
        self._drop_white(sheet)
        return _without_hidden(sheet)

    def _stream(self, part: str, names: tuple[str, ...]) -> Iterator[Element]:
        """Yield the elements of these names of a part and forget them; damage is noted."""
        from lxml import etree

        if not part:
            return
        try:
            data = self._package.container.read(part)
        except UnreadableDocument as error:
            self._package.problems.append(f"{error.what}: {part}")
            return
        declares = f"{part} declares XML entities and is left out"
        if b"<!DOCTYPE" in data.replace(b"\0", b""):
            self._package.problems.append(declares)
            return
        stream = etree.iterparse(
            io.BytesIO(_without_empty(data)),
            events=("end",),
            tag=[f"{{*}}{name}" for name in names],
            resolve_entities=False,
            no_network=True,
            load_dtd=False,
            huge_tree=False,
            remove_comments=True,
            remove_pis=True,
            collect_ids=False,
            recover=True,
        )
        try:
            for _, element in stream:
                # There are encodings in which the mark above is written otherwise.
                if element.getroottree().docinfo.internalDTD is not None:
                    self._package.problems.append(declares)
                    return
                yield element
                element.clear()
                while element.getprevious() is not None:
                    del element.getparent()[0]
        except etree.XMLSyntaxError as error:
            refuse_without_memory(error.error_log)
            self._package.problems.append(f"{part} is damaged and read as far as it goes")
            return
        refuse_without_memory(stream.error_log)
        if len(stream.error_log):
            self._package.problems.append(f"{part} is damaged and read as far as it goes")

    def _row(self, sheet: Sheet, row: Element, following: int) -> int:
        """Read a row; return its number, which is the following one where it says none."""
        number = _whole(row.get("r")) or following
        is_hidden = row.get("hidden") in _ON or row.get("ht") in ("0", "0.0")
        if is_hidden:
            sheet.hidden_rows.append(number)
        cells: dict[int, Cell] = {}
        column = 0
        has_hidden = False
        for item in row:
            if local_name(item) != "c":
                continue
            place = _LETTERS.match(item.get("r") or "")
            column = _column(place[0]) if place else column + 1
            in_hidden = is_hidden or (column <= _MAX_COLUMNS and sheet.hidden_columns[column] > 0)
            cell = self._cell(sheet, item, (number, column), in_hidden)
            if cell is None:
                continue
            has_hidden = True
            if in_hidden and not is_hidden:
                sheet.hidden_columns[column] = 2
            elif not in_hidden:
                cells[column] = cell
                self._cells_left -= 1
                self._characters_left -= len(cell.text)
                if self.is_full:
                    break
        self._package.count("hidden row", int(is_hidden and has_hidden))
        if cells:
            sheet.rows.setdefault(number, {}).update(cells)
        return number

    def _cell(
        self, sheet: Sheet, cell: Element, at: tuple[int, int], in_hidden: bool
    ) -> Cell | None:
        """Return a cell as it is read, or None where there is nothing to read in it."""
        parts = {local_name(item): item for item in cell}
        if not parts:
            return None
        kind = cell.get("t") or "n"
        look = self._formats.look(cell.get("s"))
        stored = parts["v"].text or "" if "v" in parts else ""
        if "f" in parts and not stored and kind not in ("str", "inlineStr"):
            self._package.count("formula of no stored value", int(not in_hidden))
            return None
        if kind == "e":
            self._package.count("error value", int(not in_hidden))
            return None
        text = stored
        if kind == "s":
            place = _whole(stored)
            text = self._strings[place] if place < len(self._strings) and stored else ""
        elif kind == "inlineStr":
            text = _string(parts["is"]) if "is" in parts else stored
        elif kind == "b":
            text = {"1": "TRUE", "0": "FALSE"}.get(stored, stored)
        elif kind == "d":
            text = stored.removesuffix("T00:00:00").replace("T", " ")
        elif kind == "n" and stored:
            text = self._formats.shown(stored, look)
        text = " ".join(clean(text).split())
        is_number = kind in "nd"
        is_unseen = not text if is_number else hides_text(look.number_format)
        if (is_unseen or look.is_tiny) and (text or stored.strip()):
            self._package.count("hidden cell", int(not in_hidden))
            return None
        if not text:
            return None
        if look.is_white and not in_hidden:
            sheet.white.append(at)
        return Cell(text, kind in "nbd" or is_value(text), look.is_bold)

    def _mark_headers(self, sheet: Sheet, part: str) -> None:
        """Mark the cells that the workbook itself calls the header of a table."""
        for relation in self._package.relations(part).values():
            table = self._package.xml(relation.part) if relation.kind == "table" else None
            if table is None:
                continue
            for area in _areas(table.get("ref")):
                sheet.colored.append(area)
                row = sheet.rows.get(area.top, {}) if table.get("headerRowCount") != "0" else {}
                for column in [x for x in row if area.left <= x <= area.right]:
                    row[column] = Cell(row[column].text, False, True)

    def _drop_white(self, sheet: Sheet) -> None:
        """Leave out white text on white, where nothing else may give it a ground."""
        grounds = sheet.colored[: _MAX_COMPARED // max(1, len(sheet.white))]
        for row, column in sheet.white if not sheet.has_picture else ():
            cells = sheet.rows.get(row, {})
            if column in cells and not any(area.holds(row, column) for area in grounds):
                self._package.count("hidden cell")
                del cells[column]
                if not cells:
                    del sheet.rows[row]


def _without_empty(data: bytes) -> bytes:
    """Return the XML of a sheet without cells and rows that only carry a format.

    Only where each cell says its place itself; a hidden row stays, since it makes no gap.
    """
    if _PLACELESS.search(data):
        return data
    return _EMPTY_ROW.sub(b"", _EMPTY_CELL.sub(b"", data))


def _without_hidden(sheet: Sheet) -> Sheet:
    """Close the gaps that hidden rows and columns leave."""
    hidden_columns = [place for place, kind in enumerate(sheet.hidden_columns) if kind]
    if not sheet.hidden_rows and not hidden_columns:
        return sheet
    hidden_rows = sorted(sheet.hidden_rows)

    def row_of(row: int) -> int:
        return row - bisect_left(hidden_rows, row)

    def column_of(column: int) -> int:
        return column - bisect_left(hidden_columns, column)

    rows = {
        row_of(row): {column_of(column): cell for column, cell in cells.items()}
        for row, cells in sheet.rows.items()
    }
    merged = [
        Area(row_of(area.top), column_of(area.left), row_of(area.bottom), column_of(area.right))
        for area in sheet.merged
    ]
    return Sheet(rows, merged, hidden_columns=sheet.hidden_columns)


def _note_hidden(sheet: Sheet, column: Element) -> None:
    if column.get("hidden") in _ON or column.get("width") in ("0", "0.0"):
        first = max(1, _whole(column.get("min")))
        last = min(_MAX_COLUMNS, _whole(column.get("max")))
        sheet.hidden_columns[first : last + 1] = b"\x01" * max(0, last + 1 - first)


def _string(element: Element) -> str:
    """Return the text of a string, its runs joined, without the readings of its signs."""
    texts: list[str] = []
    for item in element:
        name = local_name(item)
        if name == "t":
            texts.append(item.text or "")
        elif name == "r":
            texts += [text.text or "" for text in item if local_name(text) == "t"]
    return "".join(texts)


def _areas(text: str | None) -> list[Area]:
    found = (_AREA.fullmatch(item) for item in (text or "").split()[:_MAX_AREAS])
    return [
        Area(int(item[2]), _column(item[1]), int(item[4]), _column(item[3]))
        for item in found
        if item
    ]


@lru_cache(maxsize=_MAX_COLUMNS)
def _column(letters: str) -> int:
    """Return the number of a column.

    >>> _column("A"), _column("XFD")
    (1, 16384)
    """
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - 64
    return number


def _whole(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 9 else 0
