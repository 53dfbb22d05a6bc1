"""Choosing the learning rate by successive halving on `dev`.

Three rates run a tenth of the steps, the better two go on to a fifth, and the best one of those
goes on to the end from where it stands, so only the losers' steps are lost: the
schedule is that of the whole run all the time
(Jamieson and Talwalkar 2016, with rates as arms and steps as budget).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from graft.errors import TrainingFailed

__all__ = ["PILOT_COST", "Trial", "choose_rate", "rates_around"]

ROUNDS = (0.1, 0.2)  # shares of the steps after which rates are compared
PILOT_COST = 0.3  # of a run, spent on rates that are not chosen


@dataclass(frozen=True, slots=True)
class Trial:
    """What a rate came to: loss and share of answers on `dev` after each share of the steps."""

    rate: float
    looks: tuple[tuple[float, float, float], ...]  # share of steps, loss, answers
    chosen: bool = False


def rates_around(rate: float) -> tuple[float, float, float]:
    """Return the rates to try: half, the default, twice.

    >>> rates_around(0.002)
    (0.001, 0.002, 0.004)
    """
    return (rate / 2, rate, rate * 2)


def choose_rate(
    run: Callable[[float, float], tuple[float, float]], rates: Sequence[float]
) -> tuple[float, list[Trial]]:
    """Return the best rate and what all came to; `run(rate, share)` gives loss and answers.

    The loss on `dev` decides: after so few steps hardly an answer is right yet. A rate whose
    loss is not a number is out. Of equal ones the smaller stays.

    Raises:
        TrainingFailed: every rate failed.
    """
    looks: dict[float, list[tuple[float, float, float]]] = {rate: [] for rate in sorted(rates)}
    left = sorted(rates)
    failed: TrainingFailed | None = None
    for share in ROUNDS:
        for rate in left:
            try:
                loss, answers = run(rate, share)
            except TrainingFailed as error:
                failed = error
                loss, answers = math.inf, 0.0
            looks[rate].append((share, loss, answers))
        finite = [rate for rate in left if math.isfinite(looks[rate][-1][1])]
        ranked = sorted(finite, key=lambda rate: (looks[rate][-1][1], rate))
        left = ranked[: math.ceil(len(left) / 2)]
        if not left and failed is not None:
            raise failed
    best = left[0]
    return best, [Trial(rate, tuple(found), rate == best) for rate, found in looks.items()]
