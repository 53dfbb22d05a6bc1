"""The gates of `compare` and `report`: what CI asks, checked after the result is known.

Their options are read before anything is measured, so that a typing error costs no hour.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graft.errors import GraftError, UsageError

if TYPE_CHECKING:
    from graft.report.gates import Drop, Gate
    from graft.results import CompareResult

__all__ = ["GATE_NOT_MET", "Gates", "check_arm", "check_gates", "read_gates", "refusal_of"]

GATE_NOT_MET = 100


@dataclass(frozen=True, slots=True)
class Gates:
    """What was asked: a least headline, no drop against a baseline, of which arm, and the XML."""

    junit: Path | None = None
    least: float | None = None
    baseline: Path | None = None
    stored: dict[str, Any] = field(default_factory=dict)
    arm: str = ""


def read_gates(
    junit: Path | None, under: str | None, baseline: Path | None, arm: str | None
) -> Gates:
    """Read the options of the gates.

    Raises:
        UsageError: a score is none, an arm is named and no gate asked, or the XML cannot be
            written where it was asked for.
        BadInput: the baseline cannot be read.
    """
    from graft.report.gates import read_baseline

    if arm is not None and not arm.strip():
        raise UsageError(
            "an arm has no name",
            where="--arm ''",
            why="--arm says which arm a gate is for; without it, it is the recommended one",
            next_step="graft report --fail-under 0.8",
        )
    if arm and under is None and baseline is None:
        named = shlex.quote(arm)
        raise UsageError(
            "an arm was named and nothing asked of it",
            where=f"--arm {named}",
            why="--arm says which arm a gate is for",
            next_step=f"graft report --arm {named} --fail-under 0.8",
        )
    if junit is not None:
        _check_writable(junit)
    least = _share(under) if under is not None else None
    stored = read_baseline(baseline) if baseline is not None else {}
    return Gates(junit, least, baseline, stored, arm or "")


def _check_writable(path: Path) -> None:
    """See that a file can be written there; missing folders are made when it is.

    Raises:
        UsageError: it is a folder, or no file can be made there.
    """
    above = next(place for place in path.absolute().parents if place.exists())
    if path.is_dir():
        why = "this is a folder"
    elif not above.is_dir():
        why = f"{above} is no folder"
    elif not os.access(above, os.W_OK | os.X_OK):
        why = f"the folder {above} cannot be written"
    else:
        return
    raise UsageError(
        "the XML cannot be written",
        where=f"--junit {shlex.quote(str(path))}",
        why=why,
        next_step="graft report --junit graft.xml",
    )


def check_arm(asked: Gates, names: Sequence[str]) -> None:
    """See that the arm of the gates is among those that will be measured, if these are known.

    Raises:
        UsageError: it is not.
    """
    if not asked.arm or not names or asked.arm in names:
        return
    known = "base" if "base" in names else names[0]
    raise UsageError(
        f"the arm {asked.arm!r} is not measured",
        where=f"--arm {shlex.quote(asked.arm)}",
        why=f"this comparison measures {', '.join(names)}",
        next_step=f"graft report --fail-under 0.8 --arm {known}",
    )


def _share(text: str) -> float:
    """Return a fraction from a fraction or per cent: up to 1 it is a fraction.

    >>> _share("0.8"), _share("80"), _share("80 %"), _share("1")
    (0.8, 0.8, 0.8, 1.0)
    """
    number = text.strip().removesuffix("%").strip()
    per_cent = text.strip().endswith("%")
    try:
        value = float(number)
    except ValueError:
        value = -1.0
    why = "a score is a fraction from 0 to 1, or per cent up to 100"
    if 1 < value < 2 and not per_cent:
        why = f"{number} is neither a share nor a per cent"  # a slip, as 1.5 for 0.15 or 15
    else:
        share = value / 100 if value > 1 or per_cent else value
        if 0 <= share <= 1:
            return share
    raise UsageError(
        "this is no score",
        where=f"--fail-under {shlex.quote(text)}",
        why=why,
        next_step="graft report --fail-under 0.8",
    )


def check_gates(
    asked: Gates, result: CompareResult, margin: float
) -> tuple[list[Gate], GraftError | None]:
    """Check what was asked of a result, and write the XML.

    Returned are the gates that could be checked, and why one could not: an arm is unknown, or
    the baseline was asked other questions. In the XML such a gate is one that is not met.
    """
    from graft.files import write_atomically
    from graft.report.junit import render_junit

    found: list[Gate] = []
    refused = None
    try:
        for gate in _each_gate(asked, result, margin):
            found.append(gate)
    except GraftError as error:
        refused = error
    if asked.junit is not None:
        told = [*found, _unchecked(asked, found, refused)] if refused else found
        write_atomically(asked.junit, render_junit(result.comparison, told, asked.arm))
    return found, refused


def _each_gate(asked: Gates, result: CompareResult, margin: float) -> Iterator[Gate]:
    from graft.report.gates import regression_gates, score_gate

    comparison = result.comparison
    if asked.least is not None:
        yield score_gate(comparison, asked.least, asked.arm)
    if asked.baseline is not None:
        drops = _paired(asked, result)
        margin = float(comparison.get("margin") or margin)
        yield from regression_gates(comparison, asked.stored, margin, asked.arm, drops)


def _unchecked(asked: Gates, found: Sequence[Gate], refused: GraftError) -> Gate:
    """Return the gate that could not be checked as one of the verdict that is not met."""
    from graft.report.gates import Gate

    scored = asked.least is not None and not found
    text = f"not checked: {refused.what}" + (f"; {refused.why}" if refused.why else "")
    return Gate("fail-under" if scored else "regression", "", False, text)


def _paired(asked: Gates, result: CompareResult) -> dict[str, Drop]:
    """Return the drops on the same questions, for a baseline whose runs are still there."""
    from graft.report.gates import paired_drop

    if asked.baseline is None or asked.stored.get("questions") != result.comparison.get(
        "questions"
    ):
        return {}
    before, now = asked.baseline.resolve().parent, result.report.parent
    names = [item["name"] for item in result.comparison.get("arms") or ()]
    found = {name: paired_drop(before, now, name) for name in names}
    return {name: drop for name, drop in found.items() if drop is not None}


def refusal_of(gate: Gate, report: Path) -> str:
    """Return a gate that is not met in the four lines of an error; `report` is its page."""
    option = "--fail-under" if gate.name == "fail-under" else "--fail-if-regressed"
    return str(
        GraftError(
            "a gate is not met",
            where=option + (f" --arm {gate.arm}" if gate.arm else ""),
            why=gate.text,
            next_step=f'open {shlex.quote(str(report))}, its part "Why"',
        )
    )
