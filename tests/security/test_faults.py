"""Faults of the disk, of stored files and of the process that reads documents."""

from __future__ import annotations

import errno
import gc
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from corpus_changes import Killed, Place, Reading, Steps, counted
from graft.errors import BadInput, NoSpaceLeft
from graft.parsing import Limits, Parsing
from graft.types import Question

TESTS = Path(__file__).parent.parent
SRC = TESTS.parent / "src"
LONG = "The pump of hall {0} runs for {0} seconds without any water. " * 12
REFUSALS = {
    errno.EACCES: BadInput,
    errno.EROFS: BadInput,
    errno.EFBIG: BadInput,
    errno.EIO: BadInput,
    errno.EDQUOT: NoSpaceLeft,
}


@pytest.fixture
def read_here(monkeypatch):
    """Read documents in this process."""
    monkeypatch.setattr("graft.reading.Parsing", Reading)


def filled(folder, kind="memory"):
    place = Place(folder, kind)
    for number in range(3):
        place.write(f"d{number}.md", f"# Hall {number}\n\n" + LONG.format(number))
    place.add()
    return place


def changed(place):
    place.write("d0.md", "# Hall 0\n\nAll is new here. " + LONG.format(70))
    (place.docs / "d1.md").unlink()
    place.write("new.md", "# Press\n\n" + LONG.format(55))


def assert_four_parts(error):
    assert error.what and error.where and error.why and error.next_step


ACTS = {
    "rollback": lambda place: place.corpus.rollback(1, place.embedder, place.index),
    "remove": lambda place: place.corpus.remove(["d0.md"], place.embedder, place.index),
    "pairs": lambda place: place.corpus.add_pairs(
        [Question("q", "How hot?", ("Very",), "train", "g", ("d0.md",))],
        place.embedder,
        place.index,
    ),
}


@pytest.mark.parametrize("name", list(ACTS))
def test_killed_at_any_write_of_a_change_the_old_state_or_the_new_one_is_there(
    tmp_path, read_here, monkeypatch, name
):
    """Case 64: the end at each write step of a rollback, a removal, an import of pairs."""
    act = ACTS[name]
    start = filled(tmp_path / "origin")
    changed(start)
    start.add()
    old = start.searched()
    twin, steps = start.copied(tmp_path / "twin"), Steps()
    with monkeypatch.context() as patch:
        counted(patch, twin, steps)
        act(twin)
    new = twin.searched()
    assert old != new and len(steps.seen) > 3
    seen = set()
    for number in range(1, len(steps.seen) + 1):
        place, counter = start.copied(tmp_path / f"{name}{number}"), Steps()
        counter.last = number
        with monkeypatch.context() as patch:
            counted(patch, place, counter)
            with pytest.raises(Killed):
                act(place)
        after = Place(place.folder)
        found = after.searched()
        assert found in (old, new) and found == after.live(), counter.seen[-1]
        seen.add(found == new)
        if found == old:
            act(after)
        assert after.searched() == new and after.sound(), counter.seen[-1]
    assert seen == {False, True}


def test_a_rollback_that_was_killed_twice_stands_in_nobodys_way(tmp_path, read_here, monkeypatch):
    """Case 64: what two ends left staged is one document to the next add."""
    place = filled(tmp_path / "team")
    texts = {path: path.read_text() for path in place.docs.iterdir()}
    changed(place)
    place.add()
    for _ in range(2):
        again, counter = Place(place.folder), Steps()
        counter.last = 2  # the copies are stored
        with monkeypatch.context() as patch:
            counted(patch, again, counter)
            with pytest.raises(Killed):
                ACTS["rollback"](again)
        assert counter.seen[-1] == "after commit"
    for path, text in texts.items():
        path.write_text(text)
    after = Place(place.folder)
    assert set(after.add().added) == {"d1.md"}
    assert after.sound()


@pytest.mark.parametrize(
    ("step", "number"),
    [*(("write", number) for number in REFUSALS), ("delete", errno.EROFS), ("optimize", errno.EIO)],
)
def test_a_disk_that_refuses_a_write_of_the_index_leaves_the_version_before(
    tmp_path, read_here, monkeypatch, step, number
):
    """Case 65: a right lost, a read-only file system, a limit, a broken disk, a quota."""
    from lancedb.merge import LanceMergeInsertBuilder
    from lancedb.table import LanceTable

    place = filled(tmp_path / "team", "lancedb")
    old = place.searched()
    changed(place)
    said = f"lance error: LanceError(IO): {os.strerror(number)} (os error {number}), file.rs:1:2"

    def refuse(*_, **__):
        raise RuntimeError(said)

    with monkeypatch.context() as patch:
        patch.setattr(LanceTable, "add" if step == "write" else step, refuse)
        if step == "write":
            patch.setattr(LanceMergeInsertBuilder, "execute", refuse)
        with pytest.raises(REFUSALS[number]) as caught:
            place.add()
    assert_four_parts(caught.value)
    assert "remove" not in caught.value.next_step
    after = Place(place.folder, "lancedb")
    assert after.searched() == old
    after.add()
    assert after.searched() != old and after.sound()


@pytest.mark.skipif(sys.platform == "win32", reason="needs limits of a process")
def test_a_file_that_may_not_grow_is_never_taken_as_valid(tmp_path, read_here):
    """Case 65: the limit of the size of a file is met in the middle of a write."""
    place = filled(tmp_path / "team", "lancedb")
    old = place.searched()
    for number in range(60):
        place.write(f"more{number}.md", f"# More {number}\n\n" + LONG.format(number) * 4)
    script = f"""
import sys, resource
sys.path[:0] = [{str(TESTS)!r}]
import pytest
from corpus_changes import Place, Reading
from graft.errors import GraftError
with pytest.MonkeyPatch.context() as patch:
    patch.setattr("graft.reading.Parsing", Reading)
    place = Place({str(place.folder)!r}, "lancedb")
    resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, 150_000))
    try:
        place.add()
    except GraftError as error:
        print(error)
        sys.exit(7)
"""
    environment = os.environ | {"PYTHONPATH": str(SRC)}
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 7, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()] == [
        *("error:", "where", "why", "next"),
    ]
    assert "remove" not in done.stdout.splitlines()[3]
    after = Place(place.folder, "lancedb")
    assert after.searched() == old
    assert len(after.add().added) == 60
    assert after.sound()


def test_a_broken_disk_is_no_reason_to_remove_the_catalogue(tmp_path, read_here, monkeypatch):
    """Case 65: SQLite says input/output error, for a quota as for a broken disk."""
    place = filled(tmp_path / "team")

    class Refusing(sqlite3.Connection):
        def execute(self, sql, *values):
            if sql.startswith("INSERT"):
                raise sqlite3.OperationalError("disk I/O error")
            return super().execute(sql, *values)

    connect = sqlite3.connect
    changed(place)
    with monkeypatch.context() as patch:
        patch.setattr(
            sqlite3, "connect", lambda *a, **named: connect(*a, **named, factory=Refusing)
        )
        with pytest.raises(BadInput, match="does not read or write") as caught:
            place.add()
    assert_four_parts(caught.value)
    assert "remove" not in caught.value.next_step
    assert len(place.corpus.versions()) == 1
    place.add()
    assert place.sound()


@pytest.mark.skipif(not hasattr(os, "statvfs"), reason="needs to know the file system")
def test_a_workspace_on_a_read_only_file_system_is_searched(tmp_path, read_here, monkeypatch):
    """Case 65: the file system is read-only; what was published is served, and no file made."""
    folder = tmp_path / "team"
    old = filled(folder).searched()
    gc.collect()  # the log of changes goes with the last connection
    state = folder / ".graft"
    before = sorted(path.name for path in state.iterdir())
    assert not any("wal" in name for name in before)
    real = os.statvfs(state)
    sizes = {name: getattr(real, name) for name in ("f_bavail", "f_frsize", "f_blocks", "f_bfree")}
    read_only = SimpleNamespace(f_flag=os.ST_RDONLY, **sizes)
    with monkeypatch.context() as patch:
        patch.setattr(os, "statvfs", lambda _: read_only)
        after = Place(folder)
        assert after.searched() == old
        assert len(after.corpus.documents()) == 3
        with pytest.raises(BadInput, match="cannot be written") as caught:
            after.corpus.tag("audit", 1)
    assert_four_parts(caught.value)
    assert sorted(path.name for path in state.iterdir()) == before
    Place(folder).corpus.tag("audit", 1)


@pytest.mark.parametrize(
    "harm",
    [
        "UPDATE documents SET died = 1 WHERE id = 'd0.md' AND died = 2",
        "UPDATE documents SET content_hash = 'x' || content_hash WHERE id = 'd0.md' AND died = 2",
        "DELETE FROM documents WHERE id = 'd1.md'",
        "UPDATE versions SET fingerprint = 'f' || fingerprint WHERE number = 1",
    ],
)
def test_a_version_of_the_past_that_changed_is_told(tmp_path, read_here, harm):
    """Case 66: rows of an older version are lost or altered; no search would ever see it."""
    place = filled(tmp_path / "team")
    changed(place)
    place.add()
    assert place.corpus.verify(place.opened(), 64) == []
    with sqlite3.connect(place.state / "catalog.sqlite") as store:
        assert store.execute(harm).rowcount == 1
    store.close()
    problems = place.corpus.verify(place.opened(), 64)
    assert problems and all(item.what and item.next_step for item in problems)


def test_a_cached_vector_of_a_damaged_index_is_not_taken_over(tmp_path, read_here):
    """Case 66: a bit flips among the vectors, which a renamed file would otherwise take over."""
    place = filled(tmp_path / "team", "lancedb")
    files = sorted(
        (place.state / "index").rglob("data/*.lance"), key=lambda one: -one.stat().st_size
    )
    data = bytearray(files[0].read_bytes())
    data[len(data) // 2] ^= 1
    files[0].write_bytes(data)
    (place.docs / "d0.md").rename(place.docs / "other.md")
    after = Place(place.folder, "lancedb")
    with pytest.raises(BadInput, match="damaged") as caught:
        after.add()
    assert_four_parts(caught.value)
    assert len(after.corpus.versions()) == 1


WORKER = """
import ctypes, sys, time
import graft.loaders
from graft.loaders.text import TextLoader, read_bytes
from graft.parse_worker import main

kill = ctypes.CDLL(None)

class Strange(TextLoader):
    def load(self, source, doc_id):
        order = read_bytes(source).decode().strip()
        if order == "hang":
            time.sleep(60)
        elif order == "grow":
            kept = [bytes(50_000_000) for _ in range(100)]
        elif order == "killed":
            getattr(kill, "raise")(9)
        yield from super().load(source, doc_id)

sys.modules["strange"] = sys.modules[__name__]
graft.loaders._LOADERS[("strange", "Strange")] = (".log",)
graft.loaders._LOADERS[("graft.loaders.text", "TextLoader")] = (".txt",)
main()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs signals")
def test_a_reader_that_hangs_or_is_killed_costs_one_file(tmp_path, monkeypatch):
    """Case 73: the child that parses hangs, needs too much memory, or is killed for it."""
    (tmp_path / "strange_worker.py").write_text(WORKER)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(SRC), str(tmp_path)]))
    limits = Limits(memory_bytes=1_000_000_000, seconds=2.0)
    monkeypatch.setattr(
        "graft.reading.Parsing", lambda **named: Parsing(limits, worker="strange_worker", **named)
    )
    place = Place(tmp_path / "team")
    place.write("a.txt", "The pump runs.")
    for order in ("grow", "hang", "killed"):
        place.write(f"b-{order}.log", order)
    place.write("c.txt", "The kiln is hot.")
    report = place.add()
    assert report.added == ("a.txt", "c.txt")
    reasons = {Path(item.path).stem: item.reason for item in report.skipped}
    assert set(reasons) == {"b-grow", "b-hang", "b-killed"}
    assert "more than 1 GB" in reasons["b-grow"]
    assert "longer than 2 s" in reasons["b-hang"]
    assert "the system killed it" in reasons["b-killed"]
    assert all(item.next_step and item.state == "failed" for item in report.skipped)
    assert place.sound()
