"""Sign flips of whole clusters, against every pattern written out and against McNemar."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from graft.stats import Design, exact_power, mcnemar_mid_p, mean_difference
from graft.stats.flips import sign_flip_p, whole_flip_p


def by_hand(totals: np.ndarray) -> float:
    """Return the two-sided mid-p from all sign patterns."""
    observed = abs(totals.sum())
    if observed < 1e-12:
        return 1.0
    sums = np.array([abs(np.dot(signs, totals)) for signs in product((-1, 1), repeat=len(totals))])
    level = np.abs(sums - observed) < 1e-9
    return float(np.mean(sums > observed + 1e-9) + level.mean() / 2)


@pytest.mark.parametrize("seed", range(8))
def test_whole_totals_give_what_all_patterns_give(seed):
    totals = np.random.default_rng(seed).integers(-5, 7, 10).astype(float)
    assert sign_flip_p(totals, 7) == pytest.approx(by_hand(totals), abs=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_graded_totals_of_few_clusters_give_what_all_patterns_give(seed):
    totals = np.random.default_rng(seed).normal(0.3, 1.0, 9)
    assert sign_flip_p(totals, 7) == pytest.approx(by_hand(totals), abs=1e-12)


def test_drawn_flips_are_near_the_exact_ones():
    totals = np.random.default_rng(3).integers(-4, 6, 18).astype(float)
    exact, near = sign_flip_p(totals, 7), sign_flip_p(totals * 1.0001, 7)
    assert near == pytest.approx(exact, abs=0.012)  # three standard errors at p = 0.2


@pytest.mark.parametrize(("won", "lost"), [(9, 1), (4, 0), (30, 18), (5, 5), (400, 340)])
def test_with_one_question_a_cluster_flips_are_mcnemars_mid_p(won, lost):
    table = whole_flip_p(np.ones(won + lost))
    assert table[won - lost] == pytest.approx(mcnemar_mid_p(won, lost))


def test_without_any_difference_nothing_is_shown():
    assert sign_flip_p(np.zeros(30), 7) == 1.0
    assert whole_flip_p(np.zeros(0)).tolist() == [1.0]


@pytest.mark.parametrize(("n", "disagreement"), [(50, 0.1), (100, 0.25), (300, 0.18), (300, 0.5)])
def test_two_equal_arms_are_said_to_differ_in_five_per_cent_at_most(n, disagreement):
    assert exact_power(n, 0.0, disagreement) < 0.051


def test_given_the_sizes_of_the_totals_false_alarms_are_five_per_cent_on_average():
    """For one set of totals mid-p may be above or below; over draws of them it evens out."""
    rng, found = np.random.default_rng(4), []
    for _ in range(60):
        totals = rng.integers(0, 4, 10)
        table = whole_flip_p(totals.astype(float))
        sums = [abs(np.dot(signs, totals)) for signs in product((-1, 1), repeat=10)]
        found.append(np.mean([table[value] <= 0.05 for value in sums]))
    assert np.mean(found) < 0.053


def test_thousands_of_clusters_are_exact_and_need_no_seed():
    values = [1.0] * 60 + [-1.0] * 30 + [0.0] * 910
    design = Design(tuple(f"c{number % 500}" for number in range(1000)))
    assert mean_difference(values, design, seed=1).p == mean_difference(values, design, seed=2).p
