"""Synthetic runs: who is right on which question is written down, nothing is generated."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from graft.metrics import score_record
from graft.runs import ArmRun, Comparand, RunManifest
from graft.types import Exposure, Question, Record

CONTROLS = ("bolt-on", "top-passage", "nearest-pair", "decline")
RETRIEVING = ("rag", "hybrid", "bolt-on")


@dataclass
class Bench:
    """Builds a comparison of arms over `answerable` + `unanswerable` questions.

    Questions lie two to a cluster. `rights` gives each arm the questions that it gets right.
    """

    answerable: int = 100
    unanswerable: int = 0
    clusters: int = 50
    rights: dict[str, set[int]] = field(default_factory=dict)
    manifests: dict[str, dict[str, Any]] = field(default_factory=dict)
    records: dict[str, Callable[[int, Record], Record | None]] = field(default_factory=dict)

    @property
    def questions(self) -> tuple[Question, ...]:
        total = self.answerable + self.unanswerable
        return tuple(
            Question(
                f"q{number}",
                f"Question {number}?",
                (f"answer {number}",) if number < self.answerable else (),
                "test",
                f"doc{number % self.clusters}.md",
                ("gold.md",) if number < self.answerable else (),
                number < self.answerable,
            )
            for number in range(total)
        )

    def exposure(self) -> dict[str, Exposure]:
        kinds: Sequence[Exposure] = ("fact", "unseen")
        return {
            item.id: kinds[number % 2] if item.answerable else "unanswerable"
            for number, item in enumerate(self.questions)
        }

    def run(self, arm: str) -> ArmRun:
        manifest = RunManifest(
            run_id=f"run-{arm}",
            arm=arm,
            control=arm in CONTROLS,
            base_model="tiny",
            weights="w1",
            generator="fake",
            contract="c1",
            questions="s1",
            corpus="v1",
            adapter="a1" if arm in ("finetuned", "hybrid", "bolt-on") else "",
            uses_index=arm in RETRIEVING,
            build_seconds=12.5,
            storage_bytes=1000,
        )
        manifest = replace(manifest, **self.manifests.get(arm, {}))
        if manifest.not_applicable:
            return ArmRun(manifest, ())
        records = []
        for number, item in enumerate(self.questions):
            made = self.record(arm, number, item)
            if made is not None:
                records.append(replace(made, scores=score_record(made, item)))
        timed = tuple(
            replace(item, stage_seconds={"search_seconds": 0.1, "total_seconds": 0.5})
            for item in records[:20]
        )
        return ArmRun(manifest, tuple(records), timed)

    def record(self, arm: str, number: int, item: Question) -> Record | None:
        right = number in self.rights[arm]
        declined = right if not item.answerable else arm == "decline"
        text = item.answers[0] if item.answers and right else "something else"
        found = ("p1",) if arm in RETRIEVING else ()
        gold = ("gold.md",) if found else ()
        made = Record(arm, item.id, "" if declined else text, declined, found, gold)
        change = self.records.get(arm)
        return change(number, made) if change else made

    def comparand(self, **other: Any) -> Comparand:
        made = Comparand(
            base_model="tiny",
            created="2026-02-03T10:00:00Z",
            questions=self.questions,
            exposure=self.exposure(),
            runs=tuple(self.run(arm) for arm in self.rights),
        )
        return replace(made, **other)


def first(count: int, start: int = 0) -> set[int]:
    return set(range(start, start + count))


@pytest.fixture
def four() -> Mapping[str, set[int]]:
    """Hybrid 90, rag 60, finetuned 50, base 20 of 100; the controls lower still."""
    return {
        "base": first(20),
        "finetuned": first(50),
        "rag": first(60),
        "hybrid": first(90),
        "bolt-on": first(40),
        "top-passage": first(10),
        "nearest-pair": first(5),
        "decline": set(),
    }


@pytest.fixture
def bench(four: Mapping[str, set[int]]) -> Bench:
    return Bench(rights={name: set(found) for name, found in four.items()})
