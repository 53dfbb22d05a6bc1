"""The first ten minutes of a newcomer: `graft demo` on an empty cache, twice.

    python -m benchmarks.demo --json
    python -m benchmarks.demo --effort normal --json

With another effort it is `graft init --example` and the golden path with that effort. All goes
through the command line. The records of every arm are kept: the example is ours.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.harness import (
    Result,
    arm_figures,
    fail,
    finished,
    graft_command,
    shown_command,
    write_lines,
)
from graft.errors import GenerationFailed, GraftError

SEED = 7  # of the example's graft.toml
SOME_FAILED = 5
FOLDER = "graft-demo"


class Shown(NamedTuple):
    """What one run of the demo showed."""

    minutes: float
    comparison: Mapping[str, Any]
    talk: str


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, write the result, print it."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--effort", default="quick", choices=("quick", "normal", "thorough"))
    parser.add_argument("--work", type=Path, metavar="FOLDER", help="keep the workspace here")
    parser.add_argument("--json", action="store_true", help="print one JSON line at the end")
    options = parser.parse_args(given)
    name = "demo" if options.effort == "quick" else f"demo-{options.effort}"
    result = Result(name, shown_command("demo", given), SEED)
    try:
        with tempfile.TemporaryDirectory(prefix="graft-bench-") as place:
            work = (options.work or Path(place)).resolve()
            work.mkdir(parents=True, exist_ok=True)
            measure(result, work, options.effort)
    except GraftError as error:
        return fail(error)
    finished(result, options.json)
    return 0


def measure(result: Result, here: Path, effort: str) -> None:
    """Run the demo in a fresh folder with an empty cache, then again."""
    first = run_demo(here, effort)
    result.figures["minutes"] = round(first.minutes, 2)
    result.figures["says_minutes_first"] = says_minutes_first(first.talk)
    result.figures.update(arm_figures(first.comparison))
    keep_records(here / FOLDER / ".graft", first.comparison, result.raw)
    result.write()
    again = run_demo(here, effort)
    result.figures["minutes_again"] = round(again.minutes, 2)
    result.figures["same_again"] = again.comparison == first.comparison


def run_demo(here: Path, effort: str) -> Shown:
    """Run the demo in a folder, all commands together; the cache is below it."""
    commands = [(["demo", "--json"], here)]
    if effort != "quick":
        place = here / FOLDER
        made = [] if (place / "graft.toml").exists() else [(["init", FOLDER, "--example"], here)]
        commands = [
            *made,
            (["add", "docs"], place),
            (["questions", "import", "questions.jsonl"], place),
            (["compare", "--effort", effort, "--json"], place),
        ]
    shown = [run_command(here, *command) for command in commands]
    return Shown(sum(item.minutes for item in shown), shown[-1].comparison, shown[-1].talk)


def run_command(here: Path, arguments: Sequence[str], folder: Path) -> Shown:
    """Run one command in a folder; what it prints as JSON comes back, if it is JSON."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GRAFT_")}
    environment["GRAFT_CACHE"] = str(here / "cache")
    talk = here / "stderr.txt"
    started = time.monotonic()
    with talk.open("w", encoding="utf-8") as file:
        done = subprocess.run(
            [*graft_command(), *arguments],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=file,
            text=True,
            check=False,
        )
    minutes = (time.monotonic() - started) / 60
    said = talk.read_text(encoding="utf-8")
    if done.returncode not in (0, SOME_FAILED):
        raise GenerationFailed(
            f"graft {' '.join(arguments)} failed",
            where=f"exit code {done.returncode}",
            why=said.strip()[-2_000:],
            next_step="graft demo",
        )
    found = json.loads(done.stdout) if "--json" in arguments else {}
    return Shown(minutes, found, said)


def says_minutes_first(talk: str) -> bool:
    r"""Tell whether the first line on stderr says how many minutes it will take.

    >>> says_minutes_first("the demo takes about ten minutes\nread 1/60")
    True
    """
    lines = [line for line in talk.splitlines() if line.strip()]
    return bool(lines) and re.search(r"\bmin(ute)?s?\b", lines[0]) is not None


def keep_records(state: Path, comparison: Mapping[str, Any], raw: Path) -> None:
    """Copy the comparison and the records of every arm, gzipped."""
    write_lines(raw / "comparison.json.gz", [comparison])
    for folder in newest_runs(state):
        arm = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["arm"]
        for name in ("records", "latency"):
            path = folder / f"{name}.jsonl"
            if path.exists():
                lines = path.read_text(encoding="utf-8").split("\n")
                records = (json.loads(line) for line in lines if line)
                write_lines(raw / f"{arm}.{name}.jsonl.gz", records)


def newest_runs(state: Path) -> Iterator[Path]:
    """Yield the run folders that the newest comparison of a workspace read."""
    reports = state / "reports"
    newest = (reports / "newest.txt").read_text(encoding="utf-8").strip()
    comparand = json.loads((reports / newest / "comparand.json").read_text(encoding="utf-8"))
    for run in comparand["runs"]:
        yield state / "runs" / run["run_id"]


if __name__ == "__main__":
    sys.exit(main())
