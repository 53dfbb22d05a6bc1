from __future__ import annotations

import sqlite3

import pytest

from graft.adding import sort_given
from graft.config import Config, parse_config
from graft.corpus import Corpus
from graft.embed.fake import FakeEmbedder
from graft.errors import BadInput
from graft.index.memory import MemoryIndex
from graft.splitters.semantic import SemanticSplitter


class Workplace:
    """A workspace in a folder, with databases beside it."""

    def __init__(self, folder, bench):
        self.folder = folder
        self.bench = bench
        self.index = MemoryIndex(64, "fake", folder / ".graft" / "index")
        self.corpus = Corpus(folder / ".graft")

    def add(self, *items, config=None):
        given = sort_given(items, config or Config(), self.folder)
        return self.corpus.add(
            given.paths,
            SemanticSplitter(64),
            FakeEmbedder(),
            self.index,
            databases=given.databases,
        )


@pytest.fixture
def place(bench, monkeypatch):
    monkeypatch.chdir(bench.folder)
    return Workplace(bench.folder, bench)


def test_a_database_is_added_and_costs_nothing_again(place):
    place.bench.make()
    first = place.add("sqlite:///shop.db")
    again = place.add("sqlite:///shop.db")
    assert "shop/Album#1" in first.added
    assert (again.added, again.updated, again.removed) == ((), (), ())
    assert sorted(again.unchanged) == sorted(first.added)
    assert len(place.index.ids()) == first.passages


def test_what_changed_is_taken_in_and_what_is_gone_removed(place):
    path = place.bench.make()
    place.add("sqlite:///shop.db")
    with sqlite3.connect(path) as store:
        store.execute("UPDATE Customer SET City = 'Bergen'")
        store.execute("DELETE FROM PlaylistTrack")
        store.execute("DELETE FROM Playlist")
    store.close()
    report = place.add("sqlite:///shop.db")
    assert report.updated == ("shop/Customer#1", "shop/Track#1")
    assert report.removed == ("shop/Playlist#1",)
    assert "Bergen" in place.corpus.document("shop/Customer#1").text


def test_files_and_databases_are_added_together_and_apart(place):
    place.bench.make()
    (place.folder / "docs").mkdir()
    (place.folder / "docs" / "a.md").write_text("# Pumps\nThe Tarn runs dry.\n")
    report = place.add("docs", "sqlite:///shop.db")
    assert "a.md" in report.added and "shop/Album#1" in report.added
    assert place.add("docs").removed == ()
    (place.folder / "docs" / "a.md").unlink()
    (place.folder / "docs" / "b.md").write_text("# Valves\nThe Moss too.\n")
    assert place.add("docs").removed == ("a.md",)


def test_a_database_that_fails_leaves_everything_as_it_was(place):
    path = place.bench.make()
    first = place.add("sqlite:///shop.db")
    path.write_bytes(b"no database at all, only words " * 99)
    with pytest.raises(BadInput):
        place.add("sqlite:///shop.db")
    assert {item.id for item in place.corpus.documents()} == set(first.added)


def test_a_source_takes_over_what_its_address_had(place):
    place.bench.make()
    place.add("sqlite:///shop.db")
    config = parse_config('[sources.shop]\nurl = "sqlite:///shop.db"\ntables = ["Album"]')
    report = place.add("shop", config=config)
    assert report.updated == ("shop/Album#1",)
    assert {item.id for item in place.corpus.documents()} == {"shop/Album#1"}
    assert place.add("shop", config=config).unchanged == ("shop/Album#1",)


def test_a_moved_file_keeps_its_ids_and_another_of_the_name_is_refused(place):
    path = place.bench.make()
    place.add("sqlite:///shop.db")
    (place.folder / "data").mkdir()
    path.rename(place.folder / "data" / "shop.db")
    assert place.add("sqlite:///data/shop.db").updated
    place.bench.make()
    with pytest.raises(BadInput) as caught:
        place.add("sqlite:///shop.db")
    assert caught.value.what == "two sources claim the same document id"
    assert "[sources.NAME]" in caught.value.next_step


def test_rows_left_out_are_kept_with_what_was_skipped(place):
    place.bench.make()
    config = parse_config('[sources.shop]\nurl = "sqlite:///shop.db"\nrow_limit = 2')
    report = place.add("shop", config=config)
    assert [item.path for item in report.skipped] == ["shop/Album", "shop/Track"]
    assert [item.path for item in place.corpus.skipped()] == ["shop/Album", "shop/Track"]


def test_a_database_without_rows_is_refused(place):
    place.bench.make("CREATE TABLE a (name TEXT)", "none.db")
    with pytest.raises(BadInput) as caught:
        place.add("sqlite:///none.db")
    assert "sqlite:///none.db" in caught.value.where and "no rows" in caught.value.why
