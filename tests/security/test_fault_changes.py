"""Sources that change under the reader, at once or in the wrong order of time."""

from __future__ import annotations

import datetime
import hashlib
import os
import threading
import time

import pytest

from corpus_changes import Place, Reading
from graft.embed.fake import FakeEmbedder
from graft.errors import FingerprintMismatch
from graft.splitters.semantic import SemanticSplitter
from graft.types import Where

LONG = "The pump of hall {0} runs for {0} seconds without any water. " * 12


@pytest.fixture(autouse=True)
def _read_here(monkeypatch):
    monkeypatch.setattr("graft.reading.Parsing", Reading)


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path / "team")


def ids_of(place):
    return [item.id for item in place.corpus.documents()]


def test_names_bytes_and_texts_that_repeat_stay_apart(place):
    """Case 22: one name for two files, one content under two names, one text in two sections."""
    place.write("north/pump.md", "# Pump\n\nIt runs dry.")
    place.write("south/pump.md", "# Pump\n\nIt runs wet.")
    place.write("south/copy.md", "# Pump\n\nIt runs wet.")
    called = "Call the foreman before the pump of the north hall is opened. " * 4
    place.write("twice.md", f"# A\n\n{called}\n\n# A\n\n{called}\n")
    place.add()
    assert ids_of(place) == ["north/pump.md", "south/copy.md", "south/pump.md", "twice.md"]
    assert "dry" in place.corpus.document("north/pump.md").text
    twice = [item for item in place.live() if item.doc_id == "twice.md"]
    assert len({(item.id, item.start) for item in twice}) == len(twice) == 2
    assert {item.text for item in twice} == {called.strip()}
    assert place.sound()
    (place.docs / "south" / "copy.md").unlink()
    assert place.add().removed == ("south/copy.md",)
    assert "wet" in place.corpus.document("south/pump.md").text
    assert [item.doc_id for item in place.searched()].count("south/pump.md") == 1


def test_what_is_indexed_is_what_the_recorded_hash_names(place, monkeypatch):
    """Case 23: a file is written anew between the look at it and its reading."""
    texts = [f"# Plan\n\nWe begin on day {number}." for number in range(3)]
    hashes = {hashlib.sha256(text.encode()).hexdigest(): text for text in texts}
    path = place.write("plan.md", texts[0])
    place.add()

    class Writing(Reading):
        def parse(self, files):
            for file in files:
                file.path.write_text(texts[2])
                yield from super().parse([file])

    with monkeypatch.context() as patch:
        patch.setattr("graft.reading.Parsing", Writing)
        path.write_text(texts[1])
        place.add()
    document = place.corpus.document("plan.md")
    assert document.text.strip() == hashes[document.content_hash].strip() == texts[2]
    assert place.sound()
    assert place.add().unchanged == ("plan.md",)


@pytest.mark.parametrize("known", [False, True], ids=["new", "known"])
def test_files_that_vanish_while_others_are_read_take_nothing_along(place, known):
    """Case 23: a file is deleted after it was seen and before it was read."""
    place.write("a.md", "# A\n\nFirst.")
    path = place.write("b.md", "# B\n\nSecond.")
    place.write("c.md", "# C\n\nThird.")
    if known:
        place.add()
        place.write("a.md", "# A\n\nFirst, changed.")

    def vanish(phase, *_):
        if phase == "read":
            path.unlink(missing_ok=True)

    report = place.add(on_progress=vanish)
    assert ids_of(place) == ["a.md", "c.md"]
    assert place.sound()
    if known:
        # It is removed, and nothing claims that its old version stays.
        assert (report.removed, report.skipped) == (("b.md",), ())
    else:
        (left,) = report.skipped
        assert "cannot be opened" in left.reason and left.next_step
    assert place.add().skipped == () == tuple(place.corpus.skipped())


def test_a_folder_that_cannot_be_listed_is_named_and_its_documents_stay(place, monkeypatch):
    """Case 65: the right to look into a folder is lost."""
    place.write("a.md", "# A\n\nFirst.")
    place.write("deep/b.md", "# B\n\nSecond.")
    place.add()
    scandir, stat = os.scandir, os.stat

    def is_refused(path):
        return f"{os.sep}deep" in os.fspath(path)

    def refuse_scan(path="."):
        if is_refused(path):
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return scandir(path)

    def refuse_stat(path, **named):
        if not isinstance(path, int) and os.fspath(path).endswith("b.md"):
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return stat(path, **named)

    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", refuse_scan)
        patch.setattr(os, "stat", refuse_stat)
        report = place.add()
    (left,) = report.skipped
    assert left.path.endswith("deep") and "Permission denied" in left.reason and left.next_step
    assert report.removed == ()
    assert ids_of(place) == ["a.md", "deep/b.md"]
    assert place.sound()


@pytest.mark.parametrize("kind", ["memory", "lancedb"])
def test_whoever_searches_during_an_add_finds_one_version_whole(tmp_path, kind):
    """Case 67: documents are added while others search."""
    place = Place(tmp_path / "team", kind)
    for number in range(4):
        place.write(f"d{number}.md", f"# Hall {number}\n\n" + LONG.format(number))
    place.add()
    old = place.searched()
    for number in range(4):
        place.write(f"d{number}.md", f"# Hall {number}\n\n" + LONG.format(number + 50))
    found, failures, done = [], [], threading.Event()
    reader = Place(place.folder, kind)

    def search():
        while not done.is_set():
            try:
                index = reader.opened()
                found.append(index.all_passages())
                hits = index.search("pump", FakeEmbedder().embed(["pump"])[0], 99, Where())
                found.append([hit.passage for hit in hits["dense"]])
            except Exception as error:  # noqa: BLE001 - whatever it is, it is a failure
                failures.append(error)
            time.sleep(0.005)

    thread = threading.Thread(target=search)
    thread.start()
    try:
        while not found and not failures:
            time.sleep(0.01)
        place.add()
    finally:
        done.set()
        thread.join()
    new = place.searched()
    assert failures == []
    by_id = [sorted(one, key=lambda item: item.id) for one in found]
    assert by_id and all(one in (old, new) for one in by_id)
    assert old != new and place.sound()


class BackwardClock(datetime.datetime):
    """Goes back by two days each time that it is asked, from a leap day on."""

    asked = 0

    @classmethod
    def now(cls, zone=None):
        BackwardClock.asked += 1
        start = datetime.datetime(2028, 2, 29, 23, 59, 59, tzinfo=zone)
        return start - datetime.timedelta(days=2 * BackwardClock.asked)


@pytest.fixture
def zone(monkeypatch):
    """Move this process to another time zone; it comes back in the end."""

    def move(name):
        monkeypatch.setenv("TZ", name)
        getattr(time, "tzset", bool)()

    yield move
    monkeypatch.undo()
    getattr(time, "tzset", bool)()


def test_versions_follow_their_numbers_whatever_the_clock_says(place, monkeypatch, zone):
    """Case 70: the clock goes back between any two steps, and the time zone changes."""
    monkeypatch.setattr("graft.staging.datetime", BackwardClock)
    for number in range(23):
        place.now -= 86_400.0
        if number == 11:
            zone("Pacific/Kiritimati")
        place.write("plan.md", f"# Plan\n\nWe begin on day {number}.")
        assert place.add().version == number + 1
        if number == 1:
            place.corpus.tag("second", 2)
    versions = place.corpus.versions()
    assert [one.number for one in versions] == [2, *range(4, 24)]
    times = [one.created for one in versions]
    assert times == sorted(times, reverse=True)
    assert "day 22" in place.corpus.document("plan.md").text
    assert place.corpus.diff(22, 23).changed == ("plan.md",)
    undone = place.corpus.rollback("second", place.embedder, place.index)
    assert (undone.before, undone.after) == (23, 24)
    assert "day 1." in place.corpus.document("plan.md").text
    assert place.sound()


def test_a_failed_file_is_tried_again_though_the_clock_stands_before_its_last_attempt(
    place, monkeypatch
):
    """Case 70: no back-off lasts until a time that the clock has left."""
    place.write("good.md", "# Good\n\nAll is well.")
    bad = place.write("bad.pdf", b"%PDF-1.4 nothing")
    attempts = []
    for _ in range(6):
        place.add()
        (record,) = place.corpus.skipped()
        attempts.append((record.attempts, record.state))
        place.now -= 1e7
    assert attempts == [
        *((number, "failed") for number in range(1, 5)),
        *[(5, "dead")] * 2,
    ]
    bad.write_bytes(b"%PDF-1.4 nothing new")
    place.add()
    assert place.corpus.skipped()[0].attempts == 1


def test_another_tokenizer_cuts_every_document_anew(place, tokenizer_folder, tmp_path):
    """Case 76: the tokenizer that measures passages is not the one of before."""
    from graft.index.memory import MemoryIndex

    place.write("a.md", "# A\n\n" + LONG.format(1))
    tokenizer = tmp_path / "tokenizer.json"
    data = (tokenizer_folder / "tokenizer.json").read_text(encoding="utf-8")
    tokenizer.write_text(data, encoding="utf-8")
    given = ([place.docs], SemanticSplitter(64, tokenizer), place.embedder, place.index)
    assert place.corpus.add(*given).added == ("a.md",)
    assert place.corpus.add(*given).unchanged == ("a.md",)
    tokenizer.write_text(data.rstrip() + "\n", encoding="utf-8")
    again = SemanticSplitter(64, tokenizer)
    assert place.corpus.add(given[0], again, *given[2:]).updated == ("a.md",)
    assert place.sound()
    # Vectors have no such second try: an index of another embedder is refused.
    with pytest.raises(FingerprintMismatch, match="do not belong together") as caught:
        MemoryIndex(64, "another", place.state / "index")
    assert "graft reindex" in caught.value.next_step
