"""Do the statistics keep their promises? Thousands of simulated comparisons a setting.

    python -m benchmarks.statistics --json
    python -m benchmarks.statistics --replicates 300 --cells 'n50-*' --json

Coverage of the interval of one arm, false alarms of the paired difference, how often one of
four equally good arms is named the winner, and power. Whole batches are judged by the
arithmetic of `graft.stats`, and some replicates of every cell once more through its public
functions, which must give the same.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import os
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.clustered import Cell, grid
from benchmarks.harness import Result, fail, finished, shown_command, write_lines
from benchmarks.judging import alarms, coverage, graded_coverage, graded_pairs, power, winners
from graft.errors import BadInput, GraftError

SEED = 7
REPLICATES = 10_000
MEASURES: Mapping[str, Callable[[Cell, int, int], dict[str, Any]]] = {
    "coverage": coverage,
    "graded": graded_coverage,
    "graded_pairs": graded_pairs,
    "alarms": alarms,
    "winners": winners,
    "power": power,
}
# measuring.md 3 and what a verdict promises: the least and the most each figure may be
BARS = {
    "coverage_mean": (0.94, 0.96),
    "coverage_worst": (0.92, 1.0),
    "false_alarm_worst": (0.0, 0.055),
    "winner_when_equal": (0.0, 0.05),
    "power_gap_worst": (0.0, 0.03),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Simulate, write the result, print it."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--replicates", type=int, default=REPLICATES, help="a cell")
    parser.add_argument("--cells", default="*", metavar="PATTERN", help="such as 'n50-*-even'")
    parser.add_argument("--only", choices=tuple(MEASURES), help="one measure alone")
    parser.add_argument("--work", type=Path, metavar="FOLDER", help="keep and continue here")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--json", action="store_true", help="print one JSON line at the end")
    options = parser.parse_args(given)
    result = Result("statistics", shown_command("statistics", given), SEED)
    try:
        with tempfile.TemporaryDirectory(prefix="graft-bench-") as place:
            measure(result, options, options.work or Path(place))
    except GraftError as error:
        return fail(error)
    finished(result, options.json)
    return 0


def measure(result: Result, options: argparse.Namespace, work: Path) -> None:
    """Simulate every cell that the pattern names and sum up."""
    cells = [cell for even in (True, False) for cell in grid(even=even)]
    chosen = [cell for cell in cells if fnmatch.fnmatch(cell.name, options.cells)]
    if not chosen:
        raise BadInput(
            f"no cell is named {options.cells}",
            where="--cells",
            why=f"the {len(cells)} cells have names such as {cells[0].name}",
            next_step="python -m benchmarks.statistics --cells 'n50-*'",
        )
    # two threads of a matrix product for each process would only get in each other's way
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    work.mkdir(parents=True, exist_ok=True)
    tasks = [
        (name, cell) for cell in chosen for name in ([options.only] if options.only else MEASURES)
    ]
    # the dearest first, so that no process is left with one of them at the end
    tasks.sort(key=lambda task: -task[1].clusters)
    run = partial(simulated, work, options.replicates)
    with ProcessPoolExecutor(max_workers=options.workers) as pool:
        lines = []
        for done, line in enumerate(pool.map(run, tasks), start=1):
            lines.append(line)
            if done % 20 == 0:
                print(f"{done}/{len(tasks)}", file=sys.stderr, flush=True)
    lines.sort(key=lambda line: (line["measure"], line["cell"]))
    write_lines(result.raw / "cells.jsonl.gz", lines)
    result.figures.update({"replicates": options.replicates, "cells": len(chosen)})
    result.figures.update(summary(lines))


def simulated(work: Path, replicates: int, task: tuple[str, Cell]) -> dict[str, Any]:
    """Return what one measure found in one cell, from an earlier run where there is one."""
    name, cell = task
    kept = work / f"{name}-{cell.name}-{replicates}.json"
    if kept.exists():
        return dict(json.loads(kept.read_text(encoding="utf-8")))
    place = {"n": cell.n, "share": cell.share, "clusters": cell.clusters}
    line = {"measure": name, "cell": cell.name, "even": cell.even, **place}
    line |= {"icc": cell.correlation} | MEASURES[name](cell, replicates, SEED)
    draft = kept.with_suffix(".part")
    draft.write_text(json.dumps(line), encoding="utf-8")
    os.replace(draft, kept)
    return line


def summary(lines: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the figures: those with a bar over clusters of even size, the others as named."""
    figures: dict[str, Any] = {}
    for suffix, even in (("", True), ("_uneven", False)):
        here = [line for line in lines if line["even"] == even]
        for measure, key, figure, pick in PICKED:
            values = [line.get(key) for line in here if line["measure"] == measure]
            values = [value for value in values if value is not None]
            if values:
                figures[figure + suffix] = round(pick(values), 4)
    figures["missed"] = [
        name
        for name, (least, most) in BARS.items()
        if name in figures and not least <= figures[name] <= most
    ]
    return figures


def mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


PICKED: tuple[tuple[str, str, str, Callable[[Sequence[float]], float]], ...] = (
    ("coverage", "covered", "coverage_mean", mean),
    ("coverage", "covered", "coverage_worst", min),
    ("graded", "covered", "graded_coverage_mean", mean),
    ("graded", "covered", "graded_coverage_worst", min),
    ("graded_pairs", "alarm", "graded_false_alarm_mean", mean),
    ("graded_pairs", "outside", "graded_interval_alarm_mean", mean),
    ("alarms", "alarm", "false_alarm_worst", max),
    ("alarms", "alarm", "false_alarm_mean", mean),
    ("alarms", "alarm_plain", "false_alarm_unswapped_worst", max),
    ("alarms", "outside", "interval_alarm_worst", max),
    ("winners", "single", "winner_when_equal", max),
    ("winners", "single_of_two", "winner_of_two_when_equal", max),
    ("winners", "best_out", "best_ruled_out_worst", max),
    ("power", "gap", "power_gap_worst", max),
    ("power", "gap_exact", "power_gap_worst_exact", max),
    ("power", "short", "power_short_worst_clustered", max),
    ("power", "short_plain", "power_short_of_plain_formula_worst", max),
)


if __name__ == "__main__":
    sys.exit(main())
