"""Stopping early without cheating: a test that may be looked at any time, and planned looks.

Of two arms only the questions on which one alone is right say anything. Neither rule goes
together with an ordinary interval or p-value, which hold for one look at the end
(measuring.md 3.5; Ramdas, Grünwald, Vovk and Shafer 2023).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from graft.stats.design import ALPHA, TINY, Design

__all__ = ["OBRIEN_FLEMING", "Watch", "log_evidence", "look_stops", "votes", "watch"]

PRIOR = 2.0  # Beta(2, 2) on the share of votes won: mild belief that arms are near each other
# |z| at a third, two thirds and all of the questions: 2.004 sqrt(3 / look), 5 % in all
OBRIEN_FLEMING = (3.471, 2.454, 2.004)


@dataclass(frozen=True, slots=True)
class Watch:
    """What the votes so far say.

    `stopped_after` is the number of votes at which the evidence first reached 1 / alpha, None
    if it never did; `leader` is 1 or -1 for the arm that then led, 0 for none. `p` holds
    whenever one looks: 1 / the largest evidence so far.
    """

    stopped_after: int | None
    leader: int
    won: int
    lost: int
    log_evidence: float
    p: float


def log_evidence(won: int, lost: int, prior: float = PRIOR) -> float:
    """Return the log of E = 2^(w + l) B(a + w, a + l) / B(a, a).

    E is how much better the votes are explained by an unknown share of wins, Beta(a, a) over
    all of them, than by equal arms. Under equal arms it reaches 1 / alpha ever with
    probability at most alpha (Ville 1939).

    >>> round(math.exp(log_evidence(9, 1)), 1)
    7.2
    """
    return (
        (won + lost) * math.log(2) + _log_beta(prior + won, prior + lost) - _log_beta(prior, prior)
    )


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def votes(differences: Sequence[float], design: Design) -> tuple[int, ...]:
    """Return one vote a cluster, 1 or -1, in the order in which the clusters are complete.

    A cluster votes once, when its last question is in, so questions of one document count
    once; one whose differences add up to nothing does not vote.
    """
    totals: dict[str, float] = {}
    last = {cluster: place for place, cluster in enumerate(design.clusters)}
    cast = []
    for place, (cluster, value) in enumerate(zip(design.clusters, differences, strict=True)):
        totals[cluster] = totals.get(cluster, 0.0) + value
        if last[cluster] == place and abs(totals[cluster]) > TINY:
            cast.append(1 if totals[cluster] > 0 else -1)
    return tuple(cast)


def watch(cast: Iterable[int], alpha: float = ALPHA, prior: float = PRIOR) -> Watch:
    """Return when votes cast one after another are enough, looking after every one."""
    won = lost = leader = 0
    stopped, largest, evidence = None, 0.0, 0.0
    for count, vote in enumerate(cast, start=1):
        won, lost = won + (vote > 0), lost + (vote < 0)
        evidence = log_evidence(won, lost, prior)
        largest = max(largest, evidence)
        if stopped is None and evidence >= -math.log(alpha):
            stopped, leader = count, (1 if won > lost else -1)
    return Watch(stopped, leader, won, lost, evidence, math.exp(-largest))


def look_stops(z: float, look: int) -> bool:
    """Tell whether the planned look 1, 2 or 3 stops at the standardised difference `z`.

    >>> look_stops(2.2, 1), look_stops(2.2, 3)
    (False, True)
    """
    return abs(z) > OBRIEN_FLEMING[look - 1]
