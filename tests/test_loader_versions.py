"""A loader that reads better has its documents read again, and no others."""

from __future__ import annotations

import importlib
import pkgutil
import sqlite3
from dataclasses import replace

import pytest

import graft
from corpus_changes import Place, Reading
from graft import loaders
from graft.loader_versions import is_outdated, loader_version, version_of_rows
from graft.loaders import markdown
from graft.loaders.text import TextLoader
from graft.types import fingerprint


@pytest.fixture(autouse=True)
def _forget():
    loader_version.cache_clear()
    yield
    loader_version.cache_clear()


@pytest.fixture
def parsed(monkeypatch):
    """Names of the files that were parsed, in order."""
    names = []

    class Noting(Reading):
        def parse(self, files):
            for parsed in super().parse(files):
                names.append(parsed.file.name)
                yield parsed

    monkeypatch.setattr("graft.reading.Parsing", Noting)
    return names


@pytest.fixture
def place(tmp_path, parsed):
    place = Place(tmp_path / "team")
    place.write("a.txt", "The pump runs dry for ninety seconds.")
    place.write("b.txt", "The oven is hot.")
    place.write("c.md", "# Kiln\n\nThe kiln is fired on Mondays.")
    place.add()
    parsed.clear()
    place.embedder.texts.clear()
    return place


def read_better(monkeypatch, version=2):
    """Let the loader of plain text be a newer one that adds a line to what it reads."""
    real = TextLoader.load

    def load(self, source, doc_id):
        for document in real(self, source, doc_id):
            text = f"{document.text}\nread better"
            yield replace(document, text=text, sections=())

    monkeypatch.setattr("graft.loaders.text.LOADER_VERSION", version)
    monkeypatch.setattr(TextLoader, "load", load)
    loader_version.cache_clear()


def test_every_loader_names_its_own_version():
    for name in ("text", "html", "epub", "mail", "msg", "xml", "pdf", "docx", "database"):
        own, number = loader_version(name).split(" ")
        assert own == name and int(number) >= 1
    assert loader_version("of another hand") == f"graft {graft.__version__}"
    for found in pkgutil.iter_modules(loaders.__path__):
        module = importlib.import_module(f"graft.loaders.{found.name}")
        reads = [name for name in getattr(module, "__all__", ()) if name.endswith("Loader")]
        assert bool(reads) == hasattr(module, "LOADER_VERSION"), found.name


def test_the_version_is_kept_with_the_document(place):
    assert place.corpus.provenance("a.txt").loader_version == "text 1"
    assert place.corpus.provenance("c.md").loader_version == f"markdown {markdown.LOADER_VERSION}"


def test_documents_of_an_older_loader_are_read_again_and_no_others(place, parsed, monkeypatch):
    before = place.corpus.version
    read_better(monkeypatch)
    report = place.add()
    assert sorted(parsed) == ["a.txt", "b.txt"]
    assert sorted(report.reread) == ["a.txt", "b.txt"]
    assert (report.added, report.updated, report.removed) == ((), (), ())
    assert report.unchanged == ("c.md",)
    assert place.corpus.document("a.txt").text.endswith("read better")
    assert place.corpus.provenance("a.txt").loader_version == "text 2"
    assert place.corpus.diff(1, 2).changed == ("a.txt", "b.txt")
    assert place.corpus.versions()[-1].fingerprint == place.corpus.version != before
    assert place.sound()
    parsed.clear()
    again = place.add()
    assert (parsed, again.reread, len(again.unchanged)) == ([], (), 3)
    assert len(place.corpus.versions()) == 2


def test_a_file_that_changed_as_well_counts_as_updated(place, monkeypatch):
    read_better(monkeypatch)
    place.write("a.txt", "The pump runs dry for a minute.")
    report = place.add()
    assert (report.updated, report.reread) == (("a.txt",), ("b.txt",))


def test_the_same_text_read_again_is_not_embedded_again(place, parsed, monkeypatch):
    monkeypatch.setattr("graft.loaders.text.LOADER_VERSION", 2)
    loader_version.cache_clear()
    assert len(place.add().reread) == 2
    assert place.embedder.texts == []
    assert place.sound()


def test_an_older_loader_leaves_what_a_newer_one_read(place, parsed, monkeypatch):
    with monkeypatch.context() as patch:
        read_better(patch, 3)
        place.add()
    parsed.clear()
    loader_version.cache_clear()
    assert len(place.add().unchanged) == 3 and parsed == []


def test_a_newer_loader_that_fails_leaves_the_document(place, parsed, monkeypatch):
    read_better(monkeypatch)

    def refuse(self, source, doc_id):
        raise graft.errors.UnreadableDocument("it is broken", where=str(source))

    monkeypatch.setattr(TextLoader, "load", refuse)
    report = place.add()
    assert (report.reread, report.removed, len(report.skipped)) == ((), (), 2)
    assert place.corpus.document("b.txt").text == "The oven is hot."
    parsed.clear()
    place.add()
    assert parsed == []


def test_what_was_read_before_loaders_were_counted_was_read_by_the_first(place, parsed):
    with sqlite3.connect(place.state / "catalog.sqlite") as store:
        store.execute("UPDATE documents SET loader_version = 'graft 0.1.0' WHERE loader = 'text'")
    store.close()
    assert len(place.add().unchanged) == 3 and parsed == []
    assert not is_outdated("text", "graft 0.1.0") and not is_outdated("text", "")


def test_first_versions_do_not_change_the_name_of_a_corpus():
    rows = [("b", "h", "s", "html 1"), ("a", "h", "s", "graft 0.1.0")]
    assert version_of_rows(rows) == fingerprint([("a", "h", "s"), ("b", "h", "s")])
    newer = [rows[0], ("a", "h", "s", "epub 2")]
    assert version_of_rows(newer) == fingerprint([("a", "h", "s", "epub 2"), ("b", "h", "s")])
