"""Runs on disk: one folder a run, `manifest.json` and append-only `records.jsonl`.

A run is what one arm did on one question set. Its id is a fingerprint of everything that
could change an answer, so a run is continued or reused and never mixed. A comparison is a
folder of its own that names the runs it read. Nothing here calls a model.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from graft.errors import BadInput
from graft.files import raise_unwritable, read_stored, write_atomically
from graft.formats import check_format, sealed
from graft.types import Exposure, Question, Record

__all__ = [
    "ArmRun",
    "Comparand",
    "RunManifest",
    "append_json",
    "answered",
    "append_lines",
    "question_from_json",
    "read_manifest",
    "read_run",
    "write_atomically",
    "write_manifest",
]

SCHEMA = 1
NEEDS = "0.1.0"  # the first version of Graft that reads it


@dataclass(frozen=True, slots=True)
class RunManifest:
    """What made a run: `weights` names checkpoint and export, shared by all arms.

    `adapter` is the adapter's fingerprint or empty; `not_applicable` is the reason why the
    arm could not be built (the run then has no records); `build_seconds` is the wall time of
    everything the arm alone needs (index, training, export), `storage_bytes` what it keeps;
    `cold_seconds` (process start to first answer) and `peak_memory_bytes` are those of a
    process of its own that serves the arm, None where not measured; `metrics` is the version
    of the measures that its scores are of; `embeddings` is the identity of the embedder that
    the index was made with, where the arm reads one.
    """

    run_id: str
    arm: str
    control: bool
    base_model: str
    weights: str
    generator: str
    contract: str
    questions: str
    corpus: str
    adapter: str = ""
    uses_index: bool = False
    effort: str = "quick"
    seed: int = 7
    options: Mapping[str, Any] = field(default_factory=dict)
    build_seconds: float = 0.0
    storage_bytes: int = 0
    cold_seconds: float | None = None
    peak_memory_bytes: int | None = None
    price_per_1000: float | None = None
    started: str = ""
    not_applicable: str = ""
    adapter_changes_answers: bool | None = None
    metrics: int = 0
    embeddings: str = ""
    schema: int = SCHEMA
    needs: str = NEEDS


@dataclass(frozen=True, slots=True)
class ArmRun:
    """A run read back: quality records and the records of the latency pass."""

    manifest: RunManifest
    records: tuple[Record, ...]
    latency: tuple[Record, ...] = ()


@dataclass(frozen=True, slots=True)
class Comparand:
    """All that a verdict is made of: the questions asked, their exposure, and the runs.

    `passages` maps the passage ids that occur in records to their shown text, for the report.
    `flags` were raised before any answer (leakage, missing `dev`, skipped documents);
    `blockers` forbid a recommendation. `settings` are the derived values that were printed.
    `probes` holds what was measured beside the questions: `forgetting` by adapter,
    `distractors` by arm. `leakage` is the report of the import: ids `removed` and `similar`.
    `target` is the headline that is good enough (0: not set), `limits` what an arm must keep.
    """

    base_model: str
    created: str
    questions: tuple[Question, ...]
    exposure: Mapping[str, Exposure]
    runs: tuple[ArmRun, ...]
    passages: Mapping[str, str] = field(default_factory=dict)
    flags: tuple[str, ...] = ()
    blockers: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    curves: Mapping[str, Sequence[Mapping[str, float]]] = field(default_factory=dict)
    margin: float = 0.05
    seed: int = 7
    probes: Mapping[str, Any] = field(default_factory=dict)
    leakage: Mapping[str, Any] = field(default_factory=dict)
    target: float = 0.0
    limits: Mapping[str, float] = field(default_factory=dict)


def append_lines(path: Path, records: Iterable[Record]) -> None:
    """Append records, one line each; see `append_json`."""
    append_json(path, (item.to_json() for item in records))


def append_json(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Append rows, one line of JSON each, and flush them to the disk.

    A last line that a crash cut short is taken out first, so that two lines never join.

    Raises:
        NoSpaceLeft: the disk is full; the lines before stay readable.
    """
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    size = len(_whole_lines(path))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            os.truncate(path, size)
        with path.open("a", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        with contextlib.suppress(OSError):
            os.truncate(path, size)
        raise_unwritable(error, path)


def _whole_lines(path: Path) -> bytes:
    """Return a file's content up to the end of its last whole line."""
    data = path.read_bytes() if path.exists() else b""
    return data[: data.rfind(b"\n") + 1]


def write_manifest(folder: Path, data: Mapping[str, Any]) -> None:
    """Write the manifest of a run with a check sum over all of it."""
    write_atomically(folder / "manifest.json", json.dumps(sealed(data), indent=1))


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return the manifest of a run as it stands on the disk; one without a sum is not checked.

    Raises:
        BadInput: there is none, it is damaged, or of a newer schema.
    """
    path = folder / "manifest.json"
    if not path.exists():
        raise BadInput(
            "no such run",
            where=str(folder),
            why="manifest.json is missing",
            next_step="graft compare",
        )
    anew = f"remove {folder} and run graft compare again; it asks the questions anew"
    data: dict[str, Any] = read_stored(path, "a run cannot be read", anew)
    check_format(data, SCHEMA, "the run was written", str(path))
    return data


def read_run(folder: Path) -> ArmRun:
    """Read a run folder; a line cut short by a crash at the end of a file is dropped.

    Raises:
        BadInput: the folder holds no run or one of a newer schema.
    """
    data = read_manifest(folder)
    known = {item.name for item in dataclasses.fields(RunManifest)}
    manifest = RunManifest(**{key: value for key, value in data.items() if key in known})
    return ArmRun(
        manifest, read_records(folder / "records.jsonl"), read_records(folder / "latency.jsonl")
    )


def read_records(path: Path) -> tuple[Record, ...]:
    """Read the records of a file, none where it does not exist; of a question its last one.

    A question that failed is asked again, and its new record follows the old one.
    A last line without its end was cut short by a crash and is left out.
    """
    records: dict[str, Record] = {}
    for number, line in enumerate(_whole_lines(path).split(b"\n")[:-1], 1):
        try:
            record = Record.from_json(json.loads(line))
            records[record.question_id] = record
        except (ValueError, TypeError) as error:
            raise BadInput(
                "a record cannot be read",
                where=f"{path}:{number}",
                why=str(error),
                next_step="remove that line and run graft compare again; it asks the question anew",
            ) from error
    return tuple(records.values())


def answered(path: Path) -> set[str]:
    """Return the questions of a file that need not be asked again: they have an answer."""
    return {record.question_id for record in read_records(path) if not record.error}


def question_from_json(data: Mapping[str, Any]) -> Question:
    """Read a stored question back (lists become tuples)."""
    values = {name: data[name] for name in Question.__slots__ if name in data}
    for name in ("answers", "doc_ids", "tags", "key_facts", "grades"):
        values[name] = tuple(values.get(name, ()))
    return Question(**values)
