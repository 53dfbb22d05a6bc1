"""The whole golden path on real collections, through the command line.

    python -m benchmarks.spine --json
    python -m benchmarks.spine --sets handbook-18f --effort quick --work /tmp/spine

Each set's result is written as soon as it is there. What is kept of a set has no text of it:
ids, scores, whether declined, token counts and times. With `--work` an interrupted run goes on.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.demo import newest_runs
from benchmarks.harness import (
    Result,
    arm_figures,
    data_folder,
    fail,
    finished,
    graft_command,
    shown_command,
    write_lines,
)
from graft.errors import GenerationFailed, GraftError

SEED = 7  # of a fresh graft.toml
SOME_FAILED = 5
DEFAULT_SETS = "squad2-articles,handbook-18f"
CONDITIONS = {"squad2-articles": ("--where", "core=true")}
KEPT = ("question_id", "scores", "declined", "prompt_tokens", "completion_tokens", "stage_seconds")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure every set, write the result after each, print it."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", default=DEFAULT_SETS, metavar="A,B", help="collections")
    parser.add_argument("--effort", default="normal", choices=("quick", "normal", "thorough"))
    parser.add_argument("--work", type=Path, metavar="FOLDER", help="keep and continue here")
    parser.add_argument("--json", action="store_true", help="print one JSON line at the end")
    options = parser.parse_args(given)
    result = Result("spine", shown_command("spine", given), SEED)
    result.figures["effort"] = options.effort
    try:
        sets = {name: data_folder(name) for name in options.sets.split(",") if name}
        with tempfile.TemporaryDirectory(prefix="graft-bench-") as place:
            for name, data in sets.items():
                work = (options.work or Path(place)).resolve() / name
                result.figures.update(measure(name, data, work, options.effort, result.raw))
                result.write()
    except GraftError as error:
        return fail(error)
    finished(result, options.json)
    return 0


def measure(name: str, data: Path, work: Path, effort: str, raw: Path) -> dict[str, Any]:
    """Take a set from nothing to a verdict; return its figures.

    `minutes` counts all commands in the work folder, those of earlier, interrupted runs too.
    """
    work.mkdir(parents=True, exist_ok=True)
    continued = (work / "team" / "graft.toml").exists()
    if not continued:
        run(work, "init", str(work / "team"))
    run(work, "add", str(data / "docs"))
    questions = str(data / "questions.jsonl")
    run(work, "questions", "import", questions, *CONDITIONS.get(name, ()))
    comparison = json.loads(run(work, "compare", "--effort", effort, "--json"))
    keep_records(work / "team" / ".graft", raw / name)
    write_lines(raw / name / "comparison.json.gz", [comparison])
    seconds = sum(entry["seconds"] for entry in timings(work))
    return {
        f"minutes_{name}": round(seconds / 60, 2),
        f"continued_{name}": continued,
        **arm_figures(comparison, name),
    }


def run(work: Path, *arguments: str) -> str:
    """Run a command of Graft in the workspace of a work folder; return what it printed.

    Its talk goes to `log.txt`, its time to `timings.jsonl`, also when it is interrupted.
    """
    team = work / "team"
    place = [] if arguments[0] == "init" else ["--workspace", str(team)]
    print(f"{work.name}: graft {arguments[0]}", file=sys.stderr, flush=True)
    started = time.monotonic()
    try:
        with (work / "log.txt").open("a", encoding="utf-8") as log:
            done = subprocess.run(
                [*graft_command(), *arguments, *place],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                check=False,
            )
    finally:
        entry = {"command": arguments[0], "seconds": round(time.monotonic() - started, 3)}
        with (work / "timings.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")
    if done.returncode not in (0, SOME_FAILED):
        said = (work / "log.txt").read_text(encoding="utf-8", errors="replace")
        raise GenerationFailed(
            f"graft {arguments[0]} failed on {work.name}",
            where=str(work / "log.txt"),
            why=f"exit code {done.returncode}: {said.strip()[-1_000:]}",
            next_step=f"python -m benchmarks.spine --sets {work.name} --work {work.parent}",
        )
    return done.stdout


def timings(work: Path) -> Iterator[Mapping[str, Any]]:
    """Yield the times of the commands of a work folder."""
    for line in (work / "timings.jsonl").read_text(encoding="utf-8").splitlines():
        yield json.loads(line)


def keep_records(state: Path, raw: Path) -> None:
    """Keep of every record what holds no text of the collection."""
    for folder in newest_runs(state):
        arm = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["arm"]
        for name in ("records", "latency"):
            path = folder / f"{name}.jsonl"
            if path.exists():
                write_lines(raw / f"{arm}.{name}.jsonl.gz", without_text(path))


def without_text(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the records of a file without answers, passages and reasons."""
    for line in path.read_text(encoding="utf-8").split("\n"):
        if line:
            record = json.loads(line)
            yield {name: record[name] for name in KEPT} | {"failed": bool(record.get("error"))}


if __name__ == "__main__":
    sys.exit(main())
