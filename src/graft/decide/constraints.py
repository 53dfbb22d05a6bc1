"""What an arm must keep to be recommended: the limits of `[compare.limits]`, arm by arm.

A limit is kept where the one-sided 95 % bound of a measured value keeps it; what has no
sampling error (memory, storage, build time) goes by its value. Where the value itself breaks
the limit the arm fails. Between the two, and where nothing was measured, it is not shown to
pass, which is another thing than failing (measuring.md 6.3, step 2).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from graft.decide.latency import MEDIAN, TAIL, quantile_bounds, totals_of
from graft.decide.sheet import ArmSheet, Sheet, score_of
from graft.runs import ArmRun, Comparand
from graft.stats import Design, mean_interval, quantile

__all__ = ["Constraint", "State", "constraints_of", "state_of"]

State = Literal["passes", "fails", "not shown"]

BOTH_SIDES = 0.10  # a two-sided 90 % interval has one-sided 95 % bounds
MEGABYTE = 1e6
MINUTE = 60.0
ROUNDING = 1e-9  # 0.1 + 0.2 is not above a limit of 0.3


@dataclass(frozen=True, slots=True)
class Constraint:
    """Whether an arm keeps a limit; `value` and `bound` are in the limit's unit.

    None stands for "not measured" or "too few answers to bound it".
    """

    arm: str
    name: str
    limit: float
    value: float | None
    bound: float | None
    state: State


class _Found(NamedTuple):
    """A measured value and the end of its one-sided 95 % interval that speaks against it."""

    value: float | None = None
    bound: float | None = None


class _Case(NamedTuple):
    """One arm as the limits see it."""

    sheet: Sheet
    arm: ArmSheet
    run: ArmRun
    seed: int


def constraints_of(comparand: Comparand, sheet: Sheet) -> list[Constraint]:
    """Return every limit that is set, for every arm that could be recommended."""
    runs = {run.manifest.arm: run for run in comparand.runs}
    found = []
    for arm in sheet.candidates:
        case = _Case(sheet, arm, runs[arm.name], comparand.seed)
        for name, measure in _MEASURES.items():
            limit = comparand.limits.get(name) or 0.0
            if limit > 0:
                value, bound = measure(case)
                state = state_of(value, bound, limit, at_least=name.startswith("min_"))
                found.append(Constraint(arm.name, name, limit, value, bound, state))
    return found


def state_of(value: float | None, bound: float | None, limit: float, *, at_least: bool) -> State:
    """Return whether a value keeps a limit: a least one, or else a highest one.

    >>> state_of(900.0, 1100.0, 1000.0, at_least=False)
    'not shown'
    """
    if value is None:
        return "not shown"
    sign = -1.0 if at_least else 1.0
    edge = sign * limit + ROUNDING
    if sign * value > edge:
        return "fails"
    return "passes" if bound is not None and sign * bound <= edge else "not shown"


def _latency(share: float) -> Callable[[_Case], _Found]:
    def measure(case: _Case) -> _Found:
        totals = totals_of(case.run.latency)
        return _Found(quantile(totals, share), quantile_bounds(totals, share)[1])

    return measure


def _share(scores: Sequence[tuple[str, float | None]], case: _Case) -> _Found:
    """Return a mean score, each question weighing the same, and its lower bound."""
    have = [(name, score) for name, score in scores if score is not None]
    if not have:
        return _Found()
    design = Design(case.sheet.design([name for name, _ in have]).clusters)
    bounds = mean_interval([score for _, score in have], design, BOTH_SIDES, case.seed)
    return _Found(bounds.estimate, bounds.low)


def _decline_recall(case: _Case) -> _Found:
    ids = case.sheet.ids(answerable=False)
    return _share([(name, case.arm.primary.get(name)) for name in ids], case)


def _support(case: _Case) -> _Found:
    records = case.arm.records
    ids = [name for name in case.sheet.ids(answerable=True) if name in records]
    return _share([(name, score_of(records[name], "support")) for name in ids], case)


def _exact(value: float | None, unit: float) -> _Found:
    return _Found() if value is None else _Found(value / unit, value / unit)


_MEASURES: Mapping[str, Callable[[_Case], _Found]] = {
    "max_p50_ms": _latency(MEDIAN),
    "max_p95_ms": _latency(TAIL),
    "max_memory_mb": lambda case: _exact(case.arm.manifest.peak_memory_bytes, MEGABYTE),
    "max_storage_mb": lambda case: _exact(case.arm.manifest.storage_bytes, MEGABYTE),
    "max_build_minutes": lambda case: _exact(case.arm.manifest.build_seconds, MINUTE),
    "min_decline_recall": _decline_recall,
    "min_support": _support,
}
