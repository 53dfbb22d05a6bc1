"""The tables of a sheet: where they begin and end, their titles, and their rows as lines.

People put several tables on a sheet and part them by empty rows or columns. A small table is
written once under its header; in one that is longer than a passage each row repeats the names
of its columns, and what is merged over several rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from graft.loaders.tables import MAYBE, NO, SURE, Cell, header_strength, label, row_line
from graft.loaders.xlsx_sheet import Area, Grid

__all__ = ["Table", "tables_of"]

_SMALL = 400  # characters that a passage holds with its header
_MAX_TITLE_LINES = 3
_TITLE_LENGTH = 120
_TITLE_GAP = 3
_SAMPLE_ROWS = 50
_MAX_DEPTH = 8
_MAX_GROUPS = 50
_WIDE_GAP = 2
_MAX_COVERED = 200_000
_MAX_COVERED_ROWS = 1_000
_LOOK_AHEAD = 6

_Row = tuple[int, dict[int, Cell]]
_Rows = list[_Row]
_Origins = dict[tuple[int, int], tuple[int, int]]


class Table(NamedTuple):
    """A table or a run of text on a sheet; `title` is what stands above it."""

    title: tuple[str, ...]
    text: str


@dataclass(slots=True)
class _Header:
    """The names of columns and the rows below, to which a following run may belong as well."""

    labels: dict[int, str]
    full: list[str]
    body: _Rows
    strength: int


def tables_of(rows: Grid, merged: list[Area]) -> Iterator[Table]:
    """Yield the tables and other texts of a sheet in reading order."""
    origins = _cover(rows, merged)
    reader = _Reader(rows, origins)
    waiting: _Rows = []
    for run in _runs(sorted(rows.items()), 0):
        block = [(number, cells) for number, cells in run if _filled(cells)]
        if not block:
            continue
        if all(len(_filled(cells)) == 1 for _, cells in block):
            yield from reader.texts(waiting)
            waiting = block
            continue
        is_title = bool(waiting) and _is_title_of(waiting, block)
        if not is_title:
            yield from reader.texts(waiting)
        title = [text for _, cells in waiting for text in _texts(cells)] if is_title else []
        waiting = []
        yield from reader.table(block, title)
    yield from reader.texts(waiting)


def _cover(rows: Grid, merged: list[Area]) -> _Origins:
    """Put empty cells where a merged one reaches, and say from where; bounded in number."""
    origins: _Origins = {}
    last_column = max((max(cells) for cells in rows.values()), default=0)
    last_row = max(rows, default=0)
    for area in merged:
        if area.left not in rows.get(area.top, {}):
            continue
        bottom = min(area.bottom, last_row, area.top + _MAX_COVERED_ROWS)
        right = min(area.right, last_column)
        if len(origins) + (bottom - area.top + 1) * (right - area.left + 1) > _MAX_COVERED:
            continue
        for row in range(area.top, bottom + 1):
            for column in range(area.left, right + 1):
                if (row, column) != (area.top, area.left):
                    # What a merged cell hides is not shown.
                    rows.setdefault(row, {})[column] = Cell("")
                    origins[row, column] = (area.top, area.left)
    return origins


def _runs(rows: _Rows, depth: int) -> Iterator[_Rows]:
    """Cut at empty rows and steps aside, then at empty columns between tables."""
    for band in _bands(rows):
        parts = _side_by_side(band) if depth < _MAX_DEPTH else [band]
        if len(parts) == 1:
            yield band
            continue
        for part in parts:
            yield from _runs(part, depth + 1)


def _bands(rows: _Rows) -> Iterator[_Rows]:
    band: _Rows = []
    columns: set[int] = set()
    for number, cells in rows:
        if band and (number > band[-1][0] + 1 or columns.isdisjoint(cells)):
            yield band
            band, columns = [], set()
        band.append((number, cells))
        columns.update(cells)
    if band:
        yield band


def _side_by_side(band: _Rows) -> list[_Rows]:
    """Part tables that stand side by side; an empty column within a table parts nothing.

    They are two where each has a header of its own, and the gap is wide or they are not of
    the same rows.
    """
    columns = sorted({column for _, cells in band for column in cells})
    starts = [at for before, at in zip(columns, columns[1:], strict=False) if at > before + 1]
    if not starts or len(starts) > _MAX_GROUPS:
        return [band]
    bounds = [columns[0], *starts, columns[-1] + 1]
    parts: list[_Rows] = []
    for left, right in zip(bounds, bounds[1:], strict=False):
        group = _within(band, left, right)
        if not parts:
            parts.append(group)
            continue
        gap = left - 1 - max(column for column in columns if column < left)
        same_rows = (parts[-1][0][0], parts[-1][-1][0]) == (group[0][0], group[-1][0])
        is_apart = gap >= _WIDE_GAP or not same_rows
        if is_apart and _has_header(parts[-1]) and _has_header(group):
            parts.append(group)
        else:
            start = min(min(cells) for _, cells in parts[-1])
            parts[-1] = _within(band, start, right)
    return parts


def _within(band: _Rows, left: int, right: int) -> _Rows:
    cut = (
        (number, {at: cell for at, cell in cells.items() if left <= at < right})
        for number, cells in band
    )
    return [(number, cells) for number, cells in cut if cells]


def _has_header(rows: _Rows) -> bool:
    first, body = _sample(rows[_lead(rows) :])
    return len(first) > 1 and header_strength(first, body) > NO


def _lead(rows: _Rows) -> int:
    """Count the rows of one text above rows of several."""
    ahead = [len(_filled(cells)) for _, cells in rows[:_LOOK_AHEAD]]
    lead = next((at for at, number in enumerate(ahead) if number > 1), 0)
    return lead if lead <= _MAX_TITLE_LINES else 0


def _sample(rows: _Rows) -> tuple[list[Cell], list[list[Cell]]]:
    some = rows[: _SAMPLE_ROWS + 1]
    columns = sorted({column for _, cells in some for column in cells})
    dense = [[cells.get(column, Cell("")) for column in columns] for _, cells in some]
    return (dense[0], dense[1:]) if dense else ([], [])


def _is_title_of(waiting: _Rows, block: _Rows) -> bool:
    """Say whether lines of text that stand by themselves are the title of what follows."""
    texts = [text for _, cells in waiting for text in _texts(cells)]
    return (
        len(texts) <= _MAX_TITLE_LINES
        and all(len(text) <= _TITLE_LENGTH for text in texts)
        and 0 < block[0][0] - waiting[-1][0] <= _TITLE_GAP
        and _has_header(block)
    )


def _joined(texts: Iterable[str]) -> str:
    return " | ".join(texts).rstrip(" |")


def _filled(cells: dict[int, Cell]) -> list[int]:
    return [column for column, cell in cells.items() if cell.text]


def _texts(cells: dict[int, Cell]) -> list[str]:
    return [cell.text for _, cell in sorted(cells.items()) if cell.text]


class _Reader:
    """Writes the blocks of a sheet; remembers the last header for a block that goes on."""

    def __init__(self, rows: Grid, origins: _Origins) -> None:
        self._rows = rows
        self._origins = origins
        self._last: dict[int, str] = {}

    def texts(self, block: _Rows) -> Iterator[Table]:
        """Yield lines of text that are no table."""
        if block:
            yield Table((), "\n".join(text for _, cells in block for text in _texts(cells)))

    def table(self, block: _Rows, title: list[str]) -> Iterator[Table]:
        """Yield a block of several cells a row as a table under its title."""
        lead = _lead(block)
        title = title + [text for _, cells in block[:lead] for text in _texts(cells)]
        block = block[lead:]
        header = self._header(block)
        columns = {column for _, cells in block for column in _filled(cells)}
        goes_on = bool(self._last) and columns <= self._last.keys() and not title
        if goes_on and (header is None or header.strength < SURE) and len(columns) > 1:
            lines = [self._line(self._last, number, cells) for number, cells in block]
        elif header is None:
            lines = [" | ".join(_texts(cells)) for _, cells in block]
            self._last = {}
        else:
            self._last = header.labels
            lines = list(self._lines(header))
        yield Table(tuple(title), "\n".join(line for line in lines if line))

    def _header(self, block: _Rows) -> _Header | None:
        """Find the names of the columns, over two rows where the first has groups of them."""
        for height in (2, 1) if self._has_groups(block) else (1,):
            columns = sorted({column for _, cells in block[:height] for column in cells})
            named = {at: self._name(block[:height], at) for at in columns}
            body = block[height:]
            is_strong = all(
                cell.is_strong
                for _, cells in block[:height]
                for cell in cells.values()
                if cell.text
            )
            first = {at: cell._replace(is_strong=is_strong) for at, cell in named.items()}
            strength = header_strength(*_sample([(0, first), *body]))
            if strength >= MAYBE:
                labels = {at: label(cell.text) for at, cell in named.items()}
                full = [cell.text for cell in named.values() if cell.text]
                return _Header(labels, full, body, strength)
        return None

    def _has_groups(self, block: _Rows) -> bool:
        """Say whether a cell of the first row is merged over columns that have own names."""
        number, cells = block[0]
        return len(block) > 2 and any(
            self._origins.get((number, column), (0, 0))[0] == number for column in cells
        )

    def _name(self, rows: _Rows, column: int) -> Cell:
        """Return the name of a column from its header rows, each part once."""
        parts: list[Cell] = []
        for number, cells in rows:
            cell = cells.get(column)
            if cell is None:
                continue
            origin = self._origins.get((number, column))
            if origin:
                cell = self._rows.get(origin[0], {}).get(origin[1], cell)
            if cell.text and cell.text not in [part.text for part in parts]:
                parts.append(cell)
        text = " ".join(part.text for part in parts)
        return Cell(text, len(parts) == 1 and parts[0].is_value)

    def _lines(self, header: _Header) -> Iterator[str]:
        """Yield a small table once under its header, a larger one with the names in each row."""
        size = sum(len(cell.text) + 3 for _, cells in header.body for cell in cells.values())
        if size + sum(map(len, header.full)) <= _SMALL:
            columns = sorted({at for _, cells in header.body for at in _filled(cells)})
            columns = sorted({*columns, *(at for at, name in header.labels.items() if name)})
            yield _joined(header.labels.get(at, "") for at in columns)
            for _, cells in header.body:
                yield _joined(cells[at].text if at in cells else "" for at in columns)
            return
        if any(len(label(text)) + 1 < len(text) for text in header.full):
            yield " | ".join(header.full)
        for number, cells in header.body:
            yield self._line(header.labels, number, cells)

    def _line(self, labels: dict[int, str], number: int, cells: dict[int, Cell]) -> str:
        names: list[str] = []
        texts: list[str] = []
        for column, cell in sorted(cells.items()):
            row, left = self._origins.get((number, column), (number, column))
            # Merged over rows, a value belongs to each of them; over columns it stands once.
            if row != number and left == column:
                cell = self._rows.get(row, {}).get(left, cell)
            names.append(labels.get(column, ""))
            texts.append(cell.text)
        return row_line(names, texts)
