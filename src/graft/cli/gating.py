"""The gates of `compare` and `report`: what CI asks, checked after the result is known.

Their options are read before anything is measured, so that a typing error costs no hour.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graft.errors import GraftError, UsageError

if TYPE_CHECKING:
    from graft.report.gates import Drop, Gate
    from graft.results import CompareResult

__all__ = ["GATE_NOT_MET", "Gates", "check_gates", "read_gates", "refusal_of"]

GATE_NOT_MET = 100


@dataclass(frozen=True, slots=True)
class Gates:
    """What was asked: a least headline, no drop against a baseline, of which arm, and the XML."""

    junit: Path | None = None
    least: float | None = None
    baseline: Path | None = None
    stored: dict[str, Any] = field(default_factory=dict)
    arm: str = ""


def read_gates(junit: Path | None, under: str, baseline: Path | None, arm: str) -> Gates:
    """Read the options of the gates.

    Raises:
        UsageError: a score is none, or an arm is named and no gate asked.
        BadInput: the baseline cannot be read.
    """
    from graft.report.gates import read_baseline

    if arm and not under and baseline is None:
        raise UsageError(
            "an arm was named and nothing asked of it",
            where=f"--arm {arm}",
            why="--arm says which arm a gate is for",
            next_step=f"graft report --arm {arm} --fail-under 0.8",
        )
    least = _share(under) if under else None
    stored = read_baseline(baseline) if baseline is not None else {}
    return Gates(junit, least, baseline, stored, arm)


def _share(text: str) -> float:
    """Return a fraction from a fraction or per cent: up to 1 it is a fraction.

    >>> _share("0.8"), _share("80"), _share("80 %"), _share("1")
    (0.8, 0.8, 0.8, 1.0)
    """
    number = text.strip().removesuffix("%").strip()
    try:
        value = float(number)
    except ValueError:
        value = -1.0
    share = value / 100 if value > 1 or text.strip().endswith("%") else value
    if 0 <= share <= 1:
        return share
    raise UsageError(
        "this is no score",
        where=f"--fail-under {text}",
        why="a score is a fraction from 0 to 1, or per cent up to 100",
        next_step="graft report --fail-under 0.8",
    )


def check_gates(asked: Gates, result: CompareResult, margin: float) -> list[Gate]:
    """Check what was asked of a result, and write the XML.

    Raises:
        UsageError: an arm is unknown, or the baseline was asked other questions.
    """
    from graft.files import write_atomically
    from graft.report.gates import regression_gates, score_gate
    from graft.report.junit import render_junit

    comparison = result.comparison
    found: list[Gate] = []
    if asked.least is not None:
        found.append(score_gate(comparison, asked.least, asked.arm))
    if asked.baseline is not None:
        drops = _paired(asked, result)
        margin = float(comparison.get("margin") or margin)
        found += regression_gates(comparison, asked.stored, margin, asked.arm, drops)
    if asked.junit is not None:
        write_atomically(asked.junit, render_junit(comparison, found, asked.arm))
    return found


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


def refusal_of(gate: Gate) -> str:
    """Return a gate that is not met in the four lines of an error."""
    option = "--fail-under" if gate.name == "fail-under" else "--fail-if-regressed"
    return str(
        GraftError(
            "a gate is not met",
            where=option + (f" --arm {gate.arm}" if gate.arm else ""),
            why=gate.text,
            next_step="graft report   its part “Why” names what fails and what to try",
        )
    )
