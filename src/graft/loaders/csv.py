"""Tables in text files: every row becomes a line that names its columns.

The delimiter is found by trying all, since the name of a file says little about it. Cells are
text: nothing in them is worked out. A quote that never closes costs its own line and no other.
"""

from __future__ import annotations

import csv
import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path

from graft.errors import UnreadableDocument
from graft.loaders.tables import (
    MAX_TEXT,
    NO,
    Piece,
    cell_of,
    counted,
    grouped,
    header_strength,
    label,
    lay_out,
    row_line,
    too_much_text,
)
from graft.loaders.text import decode, read_bytes, title_from_name
from graft.types import Document

__all__ = ["CsvLoader"]

LOADER_VERSION = 1
# In a tie the rarer sign in running text wins: a comma is often a decimal one.
_DELIMITERS = ("\t", ";", "|", ",")
_BY_EXTENSION = {".tsv": "\t", ".psv": "|"}
_MAX_COLUMNS = 10_000
_SAMPLE_LINES = 500
_SAMPLE_CHARACTERS = 200_000
_SAMPLE_ROWS = 200
_MAX_RECORD_LINES = 1_000
_MAX_PREAMBLE = 10
_MOSTLY = 0.5
_QUOTED = re.compile(r'"[^"]*+"')
_SEPARATOR_LINE = re.compile(r"sep=([,;|\t])\s*", re.IGNORECASE)


class CsvLoader:
    """Reads tables of values parted by commas, semicolons, tabs or bars."""

    extensions: tuple[str, ...] = (".csv", ".tsv", ".psv")

    def load(self, source: Path, doc_id: str) -> Iterator[Document]:
        """Yield the one document of the file.

        Raises:
            UnreadableDocument: the file cannot be opened, holds no text or too many columns.
        """
        data = read_bytes(source)
        text, notes = decode(data, source)
        lines = text.split("\n")
        declared = _SEPARATOR_LINE.fullmatch(lines[0])
        lines = lines[1:] if declared else lines
        delimiter = declared[1] if declared else _sniff(lines, source.suffix.lower())
        rows = _Rows(lines, delimiter, source)
        preamble, pieces, found = _pieces(rows)
        if not pieces:
            raise UnreadableDocument(
                "the file has no text",
                where=str(source),
                why=f"its {len(lines)} lines hold delimiters and nothing to read",
                next_step="leave it out, or fill it and add it again",
            )
        body, sections = lay_out(pieces, "\n")
        yield Document(
            id=doc_id,
            source=str(source),
            title=(preamble[0] if preamble else "") or title_from_name(source),
            text=body,
            content_hash=hashlib.sha256(data).hexdigest(),
            loader="csv",
            sections=sections,
            notes=notes + found,
        )


class _Rows:
    """Cuts lines into rows; a quoted cell may run over several lines, but not for ever.

    Where a row over several lines has not the usual number of cells and its first line alone
    has, the quote is taken for a character like any other.
    """

    def __init__(self, lines: list[str], delimiter: str, source: Path) -> None:
        self.source = source
        self.unbalanced = 0
        self.width = 0
        self._lines = lines
        self._delimiter = delimiter
        # Nothing that is open before this line closes within the lines that one row may take.
        self._open_until = 0
        sign = re.escape(delimiter or "\n")
        cell = rf'(?: *+"(?:[^"]++|"")*+"[^{sign}]*+|(?! *+")[^{sign}]*+)'
        self._complete = re.compile(rf"{cell}(?:{sign}{cell})*+")

    def __iter__(self) -> Iterator[list[str]]:
        """Yield the rows that hold something.

        Raises:
            UnreadableDocument: a row has more columns than the limit.
        """
        at = 0
        while at < len(self._lines):
            cells, used = self._row(at)
            at += used
            if len(cells) > _MAX_COLUMNS:
                raise UnreadableDocument(
                    "the table has too many columns",
                    where=str(self.source),
                    why=f"a row has {len(cells):,} cells and the limit is {_MAX_COLUMNS:,}",
                    next_step="keep the columns that people ask about and add it again",
                )
            if any(cell and not cell.isspace() for cell in cells):
                yield cells

    def _row(self, at: int) -> tuple[list[str], int]:
        """Return the cells of the row that begins in a line, and how many lines it takes."""
        line = self._lines[at]
        if not self._delimiter:
            return [line], 1
        plain = line.split(self._delimiter)
        if '"' not in line:
            return plain, 1
        end = self._end(at)
        if end >= 0:
            record = [f"{item}\n" for item in self._lines[at : end + 1]]
            # Over several lines a closing quote must end its cell: else two open ones pair up.
            reader = csv.reader(
                record, delimiter=self._delimiter, skipinitialspace=True, strict=end > at
            )
            try:
                cells = next(reader)
            except csv.Error:
                cells = []
            is_usual = len(cells) == self.width or len(plain) != self.width
            if cells and (end == at or not self.width or is_usual):
                return cells, end - at + 1
        self.unbalanced += 1
        return plain, 1

    def _end(self, at: int) -> int:
        """Return the line in which a row ends, or -1 where a quote never closes."""
        if self._is_complete(self._lines[at]):
            return at
        last = min(len(self._lines), at + _MAX_RECORD_LINES)
        if at + 1 < self._open_until:
            return -1
        for number in range(at + 1, last):
            # What stands before the closing quote belongs to the cell that is open.
            if self._is_complete(f'"{self._lines[number]}'):
                return number
        self._open_until = last
        return -1

    def _is_complete(self, line: str) -> bool:
        found = self._complete.match(line)
        return found is not None and found.end() == len(line)


def _sniff(lines: list[str], extension: str) -> str:
    """Return the delimiter that cuts most lines into the same number of cells; "" for none."""
    sample: list[str] = []
    size = 0
    for line in lines[:_SAMPLE_LINES]:
        size += len(line)
        if sample and size > _SAMPLE_CHARACTERS:
            break
        sample.append(line)
    best = (0.0, "")
    for delimiter in _DELIMITERS:
        counts = [1 + _outside(line, delimiter) for line in sample if line.strip()]
        wide = Counter(count for count in counts if count > 1)
        if not wide:
            continue
        if delimiter == _BY_EXTENSION.get(extension):
            return delimiter
        share = round(wide.most_common(1)[0][1] / len(counts), 1)
        if share > best[0] and (share >= _MOSTLY or counts[0] > 1):
            best = (share, delimiter)
    return best[1]


def _outside(line: str, delimiter: str) -> int:
    """Count the delimiters of a line that are not within quotes."""
    return (_QUOTED.sub("", line) if '"' in line else line).count(delimiter)


def _pieces(rows: _Rows) -> tuple[list[str], list[Piece], tuple[str, ...]]:
    """Return the lines above the table, the sections of rows as lines, and the notes."""
    stream = iter(rows)
    head = list(islice(stream, _SAMPLE_ROWS))
    preamble = _preamble(head)
    head = head[len(preamble) :]
    rows.width = Counter(map(len, head)).most_common(1)[0][0] if head else 0
    sample = [[cell_of(cell) for cell in row] for row in head]
    has_header = len(sample) > 1 and header_strength(sample[0], sample[1:]) > NO
    named = [cell.text for cell in sample[0]] if has_header else []
    labels = [label(text) for text in named]
    width = len(labels) or rows.width
    lines = list(preamble)
    if any(len(text) > len(name) + 1 for name, text in zip(labels, named, strict=True)):
        lines.append(" | ".join(named))
    ragged: Counter[str] = Counter()
    size = 0
    for row in chain(head[1:] if has_header else head, stream):
        texts = [" ".join(cell.split()) for cell in row]
        ragged["with more cells than columns"] += any(texts[width:])
        ragged["with missing cells"] += len(texts) < width
        if has_header:
            more = [f"column {place + 1}" for place in range(width, len(texts))]
            lines.append(row_line((labels + more)[: len(texts)], texts))
        else:
            lines.append(" | ".join(texts))
        size += len(lines[-1])
        if size > MAX_TEXT:
            raise too_much_text(rows.source)
    notes = [counted(number, f"row {kind}") for kind, number in ragged.items() if number]
    if rows.unbalanced:
        notes.append(counted(rows.unbalanced, "line with quotes that do not close, kept as text"))
    return preamble, list(grouped(lines)), tuple(notes)


def _preamble(rows: list[list[str]]) -> list[str]:
    """Return the lines of a title above the table: single cells over rows of several."""
    found: list[str] = []
    for row in rows[: _MAX_PREAMBLE + 1]:
        filled = [" ".join(cell.split()) for cell in row if cell.strip()]
        if len(filled) > 1:
            return found
        found += filled
    return []
