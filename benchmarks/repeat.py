"""Whether a comparison can be repeated: the example thrice, twice with one seed.

    python -m benchmarks.repeat --json
    python -m benchmarks.repeat --work /tmp/repeat    # keep, and continue what was interrupted

Each run starts in a fresh workspace: documents, index, training, answers. Runs with one seed must
give the same greedy answers on at least 98 % of the questions and the same recommendation; one
with another seed must stay within the stated intervals of the first.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.demo import newest_runs
from benchmarks.harness import Result, fail, finished, graft_command, shown_command, write_lines
from graft.errors import GenerationFailed, GraftError

SEED, OTHER_SEED = 7, 11
RUNS = {"first": SEED, "second": SEED, "other": OTHER_SEED}
SOME_FAILED = 5


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the comparisons, write the result, print it."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--effort", default="quick", choices=("quick", "normal", "thorough"))
    parser.add_argument("--work", type=Path, metavar="FOLDER", help="keep and continue here")
    parser.add_argument("--json", action="store_true", help="print one JSON line at the end")
    options = parser.parse_args(given)
    result = Result("repeat", shown_command("repeat", given), SEED)
    try:
        with tempfile.TemporaryDirectory(prefix="graft-bench-") as place:
            work = (options.work or Path(place)).resolve()
            measure(result, work, options.effort)
    except GraftError as error:
        return fail(error)
    finished(result, options.json)
    return 0


def measure(result: Result, work: Path, effort: str) -> None:
    """Fill in the figures, as far as they are known after each run."""
    result.figures["effort"] = effort
    compared: dict[str, Mapping[str, Any]] = {}
    answers: dict[str, Mapping[tuple[str, str], str]] = {}
    for name, seed in RUNS.items():
        team = work / name
        compared[name] = compare(team, seed, effort)
        answers[name] = answers_of(team / ".graft")
        write_lines(result.raw / f"{name}.comparison.json.gz", [compared[name]])
        result.figures[f"recommended_{name}"] = recommended(compared[name])
        if name == "second":
            shares = same_answers(answers["first"], answers["second"])
            result.figures["same_answers"] = shares.pop("all")
            result.figures |= {f"same_answers_{arm}": share for arm, share in shares.items()}
            same = recommended(compared["first"]) == recommended(compared["second"])
            result.figures["same_recommended"] = same
        if name == "other":
            result.figures["outside_intervals"] = outside(compared["first"], compared["other"])
        result.write()


def compare(team: Path, seed: int, effort: str) -> Mapping[str, Any]:
    """Take the example from nothing to a verdict with a seed; return the comparison."""
    if not (team / "graft.toml").exists():
        run("init", "--example", str(team))
        path = team / "graft.toml"
        text = path.read_text(encoding="utf-8")
        path.write_text(text.replace(f"seed = {SEED}", f"seed = {seed}"), encoding="utf-8")
    place = ("--workspace", str(team))
    run("add", str(team / "docs"), *place)
    run("questions", "import", str(team / "questions.jsonl"), *place)
    comparison: Mapping[str, Any] = json.loads(run("compare", "--effort", effort, "--json", *place))
    return comparison


def run(*arguments: str) -> str:
    """Run a command of Graft and return what it printed."""
    print(f"graft {' '.join(arguments[:2])}", file=sys.stderr, flush=True)
    done = subprocess.run(
        [*graft_command(), *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode not in (0, SOME_FAILED):
        raise GenerationFailed(
            f"graft {arguments[0]} failed",
            where=f"exit code {done.returncode}",
            why=done.stderr.strip()[-1_000:],
            next_step="python -m benchmarks.repeat --work FOLDER",
        )
    return done.stdout


def answers_of(state: Path) -> dict[tuple[str, str], str]:
    """Return what every arm of the newest comparison answered, by arm and question."""
    found = {}
    for folder in newest_runs(state):
        path = folder / "records.jsonl"
        for line in path.read_text(encoding="utf-8").split("\n") if path.exists() else ():
            if line:
                record = json.loads(line)
                found[record["arm"], record["question_id"]] = record["answer"]
    return found


def same_answers(
    one: Mapping[tuple[str, str], str], two: Mapping[tuple[str, str], str]
) -> dict[str, float]:
    """Return the share of equal answers by arm and of `all`; an answer one side lacks differs.

    >>> same_answers({("rag", "a"): "x", ("rag", "b"): "y"}, {("rag", "a"): "x"})
    {'rag': 0.5, 'all': 0.5}
    """
    keys = sorted({*one, *two})
    equal = {key: one.get(key) == two.get(key) for key in keys}
    shares = {}
    for arm in dict.fromkeys(arm for arm, _ in keys):
        own = [equal[key] for key in keys if key[0] == arm]
        shares[arm] = round(sum(own) / len(own), 4)
    shares["all"] = round(sum(equal.values()) / len(equal), 4) if equal else 0.0
    return shares


def recommended(comparison: Mapping[str, Any]) -> str:
    """Return the recommended arm, empty where there is none."""
    return str(comparison["verdict"]["recommended"] or "")


def outside(first: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """Return the arms whose headline left the interval that the first run stated."""
    stated = {arm["name"]: arm["headline"] for arm in first["arms"]}
    found = []
    for arm in other["arms"]:
        score, interval = arm["headline"]["score"], stated.get(arm["name"])
        if interval is None or score is None or interval["score"] is None:
            continue
        if not interval["low"] <= score <= interval["high"]:
            found.append(arm["name"])
    return found


if __name__ == "__main__":
    sys.exit(main())
