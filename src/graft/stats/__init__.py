"""Statistics of paired, clustered comparisons (`measuring.md` section 3); pure functions.

The unit is the question, the cluster its source document, and all arms answer the same
questions. Nothing here knows an arm, a run or a file. `decide` is the user. Scores and
differences are fractions of 1; whatever is drawn at random comes from a seed passed in.
"""

from graft.stats.design import ALPHA, Design
from graft.stats.intervals import Interval, mean_interval, wilson
from graft.stats.paired import (
    Difference,
    holm,
    mcnemar_mid_p,
    mean_difference,
    paired_difference,
    simultaneous_alpha,
)
from graft.stats.power import design_effect, detectable_difference, minimum_n, quantile, sample_size
from graft.stats.resampling import BestSet, best_set

__all__ = [
    "ALPHA",
    "BestSet",
    "Design",
    "Difference",
    "Interval",
    "best_set",
    "design_effect",
    "detectable_difference",
    "holm",
    "mcnemar_mid_p",
    "mean_difference",
    "mean_interval",
    "minimum_n",
    "paired_difference",
    "quantile",
    "sample_size",
    "simultaneous_alpha",
    "wilson",
]
