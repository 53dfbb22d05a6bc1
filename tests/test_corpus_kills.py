"""Killed at any step of an add: the old version or the new one, and nothing is done twice."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from corpus_changes import Killed, Place, Reading, Steps, counted

LONG = "The pump of hall {0} runs for {0} seconds without any water. " * 8


@pytest.fixture(autouse=True)
def _small_steps(monkeypatch):
    monkeypatch.setattr("graft.reading.Parsing", Reading)
    monkeypatch.setattr("graft.filling.PASSAGES_AT_ONCE", 3)
    monkeypatch.setattr("graft.changes.PASSAGES_AT_ONCE", 3)
    monkeypatch.setattr("graft.changes._DOCUMENTS_AT_ONCE", 2)


def origin(folder, kind):
    place = Place(folder, kind)
    for number in range(4):
        place.write(f"d{number}.md", f"# Hall {number}\n\n" + LONG.format(number))
    place.write("old-name.md", "# Lathe\n\nThe lathe turns.")
    place.write("gone.md", "# Kiln\n\nThe kiln is fired on Mondays.")
    place.add()
    return place


def change(place):
    place.write("d0.md", "# Hall 0\n\nA paragraph before. " + LONG.format(0))
    place.write("d1.md", "# Hall 1\n\nAll is new here: " + LONG.format(77))
    place.write("new.md", "# Press\n\n" + LONG.format(55))
    (place.docs / "old-name.md").rename(place.docs / "new-name.md")
    (place.docs / "gone.md").unlink()


@pytest.mark.parametrize("kind", ["memory", "lancedb"])
def test_killed_anywhere_the_old_version_or_the_new_one_is_found(tmp_path, kind, monkeypatch):
    start = origin(tmp_path / "origin", kind)
    old = start.searched()
    change(start)
    twin = start.copied(tmp_path / "twin")
    steps = Steps()
    with monkeypatch.context() as patch:
        counted(patch, twin, steps)
        report = twin.add()
    new = twin.searched()
    assert old != new and twin.sound()
    assert report.renamed == (("old-name.md", "new-name.md"),)
    seen = {"old": 0, "new": 0}
    assert len(steps.seen) > 15
    numbers = range(1, len(steps.seen) + 1)
    for number in numbers if kind == "memory" else [*numbers[:-3:4], *numbers[-3:]]:
        place = start.copied(tmp_path / f"{kind}{number}")
        steps = Steps()
        steps.last = number
        with monkeypatch.context() as patch:
            counted(patch, place, steps)
            with pytest.raises(Killed):
                place.add()
        after = Place(place.folder, kind)
        found = after.searched()
        assert found in (old, new), steps.seen[-1]
        assert found == after.live(), steps.seen[-1]
        seen["old" if found == old else "new"] += 1
        after.add()
        assert after.searched() == new, steps.seen[-1]
        assert after.sound()
        assert not set(after.embedder.texts) & set(place.written), steps.seen[-1]
        assert after.corpus.version == twin.corpus.version
        assert [(one.number, one.fingerprint) for one in after.corpus.versions()] == [
            (one.number, one.fingerprint) for one in twin.corpus.versions()
        ]
        for table in ("documents", "passages", "failures"):
            assert after.rows(table) == twin.rows(table), (table, steps.seen[-1])
    assert seen["old"] > 4 and seen["new"] > 0


KILL = """
import os, sys
sys.path.insert(0, sys.argv[1])
import pytest
from corpus_changes import Killed, Place, Reading, Steps, counted

class Ending(Steps):
    def take(self, what):
        try:
            super().take(what)
        except Killed:
            os._exit(9)

with pytest.MonkeyPatch.context() as patch:
    patch.setattr("graft.reading.Parsing", Reading)
    place = Place(sys.argv[2], "lancedb")
    steps = Ending()
    steps.last = int(sys.argv[3])
    counted(patch, place, steps)
    place.add()
"""


@pytest.mark.parametrize("number", [4, 8])
def test_a_process_that_ends_at_once_leaves_no_lock_and_no_half(tmp_path, number):
    start = origin(tmp_path / "origin", "lancedb")
    old = start.searched()
    change(start)
    place = start.copied(tmp_path / "place")
    here = str(Path(__file__).parent)
    command = [sys.executable, "-c", KILL, here, str(place.folder), str(number)]
    done = subprocess.run(command, env=os.environ, capture_output=True, text=True, check=False)
    assert done.returncode == 9, done.stderr
    after = Place(place.folder, "lancedb")
    found = after.searched()
    assert found == after.live()
    after.add()
    assert after.sound()
    assert after.searched() != old
