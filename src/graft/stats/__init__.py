"""Statistics of paired, clustered comparisons (`measuring.md` section 3); pure functions.

The unit is the question, the cluster its source document, and all arms answer the same
questions. Nothing here knows an arm, a run or a file. `decide` is the user. Scores and
differences are fractions of 1; whatever is drawn at random comes from a seed passed in.
"""

from graft.stats.agreement import (
    Reliability,
    Steered,
    corrected_share,
    kappa,
    prediction_powered,
    reliability,
    rogan_gladen,
)
from graft.stats.design import ALPHA, Design
from graft.stats.intervals import Interval, mean_interval, wilson
from graft.stats.noninferiority import NonInferiority, State, non_inferiority
from graft.stats.paired import (
    Difference,
    holm,
    mcnemar_mid_p,
    mean_difference,
    paired_difference,
    simultaneous_alpha,
)
from graft.stats.power import (
    design_effect,
    detectable_difference,
    exact_power,
    minimum_n,
    power_of,
    quantile,
    sample_size,
)
from graft.stats.resampling import BestSet, best_set
from graft.stats.sequential import (
    OBRIEN_FLEMING,
    Watch,
    log_evidence,
    look_stops,
    votes,
    watch,
)

__all__ = [
    "ALPHA",
    "OBRIEN_FLEMING",
    "BestSet",
    "Design",
    "Difference",
    "Interval",
    "NonInferiority",
    "Reliability",
    "State",
    "Steered",
    "Watch",
    "best_set",
    "corrected_share",
    "design_effect",
    "detectable_difference",
    "exact_power",
    "holm",
    "kappa",
    "log_evidence",
    "look_stops",
    "mcnemar_mid_p",
    "mean_difference",
    "mean_interval",
    "minimum_n",
    "non_inferiority",
    "paired_difference",
    "power_of",
    "prediction_powered",
    "quantile",
    "reliability",
    "rogan_gladen",
    "sample_size",
    "simultaneous_alpha",
    "votes",
    "watch",
    "wilson",
]
