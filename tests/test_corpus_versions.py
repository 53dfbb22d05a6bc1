"""Versions: listed, named, compared, taken back, and kept no longer than promised."""

from __future__ import annotations

import json
import sqlite3

import pytest

from corpus_changes import Place, Reading
from graft.catalog import Catalog
from graft.errors import BadInput, UsageError
from graft.types import Document, Passage, Section, fingerprint

LONG = "The pump of hall {0} runs for {0} seconds without any water. " * 12


@pytest.fixture(autouse=True)
def _read_here(monkeypatch):
    monkeypatch.setattr("graft.reading.Parsing", Reading)


@pytest.fixture(params=["memory", "lancedb"])
def place(request, tmp_path):
    place = Place(tmp_path / "team", request.param)
    place.write("pump.md", "# Pump\n\n" + LONG.format(7))
    place.write("oven.md", "# Oven\n\nThe oven is hot.")
    place.add()
    place.write("oven.md", "# Oven\n\nThe oven is cold.")
    place.write("kiln.md", "# Kiln\n\nThe kiln is fired on Mondays.")
    (place.docs / "pump.md").rename(place.docs / "water.md")
    place.add()
    return place


def back(place, version):
    return place.corpus.rollback(version, place.embedder, place.index)


def test_versions_are_listed_in_order_with_what_they_hold(place):
    first, second = place.corpus.versions()
    assert (first.number, first.documents, second.documents) == (1, 2, 3)
    assert second.passages == len(place.corpus.passages())
    assert second.fingerprint == place.corpus.version != first.fingerprint
    assert (first.reason, first.tag) == ("add", "")


def test_two_versions_are_compared(place):
    found = place.corpus.diff(1, 2)
    assert (found.added, found.removed, found.changed) == (("kiln.md",), (), ("oven.md",))
    assert found.renamed == (("pump.md", "water.md"),)
    assert found.passages_added and found.passages_removed
    opposite = place.corpus.diff(2, 1)
    assert (opposite.removed, opposite.renamed) == (("kiln.md",), (("water.md", "pump.md"),))
    assert place.corpus.diff(2, 2).changed == ()


def test_an_older_version_can_be_read(place):
    assert "hot" in place.corpus.document("oven.md", 1).text
    assert "cold" in place.corpus.document("oven.md").text
    assert [item.id for item in place.corpus.documents(1)] == ["oven.md", "pump.md"]
    with pytest.raises(UsageError, match="no version 9"):
        place.corpus.documents(9)


def test_every_passage_of_every_version_stands_where_it_says(place):
    back(place, 1)
    for version in place.corpus.versions():
        texts = {item.id: item.text for item in place.corpus.documents(version.number)}
        passages = place.corpus.passages(version=version.number)
        assert len(passages) == version.passages > 0
        for passage in passages:
            assert texts[passage.doc_id][passage.start : passage.end] == passage.text


def test_rolling_back_makes_a_new_version_equal_to_the_old(place):
    old = place.corpus.passages(version=1)
    place.embedder.texts.clear()
    changed = back(place, 1)
    assert (changed.before, changed.after) == (2, 3)
    assert place.corpus.passages() == old
    assert place.corpus.versions()[-1].fingerprint == place.corpus.versions()[0].fingerprint
    assert place.corpus.versions()[-1].reason == "rollback to 1"
    assert place.embedder.texts == ["Oven\nThe oven is hot."]
    assert place.sound()
    assert back(place, 3) is None
    assert len(place.corpus.versions()) == 3
    report = place.add()
    assert report.updated == ("oven.md",)
    assert place.sound()


def test_a_tag_names_one_version(place):
    place.corpus.tag("audit", 1)
    assert [one.tag for one in place.corpus.versions()] == ["audit", ""]
    assert back(place, "audit").after == 3
    place.corpus.tag("audit", 2)
    assert [one.tag for one in place.corpus.versions()] == ["", "audit", ""]
    for name in ("", " ", "12"):
        with pytest.raises(UsageError, match="cannot be called"):
            place.corpus.tag(name, 1)
    with pytest.raises(UsageError, match="no version none"):
        back(place, "none")


def test_the_newest_twenty_and_the_tagged_are_kept_and_the_file_stays_small(tmp_path):
    place = Place(tmp_path / "team")
    place.write("same.md", "# Same\n\n" + LONG.format(1))
    sizes = []
    for number in range(60):
        place.write("oven.md", f"# Oven\n\nThe oven has {number} degrees. " + LONG.format(number))
        place.add()
        if number == 2:
            place.corpus.tag("third", 3)
        sizes.append((place.state / "catalog.sqlite").stat().st_size)
    assert [one.number for one in place.corpus.versions()] == [3, *range(41, 61)]
    assert "2 degrees" in place.corpus.document("oven.md", "third").text
    assert place.rows("documents") == 22
    assert sizes[-1] <= sizes[25] * 1.1
    assert place.sound()


def test_a_document_says_where_it_comes_from(place):
    path = place.docs / "oven.md"
    found = place.corpus.provenance("oven.md")
    assert (found.source, found.root, found.loader) == ("docs/oven.md", "docs", "markdown")
    assert (found.bytes, found.modified) == (path.stat().st_size, path.stat().st_mtime)
    assert found.content_hash == place.corpus.document("oven.md").content_hash
    assert found.statistics["words"] == 6 and 0.5 < found.statistics["letters"] <= 1
    assert found.loader_version and found.splitter and found.added
    assert (found.since, found.passages) == (2, 1)
    assert place.corpus.provenance("oven.md", 1).since == 1
    with pytest.raises(BadInput, match="no such document"):
        place.corpus.provenance("none.md")


OLD = """
CREATE TABLE documents (
    id TEXT PRIMARY KEY, source TEXT NOT NULL, title TEXT NOT NULL, text TEXT NOT NULL,
    content_hash TEXT NOT NULL, loader TEXT NOT NULL, sections TEXT NOT NULL,
    notes TEXT NOT NULL, root TEXT NOT NULL, splitter TEXT NOT NULL, added TEXT NOT NULL
);
CREATE INDEX documents_source ON documents (source);
CREATE TABLE passages (
    id TEXT PRIMARY KEY, doc_id TEXT NOT NULL, kind TEXT NOT NULL, position INTEGER NOT NULL,
    "start" INTEGER NOT NULL, "end" INTEGER NOT NULL, text TEXT NOT NULL,
    heading_path TEXT NOT NULL, page INTEGER, pair_id TEXT NOT NULL, answer TEXT NOT NULL
);
CREATE INDEX passages_document ON passages (doc_id, kind);
CREATE TABLE skipped (
    path TEXT PRIMARY KEY, reason TEXT NOT NULL, next_step TEXT NOT NULL, root TEXT NOT NULL
);
PRAGMA user_version = 1;
"""
DOCUMENT = Document("a.md", "docs/a.md", "A", "# A\n\nOne.", "h", "markdown",
                    (Section(("A",), 0, 9, 2),), ("note",))  # fmt: skip
PASSAGES = (
    Passage("p", "a.md", "One.", 0, 5, 9, ("A",), 2),
    Passage("q", "a.md", "Q: x\nA: y", 0, 0, 9, kind="pair", pair_id="q1", answer="y"),
)


def old_catalogue(path):
    with sqlite3.connect(path) as store:
        store.execute("PRAGMA journal_mode = WAL")
        store.executescript(OLD)
        store.execute(
            "INSERT INTO documents VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            ("a.md", "docs/a.md", "A", "# A\n\nOne.", "h", "markdown", '[[["A"], 0, 9, 2]]',
             '["note"]', "docs", "s", "2026-01-01T00:00:00+00:00"),
        )  # fmt: skip
        for item in PASSAGES:
            store.execute(
                "INSERT INTO passages VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (item.id, item.doc_id, item.kind, item.position, item.start, item.end, item.text,
                 json.dumps(item.heading_path), item.page, item.pair_id, item.answer),
            )  # fmt: skip
        store.execute("INSERT INTO skipped VALUES ('/x/b.pdf', 'broken', 'mend it', 'docs')")
    store.close()


def test_a_catalogue_of_the_first_schema_is_taken_over(tmp_path):
    old_catalogue(tmp_path / "catalog.sqlite")
    place = Place(tmp_path / "team")
    catalog = Catalog(tmp_path / "catalog.sqlite")
    assert catalog.documents() == [DOCUMENT]
    assert catalog.passages("document") == [PASSAGES[0]]
    assert catalog.passages("pair") == [PASSAGES[1]]
    assert [(item.path, item.state, item.attempts) for item in catalog.skipped()] == [
        ("/x/b.pdf", "failed", 1)
    ]
    assert catalog.published().token == ""
    old_catalogue(place.folder / "old.sqlite")
    (place.folder / "old.sqlite").rename(place.state / "catalog.sqlite")
    again = Place(place.folder)
    (version,) = again.corpus.versions()
    assert version.fingerprint == again.corpus.version == fingerprint([("a.md", "h", "s")])
    again.corpus.settle(again.embedder, again.index)
    assert again.sound()


@pytest.mark.parametrize("number", range(1, 12))
def test_a_migration_that_is_interrupted_changes_nothing(tmp_path, number, monkeypatch):
    path = tmp_path / "catalog.sqlite"
    old_catalogue(path)
    connect = sqlite3.connect

    class Store(sqlite3.Connection):
        left = number

        def execute(self, sql, *values):
            if not sql.startswith(("PRAGMA user_version", "SELECT")):
                Store.left -= 1
                if Store.left == 0:
                    raise KeyboardInterrupt
            return super().execute(sql, *values)

    with monkeypatch.context() as patch:
        patch.setattr(sqlite3, "connect", lambda file, **n: connect(file, **n, factory=Store))
        with pytest.raises(KeyboardInterrupt):
            Catalog(path)
    with connect(path) as store:
        assert store.execute("PRAGMA user_version").fetchone()[0] == 1
        assert store.execute("SELECT COUNT(*) FROM documents").fetchone()[0] == 1
    store.close()
    assert Catalog(path).documents() == [DOCUMENT]


def test_a_newer_schema_names_the_version_that_reads_it(tmp_path):
    Catalog(tmp_path / "catalog.sqlite")
    with sqlite3.connect(tmp_path / "catalog.sqlite") as store:
        store.execute("UPDATE meta SET value = '7.1'")
        store.execute("PRAGMA user_version = 9")
    store.close()
    with pytest.raises(BadInput, match="newer Graft") as caught:
        Catalog(tmp_path / "catalog.sqlite")
    assert "Graft 7.1 or newer" in caught.value.why
    assert caught.value.next_step == "pip install 'graft>=7.1'"
