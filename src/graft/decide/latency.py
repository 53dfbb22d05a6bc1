"""How long an arm takes for one answer, from the records of the latency pass.

A quantile that too few runs cannot support is None with the number needed, never an estimate.
The bounds are order statistics, free of any assumption about the distribution.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from graft.stats import minimum_n, quantile
from graft.types import Record

__all__ = ["MEDIAN", "TAIL", "Latency", "latency_of", "quantile_bounds", "totals_of"]

SUFFIX = "_seconds"
TOTAL = "total"
MEDIAN, TAIL = 0.50, 0.95
MILLISECONDS = 1000.0
ONE_SIDED = 0.05


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
    timed, totals = _timed(records), totals_of(records)
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


def totals_of(records: Sequence[Record]) -> list[float]:
    """Return the milliseconds of every answer that did not fail."""
    return [item.get(TOTAL, sum(item.values())) for item in _timed(records)]


def quantile_bounds(
    values: Sequence[float], share: float, alpha: float = ONE_SIDED
) -> tuple[float | None, float | None]:
    """Return a lower and an upper bound of a quantile, each one-sided at `alpha`.

    With n values the order statistic k is an upper bound where Binomial(n, share) is below k
    with probability 1 - alpha at least, and a lower bound where it is k or more with that
    probability. None where too few values bound it: the upper one of p95 needs 59.

    >>> quantile_bounds([1.0, 2.0, 3.0, 4.0, 5.0], 0.5)
    (1.0, 5.0)
    """
    from scipy.stats import binom

    ordered, n = sorted(values), len(values)
    if n == 0:
        return None, None
    below = int(binom.ppf(alpha, n, share))  # fewer than that many: at most alpha likely
    above = int(binom.ppf(1 - alpha, n, share)) + 1
    return (
        ordered[below - 1] if below >= 1 else None,
        ordered[above - 1] if above <= n else None,
    )


def _timed(records: Sequence[Record]) -> list[dict[str, float]]:
    return [_stages(item) for item in records if item.stage_seconds and not item.error]


def _stages(record: Record) -> dict[str, float]:
    """Return the stages of one answer in milliseconds, named without their unit."""
    return {
        name.removesuffix(SUFFIX): value * MILLISECONDS
        for name, value in record.stage_seconds.items()
    }
