"""A database as documents: each table becomes some, each row a section named by what it names.

A row says in words what its foreign keys refer to and what refers to it, so that a question
which names a thing finds the thing and the answer in one passage. Reading twice gives the
same documents; the hash is that of the text, so that what is unchanged is left alone.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, NamedTuple

from graft.database_settings import ROW_LIMIT, public_database_url
from graft.databases.children import Children, details_of
from graft.databases.connection import Database, open_database
from graft.databases.names import Names, is_weak, name_in, shortened
from graft.databases.parts import RowText, documents_of
from graft.databases.schema import (
    Column,
    ForeignKey,
    Schema,
    Table,
    naming_columns,
    read_schema,
)
from graft.databases.selecting import every_row, number_of_rows
from graft.databases.undeclared import told, with_undeclared
from graft.databases.values import is_binary, key_text, shown, shown_line, words
from graft.protocols import Progress
from graft.types import Document

__all__ = ["DatabaseDocuments", "LeftOut"]

_ROWS_AT_ONCE = 500
# A line of a value that says less than this fits into the heading of a row without a name.
_HEADING_LENGTH = 60
_REFERENCES_IN_HEADING = 2


class LeftOut(NamedTuple):
    """What of a database is in no document, why, and what to do about it."""

    path: str
    reason: str
    next_step: str = ""


@dataclass(slots=True)
class DatabaseDocuments:
    """One database to be read; `left_out` is filled meanwhile.

    `name` begins the ids of its documents. `roots` are the names it is stored under: the
    first is what its documents are stored with now, the others what they may have had before.
    """

    name: str
    url: str
    roots: tuple[str, ...]
    tables: tuple[str, ...] = ()
    query: str = ""
    schema: str = ""
    row_limit: int = ROW_LIMIT
    password: str = field(default="", repr=False)
    left_out: list[LeftOut] = field(default_factory=list)

    def documents(self, on_progress: Progress) -> Iterator[Document]:
        """Yield the documents of the tables or of the query.

        Raises:
            BadInput: the database cannot be read, has no tables, or not those that are named.
            MissingPrerequisite: SQLAlchemy or a driver is not installed.
        """
        self.left_out.clear()
        with open_database(self.url, self.password) as database:
            if self.query:
                yield from self._documents_of_query(database)
                on_progress("read", 1, 1, self.name)
                return
            where = public_database_url(self.url)
            schema = with_undeclared(database, read_schema(database, self.schema, where))
            for name, why in schema.unreadable.items():
                self._leave_out(name, f"the table cannot be read: {why}")
            details = details_of(database, schema)
            chosen = schema.chosen(self.tables, where, told_elsewhere=details)
            reader = _RowReader(database, schema, details)
            notes = list(told(schema))
            for done, table in enumerate(chosen, 1):
                own = tuple(sentence for name, sentence in notes if name == table.name)
                for document in self._documents_of_table(database, reader, table):
                    yield replace(document, notes=(*document.notes, *own))
                on_progress("read", done, len(chosen), table.name)

    def _documents_of_table(
        self, database: Database, reader: _RowReader, table: Table
    ) -> Iterator[Document]:
        statement = every_row(table, self.row_limit + 1, database.backend)
        rows = database.rows(statement)
        texts = reader.read(table, islice(rows, self.row_limit))
        name = f"{self.name}/{table.name}"
        is_empty = True
        for document in documents_of(texts, name, table.title, self.roots[0]):
            is_empty = False
            yield document
        if is_empty:
            self._leave_out(table.name, "the table has no rows")
        elif next(rows, None) is not None:
            count = next(database.rows(number_of_rows(table)))[0]
            self._leave_out_rows(table.name, str(count - self.row_limit))

    def _documents_of_query(self, database: Database) -> Iterator[Document]:
        columns, rows = database.query(self.query, f"sources.{self.name}.query")
        table = _table_of_query(columns)
        texts = (
            _row_text(table, dict(zip(columns, row, strict=True)), [], [])
            for row in islice(rows, self.row_limit)
        )
        is_empty = True
        title = words(self.name)
        for document in documents_of(texts, f"{self.name}/query", title, self.roots[0]):
            is_empty = False
            yield document
        if is_empty:
            self._leave_out("query", "the query gives no rows")
        elif next(rows, None) is not None:
            self._leave_out_rows("query", str(1 + sum(1 for _ in rows)))

    def _leave_out(self, part: str, reason: str, next_step: str = "") -> None:
        self.left_out.append(LeftOut(f"{self.name}/{part}", reason, next_step))

    def _leave_out_rows(self, part: str, count: str) -> None:
        plain = "1 row" if count == "1" else f"{count} rows"
        self._leave_out(
            part,
            f"{plain} left out: the limit is {self.row_limit}",
            f"set row_limit under [sources.{self.name}] of graft.toml",
        )


class _RowReader:
    """Turns the rows of tables into sections, a batch at a time."""

    def __init__(self, database: Database, schema: Schema, details: frozenset[str]) -> None:
        self._names = Names(database, schema)
        self._children = Children(database, schema, self._names, details)

    def read(self, table: Table, rows: Iterator[tuple[Any, ...]]) -> Iterator[RowText]:
        columns = [item.name for item in table.columns]
        while block := list(islice(rows, _ROWS_AT_ONCE)):
            self._names.forget_if_many()
            values = [dict(zip(columns, row, strict=True)) for row in block]
            for foreign_key in table.foreign_keys:
                keys = [tuple(row[name] for name in foreign_key.columns) for row in values]
                self._names.fetch(foreign_key, keys)
            children = self._children.lines(table, values)
            for row, lines in zip(values, children, strict=True):
                yield _row_text(table, row, self._references(table, row), lines)

    def _references(self, table: Table, row: Mapping[str, Any]) -> list[tuple[ForeignKey, str]]:
        found = []
        for item in table.foreign_keys:
            name = self._names.of(item, tuple(row[column] for column in item.columns))
            if name:
                found.append((item, name))
        return found


def _table_of_query(columns: Sequence[str]) -> Table:
    """Return what can be known of the rows of a query: the names of its columns."""
    found = tuple(Column(name) for name in columns)
    return Table("query", found, naming=naming_columns(found))


def _row_text(
    table: Table,
    row: Mapping[str, Any],
    references: Sequence[tuple[ForeignKey, str]],
    children: Sequence[str],
) -> RowText:
    """Lay out a row: its own columns in their order, its key, then what refers to it.

    What stands in the heading is not said again: a passage shows its heading.
    """
    heading = name_in(table, row)
    in_heading = set(table.naming)
    if not heading:
        heading, said = _heading(table, row, references)
        in_heading = {*table.key, *(name for item in said for name in item.columns)}
    if heading.endswith("…"):
        in_heading = set()
    told = [(item, name) for item, name in references if not in_heading.issuperset(item.columns)]
    resolved = {name for item, _ in told for name in item.columns} | in_heading
    first: list[str] = []
    last: list[str] = []
    for column in table.columns:
        first += [f"{item.label}: {name}" for item, name in told if item.columns[0] == column.name]
        text = "" if column.name in resolved else shown(row[column.name], column.kind)
        if text:
            (last if column.name in table.key else first).append(f"{words(column.name)}: {text}")
    binary = sum(_is_left_out(row[column.name], column) for column in table.columns)
    return RowText(_key(table, row), heading, [*first, *last, *children], binary)


def _is_left_out(value: object, column: Column) -> bool:
    """Tell whether bytes were left out; some drivers give the empty ones in their place as text."""
    return is_binary(value) or (column.kind == "binary" and value == "")


def _heading(
    table: Table, row: Mapping[str, Any], references: Sequence[tuple[ForeignKey, str]]
) -> tuple[str, list[ForeignKey]]:
    """Name a row without a name by key, date and what it belongs to; return that too."""
    key = key_text(tuple(row[name] for name in table.key))
    telling = [(item, name) for item, name in references if not is_weak(name.partition(" (")[0])]
    said = (telling or list(references))[:_REFERENCES_IN_HEADING]
    parts = [shown_line(row[table.date_column], "date")] if table.date_column else []
    parts += [f"{item.label}: {name}" for item, name in said]
    if not key and not parts:
        texts = (shown_line(value) for value in row.values())
        parts = [next((text for text in texts if 0 < len(text) <= _HEADING_LENGTH), "")]
    details = "; ".join(part for part in parts if part)
    name = f"{table.title} {key}".strip()
    return shortened(f"{name} ({details})" if details else name), [item for item, _ in said]


def _key(table: Table, row: Mapping[str, Any]) -> str:
    """Return what identifies a row: its key, or what it says where it has none."""
    key = ",".join(shown_line(row[name]) for name in table.key)
    if key:
        return key
    text = "\n".join(shown(value) for value in row.values())
    return f"{zlib.crc32(text.encode()):08x}"
