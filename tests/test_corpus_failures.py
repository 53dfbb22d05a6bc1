"""Files that cannot be read: tried again at the right time, never lost, never read in vain."""

from __future__ import annotations

import os

import pytest

from corpus_changes import Place, Reading
from graft.errors import UnreadableDocument
from graft.failures import Skipped, failed, is_due
from graft.parsing import Parsed

MINUTE = 60.0


class Parser(Reading):
    """Fails on the files that are named, and keeps which were tried."""

    bad: set[str] = set()
    tried: list[str] = []

    def parse(self, files):
        for parsed in super().parse(files):
            self.tried.append(parsed.file.name)
            if parsed.file.name in self.bad:
                why = UnreadableDocument("it is broken", next_step="save it anew")
                parsed = Parsed(parsed.file, error=why)
            yield parsed


@pytest.fixture
def parser(monkeypatch):
    parser = type("OneParser", (Parser,), {"bad": {"bad.md"}, "tried": []})
    monkeypatch.setattr("graft.reading.Parsing", parser)
    return parser


@pytest.fixture
def place(tmp_path, parser):
    place = Place(tmp_path / "team")
    place.write("good.md", "# Good\n\nAll is well.")
    place.write("bad.md", "# Bad\n\nNothing is well.")
    return place


def test_a_failed_file_is_tried_again_when_it_is_due_and_given_up_in_the_end(place, parser):
    attempts = []
    for wait in (0, 1, 5, 30, 120):
        if wait:
            place.now += wait * MINUTE - 1
            assert place.add().skipped[0].attempts == len(attempts)
            assert "bad.md" not in parser.tried
            place.now += 1
        record = place.add().skipped[0]
        attempts.append(record.attempts)
        assert parser.tried.count("bad.md") == 1
        parser.tried.clear()
        assert place.corpus.skipped() == [record]
    assert attempts == [1, 2, 3, 4, 5]
    assert (record.state, record.next_attempt) == ("dead", None)
    place.now += 1e9
    assert place.add().skipped == (record,)
    assert parser.tried == []


def test_a_file_that_changed_or_is_asked_for_is_tried_at_once(place, parser):
    place.add()
    parser.tried.clear()
    place.add()
    assert parser.tried == []
    assert place.add(retry=True).skipped[0].attempts == 2
    assert parser.tried == ["bad.md"]
    place.write("bad.md", "# Bad\n\nStill not well.")
    assert place.add().skipped[0].attempts == 1
    parser.bad.clear()
    place.write("bad.md", "# Bad\n\nWell at last, it seems.")
    report = place.add()
    assert (report.added, report.skipped, place.corpus.skipped()) == (("bad.md",), (), [])


def test_another_version_of_the_loader_is_worth_an_attempt(place, parser, monkeypatch):
    place.add()
    monkeypatch.setattr("graft.reading.version_for", lambda path: "markdown 99")
    parser.bad.clear()
    assert place.add().added == ("bad.md",)


def test_a_broken_new_version_leaves_the_old_one_live(place, parser):
    place.write("plan.md", "# Plan\n\nWe begin on Monday.")
    place.add()
    parser.bad.add("plan.md")
    path = place.write("plan.md", "# Plan\n\nWe begin on Friday.")
    report = place.add()
    record = next(item for item in report.skipped if item.path == str(path))
    assert record.keeps == ("plan.md",)
    assert record.reason == "it is broken; the version added before stays"
    assert (report.removed, report.updated) == ((), ())
    assert "Monday" in place.corpus.document("plan.md").text
    assert place.sound()
    path.unlink()
    assert place.add().removed == ("plan.md",)
    assert "plan.md" not in str(place.corpus.skipped())


def test_a_file_put_back_as_it_was_is_no_failure_any_more(place, parser):
    place.write("plan.md", "# Plan\n\nOne.")
    place.add()
    parser.bad.add("plan.md")
    place.write("plan.md", "# Plan\n\nTwo.")
    place.add()
    place.write("plan.md", "# Plan\n\nOne.")
    assert "plan.md" in place.add().unchanged
    assert "plan.md" not in str(place.corpus.skipped())


def test_a_clock_that_was_set_back_neither_blocks_nor_reorders(place, parser):
    place.add()
    parser.tried.clear()
    place.now -= 1e6
    assert place.add().skipped[0].attempts == 2
    assert parser.tried == ["bad.md"]
    place.write("more.md", "# More\n\nMore.")
    place.add()
    assert [one.number for one in place.corpus.versions()] == [1, 2]
    assert place.corpus.versions()[-1].fingerprint == place.corpus.version


def test_waiting_does_not_write(place, parser):
    place.add()
    before = place.corpus.skipped()
    stamp = os.stat(place.state / "catalog.sqlite").st_mtime_ns
    place.add()
    assert place.corpus.skipped() == before
    assert os.stat(place.state / "catalog.sqlite").st_mtime_ns == stamp


def test_the_waits_are_one_five_thirty_and_a_hundred_and_twenty_minutes():
    record, waits = None, []
    for _ in range(5):
        record = failed(Skipped("a.pdf", "broken"), record, "1", 100.0)
        waits.append(record.next_attempt and (record.next_attempt - 100) / MINUTE)
    assert waits == [1, 5, 30, 120, None]
    assert is_due(record, "2", 0.0)
    assert not is_due(record, "1", 1e12)
