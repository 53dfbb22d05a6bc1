"""What a judge's verdicts are worth: its gate against people, and the numbers behind it.

Pure functions over labels and verdicts (measuring.md 3.4). A judge that misses its gate still
gives numbers, but they are secondary; a judged number never decides a verdict.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from graft.decide.sheet import cluster_of, simplicity
from graft.stats import (
    Design,
    Interval,
    Reliability,
    corrected_share,
    kappa,
    mean_difference,
    mean_interval,
    prediction_powered,
    reliability,
    wilson,
)
from graft.types import Question

__all__ = [
    "MIN_KAPPA",
    "MIN_LABELS",
    "MIN_SUM",
    "ArmGate",
    "Gate",
    "Labelled",
    "hold_gate",
    "judged_arm",
    "judged_differences",
]

MIN_LABELS = 100
MIN_KAPPA = 0.6
MIN_SUM = 1.5  # of sensitivity and specificity, for every arm
CHANCE = 1.01  # of the same sum: at 1 a judge knows nothing and a correction divides by 0
MOST_UNREADABLE = 0.10  # of the labelled answers: a judge that mostly fails is none


@dataclass(frozen=True, slots=True)
class Labelled:
    """One answer with a person's label; `judge` is None where no verdict could be read.

    `weight` is the number of answers that it stands for in its arm.
    """

    arm: str
    question_id: str
    human: bool
    judge: bool | None
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class ArmGate:
    """A judge on one arm; shares with Wilson's interval, None where not measurable.

    `right` and `wrong` are the effective numbers of labels behind the two shares.
    """

    arm: str
    labels: int
    sensitivity: float | None
    specificity: float | None
    sensitivity_interval: tuple[float, float] | None
    specificity_interval: tuple[float, float] | None
    right: float
    wrong: float
    passed: bool

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ArmGate:
        """Read a stored part of a gate back (lists become tuples)."""
        values: dict[str, Any] = dict(data)
        for name in ("sensitivity_interval", "specificity_interval"):
            values[name] = tuple(values[name]) if values[name] is not None else None
        return cls(**values)

    @property
    def reliability(self) -> Reliability:
        """Return what the corrections need."""
        return Reliability(self.sensitivity, self.specificity, self.right, self.wrong)


@dataclass(frozen=True, slots=True)
class Gate:
    """Whether a judge may be believed, and why not; `labels` are all labelled answers."""

    passed: bool
    reasons: tuple[str, ...]
    kappa: float | None
    labels: int
    unreadable: int
    arms: tuple[ArmGate, ...]
    rows: tuple[Labelled, ...]
    comparison: str

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Gate:
        """Read a stored gate back."""
        known = {item.name: data[item.name] for item in dataclasses.fields(cls)}
        known["arms"] = tuple(ArmGate.from_json(item) for item in data["arms"])
        known["rows"] = tuple(Labelled(**item) for item in data["rows"])
        known["reasons"] = tuple(data["reasons"])
        return cls(**known)

    def arm(self, name: str) -> ArmGate | None:
        """Return the gate of an arm, None where it has no labels."""
        return next((item for item in self.arms if item.arm == name), None)


def hold_gate(rows: Sequence[Labelled], arms: Sequence[str], needed: int, comparison: str) -> Gate:
    """Hold a judge against labels; every arm in `arms` must be shown, from `needed` labels on.

    Kappa is over the labels as they stand, which the sample balances. Sensitivity and
    specificity weigh each label by what it stands for: otherwise a sample balanced over the
    judge's own verdicts would distort both.
    """
    read = [row for row in rows if row.judge is not None]
    agreement = kappa([row.human for row in read], [bool(row.judge) for row in read])
    parts = tuple(_arm_gate(name, [row for row in read if row.arm == name]) for name in arms)
    unreadable = len(rows) - len(read)
    reasons = []
    if len(rows) < needed:
        reasons.append(f"{len(rows)} answers are labelled, {needed} are needed")
    if unreadable > MOST_UNREADABLE * len(rows):
        reasons.append(f"{unreadable} of {len(rows)} replies could not be read or failed")
    if agreement is None:
        reasons.append("kappa cannot be measured: there is one kind of label and verdict only")
    elif agreement < MIN_KAPPA:
        reasons.append(f"kappa is {agreement:.2f}, at least {MIN_KAPPA} is needed")
    reasons += [_missed(item) for item in parts if not item.passed]
    return Gate(
        not reasons, tuple(reasons), agreement, len(rows), unreadable, parts, tuple(rows),
        comparison,
    )  # fmt: skip


def _arm_gate(arm: str, rows: Sequence[Labelled]) -> ArmGate:
    found = reliability(
        [row.human for row in rows],
        [bool(row.judge) for row in rows],
        [row.weight for row in rows],
    )
    return ArmGate(
        arm,
        len(rows),
        found.sensitivity,
        found.specificity,
        _bounds(found.sensitivity, found.right),
        _bounds(found.specificity, found.wrong),
        found.right,
        found.wrong,
        found.sum is not None and found.sum >= MIN_SUM,
    )


def _bounds(share: float | None, n: float) -> tuple[float, float] | None:
    if share is None:
        return None
    found = wilson(share * n, n)
    return found.low, found.high


def _missed(item: ArmGate) -> str:
    total = item.reliability.sum
    if total is not None:
        return (
            f"{item.arm}: sensitivity {item.sensitivity:.2f} + specificity {item.specificity:.2f}"
            f" is {total:.2f}, at least {MIN_SUM} is needed"
        )
    kind = "right" if item.sensitivity is None else "wrong"
    return f"{item.arm}: no labelled answer is {kind}, so the judge cannot be checked on such"


def judged_arm(
    verdicts: Mapping[str, bool], questions: Mapping[str, Question], gate: ArmGate | None
) -> dict[str, Any]:
    """Return the share of an arm's answers judged right, as it is and corrected.

    `verdicts` are those that could be read, by question id; the corrected share is None where
    the judge is not known on this arm or no better than chance.
    """
    ids = [name for name in questions if name in verdicts]
    values = [float(verdicts[name]) for name in ids]
    design = Design(tuple(cluster_of(questions[name]) for name in ids))
    judged = mean_interval(values, design) if values else None
    corrected = None
    if values and gate is not None and (gate.reliability.sum or 0.0) > CHANCE:
        corrected = corrected_share(values, design, gate.reliability)
    return {
        "judged": _cell(judged),
        "corrected": _cell(corrected),
        "sensitivity": gate.sensitivity if gate else None,
        "specificity": gate.specificity if gate else None,
    }


def _cell(found: Interval | None) -> dict[str, Any]:
    if found is None:
        return {"score": None, "low": None, "high": None, "n": 0}
    return {"score": found.estimate, "low": found.low, "high": found.high, "n": found.n}


def judged_differences(
    verdicts: Mapping[str, Mapping[str, bool]],
    questions: Mapping[str, Question],
    rows: Sequence[Labelled],
) -> list[dict[str, Any]]:
    """Return the paired difference of every two arms, the more involved one first.

    With labels by prediction-powered inference; without two labelled clusters it is the
    judge's own difference, and `corrected` says so. `rows` are labels of these very answers.
    """
    human = {(row.arm, row.question_id): row for row in rows}
    names = sorted(verdicts, key=simplicity)
    found = []
    for simpler, name in combinations(names, 2):
        ids = [one for one in questions if one in verdicts[name] and one in verdicts[simpler]]
        if not ids:
            continue
        judged = [float(verdicts[name][one]) - float(verdicts[simpler][one]) for one in ids]
        design = Design(tuple(cluster_of(questions[one]) for one in ids))
        labels: list[float | None] = []
        weights: list[float] = []
        for one in ids:
            ours, theirs = human.get((name, one)), human.get((simpler, one))
            labels.append(float(ours.human) - float(theirs.human) if ours and theirs else None)
            weights.append(ours.weight if ours else 0.0)
        found.append({"a": name, "b": simpler, **_difference(judged, labels, weights, design)})
    return found


def _difference(
    judged: Sequence[float],
    human: Sequence[float | None],
    weights: Sequence[float],
    design: Design,
) -> dict[str, Any]:
    known = {at for at, value in zip(design.clusters, human, strict=True) if value is not None}
    plain = mean_difference(judged, design)
    values: dict[str, Any] = {"judged": plain.estimate, "n": plain.n, "clusters": plain.clusters}
    if len(known) < 2:
        own = {"difference": plain.estimate, "low": plain.low, "high": plain.high}
        return values | own | {"corrected": False, "labelled": 0, "weight": None}
    found = prediction_powered(judged, human, design, weights)
    return values | {
        "difference": found.estimate,
        "low": found.low,
        "high": found.high,
        "corrected": True,
        "labelled": found.labelled,
        "weight": found.weight,
    }
