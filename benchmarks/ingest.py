"""Measures how fast documents are taken in, beside LlamaIndex and Haystack on the same machine.

    python -m benchmarks.ingest --json
    python -m benchmarks.ingest --work /tmp/ingest   # keep the environments of the two others
    python -m benchmarks.ingest --passages 32 --repeats 1 --skip-memory   # a trial

All three are given the same passages, cut once, and the same weights. They run in turns, each in
a process of its own; the others have environments of their own, made where they are not there.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.harness import (
    ROOT,
    Result,
    data_folder,
    fail,
    finished,
    shown_command,
    write_lines,
)
from graft.errors import GraftError
from graft.models.resolve import resolve_model

SEED = 7  # of a fresh graft.toml
COLLECTION = "platform-docs"
RETRIEVAL = "cranfield-retrieval"
EMBEDDER = "embedded:all-minilm-l6-v2"
PASSAGES = 1_024
REPEATS = 3
AGREEMENT = 0.999
TORCH = "torch==2.13.0"
PEERS = ROOT / "benchmarks" / "peers"
PACKAGES = {
    "llamaindex": ("llama-index-core", "llama-index-embeddings-huggingface"),
    "haystack": ("haystack-ai", "sentence-transformers-haystack", "sentence-transformers"),
}
# Files of the smaller and the larger `add` whose memory is compared.
MEMORY = {"real": (1_000, 5_000), "fake": (1_000, 20_000)}


class Failed(Exception):
    """A process ended with an error; `last` is the end of what it said."""

    def __init__(self, last: str) -> None:
        super().__init__(last)
        self.last = last


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure all parts, write after each and print the result."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, metavar="FOLDER", help="keep environments here")
    parser.add_argument("--passages", type=int, default=PASSAGES, metavar="N")
    parser.add_argument("--repeats", type=int, default=REPEATS, metavar="R")
    parser.add_argument("--skip-memory", action="store_true", help="leave out the peak memory")
    parser.add_argument("--json", action="store_true", help="print one JSON line at the end")
    options = parser.parse_args(given)
    result = Result("ingest", shown_command("ingest", given), SEED)
    try:
        data_folder(COLLECTION)
        data_folder(RETRIEVAL)
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
    """Run every part; what is known stands in the result file after each."""
    texts = work / "passages.jsonl"
    sizes = step("cut", "--to", texts, "--passages", options.passages)
    result.figures.update(passages=sizes["passages"], repeats=options.repeats)
    model = model_folder(work / "all-MiniLM-L6-v2")
    step("reference", "--texts", texts, "--vectors", work / "reference.npy")
    pythons, left_out = environments(work)
    runs, failed = contest(pythons, model, texts, work, options.repeats)
    result.figures.update(contest_figures(runs), left_out=left_out | failed)
    result.figures.update(agreement(work, {run["contestant"] for run in runs}))
    write_lines(result.raw / "contest.jsonl.gz", runs)
    result.write()
    files = max(1, round(sizes["passages"] * sizes["documents"] / sizes["distinct"]))
    adds = [step("files", "--files", files) for _ in range(options.repeats)]
    result.figures.update(add_figures(adds))
    write_lines(result.raw / "files.jsonl.gz", adds)
    result.write()
    few = options.passages if options.passages < PASSAGES else 0
    quality = step("ndcg", "--passages", few)
    result.figures.update(ndcg_figures(quality))
    result.write()
    if not options.skip_memory:
        peaks = memory_runs()
        result.figures.update(memory_figures(peaks))
        write_lines(result.raw / "memory.jsonl.gz", peaks)


def step(name: str, *arguments: object) -> Any:  # noqa: ANN401 - JSON
    """Run a step of Graft in a process of its own; return its last line.

    Raises:
        Failed: it ended with an error.
    """
    command = [sys.executable, "-m", "benchmarks.ingest_steps", name, *map(str, arguments)]
    return last_line(command)


def last_line(command: Sequence[str]) -> Any:  # noqa: ANN401 - JSON
    """Run a command and return the JSON of the last line that it printed.

    Raises:
        Failed: it ended with an error or printed something else last.
    """
    given = {**os.environ, "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
    done = subprocess.run(command, cwd=ROOT, env=given, capture_output=True, text=True, check=False)
    lines = done.stdout.splitlines()
    try:
        if done.returncode == 0 and lines:
            return json.loads(lines[-1])
    except json.JSONDecodeError:
        pass
    said = (done.stderr or done.stdout).strip().splitlines()
    raise Failed("\n".join(said[-5:]) or f"ended with {done.returncode}")


def model_folder(folder: Path) -> Path:
    """Copy the embedded model's files and complete what a package cannot hold; return it."""
    source = resolve_model(EMBEDDER, setting="embedder").path
    shutil.copytree(source, folder, dirs_exist_ok=True)
    modules = json.loads((folder / "modules.json").read_text(encoding="utf-8"))
    for module in modules:
        # The module that brings vectors to unit length has an empty folder.
        (folder / module["path"]).mkdir(exist_ok=True)
    return folder


def environments(work: Path) -> tuple[dict[str, Path], dict[str, str]]:
    """Return the Python of each other, made where it is lacking, and why one cannot be had."""
    pythons, left_out = {}, {}
    for name in PACKAGES:
        python = work / name / "bin" / "python"
        script = str(PEERS / f"with_{name}.py")
        try:
            if not python.exists() or not is_complete(python, script):
                make_environment(work / name, PACKAGES[name])
                last_line([str(python), script, "--versions"])
        except (Failed, subprocess.CalledProcessError) as error:
            said = error.last if isinstance(error, Failed) else (error.stderr or str(error))
            left_out[name] = said.strip().splitlines()[-1]
            continue
        pythons[name] = python
    return pythons, left_out


def is_complete(python: Path, script: str) -> bool:
    """Say whether an environment has what its script imports."""
    try:
        last_line([str(python), script, "--versions"])
    except Failed:
        return False
    return True


def make_environment(folder: Path, packages: Sequence[str]) -> None:
    """Make a virtual environment; torch first, so that all have the same release of it."""
    commands = [
        [sys.executable, "-m", "venv", str(folder)],
        [str(folder / "bin" / "pip"), "install", "--quiet", TORCH],
        [str(folder / "bin" / "pip"), "install", "--quiet", TORCH, *packages],
    ]
    for command in commands:
        subprocess.run(command, capture_output=True, text=True, check=True)


def contest(
    pythons: Mapping[str, Path], model: Path, texts: Path, work: Path, repeats: int
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Run all contestants in turns, another one first in each round; return runs and failures."""
    runs: list[dict[str, Any]] = []
    failed: dict[str, str] = {}
    names = ["graft", *pythons]
    for turn in range(repeats):
        for name in rotated(names, turn):
            if name in failed:
                continue
            given = ["--texts", str(texts), "--vectors", str(work / f"{name}.npy")]
            try:
                if name == "graft":
                    found = step("graft", *given)
                else:
                    script = str(PEERS / f"with_{name}.py")
                    found = last_line([str(pythons[name]), script, "--model", str(model), *given])
            except Failed as error:
                if name == "graft":
                    raise
                failed[name] = error.last.splitlines()[-1]
                continue
            rate = found["passages"] / found["seconds"]
            runs.append({"contestant": name, "round": turn, "rate": rate, **found})
    return runs, failed


def rotated(names: Sequence[str], turn: int) -> list[str]:
    """Return the names from another one on.

    >>> rotated(["a", "b", "c"], 4)
    ['b', 'c', 'a']
    """
    start = turn % len(names)
    return [*names[start:], *names[:start]]


def contest_figures(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the median rates, Graft's over each other's, and what stood behind them."""
    rates = {name: median_rate(runs, name) for name in ("graft", *PACKAGES)}
    figures: dict[str, Any] = {f"rate_{name}": rate for name, rate in rates.items()}
    for name in PACKAGES:
        figures[f"ratio_{name}"] = ratio(rates["graft"], rates[name])
    own = [run for run in runs if run["contestant"] == "graft"]
    figures["precision"] = own[0]["precision"] if own else None
    figures["peer_versions"] = {
        run["contestant"]: run["versions"] for run in runs if "versions" in run
    }
    return figures


def median_rate(runs: Sequence[Mapping[str, Any]], name: str) -> float | None:
    """Return the median of a contestant's passages a second, None where it did not run."""
    rates = [run["rate"] for run in runs if run["contestant"] == name]
    return round(statistics.median(rates), 2) if rates else None


def ratio(one: float | None, other: float | None) -> float | None:
    """Return one over the other, None where either is not known.

    >>> ratio(3.0, 2.0)
    1.5
    """
    return round(one / other, 3) if one is not None and other else None


def agreement(work: Path, names: set[str]) -> dict[str, Any]:
    """Return the lowest cosine of each contestant's last vectors to those in fp32."""
    import numpy as np

    whole = np.load(work / "reference.npy")
    figures: dict[str, Any] = {}
    for name in sorted(names):
        figures[f"cosine_{name}"] = lowest_cosine(np.load(work / f"{name}.npy"), whole)
    figures["vectors_agree"] = all(value >= AGREEMENT for value in figures.values())
    return figures


def lowest_cosine(one: Any, other: Any) -> float:  # noqa: ANN401 - arrays
    """Return the lowest cosine between rows of the same place."""
    import numpy as np

    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    return round(float(((one * other).sum(1) / lengths).min()), 6)


def add_figures(adds: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the medians of a whole `add` over the bare embedder, and of that over the machine."""
    shares = [run["raw_seconds"] / run["add_seconds"] for run in adds]
    matmul = [run["embedder_flops"] / run["matmul_flops"] for run in adds]
    return {
        "files_added": adds[0]["files"],
        "raw_share": round(statistics.median(shares), 4),
        "matmul_share": round(statistics.median(matmul), 4),
    }


def ndcg_figures(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return nDCG@10 as shipped, in fp32, and the first minus the second."""
    return {
        "ndcg_questions": found["questions"],
        "ndcg": round(found["shipped"], 5),
        "ndcg_fp32": round(found["fp32"], 5),
        "ndcg_delta": round(found["shipped"] - found["fp32"], 5),
    }


def memory_runs() -> list[dict[str, Any]]:
    """Add fewer and more files, with the real and with the fake embedder."""
    return [
        step("memory", "--files", count, *(["--fake"] if kind == "fake" else []))
        for kind, counts in MEMORY.items()
        for count in counts
    ]


def memory_figures(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the peak with more files over that with fewer, and the larger of both ratios."""
    figures: dict[str, Any] = {}
    for kind, (few, many) in MEMORY.items():
        peaks = {run["files"]: run["peak"] for run in runs if run["fake"] == (kind == "fake")}
        figures[f"peak_memory_ratio_{kind}"] = round(peaks[many] / peaks[few], 3)
    figures["peak_memory_ratio"] = max(figures.values())
    return figures


if __name__ == "__main__":
    sys.exit(main())
