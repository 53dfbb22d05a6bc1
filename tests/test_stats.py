"""Statistics against scipy and statsmodels, and by worked values."""

from __future__ import annotations

import math

import numpy as np
import pytest

from graft.stats import (
    Design,
    best_set,
    design_effect,
    detectable_difference,
    holm,
    mcnemar_mid_p,
    mean_difference,
    mean_interval,
    minimum_n,
    paired_difference,
    quantile,
    sample_size,
    simultaneous_alpha,
    wilson,
)


def alone(n: int) -> Design:
    return Design(tuple(f"q{number}" for number in range(n)))


def grouped(n: int, size: int, strata: tuple[str, ...] = ()) -> Design:
    return Design(tuple(f"c{number // size}" for number in range(n)), strata)


def coins(n: int, share: float = 0.5, seed: int = 3) -> list[float]:
    return [float(x) for x in np.random.default_rng(seed).random(n) < share]


@pytest.mark.parametrize(("hits", "n"), [(0, 30), (81, 263), (15, 148), (9, 10), (30, 30)])
def test_wilson_is_scipys(hits: int, n: int) -> None:
    from scipy.stats import binomtest

    ours, theirs = wilson(hits, n), binomtest(hits, n).proportion_ci(method="wilson")
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def test_a_mean_of_single_question_clusters_has_the_plain_wilson_interval() -> None:
    found = mean_interval([1.0] * 13 + [0.0] * 7, alone(20))
    expected = wilson(13, 20)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert (found.n, found.clusters) == (20, 20)


def test_questions_that_agree_within_clusters_widen_the_interval() -> None:
    scores = ([1.0] * 5 + [0.0] * 5) * 10
    found = mean_interval(scores, grouped(100, 5))
    apart = wilson(50, 100)
    assert found.high - found.low > 2 * (apart.high - apart.low)


def test_an_arm_that_is_always_right_still_has_an_uncertain_score() -> None:
    found = mean_interval([1.0] * 100, grouped(100, 5))
    assert found.high == 1.0
    assert found.low < wilson(20, 20).low + 1e-9


def test_the_plain_bca_interval_is_that_of_scipy() -> None:
    from scipy.stats import bootstrap

    from graft.stats.design import layout_of
    from graft.stats.resampling import bca_bounds

    scores = np.random.default_rng(5).beta(0.6, 1.2, 80)
    ours = bca_bounds(scores, layout_of(alone(80)), 0.05, 7)
    theirs = bootstrap(
        (scores,), np.mean, method="BCa", n_resamples=9_999, rng=np.random.default_rng(1)
    ).confidence_interval
    assert ours == pytest.approx((theirs.low, theirs.high), abs=0.006)


def test_two_strata_weigh_the_same_whatever_their_size() -> None:
    scores = [1.0] * 30 + [0.0] * 30 + [1.0] * 9 + [0.0]
    found = mean_interval(scores, Design(alone(70).clusters, ("a",) * 60 + ("u",) * 10))
    assert found.estimate == pytest.approx((0.5 + 0.9) / 2)
    few, many = wilson(9, 10), wilson(30, 60)
    below = math.hypot(0.9 - few.low, 0.5 - many.low) / 2
    above = math.hypot(few.high - 0.9, many.high - 0.5) / 2
    assert found.low == pytest.approx(0.7 - below, abs=1e-9)
    assert found.high == pytest.approx(0.7 + above, abs=1e-9)


def test_the_clustered_difference_is_that_of_statsmodels() -> None:
    import statsmodels.api as sm

    design, groups = grouped(250, 5), np.arange(250) // 5
    a, b = coins(250, 0.6), coins(250, 0.5, seed=4)
    ours = paired_difference(a, b, design)
    fitted = sm.OLS(np.array(a) - np.array(b), np.ones(250)).fit(
        cov_type="cluster", cov_kwds={"groups": groups}, use_t=True
    )
    low, high = fitted.conf_int()[0]
    assert ours.standard_error == pytest.approx(fitted.bse[0])
    assert (ours.low, ours.high) == pytest.approx((low, high), abs=0.002)
    assert ours.p == pytest.approx(fitted.pvalues[0], abs=0.001)
    assert ours.clusters == 50


def test_a_weighted_difference_counts_residuals_from_the_mean_of_the_stratum() -> None:
    strata = ("a",) * 4 + ("u",) * 2
    found = mean_difference([1, 1, 0, 0, -1, 0], Design(alone(6).clusters, strata))
    assert found.estimate == pytest.approx((0.5 - 0.5) / 2)
    squares = 4 * (0.5 / 8) ** 2 + 2 * (0.5 / 4) ** 2
    assert found.standard_error == pytest.approx(math.sqrt(squares * 6 / 5))


def test_p_comes_from_sign_flips_of_whole_clusters() -> None:
    from scipy.stats import permutation_test

    values = np.random.default_rng(2).choice([-1.0, 0.0, 1.0], 36, p=[0.2, 0.4, 0.4])
    totals = values.reshape(12, 3).sum(axis=1)
    ours = mean_difference(list(values), grouped(36, 3))
    theirs = permutation_test(
        (totals,), np.sum, permutation_type="samples", n_resamples=np.inf, vectorized=False
    )
    level = np.mean(np.abs(theirs.null_distribution) == abs(totals.sum()))
    assert ours.p == pytest.approx(theirs.pvalue - level / 2, abs=1e-9)


def test_drawn_sign_flips_agree_with_the_t_test_and_repeat_with_the_seed() -> None:
    from scipy.stats import t

    values = np.random.default_rng(8).normal(0.15, 1.0, 105).clip(-1, 1)
    first, again = (mean_difference(list(values), grouped(105, 3), seed=11) for _ in range(2))
    assert first == again
    expected = 2 * t.sf(abs(first.estimate) / first.standard_error, 34)
    assert first.p == pytest.approx(expected, abs=0.02)


def test_identical_arms_do_not_differ() -> None:
    for design in (alone(60), grouped(60, 3)):
        found = paired_difference(coins(60), coins(60), design)
        assert (found.estimate, found.p, found.tied) == (0.0, 1.0, 60)


def test_one_cluster_shows_nothing() -> None:
    found = paired_difference([1.0] * 10, [0.0] * 10, Design(("c",) * 10))
    assert (found.low, found.high, found.p) == (-1.0, 1.0, 1.0)


def test_mcnemars_mid_p_is_the_exact_p_less_the_probability_of_the_outcome() -> None:
    from scipy.stats import binom
    from statsmodels.stats.contingency_tables import mcnemar

    exact = mcnemar([[20, 12], [4, 10]], exact=True).pvalue
    assert mcnemar_mid_p(12, 4) == pytest.approx(exact - binom.pmf(4, 16, 0.5))
    assert mcnemar_mid_p(0, 0) == 1.0
    assert mcnemar_mid_p(5, 5) == 1.0


def test_thirteen_of_fifteen_against_eleven_is_never_significant() -> None:
    a, b = [1.0] * 13 + [0.0] * 2, [1.0] * 11 + [0.0] * 4
    found = paired_difference(a, b, alone(15))
    assert (found.won, found.lost, found.tied) == (2, 0, 13)
    assert found.p == pytest.approx(0.25)  # exact p is 0.5
    assert found.low < 0 < found.high


def test_the_score_interval_ends_where_the_constrained_likelihood_gives_1_96() -> None:
    from scipy.optimize import minimize_scalar

    won, lost, n = 12, 2, 50
    found = mean_difference([1] * won + [-1] * lost + [0] * (n - won - lost), alone(n))

    def z(delta: float) -> float:
        def loss(q: float) -> float:  # q: share of losses, q + delta of wins
            rest = 1 - 2 * q - delta
            if min(q, q + delta, rest) <= 0:
                return 1e9
            return -(
                won * math.log(q + delta) + lost * math.log(q) + (n - won - lost) * math.log(rest)
            )

        least = max(0.0, -delta)
        q = minimize_scalar(loss, bounds=(least, (1 - delta) / 2), method="bounded").x
        return (won - lost - n * delta) / math.sqrt(n * (2 * q + delta * (1 - delta)))

    assert z(found.low) == pytest.approx(1.96, abs=0.01)
    assert z(found.high) == pytest.approx(-1.96, abs=0.01)


def test_the_design_effect_and_the_disagreement_of_a_difference_are_observed() -> None:
    values = [1.0] * 5 + [0.0] * 15 + [-1.0] * 5 + [0.0] * 75
    found = mean_difference(values, grouped(100, 5))
    assert found.disagreement == pytest.approx(0.10)
    assert found.design_effect == pytest.approx(5 * (20 / 19) / (100 / 99))
    assert mean_difference(values, alone(100)).design_effect == pytest.approx(1.0)


def test_holm_is_that_of_statsmodels() -> None:
    from statsmodels.stats.multitest import multipletests

    values = [0.012, 0.2, 0.04, 0.6, 0.0004]
    assert holm(values) == pytest.approx(tuple(multipletests(values, method="holm")[1]))
    assert holm([]) == ()


def test_simultaneous_intervals_share_the_level() -> None:
    assert simultaneous_alpha(4) == pytest.approx(0.0125)
    assert simultaneous_alpha(0) == 0.05


def test_an_arm_far_ahead_is_the_only_one_not_ruled_out() -> None:
    scores = {"a": coins(200, 0.4), "b": coins(200, 0.45, 4), "c": coins(200, 0.8, 5)}
    found = best_set(scores, grouped(200, 4))
    assert found.members == ("c",)
    assert found.p_best["c"] > 0.99
    assert sum(found.p_best.values()) == pytest.approx(1.0)
    assert found.means["c"] == pytest.approx(sum(scores["c"]) / 200)


def test_equal_arms_all_stay_and_share_the_lead() -> None:
    scores = {"a": coins(60), "b": coins(60), "c": coins(60, 0.1, 9)}
    found = best_set(scores, alone(60))
    assert found.members == ("a", "b")
    assert found.p_best["a"] == pytest.approx(0.5)


def test_the_best_of_three_equal_arms_is_rarely_ruled_out() -> None:
    kept = 0
    for seed in range(1000, 1120):
        rng = np.random.default_rng(seed)
        scores = {name: list((rng.random(90) < 0.5).astype(float)) for name in "abc"}
        kept += "a" in best_set(scores, grouped(90, 2)).members
    assert kept >= 108  # 95 % of 120 is 114; below 108 has a probability of 1 %


def test_one_cluster_rules_no_arm_out() -> None:
    scores = {"a": [0.0] * 5, "b": [1.0] * 5}
    assert best_set(scores, Design(("c",) * 5)).members == ("a", "b")


TABLE = [
    (0.03, (1742, 2614, 3487)),
    (0.05, (626, 940, 1254)),
    (0.10, (155, 234, 312)),
    (0.15, (68, 103, 137)),
    (0.20, (None, 57, 76)),  # the guide leaves the first one out
]


@pytest.mark.parametrize(("difference", "row"), TABLE)
def test_the_numbers_of_questions_are_those_of_the_guide(
    difference: float, row: tuple[int | None, ...]
) -> None:
    settings = ((0.2, 0.05), (0.3, 0.05), (0.3, simultaneous_alpha(3)))
    for (disagreement, alpha), expected in zip(settings, row, strict=True):
        if expected is not None:
            assert sample_size(difference, disagreement, alpha) == expected


SMALLEST = [
    (50, (None, 17.3, 21.2, 24.5)),
    (100, (8.8, 12.4, 15.2, 17.5)),
    (200, (6.2, 8.8, 10.8, 12.5)),
    (300, (5.1, 7.2, 8.8, 10.2)),
    (500, (4.0, 5.6, 6.8, 7.9)),
    (1000, (2.8, 4.0, 4.8, 5.6)),
]


@pytest.mark.parametrize(("n", "row"), SMALLEST)
def test_the_detectable_differences_are_those_of_the_guide(
    n: int, row: tuple[float | None, ...]
) -> None:
    for disagreement, expected in zip((0.1, 0.2, 0.3, 0.4), row, strict=True):
        found = detectable_difference(n, disagreement)
        assert (found is None) == (expected is None)
        if found is not None and expected is not None:
            assert round(100 * found, 1) == pytest.approx(expected, abs=0.051)


def test_the_two_formulas_are_inverse_also_with_a_design_effect() -> None:
    effect = design_effect(5, 0.3)
    assert effect == pytest.approx(2.2)
    smallest = detectable_difference(400, 0.25, effect=effect)
    assert smallest is not None
    assert sample_size(smallest, 0.25, effect=effect) in {400, 401}


def test_no_number_of_questions_shows_a_difference_that_is_not_there() -> None:
    assert sample_size(0.0, 0.2) is None
    assert sample_size(0.3, 0.2) is None
    assert detectable_difference(100, 0.0) is None


def test_a_quantile_needs_the_runs_that_bound_it() -> None:
    assert [minimum_n(share) for share in (0.90, 0.95, 0.99)] == [29, 59, 299]
    assert quantile([1.0] * 58, 0.95) is None
    assert quantile([float(x) for x in range(1, 101)], 0.95) == 95.0
    assert quantile([5.0, 1.0, 4.0, 2.0, 3.0], 0.5) == 3.0
