"""Gates for CI: whether a headline is high enough and has not dropped against a stored one.

A gate reads comparisons as JSON, and the runs behind them where they are still on the disk.
It only says what it found; the command line turns that into an exit code.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graft.decide.compare import SCHEMA
from graft.errors import BadInput, GraftError, UsageError
from graft.formats import check_format
from graft.report import numbers
from graft.report.table import cell
from graft.runs import ArmRun, Comparand, question_from_json, read_run

__all__ = ["Drop", "Gate", "paired_drop", "read_baseline", "regression_gates", "score_gate"]


@dataclass(frozen=True, slots=True)
class Gate:
    """What was asked of an arm, whether it is met, and why in words."""

    name: str
    arm: str
    met: bool
    text: str


@dataclass(frozen=True, slots=True)
class Drop:
    """By how much a headline fell, with its 95 % interval; `paired` on the same questions."""

    estimate: float
    low: float
    high: float
    paired: bool


def score_gate(comparison: Mapping[str, Any], least: float, arm: str = "") -> Gate:
    """Ask that the headline of an arm, or of the recommended one, is at least a fraction.

    Raises:
        UsageError: the comparison has no arm of that name.
    """
    name = arm or str((comparison.get("verdict") or {}).get("recommended") or "")
    wanted = numbers.percent(least)
    if not name:
        return Gate("fail-under", "", False, f"no arm is recommended, and {wanted} was asked for")
    found = _headline(comparison, name)
    if found is None:
        return Gate("fail-under", name, False, f"{name} has no score, and {wanted} was asked for")
    met = found["score"] >= least - 1e-9
    shown = f"{found['score']:.1%}".replace("%", " %")
    text = f"{name} scores {shown}, {'at least' if met else 'under'} the {wanted} asked for"
    return Gate("fail-under", name, met, text)


def regression_gates(
    comparison: Mapping[str, Any],
    baseline: Mapping[str, Any],
    margin: float,
    arm: str = "",
    drops: Mapping[str, Drop] | None = None,
) -> list[Gate]:
    """Ask that no headline has dropped by more than the margin against a stored comparison.

    Checked is the named arm, else the one that the baseline recommended, else every arm that
    has a score in both. It has regressed where the drop is larger than the margin and its 95 %
    interval leaves out zero. `drops` are those found on the same questions; for the others
    the interval is that of two independent scores (Newcombe's, from their own intervals).

    Raises:
        UsageError: the two were asked different questions, or no arm has a score in both.
    """
    _same_questions(comparison, baseline)
    before = _scored(baseline)
    chosen = arm or str((baseline.get("verdict") or {}).get("recommended") or "")
    names = [chosen] if chosen else [name for name in before if name in _scored(comparison)]
    gates = []
    for name in names:
        old = _headline(baseline, name) if _has(baseline, name) else None
        if old is None:
            raise UsageError(
                f"the baseline has no score of the arm {name!r}",
                why=f"it has a score of {', '.join(before) or 'no arm'}",
                next_step="graft report --fail-if-regressed BASELINE.json --arm NAME",
            )
        new = _headline(comparison, name) if _has(comparison, name) else None
        if new is None:
            gates.append(Gate("regression", name, False, f"{name} has no score any more"))
            continue
        drop = (drops or {}).get(name) or _interval_drop(old, new)
        gates.append(_regression(name, drop, margin))
    if not gates:
        raise UsageError(
            "no arm has a score in both comparisons",
            why=f"the baseline has a score of {', '.join(before) or 'no arm'}",
            next_step="graft compare --json > BASELINE.json   measures a new baseline",
        )
    return gates


def _regression(name: str, drop: Drop, margin: float) -> Gate:
    regressed = drop.estimate > margin + 1e-9 and drop.low > 0
    size = numbers.points(abs(drop.estimate), plus=False)
    noun = "point" if size == "1" else "points"
    change = (
        "unchanged"
        if size == "0"
        else f"{size} {noun} {'lower' if drop.estimate > 0 else 'higher'}"
    )
    span = numbers.points_interval(-drop.high, -drop.low)
    way = "the same questions paired" if drop.paired else "the intervals of both compared"
    limit = numbers.points(margin, plus=False)
    reading = "a drop beyond" if regressed else "no clear drop beyond"
    text = f"{name} is {change} ({span}; {way}), {reading} the margin of {limit}"
    return Gate("regression", name, not regressed, text)


def _interval_drop(old: Mapping[str, Any], new: Mapping[str, Any]) -> Drop:
    """Return the drop between two scores as if they came from different questions."""
    drop = old["score"] - new["score"]
    ends = [old.get("low"), old.get("high"), new.get("low"), new.get("high")]
    if any(end is None for end in ends):
        return Drop(drop, -1.0, 1.0, False)
    low = math.hypot(old["score"] - old["low"], new["high"] - new["score"])
    high = math.hypot(old["high"] - old["score"], new["score"] - new["low"])
    return Drop(drop, drop - low, drop + high, False)


def _same_questions(comparison: Mapping[str, Any], baseline: Mapping[str, Any]) -> None:
    now, then = (str(item.get("questions") or "") for item in (comparison, baseline))
    if now and now == then:
        return
    raise UsageError(
        "the baseline was measured on other questions" if then else "the baseline is too old",
        where=f"questions {then or 'not named'} in the baseline, {now or 'not named'} now",
        why="scores on different questions cannot be set side by side",
        next_step="graft compare --json > BASELINE.json   measures a new baseline",
    )


def _scored(comparison: Mapping[str, Any]) -> list[str]:
    """Return the arms with a headline score; controls are no arms to gate."""
    return [
        item["name"]
        for item in comparison.get("arms") or ()
        if not item.get("control") and cell(item.get("headline")).score is not None
    ]


def _has(comparison: Mapping[str, Any], name: str) -> bool:
    return any(item["name"] == name for item in comparison.get("arms") or ())


def _headline(comparison: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    """Return the headline of an arm, None where it has no score.

    Raises:
        UsageError: the comparison has no arm of that name.
    """
    arms = {item["name"]: item for item in comparison.get("arms") or ()}
    if name not in arms:
        raise UsageError(
            f"unknown arm {name!r}",
            where=f"--arm {name}",
            why=f"the comparison measured {', '.join(arms) or 'no arm'}",
            next_step="graft report --fail-under 0.8 --arm base",
        )
    found: Mapping[str, Any] | None = arms[name].get("headline")
    return found if cell(found).score is not None else None


def read_baseline(path: Path) -> dict[str, Any]:
    """Read a stored comparison: what `--json` printed, or a `comparison.json`.

    Raises:
        BadInput: there is no such file, or it holds no comparison.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(data, dict) and isinstance(data.get("arms"), list):
            check_format(data, SCHEMA, "the baseline was written", str(path))
            return data
        why = "it has no list of arms"
    except (OSError, ValueError) as error:
        why = str(error)
    raise BadInput(
        "the baseline cannot be read",
        where=str(path),
        why=why,
        next_step="graft report --json > BASELINE.json   stores the newest comparison",
    )


def paired_drop(before: Path, now: Path, arm: str) -> Drop | None:
    """Return an arm's drop on the same questions, None where the records are not at hand.

    `before` and `now` are the folders of two stored comparisons, whose runs lie beside them.
    """
    from graft.decide.contrasts import difference_between
    from graft.decide.sheet import read_sheet

    then, today = _stored_run(before, arm), _stored_run(now, arm)
    if then is None or today is None:
        return None
    (questions, old), (_, new) = then, today
    renamed = dataclasses.replace(old.manifest, arm=f"{arm} before")
    runs = (dataclasses.replace(old, manifest=renamed), new)
    sheet = read_sheet(Comparand("", "", questions, {}, runs))
    gap = difference_between(sheet, f"{arm} before", arm)
    return None if gap is None else Drop(gap.estimate, gap.low, gap.high, True)


def _stored_run(folder: Path, arm: str) -> tuple[tuple[Any, ...], ArmRun] | None:
    """Return the questions of a stored comparison and the run of an arm."""
    try:
        data = json.loads((folder / "comparand.json").read_text(encoding="utf-8"))
        questions = tuple(question_from_json(item) for item in data["questions"])
        for entry in data["runs"]:
            run = read_run(folder.parent.parent / "runs" / entry["run_id"])
            if run.manifest.arm == arm and run.records:
                return questions, run
    except (OSError, ValueError, KeyError, TypeError, GraftError):
        return None
    return None
