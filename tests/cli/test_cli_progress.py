"""Progress as lines and as bars, the first sign of life, and the cost of `--help`."""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys
import time

import pytest

from graft.cli.first_sign import FirstSign, is_coloured
from graft.cli.progress import BarProgress, LineProgress, terminal_progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def lines_of(*calls: tuple[float, str, int, int, str]) -> list[str]:
    """Make calls at given seconds and return the lines written."""
    lines: list[str] = []
    now = 0.0
    progress = LineProgress(lines.append, lambda: now)
    for seconds, *call in calls:
        now = seconds
        progress(*call)
    return lines


def test_a_line_at_the_start_every_30_seconds_and_at_the_end():
    lines = lines_of(
        (0, "train", 0, 300, ""),
        (10, "train", 40, 300, "loss 0.90"),
        (30, "train", 120, 300, "loss 0.42"),
        (45, "train", 180, 300, "loss 0.40"),
        (75, "train", 300, 300, "loss 0.31"),
    )
    assert lines == ["train 0/300", "train 120/300, 45 s left, loss 0.42",
                     "train 300/300, took 75 s, loss 0.31"]  # fmt: skip


def test_each_phase_has_its_own_lines_and_ends_once():
    lines = lines_of(
        (0, "read", 0, 2, ""), (1, "read", 2, 2, ""), (1, "read", 2, 2, ""),
        (2, "embed", 0, 5, "passages"),
    )  # fmt: skip
    assert lines == ["read 0/2", "read 2/2, took 1 s", "embed 0/5, passages"]


def test_an_unknown_total_is_counted_without_time_left():
    assert lines_of((0, "read", 0, 0, ""), (31, "read", 12, 0, "")) == ["read", "read 12"]


def test_without_a_terminal_lines_go_to_stderr_and_a_quiet_command_says_nothing(capsys):
    with terminal_progress(quiet=False) as progress:
        progress("read", 1, 1, "a\x1b[2Jb")
    with terminal_progress(quiet=True) as progress:
        progress("read", 1, 1)
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "read 1/1, took 1 s, a\\x1b[2Jb\n"


def test_on_a_terminal_there_is_one_bar_a_phase(monkeypatch):
    screen = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr(sys, "stderr", screen)
    with terminal_progress(quiet=False) as progress:
        assert isinstance(progress, BarProgress)
        progress("read", 2, 2)
        progress("train", 1, 3, "loss 0.42 [bold]")
    last = screen.getvalue()
    assert "2/2" in last
    assert "1/3" in last
    assert "loss 0.42 [bold]" in last


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_colour_is_off_where_the_user_wants_none(monkeypatch, name, value):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert is_coloured(Terminal())
    monkeypatch.setenv(name, value)
    assert not is_coloured(Terminal())
    assert not is_coloured(io.StringIO())


def test_the_first_sign_is_taken_away_once(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    screen = Terminal()
    sign = FirstSign(screen)
    sign.begin(["compare"])
    assert screen.getvalue() == "starting\r"
    sign.end()
    sign.end()
    assert screen.getvalue() == "starting\r\r\x1b[2K"


@pytest.mark.parametrize("arguments", [[], ["--help"], ["compare", "-q"]])
def test_what_answers_at_once_or_is_quiet_has_no_first_sign(monkeypatch, arguments):
    monkeypatch.setenv("TERM", "xterm")
    screen = Terminal()
    FirstSign(screen).begin(arguments)
    assert screen.getvalue() == ""


def test_help_imports_nothing_heavy_and_no_workspace():
    code = (
        "import sys; from graft.cli.commands import app; "
        "heavy = {'numpy', 'torch', 'lancedb', 'fastapi', 'uvicorn', 'rich.progress', "
        "'graft.workspace'}; print(sorted(heavy & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout == "[]\n"


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_the_first_sign_comes_before_the_libraries_are_imported(tmp_path):
    code = (
        "import sys, time; started = time.perf_counter(); "
        "sys.argv = ['graft', 'status', '--workspace', '/nowhere']; "
        "from graft.cli import main; from graft.cli.first_sign import FirstSign; "
        "FirstSign(sys.stderr).begin(sys.argv[1:]); "
        "print(time.perf_counter() - started, 'typer' in sys.modules)"
    )
    leader, follower = pty.openpty()
    try:
        out = subprocess.run(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=follower, check=True,
            env={**os.environ, "TERM": "xterm"}, text=True,
        )  # fmt: skip
        seconds, imported = out.stdout.split()
        assert os.read(leader, 100) == b"starting\r"
        assert imported == "False"
        assert float(seconds) < 0.1
    finally:
        os.close(leader)
        os.close(follower)


def test_help_answers_within_half_a_second():
    command = [sys.executable, "-c", "from graft.cli import main; main()", "--help"]
    best = 9.0
    for _ in range(3):
        started = time.perf_counter()
        subprocess.run(command, capture_output=True, check=True)
        best = min(best, time.perf_counter() - started)
    assert best < 0.5
