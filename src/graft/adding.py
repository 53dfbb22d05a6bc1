"""What `add` was given: paths, addresses of databases, names of sources of `graft.toml`.

It tells them apart and makes the readers of databases, with their passwords from the
environment. It opens nothing: the corpus reads.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from graft.config import Config
from graft.database_settings import (
    DatabaseConfig,
    holds_password,
    is_database_url,
    public_database_url,
)
from graft.databases.connection import sqlite_file
from graft.databases.documents import DatabaseDocuments
from graft.errors import BadInput, MissingPrerequisite, UsageError

__all__ = ["PASSWORD_VARIABLE", "Given", "sort_given"]

PASSWORD_VARIABLE = "GRAFT_DATABASE_PASSWORD"  # noqa: S105 - the name of a variable


class Given(NamedTuple):
    """Existing paths, and databases that are not opened yet."""

    paths: list[Path]
    databases: list[DatabaseDocuments]


def sort_given(items: Sequence[Path | str], config: Config, root: Path) -> Given:
    """Tell what was given apart; a word that `graft.toml` has as a source is that source.

    Raises:
        BadInput: a path does not exist; all such paths are named.
        UsageError: an address holds a password.
        MissingPrerequisite: the variable that should hold a password is not set.
    """
    given = Given([], [])
    for item in items:
        if isinstance(item, str) and is_database_url(item):
            given.databases.append(_from_url(item, root))
        elif isinstance(item, str) and item in config.sources:
            given.databases.append(_from_source(item, config.sources[item], root))
        else:
            given.paths.append(Path(item).expanduser().resolve())
    missing = [path for path in given.paths if not path.exists()]
    if missing:
        near = difflib.get_close_matches(missing[0].name, config.sources, n=1)
        raise BadInput(
            "no such file or folder",
            where=", ".join(str(path) for path in missing),
            why="nothing was added",
            next_step=f"graft add {near[0]}" if near else "graft add PATH",
        )
    return given


def _from_url(url: str, root: Path) -> DatabaseDocuments:
    if holds_password(url):
        raise UsageError(
            "the address holds a password",
            where=public_database_url(url),
            why="it would stay in the history of the shell and be seen by other users",
            next_step=f"export {PASSWORD_VARIABLE}=..., and give the address without it",
        )
    address, stored = _addresses(url, Path.cwd(), root)
    return DatabaseDocuments(
        _name(stored), address, (stored,), password=os.environ.get(PASSWORD_VARIABLE, "")
    )


def _from_source(name: str, source: DatabaseConfig, root: Path) -> DatabaseDocuments:
    address, stored = _addresses(source.url, root, root)
    password = os.environ.get(source.password_env, "") if source.password_env else ""
    if source.password_env and not password:
        raise MissingPrerequisite(
            f"there is no password for the source {name}",
            where=f"the environment variable {source.password_env}",
            why="it is not set or empty",
            next_step=f"export {source.password_env}=... and run the command again",
        )
    return DatabaseDocuments(
        name,
        address,
        (f"sources://{name}", stored),
        tables=source.tables,
        query=source.query,
        schema=source.schema,
        row_limit=source.row_limit,
        password=password,
    )


def _addresses(url: str, here: Path, root: Path) -> tuple[str, str]:
    """Return the address to open, and the one to store: public, a file as paths are stored."""
    if not url.lower().startswith("sqlite"):
        return url, public_database_url(url)
    file = (here / sqlite_file(url).expanduser()).resolve()
    inside = file.relative_to(root) if file.is_relative_to(root) else file
    return _sqlite_url(file), _sqlite_url(inside)


def _sqlite_url(file: Path) -> str:
    path = file.as_posix()
    for sign in "%?#":
        path = path.replace(sign, f"%{ord(sign):02X}")
    return f"sqlite:///{path}"


def _name(stored: str) -> str:
    """Return what the ids of a database's documents begin with: the name of file or database."""
    if stored.startswith("sqlite:"):
        return sqlite_file(stored).stem
    place = stored.partition("://")[2].strip("/")
    return re.sub(r"[^\w.-]+", "_", place.rpartition("/")[2]) or "database"
