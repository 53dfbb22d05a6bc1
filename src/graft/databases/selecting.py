"""SELECT statements from a schema; every name is quoted, so that any word may be a name.

Columns are selected without their types: values come as the driver gives them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from graft.databases.schema import Table

if TYPE_CHECKING:
    from sqlalchemy.sql.expression import ColumnElement, Select

__all__ = [
    "Key",
    "a_group_above",
    "counted_by",
    "counts_of",
    "every_row",
    "in_batches",
    "number_of_rows",
    "orphans",
    "rows_with",
]

Key = tuple[Any, ...]

# Databases take at least 999 values in one statement; a key of several columns nests deeper.
_VALUES_AT_ONCE = 500
_KEYS_AT_ONCE = 100


def _column(name: str) -> ColumnElement[Any]:
    import sqlalchemy
    from sqlalchemy.sql import quoted_name

    return sqlalchemy.column(quoted_name(name, quote=True))


def _from(table: Table) -> Any:  # noqa: ANN401 - a table of SQLAlchemy
    import sqlalchemy
    from sqlalchemy.sql import quoted_name

    schema = quoted_name(table.schema, quote=True) if table.schema else None
    return sqlalchemy.table(quoted_name(table.name, quote=True), schema=schema)


def every_row(table: Table, limit: int, backend: str) -> Select[Any]:
    """Select the rows of a table in the order of its key, at most `limit`.

    Bytes stay where they are: for a binary value an empty one is selected.
    """
    import sqlalchemy

    columns: list[Any] = []
    for item in table.columns:
        column = _column(item.name)
        if backend == "sqlite" and item.kind in ("binary", "other"):
            is_blob = sqlalchemy.func.typeof(column) == "blob"
            columns.append(
                sqlalchemy.case((is_blob, sqlalchemy.literal_column("x''")), else_=column)
            )
        elif item.kind == "binary":
            empty = sqlalchemy.literal(b"")
            columns.append(sqlalchemy.case((column.is_not(None), empty), else_=None))
        else:
            columns.append(column)
    statement = sqlalchemy.select(*columns).select_from(_from(table))
    return statement.order_by(*map(_column, table.key)).limit(limit)


def number_of_rows(table: Table) -> Select[Any]:
    """Count the rows of a table."""
    import sqlalchemy

    return sqlalchemy.select(sqlalchemy.func.count()).select_from(_from(table))


def counts_of(table: Table, column: str) -> Select[Any]:
    """Count the rows, the values of a column, and the different ones."""
    import sqlalchemy

    value, count = _column(column), sqlalchemy.func.count
    counts: list[Any] = [count(), count(value), count(sqlalchemy.distinct(value))]
    return sqlalchemy.select(*counts).select_from(_from(table))


def orphans(table: Table, column: str, target: Table, key: str) -> Select[Any]:
    """Select one value of a column that is no value of the `key` of the other table."""
    import sqlalchemy

    known = sqlalchemy.select(_column(key)).select_from(_from(target))
    known = known.where(_column(key).is_not(None))
    value = _column(column)
    statement = sqlalchemy.select(value).select_from(_from(table))
    return statement.where(value.is_not(None), value.not_in(known)).limit(1)


def rows_with(
    table: Table, columns: Sequence[str], where: Sequence[str], keys: Sequence[Key]
) -> Select[Any]:
    """Select columns of the rows whose columns `where` have one of the values of `keys`."""
    import sqlalchemy

    statement = sqlalchemy.select(*map(_column, columns)).select_from(_from(table))
    return statement.where(_matching(where, keys)).order_by(*map(_column, table.key))


def counted_by(table: Table, columns: Sequence[str], keys: Sequence[Key]) -> Select[Any]:
    """Count the rows for each value of `keys` in the columns."""
    import sqlalchemy

    grouped = [_column(name) for name in columns]
    statement = sqlalchemy.select(*grouped, sqlalchemy.func.count()).select_from(_from(table))
    return statement.where(_matching(columns, keys)).group_by(*grouped)


def a_group_above(table: Table, columns: Sequence[str], size: int) -> Select[Any]:
    """Select one value of the columns that more than `size` rows have."""
    import sqlalchemy

    grouped = [_column(name) for name in columns]
    statement = sqlalchemy.select(*grouped).select_from(_from(table)).group_by(*grouped)
    return statement.having(sqlalchemy.func.count() > size).limit(1)


def _matching(columns: Sequence[str], keys: Sequence[Key]) -> ColumnElement[bool]:
    import sqlalchemy

    if len(columns) == 1:
        return _column(columns[0]).in_([key[0] for key in keys])
    found = [
        sqlalchemy.and_(*(_column(name) == value for name, value in zip(columns, key, strict=True)))
        for key in keys
    ]
    return sqlalchemy.or_(*found)


def in_batches(keys: Sequence[Key]) -> Iterator[list[Key]]:
    """Yield keys in batches that one statement can take."""
    at_once = _KEYS_AT_ONCE if keys and len(keys[0]) > 1 else _VALUES_AT_ONCE
    rest = iter(keys)
    while batch := list(islice(rest, at_once)):
        yield batch
