"""The sheets of an OpenDocument spreadsheet: a heading each, and rows that read alone.

Where a run of rows begins with the names of its columns, each row repeats them. Cells have
the value that they show, never their formula; hidden sheets are left out and counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from graft.loaders.odf_styles import namespace
from graft.loaders.odf_tables import Row
from graft.loaders.odf_text import TextReader
from graft.loaders.ooxml import Block
from graft.loaders.pieces import one_line

if TYPE_CHECKING:
    from lxml.etree import _Element as Element

__all__ = ["sheet_blocks"]

_TABLE, _O, _D = namespace("table"), namespace("office"), namespace("draw")
_VALUES = ("string-value", "date-value", "time-value", "boolean-value", "value")
_NAME_LENGTH = 60

_Texts = dict[int, str]


def sheet_blocks(reader: TextReader, body: Element) -> Iterator[Block]:
    """Yield the blocks of all shown sheets."""
    for item in body:
        if item.tag == f"{_TABLE}tracked-changes":
            reader.count_deletions(item)
        elif item.tag == f"{_TABLE}table":
            yield from _sheet(reader, item)


def _sheet(reader: TextReader, table: Element) -> Iterator[Block]:
    if reader.styles.is_hidden_sheet(table.get(f"{_TABLE}style-name")):
        reader.package.count("hidden sheet")
        return
    if table.find(f"{_TABLE}table-source") is not None:
        reader.package.count("copy of another file")
        return
    blocks = [Block(text, kind="table") for text in _tables(reader, table)]
    for shape in (shape for holder in table.iterfind(f"{_TABLE}shapes") for shape in holder):
        is_chart = next(shape.iter(f"{_D}object"), None) is not None
        reader.package.count("chart", int(is_chart))  # its values stand in the cells
        blocks += [] if is_chart else reader.drawn(shape)
    if blocks:
        yield Block(one_line(table.get(f"{_TABLE}name") or "") or "Sheet", 1)
        yield from blocks


def _tables(reader: TextReader, table: Element) -> Iterator[str]:
    """Yield each run of rows without an empty row between."""
    run: list[tuple[Row, _Texts]] = []
    for row in reader.grid.rows(table):
        texts = {at: text for at, cell in row.cells.items() if (text := _cell(reader, cell))}
        if not texts:
            continue
        if run and row.place > run[-1][0].place + 1:
            yield "\n".join(_lines(run))
            run = []
        run.append((row, texts))
    if run:
        yield "\n".join(_lines(run))


def _cell(reader: TextReader, cell: Element) -> str:
    reader.package.count("formula", int(cell.get(f"{_TABLE}formula") is not None))
    text = reader.cell_text(cell)
    return text or next(
        (cell.get(f"{_O}{name}") for name in _VALUES if cell.get(f"{_O}{name}")), ""
    )


def _lines(run: list[tuple[Row, _Texts]]) -> Iterator[str]:
    """Yield the lines of a run; those after the names of the columns repeat them."""
    names: _Texts = {}
    for number, (row, texts) in enumerate(run):
        if names:
            yield "; ".join(_labelled(names, texts))
            continue
        if number + 1 < len(run) and _are_names(row, texts, run[number + 1][1]):
            names = texts
        yield " | ".join(texts.values())


def _labelled(names: _Texts, texts: _Texts) -> Iterator[str]:
    for place, text in texts.items():
        yield f"{names[place]}: {text}" if place in names else text


def _are_names(row: Row, texts: _Texts, below: _Texts) -> bool:
    """Say whether a row names columns: short words, each once, over cells of the next row."""
    are_words = all(
        row.cells[at].get(f"{_O}value-type", "string") == "string" and len(text) <= _NAME_LENGTH
        for at, text in texts.items()
    )
    is_each_once = len(set(texts.values())) == len(texts)
    return len(texts) > 1 and are_words and is_each_once and len(texts.keys() & below.keys()) > 1
