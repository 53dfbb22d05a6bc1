"""How long an arm takes for one answer, from the records of the latency pass.

A quantile that too few runs cannot support is None with the number needed, never an estimate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from graft.stats import minimum_n, quantile
from graft.types import Record

__all__ = ["Latency", "latency_of"]

SUFFIX = "_seconds"
TOTAL = "total"
MEDIAN, TAIL = 0.50, 0.95
MILLISECONDS = 1000.0


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds for a whole answer and by stage (median); `n` timed answers."""

    p50: float | None = None
    p95: float | None = None
    stages: Mapping[str, float] = field(default_factory=dict)
    n: int = 0
    p95_note: str = f"needs {minimum_n(TAIL)}"


def latency_of(records: Sequence[Record]) -> Latency:
    """Return the latency of the answers that did not fail.

    The whole is the stage `total_seconds` where it was measured, else the sum of the stages.
    """
    timed = [_stages(item) for item in records if item.stage_seconds and not item.error]
    totals = [item.get(TOTAL, sum(item.values())) for item in timed]
    names = dict.fromkeys(name for item in timed for name in item if name != TOTAL)
    stages = {name: quantile([s[name] for s in timed if name in s], MEDIAN) for name in names}
    tail = quantile(totals, TAIL)
    return Latency(
        p50=quantile(totals, MEDIAN),
        p95=tail,
        stages={name: value for name, value in stages.items() if value is not None},
        n=len(totals),
        p95_note=f"needs {minimum_n(TAIL)}" if tail is None else "",
    )


def _stages(record: Record) -> dict[str, float]:
    """Return the stages of one answer in milliseconds, named without their unit."""
    return {
        name.removesuffix(SUFFIX): value * MILLISECONDS
        for name, value in record.stage_seconds.items()
    }
