"""Clustered means: variances, degrees of freedom and intervals, by worked and drawn cases."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest

from graft.stats import Design, mean_difference, mean_interval, wilson
from graft.stats.design import layout_of, standard_error_of
from graft.stats.discordance import difference_effect, score_at, tango_bounds
from graft.stats.spread import Totals, jackknife_variance, limit_of, spread_of, totals_of


def drawn(seed: int, clusters: int, largest: int) -> tuple[np.ndarray, Design]:
    """Return binary answers whose chance differs between clusters of unequal size."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, largest + 1, clusters)
    chances = np.repeat(rng.beta(0.5, 0.7, clusters), sizes)
    names = tuple(f"c{number}" for number in np.repeat(np.arange(clusters), sizes))
    return (rng.random(len(chances)) < chances).astype(float), Design(names)


@pytest.mark.parametrize("seed", range(5))
def test_the_jackknife_leaves_out_one_cluster_after_another(seed):
    values, design = drawn(seed, 12, 6)
    names = np.array(design.clusters)
    left = np.array([values[names != name].mean() for name in np.unique(names)])
    expected = 11 / 12 * ((left - values.mean()) ** 2).sum()
    totals = totals_of(values, layout_of(design))
    assert jackknife_variance(totals.sizes, totals.sums) == pytest.approx(expected)


def test_with_clusters_of_one_size_the_jackknife_is_the_formula_of_the_guide():
    values = (np.random.default_rng(1).random(60) < 0.4).astype(float)
    design = Design(tuple(f"c{number // 4}" for number in range(60)))
    at = layout_of(design)
    totals = totals_of(values, at)
    found = jackknife_variance(totals.sizes, totals.sums)
    assert math.sqrt(found) == pytest.approx(standard_error_of(values, at))


def test_a_batch_is_judged_as_its_samples_are():
    samples = [drawn(3, 15, 5)[0] for _ in range(1)]
    design = drawn(3, 15, 5)[1]
    rng = np.random.default_rng(8)
    samples += [(rng.random(len(design.clusters)) < 0.3).astype(float) for _ in range(6)]
    singles = [totals_of(values, layout_of(design)) for values in samples]
    batch = Totals(
        singles[0].sizes,
        np.array([item.sums for item in singles]),
        np.array([item.squares for item in singles]),
    )
    together = spread_of(batch)
    for row, item in enumerate(singles):
        one = spread_of(item)
        assert together.variance[row] == pytest.approx(float(one.variance))
        assert together.freedom[row] == pytest.approx(float(one.freedom))
    effects = difference_effect(batch)
    assert effects[2] == pytest.approx(float(difference_effect(singles[2])))


def test_equal_cluster_means_leave_all_degrees_of_freedom_and_one_odd_cluster_few():
    sizes = np.full(10, 2.0)
    flat = spread_of(Totals(sizes, np.ones(10), np.ones(10)))
    assert flat.freedom == pytest.approx(9.0)
    sums = np.array([2.0] * 9 + [0.0])
    odd = spread_of(Totals(sizes, sums, sums))
    assert 1.0 <= odd.freedom < 3.0


def test_questions_that_are_all_alike_within_clusters_have_the_largest_design_effect():
    sums = np.array([4.0, 0.0] * 10)
    spread = spread_of(Totals(np.full(20, 4.0), sums, sums))
    effect = spread.variance * 80 / spread.single
    assert (effect, spread.held) == (pytest.approx(4 * 20 / 19), 4.0)


def test_the_limit_of_binary_values_is_never_below_the_normal_one():
    freedom = np.array([19.0])
    assert limit_of(np.array([0.2]), freedom, 0.05, binary=True)[0] == pytest.approx(1.96, abs=1e-3)
    assert limit_of(np.array([0.2]), freedom, 0.05, binary=False)[0] < 1
    assert limit_of(np.array([4.0]), freedom, 0.05, binary=True)[0] == pytest.approx(
        2 * 2.093, 1e-3
    )


@pytest.mark.parametrize("seed", range(4))
def test_a_cluster_counts_as_one_question_at_least(seed):
    values, design = drawn(seed, 25, 8)
    found = mean_interval(list(values), design)
    at = layout_of(design)
    sizes = totals_of(values, at).sizes
    held = float((sizes**2).sum() / sizes.sum())
    widest = wilson(found.estimate * at.clusters, at.clusters)
    stretch = math.sqrt(held * at.clusters / len(values)) * 2.064 / 1.96 + 0.2
    assert 0 <= found.low < found.estimate < found.high <= 1
    assert found.high - found.low < stretch * (widest.high - widest.low)


def test_one_cluster_is_worth_one_question():
    found = mean_interval([1.0, 1.0, 0.0, 1.0], Design(("c",) * 4))
    one = wilson(0.75, 1)
    assert (found.low, found.high) == (pytest.approx(one.low), pytest.approx(one.high))


def test_a_graded_mean_is_narrower_than_a_binary_one_and_stays_within_bounds():
    design = Design(tuple(f"q{number}" for number in range(60)))
    graded = mean_interval([0.4, 0.5, 0.6] * 20, design)
    binary = mean_interval([0.0, 1.0] * 30, design)
    assert graded.high - graded.low < 0.2 * (binary.high - binary.low)
    high = mean_interval([1.0] * 58 + [0.9, 0.8], design)
    assert 0.9 < high.low < high.estimate < high.high <= 1.0


@pytest.mark.parametrize(("won", "lost", "n"), [(9, 2, 40), (0, 0, 30), (5, 0, 20), (30, 28, 300)])
def test_the_score_interval_holds_the_differences_whose_score_is_within_the_limit(won, lost, n):
    low, high = tango_bounds(won, lost, n, 1.96)
    wins, losses = np.array(float(won)), np.array(float(lost))
    for delta in np.linspace(-0.99, 0.99, 199):
        inside = abs(float(score_at(delta, wins, losses, n))) <= 1.96
        assert inside == (low <= delta <= high) or min(abs(delta - low), abs(delta - high)) < 1e-6


def test_where_two_arms_never_differ_the_interval_is_that_of_single_questions():
    found = mean_difference([0.0] * 200, Design(tuple(f"c{number // 5}" for number in range(200))))
    reach = 2.0227**2 / (200 + 2.0227**2)  # Student's quantile for 40 clusters
    assert (found.low, found.high) == (
        pytest.approx(-reach, abs=1e-5),
        pytest.approx(reach, abs=1e-5),
    )
    assert found.p == 1.0


def test_every_question_won_in_few_clusters_still_leaves_doubt_about_the_size():
    found = mean_difference([1.0] * 60, Design(tuple(f"c{number % 6}" for number in range(60))))
    assert (found.high, found.estimate) == (1.0, 1.0)
    assert found.low < 0.75


def test_the_difference_of_two_strata_is_put_together_from_their_own_intervals():
    n = 40
    values = [1.0] * 8 + [-1.0] * 2 + [0.0] * 30 + [1.0] * 3 + [0.0] * 37
    strata = ("a",) * n + ("u",) * n
    found = mean_difference(values, Design(tuple(f"q{number}" for number in range(2 * n)), strata))
    one, two = tango_bounds(8, 2, n, 1.959964), tango_bounds(3, 0, n, 1.959964)
    below = math.hypot(0.15 - one[0], 0.075 - two[0]) / 2
    assert found.low == pytest.approx((0.15 + 0.075) / 2 - below, abs=1e-6)


def test_the_interaction_of_four_arms_is_a_mean_difference_of_gains():
    rng = np.random.default_rng(4)
    hybrid, rag, tuned, base = (rng.random((4, 90)) < 0.5).astype(float)
    gains = hybrid - rag - (tuned - base)
    found = mean_difference(list(gains), Design(tuple(f"c{number // 2}" for number in range(90))))
    assert found.estimate == pytest.approx(
        hybrid.mean() - rag.mean() - tuned.mean() + base.mean(), abs=1e-12
    )
    assert found.low < found.estimate < found.high
    sums = gains.reshape(45, 2).sum(axis=1)
    normal = sums.sum() / math.sqrt((sums**2).sum())
    from scipy.stats import norm

    assert found.p == pytest.approx(2 * norm.sf(abs(normal)), abs=0.03)


def test_holm_never_rejects_what_a_closed_test_keeps():
    from graft.stats import holm

    rng = np.random.default_rng(2)
    for _ in range(50):
        p = rng.random(4) ** 3
        adjusted = holm(list(p))
        for index in range(4):
            others = [i for i in range(4) if i != index]
            closed = max(
                min(1.0, (size + 1) * min(p[[index, *chosen]]))
                for size in range(4)
                for chosen in combinations(others, size)
            )
            assert adjusted[index] == pytest.approx(closed)
