"""A connection that can only read: opened so, held so, and every statement has a time limit.

SQLite files are opened with `mode=ro`, so that none is ever made, PostgreSQL and MySQL
sessions are read-only by their own setting, and the one transaction is always rolled back.
What a driver says of a failure is passed on without the password. It knows no schema.
"""

from __future__ import annotations

import importlib.util
import re
import sqlite3
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote

from graft.database_settings import public_database_url
from graft.errors import BadInput, MissingPrerequisite

if TYPE_CHECKING:
    from sqlalchemy.engine import URL, Connection, Engine
    from sqlalchemy.engine.reflection import Inspector
    from sqlalchemy.sql.expression import Select

__all__ = ["Database", "QueryRows", "check_select", "open_database", "sqlite_file"]

STATEMENT_SECONDS = 60.0
LOCK_SECONDS = 5.0
CONNECT_SECONDS = 10
_ROWS_AT_ONCE = 500
# SQLite asks after so many of its steps whether to go on: some thousand times a second.
_STEPS_BETWEEN_LOOKS = 10_000
# Others hold one result open at a time, so that theirs is fetched whole.
_STREAMING = frozenset({"sqlite", "postgresql"})
_DRIVERS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "postgresql": (("psycopg", "psycopg"), ("psycopg2", "psycopg2"), ("pg8000", "pg8000")),
    "mysql": (("pymysql", "pymysql"), ("mysqldb", "MySQLdb")),
    "mariadb": (("pymysql", "pymysql"), ("mysqldb", "MySQLdb")),
    "mssql": (("pyodbc", "pyodbc"), ("pymssql", "pymssql")),
    "oracle": (("oracledb", "oracledb"),),
}
_PACKAGES = {"psycopg": "'psycopg[binary]'", "MySQLdb": "mysqlclient"}
_READ_ONLY = {
    "postgresql": (
        "SET default_transaction_read_only = on",
        f"SET statement_timeout = {int(STATEMENT_SECONDS * 1_000)}",
    ),
    "mysql": (
        "SET SESSION TRANSACTION READ ONLY",
        f"SET SESSION MAX_EXECUTION_TIME = {int(STATEMENT_SECONDS * 1_000)}",
    ),
    "mariadb": (
        "SET SESSION TRANSACTION READ ONLY",
        f"SET SESSION max_statement_time = {STATEMENT_SECONDS:g}",
    ),
}
_QUOTED = re.compile(
    r"--[^\n]*|/\*(?!!).*?\*/|'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|`[^`]*`|\[[^\]]*\]"
    r"|\$(\w*)\$.*?\$\1\$",
    re.DOTALL,
)
_WRITING = frozenset({"insert", "update", "delete", "merge", "into"})
_FAILURES: tuple[tuple[str, str, str], ...] = (
    ("is locked", "the database is locked", "wait until the other program has finished, add again"),
    (
        r"file is not a database|malformed|encrypted",
        "the file is no SQLite database",
        "check that the address names the right file",
    ),
    (
        r"interrupted|statement timeout|execution time|max_statement_time",
        f"a statement took longer than {STATEMENT_SECONDS:g} seconds",
        "name fewer tables, or a query, under [sources.NAME] of graft.toml",
    ),
    (
        r"unable to open|disk i/o",
        "the database file cannot be opened",
        "check its permissions, and those of its folder",
    ),
    (
        r"password|access denied|login failed|authentication|no pg_hba",
        "the database refused the user or the password",
        "name the variable that holds the password: password_env under [sources.NAME] of"
        " graft.toml",
    ),
    (
        r"refused|unreachable|timed? ?out|timeout|resolve|not known|translate host|can't connect"
        r"|could not connect|can't create a connection",
        "the database cannot be reached",
        "check the address, and that the server runs",
    ),
    (
        r"database \S+ does not exist|unknown database",
        "there is no such database on the server",
        "check the last part of the address",
    ),
    (
        r"no such (?:table|column|function)|syntax error|does not exist|unknown (?:column|table)",
        "the query cannot be run",
        "mend the query and add it again",
    ),
    (
        r"read-?only|read-write",
        "a statement that would change the database was refused",
        "write a query that only reads",
    ),
)


class QueryRows(NamedTuple):
    """What a query written by a user gives: the names of its columns, and its rows."""

    columns: tuple[str, ...]
    rows: Iterator[tuple[Any, ...]]


class _Clock:
    """The time limit of the statement that runs now."""

    def __init__(self) -> None:
        self.start()

    def start(self) -> None:
        self._ends = time.monotonic() + STATEMENT_SECONDS

    def is_over(self) -> int:
        return int(time.monotonic() > self._ends)


class Database:
    """An open database: it runs SELECT statements and nothing else."""

    def __init__(self, connection: Connection, clock: _Clock) -> None:
        """Use `open_database`."""
        self._connection = connection
        self._clock = clock
        self.backend: str = connection.dialect.name

    def inspector(self) -> Inspector:
        """Return what reads the schema."""
        import sqlalchemy

        self._clock.start()
        return sqlalchemy.inspect(self._connection)

    def rows(self, statement: Select[Any]) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a statement as the driver gives them."""
        if not statement.is_select:
            raise _not_a_select("the statement is no SELECT", "")
        self._clock.start()
        streaming = self.backend in _STREAMING
        options = {"stream_results": streaming and self.backend != "sqlite"}
        return self._fetched(self._connection.execute(statement, execution_options=options))

    def query(self, text: str, where: str = "") -> QueryRows:
        """Run a query that a user wrote, exactly as it is written.

        Raises:
            BadInput: it is no single SELECT.
        """
        check_select(text, where)
        self._clock.start()
        bare = text.strip().rstrip(";")
        result = self._connection.exec_driver_sql(bare, execution_options={"no_parameters": True})
        return QueryRows(tuple(map(str, result.keys())), self._fetched(result))

    def _fetched(self, result: Any) -> Iterator[tuple[Any, ...]]:  # noqa: ANN401 - any row type
        if self.backend not in _STREAMING:
            yield from [tuple(row) for row in result.all()]
            return
        while block := result.fetchmany(_ROWS_AT_ONCE):
            yield from (tuple(row) for row in block)
            self._clock.start()


def check_select(text: str, where: str = "") -> None:
    """Let a single SELECT through, with or without WITH in front.

    Raises:
        BadInput: it is something else, or holds what writes.
    """
    bare = _QUOTED.sub(" ", text).strip().rstrip(";").strip()
    words = re.findall(r"\w+", bare.lower())
    writing = sorted(_WRITING & set(words))
    if ";" in bare:
        raise _not_a_select("it has more than one statement", where)
    if not words or words[0] not in ("select", "with"):
        raise _not_a_select("it does not begin with SELECT or WITH", where)
    if writing or "/*!" in bare:
        raise _not_a_select(f"it says {writing[0].upper() if writing else '/*!'}", where)


def _not_a_select(why: str, where: str) -> BadInput:
    return BadInput(
        "the query was refused: Graft only reads",
        where=where,
        why=why,
        next_step="write one SELECT statement; quote names that are words of SQL",
    )


@contextmanager
def open_database(url: str, password: str = "") -> Iterator[Database]:
    """Open a database for reading and leave it exactly as it was.

    Raises:
        BadInput: there is no such database, it refuses, is locked or fails meanwhile.
        MissingPrerequisite: SQLAlchemy or the driver of this kind of database is not there.
    """
    exc = _sqlalchemy_errors()
    clock = _Clock()
    where = public_database_url(url)
    engine: Engine | None = None
    try:
        engine = _engine(url, password, clock)
        with warnings.catch_warnings():
            # A type that SQLAlchemy does not know is read as the driver gives it.
            warnings.simplefilter("ignore", exc.SAWarning)
            with engine.connect() as connection:
                yield Database(connection, clock)
                connection.rollback()
    except exc.ArgumentError as error:  # its text repeats the address
        raise BadInput(
            "this is no address of a database",
            where=where,
            why="an address is KIND://USER@HOST:PORT/NAME, or sqlite:///FILE",
            next_step='graft add "sqlite:///shop.db"',
        ) from error
    except exc.SQLAlchemyError as error:
        raise _explained(error, where, password) from error
    finally:
        if engine is not None:
            engine.dispose()


def _sqlalchemy_errors() -> Any:  # noqa: ANN401 - a module
    try:
        from sqlalchemy import exc
    except ImportError as error:
        raise MissingPrerequisite(
            "databases need SQLAlchemy",
            where="graft.databases",
            why=str(error),
            next_step="pip install -e '.[databases]'   # in the folder of Graft's source",
        ) from error
    return exc


def _engine(url: str, password: str, clock: _Clock) -> Engine:
    import sqlalchemy
    from sqlalchemy.engine import make_url

    parsed = make_url(url.replace("postgres://", "postgresql://", 1))
    if parsed.get_backend_name() == "sqlite":
        connect = _sqlite_connect(sqlite_file(url), clock)
        return sqlalchemy.create_engine(
            "sqlite://", creator=connect, poolclass=sqlalchemy.pool.NullPool
        )
    parsed = _with_driver(parsed)
    if password:
        parsed = parsed.set(password=password)
    try:
        engine = sqlalchemy.create_engine(parsed, poolclass=sqlalchemy.pool.NullPool)
    except ImportError as error:
        raise _no_driver(parsed, str(error)) from error
    statements = _READ_ONLY.get(parsed.get_backend_name(), ())

    @sqlalchemy.event.listens_for(engine, "connect")
    def make_read_only(connection: Any, record: object) -> None:  # noqa: ANN401 - any driver's
        cursor = connection.cursor()
        for statement in statements:
            cursor.execute(statement)
        cursor.close()
        connection.commit()

    return engine


def _with_driver(url: URL) -> URL:
    """Name the first driver of a kind of database that is installed, where none is named."""
    known = _DRIVERS.get(url.drivername, ())
    for driver, module in known:
        if importlib.util.find_spec(module):
            return url.set(drivername=f"{url.drivername}+{driver}")
    if known:
        raise _no_driver(url, "none of its drivers is installed")
    return url


def _no_driver(url: URL, why: str) -> MissingPrerequisite:
    backend = url.get_backend_name()
    module = next((module for _, module in _DRIVERS.get(backend, ())), "DRIVER")
    return MissingPrerequisite(
        f"there is no driver for {backend}",
        where=public_database_url(str(url.set(password=None))),
        why=why,
        next_step=f"pip install {_PACKAGES.get(module, module)}",
    )


def sqlite_file(url: str) -> Path:
    """Return the file that an address of SQLite names.

    >>> sqlite_file("sqlite:////data/shop.db").as_posix()
    '/data/shop.db'

    Raises:
        BadInput: it names none.
    """
    path = unquote(url.partition("://")[2].partition("?")[0]).removeprefix("/")
    if not path or path == ":memory:":
        raise BadInput(
            "the address names no file",
            where=public_database_url(url),
            why="a database in memory has nothing to read",
            next_step='graft add "sqlite:///shop.db"',
        )
    return Path(path)


def _sqlite_connect(file: Path, clock: _Clock) -> Callable[[], sqlite3.Connection]:
    if not file.is_file():
        raise BadInput(
            "there is no such database file",
            where=str(file),
            why="it is a folder" if file.is_dir() else "the path does not exist",
            next_step="check the spelling; sqlite:///shop.db is a path from here, "
            "sqlite:////data/shop.db one from the root",
        )
    address = f"{file.resolve().as_uri()}?mode=ro"

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(address, uri=True, timeout=LOCK_SECONDS)
        connection.execute("PRAGMA query_only = ON")
        connection.text_factory = _text
        connection.set_progress_handler(clock.is_over, _STEPS_BETWEEN_LOOKS)
        return connection

    return connect


def _text(data: bytes) -> str:
    """Decode text that a careless program may have stored in another encoding."""
    return data.decode("utf-8", errors="replace")


def _explained(error: Exception, where: str, password: str) -> BadInput:
    """Turn what the driver said into four parts, without the password and on one line."""
    origin = getattr(error, "orig", None) or error
    parts = origin.args[0] if origin.args and isinstance(origin.args[0], dict) else {}
    said = " ".join(str(parts.get("M") or origin).split())  # a reply of PostgreSQL in its fields
    if password:
        said = said.replace(password, "***")
    said = said.partition("(Background on this error")[0].strip()[:300]
    for pattern, what, next_step in _FAILURES:
        if re.search(pattern, said, re.IGNORECASE):
            return BadInput(what, where=where, why=said, next_step=next_step)
    return BadInput(
        "the database gave an error",
        where=where,
        why=said or type(error).__name__,
        next_step="check the address and the rights of the user",
    )
