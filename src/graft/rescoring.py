"""Scoring stored answers again with the measures of today; no model is asked.

Answers stay as they are. Only scores and reasons are written, and only where the run on the
disk is the one that the comparison stored. `results.py` is the user.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from graft.errors import FingerprintMismatch
from graft.files import write_atomically
from graft.manifests import note
from graft.metrics import GROUNDED, METRICS_VERSION, Sources, judge
from graft.runs import ArmRun, RunManifest
from graft.types import Question, Record, fingerprint

__all__ = ["check_fingerprints", "fingerprints_of", "refreshed", "rescore_run", "write_scores"]

PARTS = ("questions", "weights", "contract")
SHOWN = 8  # digits of a fingerprint that tell two apart at a glance


def fingerprints_of(manifest: RunManifest) -> dict[str, str]:
    """Return what a comparison keeps of a run, to know it again."""
    return {name: str(getattr(manifest, name)) for name in PARTS}


def check_fingerprints(data: Mapping[str, Any], runs: Sequence[ArmRun], where: Path) -> None:
    """Refuse runs and questions that are not those that a comparison stored.

    What an older comparison did not store cannot be held against it.

    Raises:
        FingerprintMismatch: it names all that differs.
    """
    asked = fingerprint(data["questions"])
    differs = []
    if data.get("asked", asked) != asked:
        differs.append("the questions in comparand.json were changed")
    for entry, run in zip(data["runs"], runs, strict=True):
        now = fingerprints_of(run.manifest)
        differs += [
            f"{name} of {run.manifest.arm} were {entry[name][:SHOWN]}, now {now[name][:SHOWN]}"
            for name in PARTS
            if entry.get(name, now[name]) != now[name]
        ]
    if differs:
        raise FingerprintMismatch(
            "the runs on the disk are not those that the comparison stored",
            where=str(where),
            why="; ".join(differs),
            next_step="graft compare",
        )


def rescore_run(
    run: ArmRun, questions: Mapping[str, Question], texts: Mapping[str, str], sources: Sources
) -> tuple[list[Record], Counter[str]]:
    """Return the records of a run with new scores, and how many scores changed by measure.

    `texts` are the passages shown to arms by id. A score that only other hands can give (a
    judge's) stays, and so does a score of grounding where the texts for it are not at hand.
    """
    records, changed = [], Counter[str]()
    for record in run.records:
        item = questions.get(record.question_id)
        if item is None:
            records.append(record)
            continue
        shown = [texts[name] for name in record.shown if name in texts]
        whole = tuple(shown) if len(shown) == len(record.shown) else ()
        found = judge(record, item, replace(sources, shown=whole))
        fresh = {
            name: value
            for name, value in found.scores.items()
            if value is not None
            or name not in GROUNDED
            or (sources.documents and len(whole) == len(record.shown))
        }
        old = record.scores
        changed.update(name for name, value in fresh.items() if old.get(name) != value)
        records.append(replace(record, scores={**old, **fresh}, reason=found.reason))
    return records, changed


def refreshed(
    run: ArmRun,
    folder: Path,
    questions: Mapping[str, Question],
    texts: Mapping[str, str],
    sources: Sources,
) -> ArmRun:
    """Return a run with the scores of today's measures; the file of an older one is rewritten.

    So that no comparison holds answers of one arm that were scored before a measure changed
    against answers of another that were scored after it.
    """
    if run.manifest.not_applicable or run.manifest.metrics == METRICS_VERSION:
        return run
    scored, _ = rescore_run(run, questions, texts, sources)
    write_scores(folder, scored)
    note(folder, {"metrics": METRICS_VERSION})
    return ArmRun(replace(run.manifest, metrics=METRICS_VERSION), tuple(scored), run.latency)


def write_scores(folder: Path, records: Sequence[Record]) -> None:
    """Write the records of a run, whole or not at all."""
    lines = [json.dumps(item.to_json(), ensure_ascii=False, default=dict) for item in records]
    write_atomically(folder / "records.jsonl", "".join(f"{line}\n" for line in lines))
