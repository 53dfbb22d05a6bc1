"""What `banking77` and `medquad` share: one collection, arms side by side, one score an arm."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.harness import (
    Result,
    data_folder,
    fail,
    finished,
    shown_command,
    write_lines,
)
from benchmarks.spine import keep_records, run, timings
from graft.errors import GraftError

__all__ = ["measured_collection"]

SEED = 7  # of a fresh graft.toml


def measured_collection(
    name: str, folder: str, score: str, arms: Sequence[str], arguments: Sequence[str] | None
) -> int:
    """Take a collection from nothing to a comparison of `arms`; `score` names its figures."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    parser = argparse.ArgumentParser(description=f"Measures arms on {folder}.")
    parser.add_argument("--effort", default="normal", choices=("quick", "normal", "thorough"))
    parser.add_argument("--limit", type=int, metavar="N", help="ask at most N test questions")
    parser.add_argument("--work", type=Path, metavar="FOLDER", help="keep and continue here")
    parser.add_argument("--json", action="store_true", help="print one JSON line at the end")
    options = parser.parse_args(given)
    result = Result(name, shown_command(name, given), SEED)
    result.figures["effort"] = options.effort
    try:
        data = data_folder(folder)
        with tempfile.TemporaryDirectory(prefix="graft-bench-") as place:
            work = (options.work or Path(place)).resolve() / folder
            comparison = compared(data, work, arms, options)
            keep_records(work / "team" / ".graft", result.raw)
            write_lines(result.raw / "comparison.json.gz", [comparison])
            result.figures.update(figures(comparison, work, score))
    except GraftError as error:
        return fail(error)
    finished(result, options.json)
    return 0


def compared(
    data: Path, work: Path, arms: Sequence[str], options: argparse.Namespace
) -> dict[str, Any]:
    """Make the workspace, or go on with it, and return the comparison."""
    work.mkdir(parents=True, exist_ok=True)
    if not (work / "team" / "graft.toml").exists():
        run(work, "init", str(work / "team"))
    run(work, "add", str(data / "docs"))
    run(work, "questions", "import", str(data / "questions.jsonl"))
    run(work, "train", "finetuned", "--effort", options.effort)
    limit = ("--limit", str(options.limit)) if options.limit else ()
    asked = ("--arms", ",".join(arms), *limit)
    done: dict[str, Any] = json.loads(
        run(work, "compare", "--effort", options.effort, *asked, "--json")
    )
    return done


def figures(comparison: Mapping[str, Any], work: Path, score: str) -> dict[str, Any]:
    """Return score and interval of each arm, and minutes: of `train finetuned` and of all."""
    found: dict[str, Any] = {}
    for arm in comparison["arms"]:
        headline = arm["headline"]
        found[f"{score}_{arm['name']}"] = headline["score"]
        found[f"{score}_{arm['name']}_interval"] = [headline["low"], headline["high"]]
        found[f"n_{arm['name']}"] = headline["n"]
    taken = list(timings(work))
    trained = [entry["seconds"] for entry in taken if entry["command"] == "train"]
    found["minutes"] = round(sum(trained) / 60, 2)
    found["minutes_all"] = round(sum(entry["seconds"] for entry in taken) / 60, 2)
    found["recommended"] = comparison["verdict"]["recommended"]
    found["sentence"] = comparison["verdict"]["sentence"]
    return found
