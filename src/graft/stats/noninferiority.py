"""Whether one arm is shown to be no worse than another, a margin allowed (a guardrail).

One-sided at 5 %, on the same clustered intervals as every difference. "Not shown" is an answer
of its own: neither that it keeps the margin nor that it breaks it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from graft.stats.design import ALPHA, Design, Layout, layout_of
from graft.stats.paired import difference_bounds

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["NonInferiority", "State", "non_inferiority"]

State = Literal["passes", "fails", "not shown"]
LEAST = 1e-6  # a smaller p is given as this
STEPS = 30  # halvings; p is then known to a billionth


@dataclass(frozen=True, slots=True)
class NonInferiority:
    """A paired mean difference against -margin.

    `bound` and `upper` are its one-sided lower and upper bounds, each at level alpha; `p` is
    that of "worse by the margin or more", at most alpha where the state is "passes".
    """

    difference: float
    bound: float
    upper: float
    margin: float
    p: float
    state: State
    n: int
    clusters: int


def non_inferiority(
    differences: Sequence[float],
    design: Design,
    margin: float,
    alpha: float = ALPHA,
    seed: int = 7,
) -> NonInferiority:
    """Return whether the mean of new - old differences is shown to be above -margin.

    Passes where the lower bound is above -margin, fails where the upper one is below it.
    """
    import numpy as np

    values, at = np.asarray(differences, dtype=float), layout_of(design)
    low, high = difference_bounds(values, at, 2 * alpha, seed)
    state: State = "not shown"
    if low > -margin:
        state = "passes"
    elif high < -margin:
        state = "fails"
    return NonInferiority(
        difference=float(at.weight @ values),
        bound=low,
        upper=high,
        margin=margin,
        p=_p_of(values, at, -margin, seed),
        state=state,
        n=len(values),
        clusters=at.clusters,
    )


def _p_of(values: Floats, at: Layout, edge: float, seed: int) -> float:
    """Return the level at which the one-sided bound meets `edge`, by halving."""
    if at.clusters < 2:
        return 1.0
    above = float(at.weight @ values) > edge
    least, most = LEAST, 0.5
    for _ in range(STEPS):
        level = (least + most) / 2
        low, high = difference_bounds(values, at, 2 * level, seed)
        outside = low > edge if above else high < edge
        least, most = (least, level) if outside else (level, most)
    return most if above else 1 - most
