from __future__ import annotations

import os
import shutil
import sqlite3
import sys

import pytest

from graft.corpus import silent
from graft.databases import DatabaseDocuments, connection
from graft.databases.connection import check_select, open_database
from graft.errors import BadInput, MissingPrerequisite


def refused(reader):
    with pytest.raises(BadInput) as caught:
        list(reader.documents(silent))
    error = caught.value
    assert error.what and error.where and error.why and error.next_step
    return error


def test_a_file_that_is_not_there_is_never_made(bench):
    path = bench.folder / "none.db"
    assert refused(bench.reader(path)).what == "there is no such database file"
    assert not path.exists()


def test_reading_leaves_the_folder_as_it_was(bench):
    path = bench.make()
    before = path.read_bytes()
    assert list(bench.reader(path).documents(silent))
    assert path.read_bytes() == before
    assert [item.name for item in bench.folder.iterdir()] == ["shop.db"]


def test_a_write_ahead_log_is_read_and_kept(bench):
    path = bench.make()
    writer = sqlite3.connect(path)
    writer.execute("PRAGMA journal_mode = WAL")
    writer.execute("INSERT INTO Artist VALUES (3, 'Late')")
    writer.commit()
    texts = [item.text for item in bench.reader(path).documents(silent)]
    writer.close()
    assert any("Late" in text for text in texts)


def test_a_folder_is_no_database(bench):
    assert "folder" in refused(bench.reader(bench.folder)).why


@pytest.mark.parametrize("data", [b"hello, this is text" * 100, bytes(range(256)) * 40])
def test_another_file_is_no_database(bench, data):
    path = bench.folder / "a.db"
    path.write_bytes(data)
    assert refused(bench.reader(path)).what == "the file is no SQLite database"


def test_a_file_cut_short_is_refused(bench):
    path = bench.make()
    path.write_bytes(path.read_bytes()[:20_000])
    refused(bench.reader(path))


def test_an_empty_file_has_no_tables(bench):
    path = bench.folder / "a.db"
    path.touch()
    assert refused(bench.reader(path)).what == "the database is empty"


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="needs rights that can be taken")
def test_a_file_that_may_not_be_read_is_refused(bench):
    path = bench.make()
    path.chmod(0)
    assert refused(bench.reader(path)).what == "the database file cannot be opened"


def test_a_locked_database_says_so(bench, monkeypatch):
    monkeypatch.setattr(connection, "LOCK_SECONDS", 0.05)
    path = bench.make()
    writer = sqlite3.connect(path)
    writer.execute("BEGIN EXCLUSIVE")
    assert refused(bench.reader(path)).what == "the database is locked"
    writer.close()


def test_a_statement_has_a_time_limit(bench, monkeypatch):
    monkeypatch.setattr(connection, "STATEMENT_SECONDS", 0.1)
    endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT max(x) FROM n"
    error = refused(bench.reader(bench.make(), query=endless))
    assert "took longer than" in error.what


@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM Artist",
        "INSERT INTO Artist VALUES (9, 'x')",
        "PRAGMA writable_schema = 1",
        "ATTACH 'other.db' AS other",
        "SELECT 1; DROP TABLE Artist",
        "WITH gone AS (DELETE FROM Artist RETURNING *) SELECT * FROM gone",
        "SELECT * INTO copy FROM Artist",
        "-- SELECT\nUPDATE Artist SET Name = 'x'",
        "/* SELECT */ VACUUM",
        "SELECT 1 /*! ; DROP TABLE Artist */",
        "EXPLAIN SELECT 1",
        "",
    ],
)
def test_anything_but_one_select_is_refused(bench, query):
    with pytest.raises(BadInput, match="Graft only reads") as caught:
        check_select(query, "sources.shop.query")
    assert caught.value.why


@pytest.mark.parametrize(
    "query",
    [
        "SELECT 'delete; into', \"update\", [insert], `merge` FROM a -- into",
        "  select deleted_at, updated FROM a; ",
        "WITH a AS (SELECT 1) SELECT * FROM a",
        "SELECT $$; delete$$",
        "/* one; two */ SELECT 1",
    ],
)
def test_a_select_may_say_such_words_in_quotes(query):
    check_select(query)


def test_the_connection_itself_can_not_write(bench):
    path = bench.make()
    with pytest.raises(BadInput) as caught, open_database(f"sqlite:///{path}") as database:
        database._connection.exec_driver_sql("DELETE FROM Artist")
    assert "refused" in caught.value.what
    with sqlite3.connect(path) as store:
        assert store.execute("SELECT COUNT(*) FROM Artist").fetchone() == (2,)
    store.close()


def test_an_unknown_table_names_the_near_match(bench):
    error = refused(bench.reader(bench.make(), tables=("Albun",)))
    assert error.what == "there is no table 'Albun'" and "'Album'" in error.why


def test_an_unknown_schema_names_the_near_match(bench):
    error = refused(bench.reader(bench.make(), schema="mian"))
    assert error.what == "there is no schema 'mian'" and "'main'" in error.why


def test_a_query_that_does_not_fit_the_tables_is_explained(bench):
    error = refused(bench.reader(bench.make(), query="SELECT Nmae FROM Artist"))
    assert error.what == "the query cannot be run" and "Nmae" in error.why


def test_a_broken_view_is_left_out_and_named(bench):
    path = bench.make("CREATE TABLE a (name TEXT); INSERT INTO a VALUES ('x y z');")
    with sqlite3.connect(path) as store:
        store.execute("CREATE VIEW b AS SELECT * FROM missing")
    store.close()
    reader = bench.reader(path)
    assert len(list(reader.documents(silent))) == 1
    assert [item.path for item in reader.left_out] == ["shop/b"]


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "nosuchkind://host/db"])
def test_an_address_of_nothing_is_refused(url):
    refused(DatabaseDocuments("shop", url, (url,)))


def test_a_missing_driver_names_the_command(monkeypatch):
    monkeypatch.setattr(connection.importlib.util, "find_spec", lambda name: None)
    reader = DatabaseDocuments("shop", "postgresql://me@host/db", ("x",), password="hush")
    with pytest.raises(MissingPrerequisite) as caught:
        list(reader.documents(silent))
    assert caught.value.next_step == "pip install 'psycopg[binary]'"
    assert "hush" not in str(caught.value) + repr(reader)


def test_without_sqlalchemy_the_command_is_named(bench, monkeypatch):
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    with pytest.raises(MissingPrerequisite) as caught:
        list(bench.reader(bench.make()).documents(silent))
    assert caught.value.next_step.startswith("pip install -e '.[databases]'")


def test_what_a_driver_says_is_told_without_the_password():
    said = connection._explained(
        RuntimeError('FATAL: password authentication failed for "me" with hush'), "x", "hush"
    )
    assert said.what == "the database refused the user or the password"
    assert "hush" not in str(said) and "***" in said.why


def test_a_path_may_have_any_sign(bench):
    path = bench.folder / "a #?%41 ü.db"
    shutil.move(bench.make(), path)
    from graft.adding import _addresses

    given = str(path).replace("%", "%25").replace("?", "%3F")
    address, _ = _addresses(f"sqlite:///{given}", path, path.parent)
    assert list(DatabaseDocuments("shop", address, (address,)).documents(silent))
