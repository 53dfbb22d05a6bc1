"""What a database holds: tables, their columns and keys, and which column names a row.

The naming column is chosen by rule from the names and types of the columns: no row is read.
Foreign keys that point out of the schema, or to what is not there, are plain columns.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from graft.databases.connection import Database
from graft.databases.values import words
from graft.errors import BadInput

if TYPE_CHECKING:
    from sqlalchemy.engine.reflection import Inspector
    from sqlalchemy.types import TypeEngine

__all__ = [
    "ID_ENDING",
    "Column",
    "ForeignKey",
    "Reference",
    "Schema",
    "Table",
    "naming_columns",
    "read_schema",
]

Kind = Literal["text", "number", "date", "boolean", "binary", "other"]

_PERSON = (
    ("firstname", "forename", "givenname", "fname"),
    ("lastname", "surname", "familyname", "lname"),
)
_NAMES = (
    *("name", "fullname", "displayname", "title", "label", "caption", "headline", "subject"),
    *("bezeichnung", "titel", "naam", "nom", "nombre", "nome", "titre", "titulo", "titolo"),
)
# Names of an account or a file say less than any other name, and more than a number.
_WEAK_NAMES = (
    *("username", "nickname", "login", "filename", "email", "code", "symbol", "slug", "sku"),
    *("abbreviation", "summary", "description"),
)
_NO_NAMES = ("text", "body", "content", "comment", "note", "notes", "remark", "remarks")
_DETAIL_COLUMNS = 4
ID_ENDING = re.compile(r"(?:[ _-]|(?<=[a-z0-9])(?=I))(?:id|key|code|no|nr|fk)$", re.IGNORECASE)


class Column(NamedTuple):
    """A column: its name and the kind of its values."""

    name: str
    kind: Kind = "other"


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """Columns that name a row of another table; `required` where none may be empty.

    One that is not `declared` was found in the rows.
    """

    columns: tuple[str, ...]
    table: str
    referred: tuple[str, ...]
    required: bool = False
    declared: bool = True

    @property
    def label(self) -> str:
        """Return what the row is to the one that names it.

        >>> ForeignKey(("SupportRepId",), "Employee", ("EmployeeId",)).label
        'Support Rep'
        """
        bare = ID_ENDING.sub("", self.columns[0]) if len(self.columns) == 1 else ""
        is_key = bare.lower() in ("", "id", "key")
        return words(self.table if is_key else bare)


@dataclass(frozen=True, slots=True)
class Table:
    """A table or view; `naming` are the columns that name a row, none where no column does."""

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()
    naming: tuple[str, ...] = ()
    schema: str = ""
    is_view: bool = False

    @property
    def title(self) -> str:
        """Return the name of the table as words."""
        return words(self.name)

    @property
    def date_column(self) -> str:
        """Return the first column of dates, which helps to name a row without a name."""
        return next((item.name for item in self.columns if item.kind == "date"), "")

    @property
    def owner(self) -> ForeignKey | None:
        """Return the first foreign key to another table: what a row belongs to."""
        return next((item for item in self.foreign_keys if item.table != self.name), None)

    @property
    def own_columns(self) -> tuple[Column, ...]:
        """Return the columns that are neither key nor foreign key."""
        taken = {*self.key, *(name for item in self.foreign_keys for name in item.columns)}
        return tuple(item for item in self.columns if item.name not in taken)

    def kind_of(self, column: str) -> Kind:
        """Return the kind of a column's values."""
        return next((item.kind for item in self.columns if item.name == column), "other")


class Reference(NamedTuple):
    """A foreign key with the table that has it."""

    table: Table
    foreign_key: ForeignKey


@dataclass(frozen=True, slots=True)
class Schema:
    """The tables by name; `unreadable` names those left out, with the reason."""

    tables: Mapping[str, Table]
    views: tuple[str, ...] = ()
    unreadable: Mapping[str, str] = field(default_factory=dict)

    def references_to(self, table: Table) -> Iterator[Reference]:
        """Yield the foreign keys that point to a table."""
        for item in self.tables.values():
            for foreign_key in item.foreign_keys:
                if foreign_key.table == table.name:
                    yield Reference(item, foreign_key)

    def is_link(self, table: Table) -> bool:
        """Tell whether a table only links two others: two foreign keys and little else."""
        is_named = bool(table.naming) or any(self.references_to(table))
        return len(table.foreign_keys) == 2 and len(table.own_columns) <= 1 and not is_named

    def may_be_detail(self, table: Table) -> bool:
        """Tell whether a row says little and belongs to another: a line of an invoice."""
        owner = table.owner
        if not owner or not owner.required or table.naming or any(self.references_to(table)):
            return False
        plain = all(item.kind in ("number", "date", "boolean") for item in table.own_columns)
        return plain and len(table.own_columns) <= _DETAIL_COLUMNS

    def chosen(
        self, names: Sequence[str], where: str, told_elsewhere: frozenset[str] = frozenset()
    ) -> list[Table]:
        """Return the named tables and views, in that order.

        Without names all tables but links and those whose rows are `told_elsewhere`.

        Raises:
            BadInput: there is none of a name; the near match is named.
        """
        if not names:
            found = [item for item in self.tables.values() if not item.is_view]
            found = [item for item in found if item.name not in told_elsewhere]
            return [item for item in found if not self.is_link(item)]
        folded = {name.casefold(): name for name in self.tables}
        unknown = [name for name in names if name.casefold() not in folded]
        if unknown:
            near = difflib.get_close_matches(unknown[0].casefold(), folded, n=1)
            raise BadInput(
                f"there is no table {unknown[0]!r}",
                where=where,
                why=f"did you mean {folded[near[0]]!r}?"
                if near
                else "the tables are " + (", ".join(list(self.tables)[:20]) or "none at all"),
                next_step="mend 'tables' in graft.toml and add it again",
            )
        return [self.tables[folded[name.casefold()]] for name in dict.fromkeys(names)]


def read_schema(database: Database, schema: str, where: str) -> Schema:
    """Read the tables and views of a schema, the default one where none is named.

    Raises:
        BadInput: there are none.
    """
    inspector = database.inspector()
    if schema and schema not in inspector.get_schema_names():
        known = inspector.get_schema_names()
        near = difflib.get_close_matches(schema, known, n=1) or known[:1]
        raise BadInput(
            f"there is no schema {schema!r}",
            where=where,
            why=f"did you mean {near[0]!r}?" if near else "the database has none",
            next_step="mend 'schema' in graft.toml and add it again",
        )
    place = schema or None
    views = sorted(inspector.get_view_names(schema=place))
    names = [*sorted(inspector.get_table_names(schema=place)), *views]
    if not names:
        raise BadInput(
            "the database is empty",
            where=where,
            why=f"the schema {schema!r} has no tables" if schema else "it has no tables",
            next_step="check the address and the rights of the user",
        )
    tables: dict[str, Table] = {}
    unreadable: dict[str, str] = {}
    for name in names:
        try:
            tables[name] = _table(inspector, name, schema, is_view=name in views)
        except _unreadable_errors() as error:
            unreadable[name] = " ".join(str(getattr(error, "orig", error)).split())[:200]
    return Schema(_without_dangling(tables), tuple(views), unreadable)


def _unreadable_errors() -> tuple[type[Exception], ...]:
    """Return what a table of a missing extension, or a broken view, raises when looked at."""
    from sqlalchemy import exc

    return (exc.OperationalError, exc.NoSuchTableError, exc.UnreflectableTableError)


def _table(inspector: Inspector, name: str, schema: str, *, is_view: bool) -> Table:
    place = schema or None
    found = inspector.get_columns(name, schema=place)
    columns = tuple(Column(str(item["name"]), _kind(item["type"])) for item in found)
    order = [item.name for item in columns]
    optional = {str(item["name"]) for item in found if item.get("nullable", True)}
    key = tuple(inspector.get_pk_constraint(name, schema=place).get("constrained_columns") or ())
    foreign_keys = [
        ForeignKey(
            tuple(item["constrained_columns"]),
            str(item["referred_table"]),
            tuple(item["referred_columns"]),
            required=not optional & set(item["constrained_columns"]),
        )
        for item in inspector.get_foreign_keys(name, schema=place)
        if (item.get("referred_schema") or schema) == schema and item["constrained_columns"]
    ]
    foreign_keys.sort(key=lambda item: [order.index(column) for column in item.columns])
    pointing = {column for item in foreign_keys for column in item.columns}
    free = [item for item in columns if item.name not in pointing]
    return Table(
        name,
        columns,
        key,
        tuple(dict.fromkeys(foreign_keys)),
        naming_columns(free, name, key),
        schema,
        is_view,
    )


def _without_dangling(tables: Mapping[str, Table]) -> dict[str, Table]:
    """Drop foreign keys whose table or columns are not there; match names in any case."""
    folded = {name.casefold(): table for name, table in tables.items()}
    mended = {}
    for name, table in tables.items():
        kept = []
        for item in table.foreign_keys:
            target = folded.get(item.table.casefold())
            known = (
                {column.name.casefold(): column.name for column in target.columns}
                if (target)
                else {}
            )
            referred = tuple(known.get(column.casefold(), "") for column in item.referred)
            if target and all(referred) and len(referred) == len(item.columns):
                kept.append(ForeignKey(item.columns, target.name, referred, item.required))
        mended[name] = Table(
            name, table.columns, table.key, tuple(kept), table.naming, table.schema, table.is_view
        )
    return mended


def _kind(declared: TypeEngine[Any]) -> Kind:
    from sqlalchemy import types

    kinds: tuple[tuple[type[TypeEngine[Any]], Kind], ...] = (
        (types.LargeBinary, "binary"),
        (types.BINARY, "binary"),
        (types.VARBINARY, "binary"),
        (types.Boolean, "boolean"),
        (types.DateTime, "date"),
        (types.Date, "date"),
        (types.Numeric, "number"),
        (types.Integer, "number"),
        (types.String, "text"),
    )
    return next((kind for one, kind in kinds if isinstance(declared, one)), "other")


def naming_columns(
    columns: Sequence[Column], table: str = "", key: Sequence[str] = ()
) -> tuple[str, ...]:
    """Return the columns that name a row: one, or first and last name, or none.

    >>> naming_columns([Column("last_name", "text"), Column("Title"), Column("first_name")])
    ('first_name', 'last_name')
    >>> naming_columns([Column("track_id", "number"), Column("TrackName", "text")], "tracks")
    ('TrackName',)
    """
    texts = [item.name for item in columns if item.kind in ("text", "other")]
    bare: dict[str, str] = {}
    for name in texts:
        bare.setdefault(_bare(name, table), name)
    person = [next((bare[word] for word in group if word in bare), "") for group in _PERSON]
    if all(person):
        return tuple(person)
    for word in _NAMES:
        if word in bare:
            return (bare[word],)
    for ending in ("name", "title", "label"):
        for word, name in bare.items():
            if word.endswith(ending) and word not in _WEAK_NAMES:
                return (name,)
    for word in _WEAK_NAMES:
        if word in bare:
            return (bare[word],)
    declared = [item.name for item in columns if item.kind == "text" and item.name not in key]
    is_only = len(declared) == 1 and _bare(declared[0], table) not in _NO_NAMES
    return (declared[0],) if is_only else ()


def _bare(column: str, table: str) -> str:
    """Return a column's name in small letters, without that of its table in front."""
    letters = re.sub(r"[\W_]+", "", column).lower()
    thing = re.sub(r"[\W_]+", "", table).lower()
    for prefix in (thing, thing.removesuffix("s"), thing.removesuffix("es")):
        if prefix and letters.startswith(prefix) and len(letters) > len(prefix):
            return letters[len(prefix) :]
    return letters
