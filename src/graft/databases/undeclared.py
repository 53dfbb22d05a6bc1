"""Keys that a database has and does not declare, found by name and proved by its rows.

Many files made by exports or small programs declare none. A column that is called after another
table (`artist_id`, `ArtistId`) and of which every value is a key there is taken as a foreign
key; a name alone proves nothing, and neither do rows without one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from graft.databases.connection import Database
from graft.databases.schema import ID_ENDING, Column, ForeignKey, Schema, Table, naming_columns
from graft.databases.selecting import counts_of, orphans
from graft.errors import BadInput

__all__ = ["told", "with_undeclared"]

_LETTERS = re.compile(r"[\W_]+")


def with_undeclared(database: Database, schema: Schema) -> Schema:
    """Return the schema with the keys that its rows prove; declared ones are never changed."""
    tables = {name: _with_key(database, table) for name, table in schema.tables.items()}
    found = {}
    for name, table in tables.items():
        more = [] if table.is_view else list(_references(database, table, tables))
        found[name] = _with_references(table, more) if more else table
    return replace(schema, tables=found)


def told(schema: Schema) -> Iterator[tuple[str, str]]:
    """Yield table and sentence for every foreign key that is not declared."""
    for table in schema.tables.values():
        for item in table.foreign_keys:
            if not item.declared:
                yield (
                    table.name,
                    f"{item.columns[0]} taken as a reference to {item.table}: not declared,"
                    " but every value is there",
                )


def _with_key(database: Database, table: Table) -> Table:
    """Return a table without a key with the column that is called and behaves like one."""
    if table.key or table.is_view:
        return table
    names = {"id", *(f"{thing}id" for thing in _things(table.name))}
    for column in table.columns:
        if _plain(column.name) in names and column.kind in ("number", "text", "other"):
            counts = _counts(database, table, column.name)
            if counts and counts[0] == counts[1] == counts[2] > 0:
                return _named_anew(replace(table, key=(column.name,)))
    return table


def _references(
    database: Database, table: Table, tables: Mapping[str, Table]
) -> Iterator[ForeignKey]:
    taken = {name for item in table.foreign_keys for name in item.columns}
    taken |= set(table.key) if len(table.key) == 1 else set()
    for column in table.columns:
        if column.name in taken:
            continue
        targets = [item for item in tables.values() if _is_called_after(column, table, item)]
        if len(targets) == 1:
            counts = _counts(database, table, column.name)
            if counts and counts[1] and _has_no_orphan(database, table, column, targets[0]):
                is_required = counts[0] == counts[1]
                yield ForeignKey(
                    (column.name,), targets[0].name, targets[0].key, is_required, declared=False
                )


def _is_called_after(column: Column, table: Table, target: Table) -> bool:
    """Tell whether a column is named after a table with a single key of its kind."""
    if target is table or target.is_view or len(target.key) != 1:
        return False
    key = target.key[0]
    if column.kind != target.kind_of(key):
        return False
    bare = ID_ENDING.sub("", column.name)
    is_table = bare != column.name and _plain(bare) in _things(target.name)
    is_key = _plain(column.name) == _plain(key) != "id" and _plain(key)[-2:] in ("id", "no")
    return is_table or is_key


def _with_references(table: Table, more: Sequence[ForeignKey]) -> Table:
    order = [item.name for item in table.columns]
    both = sorted(
        (*table.foreign_keys, *more), key=lambda item: [order.index(name) for name in item.columns]
    )
    return _named_anew(replace(table, foreign_keys=tuple(both)))


def _named_anew(table: Table) -> Table:
    pointing = {name for item in table.foreign_keys for name in item.columns}
    free = [item for item in table.columns if item.name not in pointing]
    return replace(table, naming=naming_columns(free, table.name, table.key))


def _counts(database: Database, table: Table, column: str) -> tuple[int, int, int] | None:
    """Count rows, values and different values; None where that takes too long."""
    try:
        rows, values, different = next(database.rows(counts_of(table, column)))
    except BadInput:
        return None
    return int(rows), int(values), int(different)


def _has_no_orphan(database: Database, table: Table, column: Column, target: Table) -> bool:
    try:
        statement = orphans(table, column.name, target, target.key[0])
        return next(database.rows(statement), None) is None
    except BadInput:
        return False


def _plain(name: str) -> str:
    return _LETTERS.sub("", name).lower()


def _things(table: str) -> set[str]:
    """Return what one row of a table may be called.

    >>> sorted(_things("Boxes"))
    ['box', 'boxe', 'boxes']
    """
    plain = _plain(table)
    found = {plain}
    for ending, single in (("s", ""), ("es", ""), ("ies", "y")):
        if plain.endswith(ending) and len(plain) > len(ending) + 1:
            found.add(plain[: -len(ending)] + single)
    return found
