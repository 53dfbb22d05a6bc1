"""Which arms are worth looking at: those that no other arm beats on every axis.

The axes are the headline (higher), the median latency, the build time and the storage
(lower). An arm is dropped only if one other arm beats it on all four beyond noise
(measuring.md 6.3, step 3); an axis that was not measured beats nobody.
"""

from __future__ import annotations

from collections.abc import Sequence

from graft.decide.contrasts import difference_between
from graft.decide.latency import MEDIAN, quantile_bounds, totals_of
from graft.decide.sheet import Sheet, simplicity
from graft.runs import ArmRun, Comparand

__all__ = ["frontier"]


def frontier(comparand: Comparand, sheet: Sheet, names: Sequence[str]) -> list[str]:
    """Return the arms that none of the others beats on every axis, the simplest first."""
    runs = {run.manifest.arm: run for run in comparand.runs}

    def beats(one: str, other: str) -> bool:
        if not (_is_cheaper(runs[one], runs[other]) and _is_faster(runs[one], runs[other])):
            return False
        lead = difference_between(sheet, one, other, seed=comparand.seed)
        return lead is not None and lead.low > 0

    kept = [name for name in names if not any(beats(one, name) for one in names if one != name)]
    return sorted(kept, key=simplicity)


def _is_cheaper(one: ArmRun, other: ArmRun) -> bool:
    """Tell whether an arm takes less time to build and less storage; both are without noise."""
    mine, its = one.manifest, other.manifest
    return mine.build_seconds < its.build_seconds and mine.storage_bytes < its.storage_bytes


def _is_faster(one: ArmRun, other: ArmRun) -> bool:
    """Tell whether the bounds of the two medians lie apart."""
    highest = quantile_bounds(totals_of(one.latency), MEDIAN)[1]
    lowest = quantile_bounds(totals_of(other.latency), MEDIAN)[0]
    return highest is not None and lowest is not None and highest < lowest
