"""Non-inferiority: the three states, and p that agrees with the bound."""

from __future__ import annotations

import math

import numpy as np
import pytest

from graft.stats import Design, mean_difference, non_inferiority
from graft.stats.discordance import score_at


def alone(n: int) -> Design:
    return Design(tuple(f"q{number}" for number in range(n)))


def test_the_bounds_are_those_of_the_ninety_per_cent_interval():
    values = [1.0] * 4 + [-1.0] * 6 + [0.0] * 90
    found = non_inferiority(values, alone(100), 0.05)
    both = mean_difference(values, alone(100), alpha=0.10)
    assert (found.bound, found.upper) == (both.low, both.high)
    assert (found.difference, found.margin) == (pytest.approx(-0.02), 0.05)


@pytest.mark.parametrize(
    ("won", "lost", "state"), [(5, 5, "passes"), (0, 40, "fails"), (5, 12, "not shown")]
)
def test_passing_failing_and_neither_are_told_apart(won, lost, state):
    values = [1.0] * won + [-1.0] * lost + [0.0] * (200 - won - lost)
    found = non_inferiority(values, alone(200), 0.05)
    assert found.state == state
    assert (found.p <= 0.05) == (state == "passes")
    assert (found.p >= 0.95) == (state == "fails")


def test_p_is_the_one_sided_score_p_with_one_question_a_cluster():
    from scipy.stats import norm

    found = non_inferiority([1.0] * 3 + [-1.0] * 7 + [0.0] * 140, alone(150), 0.08)
    score = float(score_at(-0.08, np.array(3.0), np.array(7.0), 150.0))
    assert found.p == pytest.approx(norm.sf(score), abs=1e-6)


def test_zero_margin_is_superiority_and_its_p_is_half_of_the_two_sided_one():
    values = [1.0] * 20 + [-1.0] * 8 + [0.0] * 72
    found = non_inferiority(values, alone(100), 0.0)
    z = 12 / math.sqrt(28)
    from scipy.stats import norm

    assert found.p == pytest.approx(norm.sf(z), abs=1e-6)


@pytest.mark.parametrize("graded", [False, True])
def test_clusters_make_the_bound_lower_and_p_goes_with_the_bound(graded):
    rng = np.random.default_rng(6)
    means = np.repeat(rng.normal(0, 0.3, 25), 6)
    values = (means + rng.normal(0, 0.2, 150)).clip(-1, 1)
    if not graded:
        values = np.sign(values) * (np.abs(values) > 0.3)
    together = Design(tuple(f"c{number // 6}" for number in range(150)))
    found, apart = (non_inferiority(list(values), design, 0.1) for design in (together, alone(150)))
    assert found.bound < apart.bound
    assert (found.p <= 0.05) == (found.bound > -0.1)


def test_one_cluster_shows_nothing():
    found = non_inferiority([0.0] * 20, Design(("c",) * 20), 0.05)
    assert (found.state, found.p) == ("not shown", 1.0)
