"""The grid of an OpenDocument table: rows and cells in their places, repeats held in bounds.

A file may say that a row stands there a million times. Empty repeats are skipped, filled ones
are written out for a few, and what is beyond is counted. Hidden rows and columns are left out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, NamedTuple

from graft.loaders.odf_styles import namespace, whole
from graft.loaders.ooxml import Package

if TYPE_CHECKING:
    from lxml.etree import _Element as Element

__all__ = ["Grid", "Row"]

_TABLE, _TEXT, _OFFICE = namespace("table"), namespace("text"), namespace("office")
_GROUPS = frozenset(
    f"{_TABLE}{name}"
    for name in ("table-header-rows", "table-rows", "table-row-group")
    + ("table-header-columns", "table-columns", "table-column-group")
)
_HIDDEN = ("collapse", "filter")
_MAX_COLUMNS = 16_384  # the widest sheet that programs write
_MAX_REPEATED = 50
# Characters in the copies of filled rows and cells, so that no small file grows to a huge text.
_MAX_COPIED = 2_000_000


class Row(NamedTuple):
    """A row at its place in the table; `cells` are the filled ones by their column."""

    place: int
    cells: dict[int, Element]
    width: int


class Grid:
    """Reads the rows of the tables of one file."""

    def __init__(self, package: Package) -> None:
        self._package = package
        self._left = _MAX_COPIED

    def rows(self, table: Element) -> Iterator[Row]:
        """Yield the shown rows that have a filled cell."""
        hidden = frozenset(_hidden_columns(table))
        place = 0
        for row, is_hidden in _within(table, f"{_TABLE}table-row"):
            times = max(1, whole(row.get(f"{_TABLE}number-rows-repeated"), 1))
            cells, width = self._cells(row, hidden)
            if is_hidden or row.get(f"{_TABLE}visibility") in _HIDDEN:
                self._package.count("hidden row", times if cells else 0)
            elif cells:
                copies = self._copies(times, "repeated row", cells.values())
                yield from (Row(place + copy, cells, width) for copy in range(copies))
            place += times

    def _cells(self, row: Element, hidden: frozenset[int]) -> tuple[dict[int, Element], int]:
        cells: dict[int, Element] = {}
        place = width = 0
        for cell in row:
            if cell.tag not in (f"{_TABLE}table-cell", f"{_TABLE}covered-table-cell"):
                continue
            times = max(1, whole(cell.get(f"{_TABLE}number-columns-repeated"), 1))
            # A covered cell lies under a merged one: what it still holds cannot be seen.
            if cell.tag == f"{_TABLE}table-cell" and _is_filled(cell):
                places = range(place, place + self._copies(times, "repeated cell", [cell]))
                shown = [at for at in places if at not in hidden]
                self._package.count("cell of a hidden column", int(not shown))
                cells.update(dict.fromkeys(shown, cell))
            place += times
            # Rows of empty cells reach to the edge of the sheet; those of a text do not.
            width = place if times <= _MAX_REPEATED else width
        return cells, width

    def _copies(self, times: int, kind: str, cells: Collection[Element]) -> int:
        """Return how often to write what stands there so many times, and count the rest."""
        if times == 1:
            return 1
        length = sum(1 + len(text) for cell in cells for text in cell.itertext()) + len(cells)
        more = min(times - 1, _MAX_REPEATED - 1, self._left // length)
        self._left -= more * length
        self._package.count(kind, times - 1 - more)
        return 1 + more


def _within(parent: Element, tag: str, hidden: bool = False) -> Iterator[tuple[Element, bool]]:
    """Yield the rows or columns of a table, also those in groups, and whether a group hides."""
    for item in parent:
        if item.tag == tag:
            yield item, hidden
        elif item.tag in _GROUPS:
            yield from _within(item, tag, hidden or item.get(f"{_TABLE}display") == "false")


def _hidden_columns(table: Element) -> Iterator[int]:
    place = 0
    for column, is_hidden in _within(table, f"{_TABLE}table-column"):
        times = max(1, whole(column.get(f"{_TABLE}number-columns-repeated"), 1))
        if is_hidden or column.get(f"{_TABLE}visibility") in _HIDDEN:
            yield from range(place, min(place + times, _MAX_COLUMNS))
        place += times


def _is_filled(cell: Element) -> bool:
    if len(cell):
        return True
    return any(cell.get(f"{_OFFICE}{name}") for name in ("value", "string-value", "date-value"))
