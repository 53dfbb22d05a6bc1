"""Measures training beside TRL's SFTTrainer: the same rows, base and adapter shape, in one run.

    python -m benchmarks.training --json
    python -m benchmarks.training --work /tmp/training   # keep the peer's environment, go on
    python -m benchmarks.training --rows 8 --skip-grid   # a trial

Every timing is a process of its own. First TRL with its defaults; then its grid on few rows:
number format and gradient checkpointing first, then, with the faster of each, batch size, grouping
by length and packing; the two fastest and the defaults are timed on all rows, in turns with Graft.
Both sides get the same learning rate; the loss on rows held out is measured alike for both.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.harness import Result, fail, finished, shown_command, write_lines
from benchmarks.ingest import PEERS, Failed, is_complete, last_line, make_environment
from graft.errors import GraftError

SEED = 7
ROWS = 64
FEW = 16
REPEATS = 3
PACKAGES = ("trl", "peft", "accelerate", "transformers", "datasets")
DEFAULTS = {"batch": 8, "bf16": True, "checkpointing": True, "group": False, "packing": False}
WITHIN = 1.01  # of the peer's loss on rows held out
Setting = Mapping[str, Any]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure both sets, write after each and print the result."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, metavar="FOLDER", help="keep everything here, go on")
    parser.add_argument("--rows", type=int, default=ROWS, metavar="N")
    parser.add_argument("--repeats", type=int, default=REPEATS, metavar="R")
    parser.add_argument("--skip-grid", action="store_true", help="only TRL's defaults")
    parser.add_argument("--json", action="store_true", help="print one JSON line at the end")
    options = parser.parse_args(given)
    result = Result("training", shown_command("training", given), SEED)
    try:
        with tempfile.TemporaryDirectory(prefix="graft-bench-") as place:
            work = (options.work or Path(place)).resolve()
            work.mkdir(parents=True, exist_ok=True)
            measure(result, work, options)
    except GraftError as error:
        return fail(error)
    except Failed as error:
        print(error.last, file=sys.stderr)
        return 1
    finished(result, options.json)
    return 0


def measure(result: Result, work: Path, options: argparse.Namespace) -> None:
    """Measure rows with passages, then short rows; figures of the latter begin with `short_`."""
    data = work / f"rows-{options.rows}"
    if not (data / "checkpoint.txt").exists():
        data.mkdir(parents=True, exist_ok=True)
        step("rows", "--to", data, "--rows", options.rows)
    python = environment(work)
    for name, prefix in (("hybrid", ""), ("short", "short_")):
        runs = Kept(work / f"runs-{options.rows}-{name}.jsonl")
        found = contest(runs, python, data, name, work, options)
        result.figures.update({prefix + key: value for key, value in found.items()})
        write_lines(result.raw / f"{name}.jsonl.gz", runs.all())
        result.write()


class Kept:
    """Timings in a file, a line each, so that a run that was cut off goes on."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def all(self) -> list[dict[str, Any]]:
        """Return every line."""
        if not self.path.exists():
            return []
        return [json.loads(line) for line in self.path.read_text(encoding="utf-8").splitlines()]

    def once(self, name: str, measured: Any) -> dict[str, Any]:  # noqa: ANN401 - a function
        """Return the line of that name, measured if it is not there."""
        for line in self.all():
            if line["name"] == name:
                return line
        line = {"name": name, **measured()}
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        print(f"{name}  {line.get('seconds', 0):.1f} s", file=sys.stderr, flush=True)
        return line


def step(name: str, *arguments: object) -> Any:  # noqa: ANN401 - JSON
    """Run a step of Graft in a process of its own; return its last line."""
    given = [str(item) for item in arguments]
    return last_line([sys.executable, "-m", "benchmarks.training_steps", name, *given])


def environment(work: Path) -> Path:
    """Return the Python that has TRL; its environment is made where it is lacking."""
    python = work / "trl" / "bin" / "python"
    script = str(PEERS / "with_trl.py")
    if not python.exists() or not is_complete(python, script):
        make_environment(work / "trl", PACKAGES)
    last_line([str(python), script, "--versions"])
    return python


def contest(
    runs: Kept, python: Path, data: Path, name: str, work: Path, options: argparse.Namespace
) -> dict[str, Any]:
    """Time both sides on one set of rows and return its figures."""
    ceiling = runs.once("ceiling", lambda: step("ceiling", "--data", data, "--set", name))
    checkpoint = (data / "checkpoint.txt").read_text(encoding="utf-8")

    def ours(number: int) -> dict[str, Any]:
        to = work / f"graft-{name}"
        timed = step("graft", "--data", data, "--set", name, "--to", to)
        return timed | (loss(to) if number == 0 else {})

    def loss(adapter: Path) -> dict[str, Any]:
        found: dict[str, Any] = step("loss", "--data", data, "--set", name, "--adapter", adapter)
        return found

    def theirs(setting: Setting, count: int, with_loss: bool) -> dict[str, Any]:
        to = work / f"trl-{name}"
        flags = [f"--{key}" for key, value in setting.items() if value is True]
        rate = first["rate"]
        timed = last_line(
            [
                *(str(python), str(PEERS / "with_trl.py"), "--checkpoint", checkpoint),
                *("--rows", str(data / f"{name}.jsonl"), "--to", str(to), *flags),
                *("--batch", str(setting["batch"]), "--count", str(count), "--rate", str(rate)),
            ]
        )
        return {"setting": setting, **timed} | (loss(to) if with_loss else {})

    first = runs.once("graft 0", lambda: ours(0))
    chosen: list[Setting] = [DEFAULTS]
    if not options.skip_grid:
        chosen += best_of_grid(runs, lambda item: theirs(item, FEW, False))
    for number in range(options.repeats):
        runs.once(f"graft {number}", lambda number=number: ours(number))
        for setting in chosen:
            runs.once(
                f"trl {label(setting)} {number}",
                lambda setting=setting, number=number: theirs(setting, 0, number == 0),
            )
    return figures(runs.all(), chosen, ceiling)


def best_of_grid(runs: Kept, timed: Any) -> list[Setting]:  # noqa: ANN401 - a function
    """Return the two fastest settings but the defaults, by rows a second on few rows."""

    def speed(setting: Setting) -> float:
        line = runs.once(f"grid {label(setting)}", lambda: timed(setting))
        return float(line["rows"] / line["seconds"])

    formats = [
        DEFAULTS | {"bf16": bf16, "checkpointing": again}
        for bf16, again in itertools.product((True, False), repeat=2)
    ]
    fastest = max(formats, key=speed)
    rest = [
        dict(fastest) | {"batch": batch, "group": group, "packing": packing}
        for batch, group, packing in itertools.product((4, 8, 16), (False, True), (False, True))
    ]
    ranked = sorted(rest, key=speed, reverse=True)
    return [item for item in ranked if item != DEFAULTS][:2]


def label(setting: Setting) -> str:
    """Name a setting in a few words."""
    words = [f"batch {setting['batch']}", "bf16" if setting["bf16"] else "float32"]
    words += [key for key in ("checkpointing", "group", "packing") if setting[key]]
    return " ".join(words)


def figures(
    lines: Iterable[Mapping[str, Any]], chosen: Sequence[Setting], ceiling: Mapping[str, Any]
) -> dict[str, Any]:
    """Return ratios by the median of the rounds, shares of the ceiling and losses."""
    found = list(lines)

    def rounds(start: str) -> list[Mapping[str, Any]]:
        return [line for line in found if line["name"].rpartition(" ")[0] == start]

    def rate(start: str) -> float:
        return statistics.median(line["rows"] / line["seconds"] for line in rounds(start))

    ours = rounds("graft")
    own = rate("graft")
    seconds = statistics.median(line["seconds"] for line in ours)
    peers = {label(item): rate(f"trl {label(item)}") for item in chosen}
    best = max(peers, key=lambda name: peers[name])
    loss = ours[0]["held_loss"]
    losses = {name: rounds(f"trl {name}")[0]["held_loss"] for name in peers}
    peak = ceiling["gflops"]["bf16" if ceiling["dtype_of_graft"] == "bfloat16" else "float32"]
    top = max(ceiling["gflops"].values())
    return {
        "ratio_trl_default": round(own / peers[label(DEFAULTS)], 2),
        "ratio_trl_best": round(own / peers[best], 2),
        "trl_best": best,
        "ceiling_share": round(ceiling["operations"] / seconds / 1e9 / top, 3),
        "ceiling_share_computed": round(ceiling["operations_computed"] / seconds / 1e9 / top, 3),
        "ceiling_gflops": round(top, 1),
        "own_format_gflops": round(peak, 1),
        "rows_per_second": round(own, 3),
        "rows_per_second_trl": {name: round(value, 3) for name, value in peers.items()},
        "tokens_per_second": round(ours[0]["tokens"] / seconds, 1),
        "computed_tokens_per_second": round(ours[0]["computed_tokens"] / seconds, 1),
        "peak_memory_gb": round(max(line["peak_gb"] for line in ours), 2),
        "peak_memory_gb_trl": round(rounds(f"trl {best}")[0]["peak_gb"], 2),
        "held_loss": round(loss, 4),
        "held_loss_trl": {name: round(value, 4) for name, value in losses.items()},
        "loss_within": all(loss <= WITHIN * value for value in losses.values()),
    }


if __name__ == "__main__":
    sys.exit(main())
