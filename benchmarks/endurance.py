"""Kills one training at random moments, again and again, and compares how it ends.

    python -m benchmarks.endurance --json
    python -m benchmarks.endurance --kills 3   # a trial

A twin is trained without a break; then the same command is killed with SIGKILL `--kills` times in
a row, each time at another random moment of what the twin took, and run to its end. Weights, losses
and looks at `dev` must be equal, bit by bit.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.harness import ROOT, Result, fail, finished, shown_command, write_lines
from graft.errors import GraftError

SEED = 7
KILLS = 20
TOKENS = 4_000  # of the run: about half a minute on two cores
EQUAL = ("losses", "steps", "tokens", "learned_tokens", "kept_step", "changed")
LOOKS = ("step", "tokens", "train_loss", "dev_loss", "dev_answers")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, write and print the result."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=KILLS, metavar="N")
    parser.add_argument("--tokens", type=int, default=TOKENS, metavar="T", help="of the run")
    parser.add_argument("--json", action="store_true", help="print one JSON line at the end")
    options = parser.parse_args(given)
    result = Result("endurance", shown_command("endurance", given), SEED)
    try:
        with tempfile.TemporaryDirectory(prefix="graft-bench-") as place:
            measure(result, Path(place), options)
    except GraftError as error:
        return fail(error)
    finished(result, options.json)
    return 0


def measure(result: Result, place: Path, options: argparse.Namespace) -> None:
    """Train the twin, kill and go on, compare."""
    made = prepared(place / "made", options.tokens)
    twin, broken = place / "twin", place / "broken"
    shutil.copytree(made, twin)
    shutil.copytree(made, broken)
    seconds = finish(twin)
    expected = outcome(twin)
    drawn = random.Random(SEED)
    kills = []
    while len(kills) < options.kills:
        after = drawn.uniform(0.5, seconds)
        process = start(broken)
        try:
            process.wait(after)
            kills.append({"after": round(after, 2), "ended": True})
            break
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
        kills.append({"after": round(after, 2), "ended": False, "state": state(broken)})
    finish(broken)
    found = outcome(broken)
    result.figures.update(
        kills=sum(not kill["ended"] for kill in kills),
        run_seconds=round(seconds, 1),
        steps=expected["steps"],
        resumed_at=found["resumed_at"],
        equal=all(found[key] == expected[key] for key in (*EQUAL, "weights", "curve")),
    )
    write_lines(result.raw / "kills.jsonl.gz", [*kills, {"twin": expected, "broken": found}])


def prepared(place: Path, tokens: int) -> Path:
    """Make the example's workspace, with documents and questions, and a small token budget."""
    from graft import Workspace

    workspace = Workspace.create(place, example=True)
    path = place / "graft.toml"
    text = path.read_text(encoding="utf-8").replace("tokens = 0\n", f"tokens = {tokens}\n", 1)
    path.write_text(text, encoding="utf-8")
    workspace = Workspace.open(place)
    workspace.add([place / "docs"])
    workspace.import_questions(place / "questions.jsonl", {})
    return place


def start(place: Path) -> subprocess.Popen[bytes]:
    """Start the training of a workspace."""
    command = "from graft.cli import main; main()"
    return subprocess.Popen(
        [sys.executable, "-c", command, "train", "finetuned", "-q", "--workspace", str(place)],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def finish(place: Path) -> float:
    """Run the training to its end; return the seconds."""
    started = time.monotonic()
    process = start(place)
    if process.wait():
        raise SystemExit(f"training ended with {process.returncode}")
    return time.monotonic() - started


def state(place: Path) -> str:
    """Tell what a kill left behind: the file of the newest state, if there is one."""
    found = sorted((place / ".graft" / "adapters").glob(".*.part/.resume/state-*.safetensors"))
    return found[-1].name if found else ""


def outcome(place: Path) -> dict[str, Any]:
    """Return what has to be equal: weights by check sum, losses, looks and counts."""
    [folder] = (place / ".graft" / "adapters").glob("finetuned-*")
    receipt = json.loads((folder / "receipt.json").read_text(encoding="utf-8"))
    weights = (folder / "adapter_model.safetensors").read_bytes()
    return {
        "weights": hashlib.sha256(weights).hexdigest(),
        "curve": [{key: point[key] for key in LOOKS} for point in receipt["curve"]],
        "resumed_at": receipt["resumed_at"],
        **{key: receipt[key] for key in EQUAL},
    }


if __name__ == "__main__":
    sys.exit(main())
