from __future__ import annotations

import os
import shutil
import sqlite3

import pytest

from graft.catalog import Catalog
from graft.corpus import Corpus
from graft.embed.fake import FakeEmbedder
from graft.errors import BadInput, NoSpaceLeft
from graft.index.memory import MemoryIndex
from graft.protocols import Published
from graft.splitters.semantic import SemanticSplitter
from graft.staging import Goal, commit
from graft.types import Question, Where

LONG = "The pump of the north hall runs for ninety seconds without any water. " * 20


class Bench:
    """A workspace in a folder with everything that an add needs."""

    def __init__(self, folder):
        self.folder = folder
        self.docs = folder / "docs"
        self.docs.mkdir(parents=True, exist_ok=True)
        self.embedder = FakeEmbedder()
        self.index = MemoryIndex(64, "fake", folder / ".graft" / "index")
        self.splitter = SemanticSplitter(64)
        self.corpus = Corpus(folder / ".graft")

    @property
    def served(self):
        """The index as a reader opens it now."""
        return MemoryIndex(64, "fake", self.folder / ".graft" / "index", serves=self.corpus)

    def write(self, name, text):
        path = self.docs / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def add(self, *paths, **more):
        paths = paths or (self.docs,)
        return self.corpus.add(
            paths, more.get("splitter", self.splitter), self.embedder, self.index
        )

    def in_step(self):
        live = [*self.corpus.passages(), *self.corpus.passages("pair")]
        return sorted(self.index.all_passages(), key=lambda one: one.id) == sorted(
            live, key=lambda one: one.id
        )


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path / "work")


def question(name, split="train", answers=("90 s",), **more):
    return Question(name, f"How long {name}?", answers, split, name, **more)


def test_documents_are_added_with_paths_as_ids(bench):
    bench.write("pump.md", "# Pump\nRuns dry.")
    bench.write("plant/oven.txt", "Hot oven.\n")
    report = bench.add()
    assert report.added == ("plant/oven.txt", "pump.md") or report.added == (
        "pump.md",
        "plant/oven.txt",
    )
    assert (report.updated, report.unchanged, report.removed, report.skipped) == ((), (), (), ())
    assert report.passages == 2 == bench.index.count()
    assert [item.id for item in bench.corpus.documents()] == ["plant/oven.txt", "pump.md"]
    document = bench.corpus.document("pump.md")
    assert (document.title, document.source, document.loader) == (
        "Pump",
        "docs/pump.md",
        "markdown",
    )
    assert document.sections[0].heading_path == ("Pump",)
    assert bench.in_step()


def test_adding_again_does_nothing(bench):
    bench.write("pump.md", "# Pump\nRuns dry.")
    bench.add()
    version = bench.corpus.version
    bench.embedder.calls.clear()
    report = bench.add()
    assert report.unchanged == ("pump.md",)
    assert report.added == report.updated == ()
    assert bench.embedder.calls == []
    assert bench.corpus.version == version


def test_a_changed_file_replaces_its_passages(bench):
    bench.write("pump.md", "# Pump\n" + LONG)
    bench.write("other.md", "Other words.")
    bench.add()
    version = bench.corpus.version
    bench.write("pump.md", "# Pump\nTwo valves.")
    report = bench.add()
    assert (report.updated, report.unchanged) == (("pump.md",), ("other.md",))
    assert [item.text for item in bench.corpus.passages()] == ["Other words.", "Two valves."]
    assert bench.in_step()
    assert bench.corpus.version != version


def test_another_passage_size_cuts_documents_anew(bench):
    bench.write("pump.md", LONG)
    few = bench.add(splitter=SemanticSplitter(256)).passages
    report = bench.add(splitter=SemanticSplitter(64))
    assert report.updated == ("pump.md",)
    assert report.passages > few
    assert bench.in_step()


def test_a_file_that_is_gone_takes_its_document_with_it(bench):
    gone = bench.write("pump.md", "Runs dry.")
    bench.write("oven.md", "Hot.")
    bench.add()
    gone.unlink()
    report = bench.add()
    assert report.removed == ("pump.md",)
    assert [item.id for item in bench.corpus.documents()] == ["oven.md"]
    assert bench.in_step()


def test_what_is_left_out_is_named_with_its_reason(bench, monkeypatch):
    monkeypatch.setattr("graft.sources.MAX_FILE_BYTES", 50)
    bench.write("pump.md", "Runs dry.")
    bench.write("large.txt", "x" * 51)
    bench.write("sheet.xyz", "x")
    bench.write("empty.txt", "")
    bench.write(".hidden.md", "x")
    bench.write(".git/config.md", "x")
    (bench.docs / "link.md").symlink_to(bench.docs / "pump.md")
    report = bench.add()
    found = {item.path.rsplit("/", 1)[1]: item.reason for item in report.skipped}
    assert found == {
        "large.txt": "larger than 100 MB",
        "sheet.xyz": "no loader for .xyz",
        "empty.txt": "the file has no text: it holds 0 bytes and nothing to read",
        ".hidden.md": "hidden file",
        ".git": "hidden folder",
        "link.md": "link",
    }
    assert all(item.next_step for item in report.skipped)
    assert bench.corpus.skipped() == sorted(report.skipped, key=lambda one: one.path)
    bench.write("empty.txt", "now full")
    assert "empty.txt" not in str(bench.add().skipped)
    assert "empty.txt" not in str(bench.corpus.skipped())


def test_a_name_that_is_no_unicode_is_left_out(bench):
    bench.write("pump.md", "Runs dry.")
    try:
        with open(os.fsencode(bench.docs) + b"/\xff.md", "wb") as file:
            file.write(b"x")
    except OSError:
        pytest.skip("the file system takes Unicode names only")
    assert [item.reason for item in bench.add().skipped] == ["file name is not valid Unicode"]


def test_nothing_readable_is_an_error_and_changes_nothing(bench):
    bench.write("a.xyz", "x")
    bench.write("b.xyz", "x")
    with pytest.raises(BadInput, match="nothing readable") as caught:
        bench.add()
    assert "2 × no loader for .xyz" in caught.value.why
    assert caught.value.where and caught.value.next_step
    assert bench.corpus.skipped() == []
    with pytest.raises(BadInput, match="no such file") as caught:
        bench.add(bench.docs / "none", bench.docs)
    assert "none" in caught.value.where


def test_a_single_file_is_known_by_its_name_and_keeps_its_id(bench):
    path = bench.write("plant/oven.md", "Hot.")
    assert bench.add(path).added == ("oven.md",)
    assert bench.add().unchanged == ("oven.md",)
    assert bench.add(path).unchanged == ("oven.md",)


def test_the_same_name_in_another_folder_gets_the_folder_in_front(bench):
    bench.write("pump.md", "One.")
    other = bench.folder / "more"
    other.mkdir()
    (other / "pump.md").write_text("Two.")
    assert bench.add().added == ("pump.md",)
    assert bench.add(other).added == ("more/pump.md",)
    assert bench.add(bench.docs, other).unchanged == ("pump.md", "more/pump.md")
    assert bench.corpus.document("pump.md").text == "One."


def test_ids_that_still_collide_are_refused(bench):
    bench.write("pump.md", "One.")
    bench.write("x/pump.md", "Two.")
    bench.write("y/x/pump.md", "Three.")
    bench.add()
    with pytest.raises(BadInput, match="claim the same document id"):
        bench.write("z/x/pump.md", "Four.")
        Bench.add(bench, bench.docs / "z" / "x")
    assert bench.corpus.document("x/pump.md").text == "Two."


def test_a_moved_workspace_keeps_its_documents(bench, tmp_path):
    bench.write("pump.md", "One.")
    bench.add()
    shutil.copytree(bench.folder, tmp_path / "copy")
    moved = Bench(tmp_path / "copy")
    assert moved.add().unchanged == ("pump.md",)


def test_a_moved_folder_hands_its_ids_on(bench):
    bench.write("pump.md", "One.")
    bench.add()
    (bench.folder / "docs").rename(bench.folder / "papers")
    assert bench.add(bench.folder / "papers").updated == ("pump.md",)
    assert len(bench.corpus.documents()) == 1


class Interrupting:
    """Stops at a chosen call, as Ctrl-C does."""

    def __init__(self, inner, name, after):
        self._inner, self._name, self._left = inner, name, after

    def __getattr__(self, name):
        method = getattr(self._inner, name)
        if name != self._name:
            return method

        def stop(*args, **more):
            if self._left == 0:
                raise KeyboardInterrupt
            self._left -= 1
            return method(*args, **more)

        return stop


@pytest.mark.parametrize(
    ("name", "after"), [("write", 0), ("write", 1), ("remove", 0), ("publish", 0), ("tidy", 0)]
)
def test_an_interrupted_add_is_completed_by_the_next(bench, name, after, monkeypatch):
    monkeypatch.setattr("graft.filling.PASSAGES_AT_ONCE", 4)
    monkeypatch.setattr("graft.changes.PASSAGES_AT_ONCE", 4)
    for number in range(6):
        bench.write(f"d{number}.md", f"# Old {number}\n" + LONG[:300])
    bench.add()
    for number in range(6):
        bench.write(f"d{number}.md", f"# New {number}\n" + LONG[:500])
    bench.write("extra.md", "Extra.")
    with pytest.raises(KeyboardInterrupt):
        bench.corpus.add(
            [bench.docs], bench.splitter, bench.embedder, Interrupting(bench.index, name, after)
        )
    assert bench.corpus.documents()
    report = bench.add()
    assert bench.in_step()
    assert len(report.added) + len(report.updated) + len(report.unchanged) == 7
    assert all("New" in item.shown for item in bench.index.all_passages() if item.doc_id[0] == "d")


def test_a_failing_catalogue_leaves_the_old_version_live(bench, monkeypatch):
    bench.write("pump.md", "Old words.")
    bench.add()
    bench.write("pump.md", "New words.")

    def full(*_):
        raise NoSpaceLeft("no space left on the disk")

    monkeypatch.setattr("graft.changes.commit", full)
    with pytest.raises(NoSpaceLeft):
        bench.add()
    monkeypatch.undo()
    assert [item.text for item in bench.corpus.passages()] == ["Old words."]
    assert [item.text for item in bench.served.all_passages()] == ["Old words."]
    assert bench.corpus.settle(bench.embedder, bench.index) == 2
    assert bench.in_step()
    assert bench.add().updated == ("pump.md",)


def test_a_lost_index_is_built_again_without_reading_files(bench):
    bench.write("pump.md", "Runs dry.")
    bench.add()
    bench.corpus.add_pairs([question("a")], bench.embedder, bench.index)
    bench.index = MemoryIndex(64, "fake")
    assert bench.corpus.settle(bench.embedder, bench.index) == 2
    assert bench.in_step()


def test_progress_counts_files_and_passages(bench):
    bench.write("a.md", LONG)
    bench.write("b.md", "Short.")
    told = []
    bench.corpus.add(
        [bench.docs], bench.splitter, bench.embedder, bench.index, lambda *args: told.append(args)
    )
    assert told[:2] == [("read", 1, 2, "a.md"), ("read", 2, 2, "b.md")]
    passages = bench.index.count()
    assert told[-1] == ("embed", passages, passages, "passages")


def test_documents_can_be_removed(bench):
    bench.write("a.md", "One.")
    bench.write("b.md", "Two.")
    bench.add()
    with pytest.raises(BadInput, match="no such document"):
        bench.corpus.remove(["a.md", "none.md"], bench.embedder, bench.index)
    assert bench.corpus.remove(["a.md"], bench.embedder, bench.index) == ("a.md",)
    assert bench.in_step()
    with pytest.raises(BadInput, match="no such document") as caught:
        bench.corpus.document("bb.md")
    assert "did you mean b.md?" in caught.value.why


def test_training_pairs_are_indexed_and_no_others(bench):
    questions = [
        question("one", doc_ids=("pump.md",)),
        question("two", "dev"),
        question("three", "test"),
        question("four", answers=(), answerable=False),
        question("five", answers=()),
    ]
    assert bench.corpus.add_pairs(questions, bench.embedder, bench.index) == 1
    (pair,) = bench.corpus.passages("pair")
    assert (pair.kind, pair.pair_id, pair.doc_id, pair.answer) == ("pair", "one", "pump.md", "90 s")
    assert pair.text == "Q: How long one?\nA: 90 s"
    assert pair == bench.index.all_passages()[0]


def test_unanswerable_pairs_decline_where_the_sentence_is_given(bench):
    questions = [question("one"), question("four", answers=(), answerable=False)]
    bench.corpus.add_pairs(questions, bench.embedder, bench.index, decline="No idea.")
    assert {item.answer for item in bench.corpus.passages("pair")} == {"90 s", "No idea."}


def test_pairs_follow_the_training_split(bench):
    bench.write("pump.md", "Runs dry.")
    bench.add()
    bench.corpus.add_pairs([question("one"), question("two")], bench.embedder, bench.index)
    bench.embedder.calls.clear()
    bench.corpus.add_pairs([question("two"), question("three")], bench.embedder, bench.index)
    assert {item.pair_id for item in bench.corpus.passages("pair")} == {"two", "three"}
    assert bench.embedder.calls == [1]
    assert bench.in_step()
    found = bench.index.search(
        "one", bench.embedder.embed(["one"])[0], 9, Where(kinds=frozenset({"pair"}))
    )
    assert {hit.passage.pair_id for hit in found["dense"]} == {"two", "three"}
    bench.add()
    assert bench.corpus.add_pairs([], bench.embedder, bench.index) == 0
    assert bench.in_step()


def test_a_catalogue_of_a_newer_version_is_refused(tmp_path):
    Corpus(tmp_path)
    with sqlite3.connect(tmp_path / "catalog.sqlite") as store:
        store.execute("PRAGMA user_version = 99")
    store.close()
    with pytest.raises(BadInput, match="newer Graft"):
        Corpus(tmp_path)


def test_a_workspace_that_may_only_be_read_keeps_its_catalogue(tmp_path, monkeypatch):
    catalog = Catalog(tmp_path / "catalog.sqlite")
    connect = sqlite3.connect

    def read_only(file, **named):
        return connect(f"file:{file}?mode=ro", uri=True, **named)

    monkeypatch.setattr(sqlite3, "connect", read_only)
    with pytest.raises(BadInput, match="the workspace cannot be written") as caught:
        commit(catalog, Goal(gone=["a.md"]), Published("one", {}))
    assert caught.value.next_step == "give yourself write access to it, or copy the workspace"


def test_a_broken_catalogue_is_named(tmp_path):
    (tmp_path / "catalog.sqlite").write_bytes(b"no database at all, certainly not one" * 100)
    with pytest.raises(BadInput, match="cannot be used") as caught:
        Corpus(tmp_path)
    assert "catalog.sqlite" in caught.value.where
