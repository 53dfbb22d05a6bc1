"""Keys that are not declared: found by name, proved by rows."""

from __future__ import annotations

import re

import pytest

from graft.corpus import silent
from graft.databases.connection import open_database
from graft.databases.schema import read_schema
from graft.databases.undeclared import with_undeclared

LOOSE = """
CREATE TABLE artists (id INTEGER, name TEXT);
CREATE TABLE albums (album_id INTEGER, title TEXT, artist_id INTEGER, label_id INTEGER);
CREATE TABLE categories (CategoryID TEXT PRIMARY KEY, Name TEXT);
CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT, CategoryID TEXT, artist_id INTEGER);
INSERT INTO artists VALUES (1, 'Tarn'), (2, 'Moss');
INSERT INTO albums VALUES (1, 'Ninety Bar', 1, 5), (2, 'Dry Run', NULL, 6);
INSERT INTO categories VALUES ('p', 'Pumps');
INSERT INTO things VALUES (1, 'Valve', 'p', 1), (2, 'Crane', NULL, 9);
"""


@pytest.fixture
def found(tmp_path):
    """Return the tables of a script with what was found in its rows."""
    import sqlite3

    def read(script):
        path = tmp_path / "loose.db"
        sqlite3.connect(path).executescript(script).close()
        with open_database(f"sqlite:///{path}") as database:
            return with_undeclared(database, read_schema(database, "", "here")).tables

    return read


def test_a_column_named_after_a_table_refers_to_it_where_every_value_is_there(found):
    tables = found(LOOSE)
    [artist] = tables["albums"].foreign_keys
    assert (artist.columns, artist.table, artist.referred) == (("artist_id",), "artists", ("id",))
    assert not artist.declared and not artist.required
    [category] = tables["things"].foreign_keys
    assert category.table == "categories"


def test_a_value_that_leads_nowhere_is_no_reference(found):
    assert "artist_id" not in {
        name for item in found(LOOSE)["things"].foreign_keys for name in item.columns
    }


def test_a_key_is_found_where_its_values_differ_and_none_is_empty(found):
    tables = found(LOOSE)
    assert (tables["artists"].key, tables["albums"].key) == (("id",), ("album_id",))
    twice = found("CREATE TABLE a (id INTEGER, name TEXT); INSERT INTO a VALUES (1, 'x'), (1, 'y')")
    assert twice["a"].key == ()


def test_columns_without_values_and_empty_tables_prove_nothing(found):
    empty = re.sub(r"INSERT[^;]*;", "", LOOSE)
    tables = found(empty)
    assert all(not item.foreign_keys for item in tables.values())


def test_declared_keys_stay_as_they_are(bench, found):
    with_all = found(bench.shop)
    assert all(item.declared for table in with_all.values() for item in table.foreign_keys)


def test_loose_tables_are_told_like_declared_ones_and_a_note_says_so(bench):
    loose = re.sub(r"\s+REFERENCES \w+|PRIMARY KEY(?! \()", "", bench.shop).replace(
        ",\n    PRIMARY KEY (PlaylistId, TrackId)", ""
    )
    declared = {item.id: item for item in bench.reader(bench.make(name="a.db")).documents(silent)}
    path = bench.make(loose, name="b.db")
    read = {item.id: item for item in bench.reader(path).documents(silent)}
    assert read.keys() == declared.keys()
    name, album = next((name, item) for name, item in read.items() if "Album" in name)
    assert album.text == declared[name].text
    assert any("taken as a reference to Artist" in note for note in album.notes)
    assert not any("taken as" in note for item in declared.values() for note in item.notes)
