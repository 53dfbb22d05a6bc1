"""The rows that refer to a row, told under it: `Albums (2): Balls to the Wall; Restless`.

They are listed where they are few and counted where they are many. A link table is told from
both sides as if it were not there: a playlist has tracks, a track has playlists. A row that
says little and belongs to another, such as a line of an invoice, is told whole under its owner.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from graft.databases.connection import Database
from graft.databases.names import Names, name_in, shortened
from graft.databases.schema import ForeignKey, Reference, Schema, Table
from graft.databases.selecting import Key, a_group_above, counted_by, in_batches, rows_with
from graft.databases.values import key_text, plural, shown_line, words

__all__ = ["LISTED", "Children", "details_of"]

# More names than that fill passages of their own, and each stands with its own row as well.
LISTED = 50
_LIST_LENGTH = 4_000
_LINE_LENGTH = 200
_PARENTS_NAMED = 2


class _Child(NamedTuple):
    """What is selected of a referring row: `others` name it, `extra` is said beside."""

    columns: tuple[str, ...]
    others: tuple[ForeignKey, ...]
    extra: tuple[str, ...]


def details_of(database: Database, schema: Schema) -> frozenset[str]:
    """Return the tables whose rows are told whole under their owners, few under each."""
    found = []
    for table in schema.tables.values():
        if schema.may_be_detail(table) and not schema.is_link(table) and table.owner:
            statement = a_group_above(table, table.owner.columns, LISTED)
            if next(database.rows(statement), None) is None:
                found.append(table.name)
    return frozenset(found)


class Children:
    """Tells what refers to the rows of one database."""

    def __init__(
        self, database: Database, schema: Schema, names: Names, details: frozenset[str]
    ) -> None:
        """Tell the rows of `details` whole."""
        self._database = database
        self._schema = schema
        self._names = names
        self._details = details

    def lines(self, table: Table, rows: Sequence[Mapping[str, Any]]) -> list[list[str]]:
        """Return for each row the lines about what refers to it."""
        found: list[list[str]] = [[] for _ in rows]
        for reference in self._schema.references_to(table):
            referred = reference.foreign_key.referred
            keys = [tuple(row[name] for name in referred) for row in rows]
            lines = self._lines(reference, [key for key in keys if None not in key])
            for number, key in enumerate(keys):
                if key in lines:
                    found[number].append(lines[key])
        return found

    def _lines(self, reference: Reference, keys: Sequence[Key]) -> dict[Key, str]:
        table, foreign_key = reference
        width = len(foreign_key.columns)
        counts: dict[Key, int] = {}
        for batch in in_batches(keys):
            statement = counted_by(table, foreign_key.columns, batch)
            counts.update({row[:width]: int(row[width]) for row in self._database.rows(statement)})
        few = [key for key, count in counts.items() if count <= LISTED]
        listed = self._listed(reference, few)
        label = self._label(reference)
        return {
            key: _line(label, listed[key], count) if listed.get(key) else f"{label}: {count} in all"
            for key, count in counts.items()
        }

    def _label(self, reference: Reference) -> str:
        """Say what the referring rows are, and as what they refer where there are two ways."""
        table, foreign_key = reference
        if self._schema.is_link(table):
            other = _others(table, foreign_key)[0]
            return plural(other.label)
        ways = [item for item in table.foreign_keys if item.table == foreign_key.table]
        is_own = table.name == foreign_key.table
        by = f", {foreign_key.label}" if len(ways) > 1 or is_own else ""
        return plural(table.title) + by

    def _listed(self, reference: Reference, keys: Sequence[Key]) -> dict[Key, list[str]]:
        table, foreign_key = reference
        child = self._child(table, foreign_key)
        rows: list[dict[str, Any]] = []
        for batch in in_batches(keys):
            statement = rows_with(table, child.columns, foreign_key.columns, batch)
            found = self._database.rows(statement)
            rows += [dict(zip(child.columns, row, strict=True)) for row in found]
        for other in child.others:
            self._names.fetch(other, [tuple(row[name] for name in other.columns) for row in rows])
        listed: dict[Key, list[str]] = defaultdict(list)
        for row in rows:
            text = self._text(table, child, row)
            if text:
                listed[tuple(row[name] for name in foreign_key.columns)].append(text)
        return listed

    def _child(self, table: Table, foreign_key: ForeignKey) -> _Child:
        """Choose what names a referring row: its name, else what else it refers to."""
        is_detail = table.name in self._details and foreign_key == table.owner
        others = () if table.naming else _others(table, foreign_key)
        extra: tuple[str, ...] = ()
        if is_detail or self._schema.is_link(table):
            extra = tuple(item.name for item in table.own_columns)
        elif not table.naming:
            others = others[:_PARENTS_NAMED]
            extra = (table.date_column,) if table.date_column else ()
        columns = [*foreign_key.columns, *table.naming, *table.key, *extra]
        columns += [name for other in others for name in other.columns]
        return _Child(tuple(dict.fromkeys(columns)), others, extra)

    def _text(self, table: Table, child: _Child, row: Mapping[str, Any]) -> str:
        name = name_in(table, row)
        if name:
            return name
        parents = [
            self._names.of(other, tuple(row[name] for name in other.columns))
            for other in child.others
        ]
        own = ", ".join(parent for parent in parents if parent)
        own = own or shortened(key_text(tuple(row[name] for name in table.key)))
        said = []
        for column in child.extra:
            text = shortened(shown_line(row[column], table.kind_of(column)))
            is_date = child.extra == (table.date_column,)
            said += [text if is_date else f"{words(column)}: {text}"] * bool(text)
        return f"{own} ({', '.join(said)})" if own and said else own or ", ".join(said)


def _others(table: Table, foreign_key: ForeignKey) -> tuple[ForeignKey, ...]:
    return tuple(item for item in table.foreign_keys if item != foreign_key)


def _line(label: str, names: Sequence[str], count: int) -> str:
    """Return the names as lines that each say what they list: a passage may begin at any."""
    lines = [f"{label} ({count}):"]
    length = said = 0
    for name in names:
        length += len(name) + 2
        if said and length > _LIST_LENGTH:
            break
        if len(lines[-1]) + len(name) > _LINE_LENGTH and not lines[-1].endswith(":"):
            lines[-1] = lines[-1].removesuffix(";")
            lines.append(f"{label}:")
        lines[-1] += f" {name};"
        said += 1
    more = f"; and {count - said} more" if said < count else ""
    return "\n".join(lines).removesuffix(";") + more
