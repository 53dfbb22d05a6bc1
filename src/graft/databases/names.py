"""What a row is called where another row refers to it: `Accept`, not `ArtistId: 2`.

A row without a name, or with a weak one, is called by its key, its date and what it belongs
to, over at most two hops. Names are fetched in batches and remembered for a while.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from graft.databases.connection import Database
from graft.databases.schema import ForeignKey, Schema, Table
from graft.databases.selecting import Key, in_batches, rows_with
from graft.databases.values import key_text, shown_line

__all__ = ["NAME_LENGTH", "Names", "is_weak", "name_in", "shortened"]

NAME_LENGTH = 120
_HOPS = 2
_MEMORY_NAMES = 100_000
# "A", "12" and "n/a" name nothing to someone who does not know the table.
_LEAST_LETTERS = 3
_LETTERS = re.compile(r"[^\W\d_]")


class _Named(NamedTuple):
    """What is known of a row that is referred to; `owner` is the key of what it belongs to."""

    name: str
    key: str
    date: str
    owner: Key


def name_in(table: Table, values: Mapping[str, Any]) -> str:
    """Return what the naming columns of a row say, on one line; empty where they say nothing."""
    parts = [shown_line(values.get(name), table.kind_of(name)) for name in table.naming]
    return shortened(" ".join(part for part in parts if part))


def shortened(name: str) -> str:
    """Return a name short enough for a line of names."""
    return name if len(name) <= NAME_LENGTH else name[: NAME_LENGTH - 1].rstrip() + "…"


class Names:
    """The names of rows of one database."""

    def __init__(self, database: Database, schema: Schema) -> None:
        self._database = database
        self._schema = schema
        self._known: dict[tuple[str, tuple[str, ...]], dict[Key, _Named]] = {}

    def forget_if_many(self) -> None:
        """Drop the remembered names where they are many; called between two batches of rows."""
        if sum(map(len, self._known.values())) > _MEMORY_NAMES:
            self._known.clear()

    def fetch(self, foreign_key: ForeignKey, keys: Iterable[Key], hops: int = _HOPS) -> None:
        """Fetch the names of the rows that a foreign key refers to, and of what they belong to."""
        table = self._schema.tables[foreign_key.table]
        known = self._known.setdefault((table.name, foreign_key.referred), {})
        wanted = [key for key in dict.fromkeys(keys) if None not in key and key not in known]
        owner = table.owner
        columns = list(
            dict.fromkeys(
                [
                    *(*foreign_key.referred, *table.naming, *table.key),
                    *((table.date_column,) if table.date_column and not table.naming else ()),
                    *(owner.columns if owner else ()),
                ]
            )
        )
        found: list[Key] = []
        for batch in in_batches(wanted):
            for row in self._database.rows(rows_with(table, columns, foreign_key.referred, batch)):
                values = dict(zip(columns, row, strict=True))
                item = _named(table, foreign_key, values)
                known.setdefault(tuple(values[name] for name in foreign_key.referred), item)
                found.append(item.owner)
        if owner and hops and found:
            self.fetch(owner, found, hops - 1)

    def of(self, foreign_key: ForeignKey, key: Key, hops: int = _HOPS) -> str:
        """Return the name of a row with what it belongs to; empty where there is no such row."""
        item = self._known.get((foreign_key.table, foreign_key.referred), {}).get(key)
        if item is None:
            return ""
        owner = self._schema.tables[foreign_key.table].owner
        parts = [item.date] if item.date else []
        if owner and hops and (owner.required or is_weak(item.name)):
            belongs = self._bare(owner, item.owner, hops - 1)
            parts += [f"{owner.label}: {belongs}"] if belongs else []
        name = item.name or item.key
        return f"{name} ({'; '.join(parts)})" if parts else name

    def _bare(self, foreign_key: ForeignKey, key: Key, hops: int) -> str:
        """Return the name alone where it says enough."""
        item = self._known.get((foreign_key.table, foreign_key.referred), {}).get(key)
        if item is None:
            return ""
        return self.of(foreign_key, key, hops) if is_weak(item.name) else item.name


def is_weak(name: str) -> bool:
    """Tell whether a name says nothing outside its table."""
    return len(_LETTERS.findall(name)) < _LEAST_LETTERS


def _named(table: Table, foreign_key: ForeignKey, values: Mapping[str, Any]) -> _Named:
    name = name_in(table, values)
    key = tuple(values[column] for column in table.key or foreign_key.referred)
    date = table.date_column
    return _Named(
        name,
        shortened(key_text(key)),
        "" if name or not date else shown_line(values.get(date), "date"),
        tuple(values[column] for column in table.owner.columns) if table.owner else (),
    )
