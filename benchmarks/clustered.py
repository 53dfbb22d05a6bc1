"""Simulated answers in clusters, with known shares and a known correlation within clusters.

Each question of a cluster has one of several outcomes (which arms are right); the chances of
the outcomes differ between clusters as Dirichlet variables do. Then every share is met exactly
and any two questions of a cluster correlate by the ICC in everything computed from an outcome,
the answers of one arm (beta-binomial) as the differences of two. Nothing here judges.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["Cell", "answer_patterns", "batches", "expand", "grid", "outcomes", "sizes_of"]

NUMBERS = (50, 100, 300, 1000)
SHARES = (0.1, 0.5, 0.9)
CLUSTERS = (20, 40)
CORRELATIONS = (0.0, 0.2, 0.5)
BATCH_NUMBERS = 4_000_000  # of outcomes drawn at once: 32 MB


@dataclass(frozen=True, slots=True)
class Cell:
    """One setting: n questions in clusters, an arm's share of right answers, the ICC."""

    n: int
    share: float
    clusters: int
    correlation: float
    even: bool = True

    @property
    def name(self) -> str:
        """Return what `--cells` is matched against, `n50-p0.1-c20-icc0.2-even`."""
        layout = "even" if self.even else "uneven"
        return f"n{self.n}-p{self.share}-c{self.clusters}-icc{self.correlation}-{layout}"

    def random(self, seed: int, purpose: str) -> np.random.Generator:
        """Return the cell's own generator, whatever was run before."""
        import numpy as np

        return np.random.default_rng([seed, zlib.crc32(f"{self.name} {purpose}".encode())])


def grid(*, even: bool) -> Iterator[Cell]:
    """Yield the cells; with one question a cluster an ICC means nothing and only 0 is taken."""
    for n in NUMBERS:
        for share in SHARES:
            for clusters in (*CLUSTERS, n):
                if clusters == n and not even:
                    continue
                for correlation in CORRELATIONS if clusters < n else (0.0,):
                    yield Cell(n, share, clusters, correlation, even)


def sizes_of(cell: Cell) -> Floats:
    """Return the questions of each cluster.

    Even: as equal as can be. Uneven: at least one, the rest as exponential quantiles, so the
    largest of 20 clusters holds about four times the mean (real document sets reach five).
    """
    import numpy as np

    n, clusters = cell.n, cell.clusters
    if cell.even:
        return np.bincount(np.arange(n) % clusters, minlength=clusters).astype(float)
    weights = -np.log(1 - (np.arange(clusters) + 0.5) / clusters)
    sizes = 1 + np.floor((n - clusters) * weights / weights.sum())
    sizes[clusters - int(n - sizes.sum()) :] += 1
    return sizes


def answer_patterns(arms: int, share: float, together: float) -> tuple[Floats, Floats]:
    """Return every pattern of right and wrong (pattern, arm) and its chance.

    With probability `together` all arms answer alike, else each for itself: then two arms'
    answers to one question correlate by `together`.
    """
    import numpy as np

    patterns = (np.arange(2**arms)[:, None] >> np.arange(arms) & 1).astype(float)
    right = patterns.sum(axis=1)
    chances = (1 - together) * share**right * (1 - share) ** (arms - right)
    chances[0] += together * (1 - share)
    chances[-1] += together * share
    return patterns, chances


def batches(replicates: int, cell: Cell, kinds: int) -> Iterator[int]:
    """Yield sizes of batches that add up to the replicates and fit into memory."""
    most = max(1, BATCH_NUMBERS // (cell.clusters * kinds))
    for start in range(0, replicates, most):
        yield min(most, replicates - start)


def outcomes(rng: np.random.Generator, replicates: int, cell: Cell, chances: Floats) -> Floats:
    """Return how often each outcome came up, (replicate, cluster, outcome)."""
    import numpy as np

    sizes = sizes_of(cell).astype(np.int64)
    where = np.broadcast_to(sizes, (replicates, cell.clusters))
    if cell.correlation == 0:
        return rng.multinomial(where, chances).astype(float)
    scale = 1 / cell.correlation - 1
    shares = rng.gamma(chances * scale, size=(*where.shape, len(chances)))
    total = shares.sum(axis=-1, keepdims=True)
    shares = np.where(total > 0, shares / np.where(total > 0, total, 1.0), chances)
    return rng.multinomial(where, shares).astype(float)


def expand(counts: Floats, values: Floats) -> tuple[tuple[str, ...], Floats]:
    """Return one replicate as questions: each one's cluster and its value(s)."""
    import numpy as np

    whole = counts.astype(np.int64)
    clusters = np.repeat(np.arange(len(whole)), whole.sum(axis=1))
    kinds = np.concatenate([np.repeat(np.arange(whole.shape[1]), row) for row in whole])
    return tuple(f"c{number:04d}" for number in clusters), values[kinds]
