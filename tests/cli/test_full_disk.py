"""No space left, at every single write of the golden path: nothing is lost, nothing half done."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from full_disk import _audited, full_disk_fixture  # noqa: F401 - fixtures
from real_workspace import (
    STAGES,
    _real,  # noqa: F401 - a fixture
    copied,
    done,
    four_parts,
    graft,
    kept,
    make_workspace,
    without_times,
)

from graft.workspace import Workspace

STAGE_NAMES = ("init", "add", "update", "import", "compare")
COMPARE = ("compare", "--arms", "base,rag", "--json")
# Decided by a clock, or new in every comparison.
TIMED = (".graft/build.json", ".graft/runs/", ".graft/reports/")


# Writes after whose failure something is amiss, and where the defect is.
def prepare(root: Path, stage: str) -> tuple[str, ...]:
    """Make the workspace before a stage; return the command of the stage."""
    if stage == "init":
        root.mkdir()
        return ("init", ".")
    if stage == "add":
        make_workspace(root, count=2)
        return STAGES[0]
    make_workspace(root, stages=2)
    if stage == "update":
        (root / "docs" / "d0.md").write_text("# Pump 0\n\nThe Tarn 0 is tested at 99 bar.\n")
        (root / "docs" / "d1.md").unlink()
        (root / "docs" / "new.md").write_text("# New\n\nThe Tarn 9 is tested at 9 bar.\n")
        return STAGES[0]
    path = root / "questions.jsonl"
    path.write_text(path.read_text().replace("pressure", "load"))
    if stage == "import":
        return STAGES[1]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        done(*COMPARE, "--limit", "2")
        done(*STAGES[1])
    return (*COMPARE, "--limit", "3")


def state(root: Path) -> dict[str, object]:
    """Return what a workspace holds in the end, as far as a clock does not decide it."""
    return {name: value for name, value in kept(root).items() if not name.startswith(TIMED)}


def assert_intact(before: Path, root: Path) -> None:
    """Check that what was there is there, that a command can read it, and that no draft stays.

    Records are only ever appended to, so a file begins with what it held before.
    """
    for path in (path for path in before.rglob("*") if path.is_file()):
        name = path.relative_to(before)
        if name.parts[:2] == (".graft", "index") or name.name.startswith("catalog.sqlite"):
            continue
        assert (root / name).read_bytes().startswith(path.read_bytes()), name
    assert [path for path in root.rglob("*") if path.name.endswith(".part")] == []
    if (before / ".graft" / "catalog.sqlite").exists():
        workspace = Workspace.open(root)
        assert workspace.status()["documents"] >= len(Workspace.open(before).corpus.documents()) - 1
        newest = Workspace.open(before).results.newest()
        assert not newest or workspace.results.newest()


@pytest.fixture
def defects(tmp_path, monkeypatch, full_disk):
    """Fill the disk at each write of a stage that is chosen; return what went wrong after it."""

    def run(stage: str, chosen: Callable[[str], bool]) -> list[str]:
        origin = tmp_path / "origin"
        command = prepare(origin, stage)

        def attempt(number: int, write: tuple[str, int] | None = None):
            root = copied(origin, tmp_path / str(number))
            monkeypatch.chdir(root)
            with full_disk(root, write) as disk:
                return root, graft(*command), disk.seen

        reference, whole, writes = attempt(0)
        assert whole.exit_code == 0, whole.stderr
        assert len(writes) > 1
        wrong = []
        for number, write in enumerate(writes, 1):
            if not chosen(write[0]):
                continue
            root, result, seen = attempt(number, write)
            if write not in seen and write[0].startswith("lance"):
                continue
            try:
                assert "no space left on the disk" in four_parts(result, 3)
                assert_intact(origin, root)
                again = done(*command)
                assert state(root) == state(reference)
                if stage == "compare":
                    assert compared(again) == compared(whole)
            except AssertionError as error:
                wrong.append(f"write {number} of {len(writes)}, {write}: {str(error)[:300]}")
        return wrong

    return run


def compared(result):
    return without_times(json.loads(result.stdout))


@pytest.mark.parametrize("stage", STAGE_NAMES)
def test_every_write_may_fail_and_the_same_command_then_succeeds(stage, defects):
    wrong = defects(stage, lambda what: True)
    assert not wrong, "\n".join(wrong)


def test_an_index_whose_making_failed_is_made_anew(tmp_path, monkeypatch):
    # What LanceDB leaves behind when the disk is full while it makes a table (seen on a tmpfs).
    root = make_workspace(tmp_path / "team")
    (root / ".graft" / "index" / "passages.lance" / "_transactions").mkdir(parents=True)
    monkeypatch.chdir(root)
    done("add", "docs")


def test_sqlite_naming_a_full_disk_an_input_output_error_is_understood(tmp_path, monkeypatch):
    import shutil
    import sqlite3
    from collections import namedtuple

    root = make_workspace(tmp_path / "team", stages=1)
    monkeypatch.chdir(root)

    def refuse(*_: object, **__: object) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(sqlite3, "connect", refuse)
    assert "the disk does not read or write the catalogue" in four_parts(graft("status"), 4)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 10**9, 4096))
    assert "no space left on the disk" in four_parts(graft("status"), 3)
