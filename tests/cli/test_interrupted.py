"""Ctrl-C in a comparison: it stops at once, and the same command continues to the same end."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from contextlib import contextmanager
from functools import partial

import pytest
from real_workspace import (
    _real,  # noqa: F401 - a fixture
    copied,
    done,
    graft,
    make_workspace,
    without_times,
)

from graft.cli import progress

COMPARE = ("compare", "--json", "--arms", "base,rag,decline")
POINTS = 12
# One arm whole, another not: the size of the first is then never written down.
STORAGE = "comparing.py _measure: storage_bytes stays 0 for an arm that was whole before Ctrl-C"


@pytest.fixture(scope="module")
def origin(tmp_path_factory):
    """A workspace that is ready to be compared, on a path of its own."""
    from graft.cli import session
    from graft.workspace import Workspace

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(session, "workspace_class", lambda: Workspace)
        return make_workspace(tmp_path_factory.mktemp("origin") / "team", stages=2, count=6)


@pytest.fixture
def calls(monkeypatch):
    """Count the calls of progress and raise Ctrl-C in the one that is set."""
    found = {"count": 0, "stop_at": 0}

    def tell(phase: str, done: int, total: int, note: str = "") -> None:
        found["count"] += 1
        if found["count"] == found["stop_at"]:
            raise KeyboardInterrupt

    @contextmanager
    def counted(quiet: bool):
        yield tell

    monkeypatch.setattr(progress, "terminal_progress", counted)
    return found


def plain(result, *, with_storage=True):
    comparison = without_times(json.loads(result.stdout))
    if not with_storage:
        for arm in comparison["arms"]:
            del arm["storage_bytes"]
    return comparison


def interrupted_everywhere(origin, tmp_path, monkeypatch, calls, *, with_storage):
    """Interrupt at points spread over the whole comparison; return those with another end."""
    monkeypatch.chdir(copied(origin, tmp_path / "whole"))
    whole = plain(done(*COMPARE), with_storage=with_storage)
    total = calls["count"]
    assert total > POINTS
    different = []
    for point in sorted({1 + number * (total - 1) // (POINTS - 1) for number in range(POINTS)}):
        root = copied(origin, tmp_path / str(point))
        monkeypatch.chdir(root)
        calls.update(count=0, stop_at=point)
        stopped = graft(*COMPARE)
        assert stopped.exit_code == 130
        assert stopped.stdout == ""
        assert stopped.stderr.endswith("interrupted; run the same command again to continue\n")
        records = [path.read_text() for path in sorted(root.rglob("*.jsonl"))]
        calls.update(count=0, stop_at=0)
        again = done(*COMPARE)
        kept = [path.read_text() for path in sorted(root.rglob("*.jsonl"))]
        assert all(any(new.startswith(old) for new in kept) for old in records)
        if plain(again, with_storage=with_storage) != whole:
            different.append(point)
        assert "nothing had changed" in done(*COMPARE).stderr
    return different


def test_a_comparison_interrupted_anywhere_ends_as_an_uninterrupted_one(
    origin, tmp_path, monkeypatch, calls
):
    assert not interrupted_everywhere(origin, tmp_path, monkeypatch, calls, with_storage=False)


def test_the_storage_of_an_arm_outlives_an_interruption(origin, tmp_path, monkeypatch, calls):
    monkeypatch.chdir(copied(origin, tmp_path / "whole"))
    line = ("compare", "--json", "--arms", "rag,decline")
    whole = plain(done(*line))
    monkeypatch.chdir(copied(origin, tmp_path / "stopped"))
    calls.update(stop_at=calls["count"], count=0)
    assert graft(*line).exit_code == 130
    assert plain(done(*line)) == whole


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_a_real_signal_ends_with_130_and_the_command_continues(origin, tmp_path):
    root = copied(origin, tmp_path / "team")
    command = [sys.executable, "-c", "from graft.cli import main; main()", "compare"]
    with subprocess.Popen(
        command,
        cwd=root,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        # a shell that starts the tests in the background makes them, and all below, ignore it
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("load arms"):
                process.send_signal(signal.SIGINT)
                break
        rest = process.stderr.read()
        assert process.wait(timeout=60) == 130
    assert "Traceback" not in rest
    assert "run the same command again to continue" in rest
    again = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
