from __future__ import annotations

import hashlib
import sqlite3

import pytest

from graft.corpus import silent
from graft.databases.parts import RowText, documents_of
from graft.splitters.semantic import SemanticSplitter


def test_a_row_says_what_it_refers_to_and_what_refers_to_it(bench):
    rows = bench.rows()
    assert rows["Album > Ninety Bar"] == (
        "Ninety Bar\nArtist: Tarn\nAlbum Id: 1\nTracks (2): Pump; Valve"
    )
    assert rows["Artist > Tarn"] == "Tarn\nArtist Id: 1\nAlbums (2): Ninety Bar; Dry Run"


def test_a_reference_is_told_with_what_it_belongs_to(bench):
    rows = bench.rows()
    assert "Album: Ninety Bar (Artist: Tarn)" in rows["Track > Pump"]


def test_a_link_table_is_told_from_both_sides_and_not_by_itself(bench):
    rows = bench.rows()
    assert "Tracks (2): Pump; Crane" in rows["Playlist > Morning"]
    assert "Playlists (1): Morning" in rows["Track > Crane"]
    assert not any("Playlist Track" in name for name in rows)


def test_a_row_without_a_name_is_named_by_key_date_and_owner(bench):
    rows = bench.rows()
    assert rows["Invoice > Invoice 98 (2026-03-01; Customer: Ada Lund)"].splitlines()[1:] == [
        "Invoice Date: 2026-03-01",
        "Total: 2.49",
        "Invoice Lines (2): Pump (Price: 0.99, Quantity: 1); Valve (Price: 1.5, Quantity: 3)",
    ]
    assert "Invoices (1): 98 (2026-03-01)" in rows["Customer > Ada Lund"]


def test_lines_of_an_owner_are_told_whole_there_and_briefly_elsewhere(bench):
    rows = bench.rows()
    assert not any(name.startswith("Invoice Line") for name in rows)
    assert "Invoice Lines (1): 98 (2026-03-01; Customer: Ada Lund)" in rows["Track > Pump"]


def test_a_table_with_many_lines_under_one_owner_has_rows_of_its_own(bench):
    many = "INSERT INTO InvoiceLine VALUES (?, 98, 1, 0.99, 1)"
    rows = bench.rows(rows=[(many, [(number,) for number in range(3, 60)])])
    assert "Invoice Line > Invoice Line 1 (Track: Pump)" in rows
    name = "Invoice > Invoice 98 (2026-03-01; Customer: Ada Lund)"
    assert "Invoice Lines: 59 in all" in rows[name]


def test_many_children_are_counted_and_a_long_list_names_itself_in_every_line(bench):
    rows = bench.rows(
        "CREATE TABLE genre (id INTEGER PRIMARY KEY, name TEXT);"
        "CREATE TABLE song (id INTEGER PRIMARY KEY, name TEXT, genre_id INT REFERENCES genre);"
        "INSERT INTO genre VALUES (1, 'Rock'), (2, 'Folk');",
        [
            ("INSERT INTO song VALUES (?, ?, 1)", [(n, f"song {n}") for n in range(51)]),
            ("INSERT INTO song VALUES (?, ?, 2)", [(n, f"long {n} " * 9) for n in range(60, 80)]),
        ],
    )
    assert "Songs: 51 in all" in rows["Genre > Rock"]
    lines = rows["Genre > Folk"].splitlines()[2:]
    assert lines[0].startswith("Songs (20): long 60") and len(lines) > 3
    assert all(line.startswith("Songs") and not line.endswith(";") for line in lines)


def test_every_type_is_told_as_it_is_written(bench):
    [document] = bench.read(
        "CREATE TABLE pump (id INTEGER PRIMARY KEY, name TEXT, price DECIMAL(9,3), sold DATE,"
        " made DATETIME, runs BOOLEAN, share REAL, picture BLOB, note, gone TEXT, big INTEGER)",
        [
            (
                "INSERT INTO pump VALUES (1, 'Tarn', 0.1, '2026-03-01', '2026-03-01 08:30:00', 1,"
                " 0.30000000000000004, ?, ?, NULL, 9007199254740993)",
                [(b"\x00\xff", "  a\r\nb\x07 " + "long " * 5_000)],
            )
        ],
    )
    assert document.text.splitlines()[:9] == [
        "Tarn",
        "Price: 0.1",
        "Sold: 2026-03-01",
        "Made: 2026-03-01 08:30:00",
        "Runs: yes",
        "Share: 0.30000000000000004",
        "Note: a",
        "b " + ("long " * 5_000).strip(),
        "Big: 9007199254740993",
    ]
    assert document.notes == ("1 binary value left out",)
    assert "Gone" not in document.text and "Picture" not in document.text


def test_text_in_another_encoding_is_read_and_noted(bench):
    path = bench.make("CREATE TABLE pump (name TEXT)")
    with sqlite3.connect(path) as store:
        store.execute("INSERT INTO pump VALUES (CAST(x'C45641' AS TEXT))")
    store.close()
    [document] = bench.reader(path).documents(silent)
    assert "\ufffdVA" in document.text
    assert document.notes == ("1 characters could not be decoded",)


def test_ids_and_hashes_are_stable_and_the_hash_is_that_of_the_text(bench):
    reader = bench.reader(bench.make())
    first, second = list(reader.documents(silent)), list(reader.documents(silent))
    assert first == second
    assert [item.id for item in first][:2] == ["shop/Album#1", "shop/Artist#1"]
    for document in first:
        assert document.content_hash == hashlib.sha256(document.text.encode()).hexdigest()
        assert document.loader == "database" and document.source == "sqlite:///shop.db"


def test_a_row_taken_out_changes_one_document(bench):
    values = [(number, f"pump {number}") for number in range(1, 1_001)]
    script = "CREATE TABLE pump (id INTEGER PRIMARY KEY, name TEXT)"
    path = bench.make(script, rows=[("INSERT INTO pump VALUES (?, ?)", values)])
    before = {item.id: item.content_hash for item in bench.reader(path).documents(silent)}
    with sqlite3.connect(path) as store:
        store.execute("DELETE FROM pump WHERE id = 7")
    store.close()
    after = {item.id: item.content_hash for item in bench.reader(path).documents(silent)}
    assert len(before) > 10
    assert len(set(before.items()) - set(after.items())) == 1


def test_parts_are_bounded_and_their_sections_cover_them(bench):
    rows = [RowText("same", f"row {n}", ["Text: " + "x" * 2_000]) for n in range(100)]
    documents = list(documents_of(rows, "shop/a", "A", "s"))
    assert len({item.id for item in documents}) == len(documents) > 3
    assert all(len(item.text) <= 60_000 for item in documents)
    for document in documents:
        assert document.sections[0].start == 0
        assert document.sections[-1].end == len(document.text)


def test_ids_hold_no_strange_signs_of_a_key(bench):
    script = "CREATE TABLE 'a b' (code TEXT PRIMARY KEY, name TEXT)"
    rows = [("INSERT INTO 'a b' VALUES (?, 'x y z')", [("ä/b#c d\n",), ("e" * 500,)])]
    [document] = bench.read(script, rows)
    assert document.id.startswith("shop/a b#") and "\n" not in document.id
    assert len(document.id) < 100 and document.id.count("#") == 1


def test_tables_that_refer_to_each_other_and_to_themselves_are_told(bench):
    rows = bench.rows(
        "CREATE TABLE team (id INTEGER PRIMARY KEY, name TEXT, lead_id INT REFERENCES person);"
        "CREATE TABLE person (id INTEGER PRIMARY KEY, name TEXT, team_id INT REFERENCES team,"
        " boss_id INT REFERENCES person);"
        "INSERT INTO team VALUES (1, 'North', 2);"
        "INSERT INTO person VALUES (1, 'Ada', 1, 2), (2, 'Bo', 1, 2), (3, 'Cy', 99, NULL);"
    )
    assert rows["Team > North"].splitlines()[1:] == [
        "Lead: Bo (Team: North)",
        "Id: 1",
        "Persons (2): Ada; Bo",
    ]
    assert "Boss: Bo (Team: North)" in rows["Person > Ada"]
    assert "Persons, Boss (2): Ada; Bo" in rows["Person > Bo"]
    assert "Team Id: 99" in rows["Person > Cy"]


def test_two_ways_between_two_tables_are_told_apart(bench):
    rows = bench.rows(
        "CREATE TABLE port (id INTEGER PRIMARY KEY, name TEXT);"
        "CREATE TABLE trip (id INTEGER PRIMARY KEY, name TEXT, from_id INT REFERENCES port,"
        " to_id INT REFERENCES port);"
        "INSERT INTO port VALUES (1, 'Oslo'), (2, 'Bergen');"
        "INSERT INTO trip VALUES (1, 'Coast', 1, 2);"
    )
    assert rows["Trip > Coast"].splitlines()[1:] == ["From: Oslo", "To: Bergen", "Id: 1"]
    assert rows["Port > Oslo"].splitlines()[2:] == ["Trips, From (1): Coast"]


def test_composite_keys_are_followed(bench):
    rows = bench.rows(
        "CREATE TABLE hall (site TEXT, no INT, name TEXT, PRIMARY KEY (site, no));"
        "CREATE TABLE pump (id INTEGER PRIMARY KEY, name TEXT, site TEXT, no INT,"
        " FOREIGN KEY (site, no) REFERENCES hall (site, no));"
        "INSERT INTO hall VALUES ('A', 1, 'North hall'), ('A', 2, 'South hall');"
        "INSERT INTO pump VALUES (1, 'Tarn', 'A', 2), (2, 'Moss', 'A', NULL);"
    )
    assert rows["Pump > Tarn"].splitlines()[1:] == ["Hall: South hall", "Id: 1"]
    assert "Pumps (1): Tarn" in rows["Hall > South hall"]
    assert rows["Pump > Moss"].splitlines()[1:] == ["Site: A", "Id: 2"]


def test_words_of_sql_and_strange_signs_may_be_names(bench):
    rows = bench.rows(
        'CREATE TABLE "order" ("select" INTEGER PRIMARY KEY, "from" TEXT, "group by" TEXT,'
        ' "a""b" TEXT, "name" TEXT);'
        'CREATE TABLE "table" (id INTEGER PRIMARY KEY, "where" INT REFERENCES "order");'
        "INSERT INTO \"order\" VALUES (1, 'x', 'y', 'z', 'First');"
        'INSERT INTO "table" VALUES (5, 1);'
    )
    assert rows["Order > First"].splitlines()[1:] == [
        "From: x",
        "Group By: y",
        "A B: z",
        "Select: 1",
        "Tables (1): 5",
    ]


def test_a_table_without_a_key_or_a_name_is_read_and_rows_may_repeat(bench):
    documents = bench.read(
        "CREATE TABLE reading (at TEXT, bar REAL);"
        "INSERT INTO reading VALUES ('2026-03-01', 38.5), ('2026-03-01', 38.5), (NULL, NULL);"
    )
    text = "".join(item.text for item in documents)
    assert text.count("38.5") == 2


def test_views_are_read_where_they_are_named(bench):
    script = bench.shop + "CREATE VIEW cheap AS SELECT Name, Price FROM Track WHERE Price < 1;"
    assert not any(name.startswith("Cheap") for name in bench.rows(script))
    (bench.folder / "shop.db").unlink()
    assert bench.rows(script, tables=("CHEAP",)) == {
        "Cheap > Pump": "Pump\nPrice: 0.99",
        "Cheap > Crane": "Crane\nPrice: 0.99",
    }


def test_a_hundred_thousand_rows_are_bounded_and_the_rest_counted(bench):
    values = ((number, f"pump {number}") for number in range(100_000))
    script = "CREATE TABLE pump (id INTEGER PRIMARY KEY, name TEXT)"
    path = bench.make(script, rows=[("INSERT INTO pump VALUES (?, ?)", values)])
    reader = bench.reader(path)
    documents = list(reader.documents(silent))
    assert sum(len(item.sections) for item in documents) == 10_000
    [left] = reader.left_out
    assert left.path == "shop/pump" and "90000 rows left out" in left.reason
    assert "row_limit" in left.next_step


def test_a_query_becomes_documents_and_its_limit_counts(bench):
    query = "SELECT FirstName, LastName, 'x;y' AS note FROM Customer; "
    assert bench.rows(query=query) == {"Shop > Ada Lund": "Ada Lund\nNote: x;y"}
    reader = bench.reader(bench.folder / "shop.db", query="SELECT * FROM Track", row_limit=1)
    assert len(list(reader.documents(silent))) == 1
    assert reader.left_out[0].reason == "2 rows left out: the limit is 1"


def test_empty_tables_are_named(bench):
    reader = bench.reader(bench.make("CREATE TABLE a (name TEXT); CREATE TABLE b (name TEXT)"))
    assert list(reader.documents(silent)) == []
    assert [item.path for item in reader.left_out] == ["shop/a", "shop/b"]


@pytest.mark.parametrize("thing", ["Ninety Bar", "Pump", "Ada Lund"])
def test_a_passage_holds_the_name_of_its_row(bench, thing):
    passages = [one for item in bench.read() for one in SemanticSplitter(64).split(item)]
    assert any(thing in passage.shown for passage in passages)
