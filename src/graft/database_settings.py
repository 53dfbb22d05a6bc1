"""Addresses of databases and what `[sources.NAME]` of `graft.toml` may say about one.

It opens no connection and reads no environment. A password never stands in an address: it
would be kept in a file, a shell's history and the catalogue. `config` checks with it what a
user wrote, `adding` what was given on the command line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import unquote

__all__ = [
    "ROW_LIMIT",
    "DatabaseConfig",
    "database_problems",
    "holds_password",
    "is_database_url",
    "public_database_url",
]

# A row is about one passage, and 10,000 passages are two minutes of embedding on two cores.
ROW_LIMIT = 10_000

_URL = re.compile(r"([a-z][a-z0-9]*)(?:\+[a-z0-9_]+)?://", re.IGNORECASE)
_OTHER_SCHEMES = frozenset({"http", "https", "file", "ftp", "s3", "gs"})
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_SECRET = re.compile(r"(?:passw\w*|pwd|secret|token)\s*=", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class DatabaseConfig:
    """A database of documents: some `tables`, one `query`, or without either all of a `schema`.

    `row_limit` counts the rows of each table. The password is read from the variable of the
    environment that `password_env` names.
    """

    url: str
    tables: tuple[str, ...] = ()
    query: str = ""
    schema: str = ""
    row_limit: int = ROW_LIMIT
    password_env: str = ""


def is_database_url(text: str) -> bool:
    """Tell an address of a database from a path.

    >>> is_database_url("sqlite:///shop.db"), is_database_url("docs/shop.db")
    (True, False)
    """
    found = _URL.match(text)
    return bool(found) and found[1].lower() not in _OTHER_SCHEMES  # type: ignore[index]


def public_database_url(url: str) -> str:
    """Return an address without driver, user, password and options.

    >>> public_database_url("postgresql+psycopg://me:secret@host:5432/shop?sslmode=require")
    'postgresql://host:5432/shop'
    """
    scheme, _, rest = url.partition("://")
    if not rest.startswith("/"):
        rest = rest.rpartition("@")[2]
    return f"{scheme.partition('+')[0].lower()}://{rest.partition('?')[0].partition('#')[0]}"


def holds_password(url: str) -> bool:
    """Tell whether an address has a password, before its host or among its options.

    >>> holds_password("mysql://me:secret@host/shop"), holds_password("mysql://me@host/shop")
    (True, False)
    """
    rest = url.partition("://")[2]
    user, at, _ = rest.rpartition("@")
    before_host = bool(at) and ":" in user and not rest.startswith("/")
    return before_host or bool(_SECRET.search(unquote(rest.partition("?")[2])))


def database_problems(name: str, source: DatabaseConfig) -> Iterator[str]:
    """Yield what is wrong with the table `[sources.NAME]`, secrets unsaid."""
    place = f"sources.{name}"
    if not _NAME.fullmatch(name):
        yield f"{place!r}: a name may have letters, digits, '_' and '-' only"
    if source.url and not is_database_url(source.url):
        yield f"'{place}.url' must begin with a kind of database, as in sqlite:///shop.db"
    elif holds_password(source.url):
        yield (
            f"'{place}.url' holds a password: take it out and name the variable that holds it "
            f"in '{place}.password_env'"
        )
    if source.password_env and not _VARIABLE.fullmatch(source.password_env):
        yield (
            f"'{place}.password_env' must name a variable of the environment, not hold the password"
        )
    if source.tables and source.query:
        yield f"{place!r} has 'tables' and 'query', but is either some tables or one query"
    if source.row_limit == 0:
        yield f"'{place}.row_limit' is 0, but a table needs at least one row"
