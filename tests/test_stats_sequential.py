"""Stopping early: the formula, its guarantee and its cost, and the planned looks."""

from __future__ import annotations

import math

import numpy as np
import pytest

from graft.stats import OBRIEN_FLEMING, Design, log_evidence, look_stops, votes, watch


@pytest.mark.parametrize(("won", "lost"), [(0, 0), (1, 0), (9, 1), (12, 12), (300, 200)])
def test_the_evidence_is_the_formula_of_the_guide(won, lost):
    from scipy.special import betaln

    expected = (won + lost) * math.log(2) + betaln(2 + won, 2 + lost) - betaln(2, 2)
    assert log_evidence(won, lost) == pytest.approx(expected, abs=1e-9)


def test_the_evidence_of_equal_arms_is_one_on_average_after_any_number_of_votes():
    for count in (1, 5, 20):
        mean = sum(
            math.comb(count, won) / 2**count * math.exp(log_evidence(won, count - won))
            for won in range(count + 1)
        )
        assert mean == pytest.approx(1.0)


def ever_stopped(share: float, count: int) -> tuple[float, float]:
    """Return the chance to stop within `count` votes and the mean number then cast, exactly."""
    chances, stopped, cast = {0: 1.0}, 0.0, 0.0
    for number in range(1, count + 1):
        after: dict[int, float] = {}
        for won, chance in chances.items():
            for more, part in ((1, share), (0, 1 - share)):
                total = won + more
                if log_evidence(total, number - total) >= math.log(20):
                    stopped += chance * part
                    cast += chance * part * number
                else:
                    after[total] = after.get(total, 0.0) + chance * part
        chances = after
    return stopped, cast + sum(chances.values()) * count


def test_looking_after_every_vote_gives_false_alarms_below_five_per_cent():
    stopped, _ = ever_stopped(0.5, 400)
    assert 0.015 < stopped < 0.035  # the guide's simulation: 2.7 to 2.8 %


def test_a_gap_of_twenty_points_is_seen_after_some_sixty_questions():
    """30 % of questions disagree and a leads by 20 points: it wins 5 of 6 disagreements."""
    stopped, cast = ever_stopped(5 / 6, 300)
    assert stopped > 0.999
    assert cast / 0.3 == pytest.approx(63, abs=3)


def test_watching_gives_the_first_crossing_and_a_p_that_never_grows_again():
    found = watch([1] * 12 + [-1] * 12)
    assert (found.stopped_after, found.leader) == (9, 1)
    assert (found.won, found.lost) == (12, 12)
    assert found.p == pytest.approx(math.exp(-log_evidence(12, 0)))
    assert math.exp(found.log_evidence) < 1
    assert watch([-1] * 12).leader == -1
    undecided = watch([1, -1] * 20)
    assert (undecided.stopped_after, undecided.leader) == (None, 0)
    assert undecided.p == pytest.approx(1.0)


def test_a_cluster_votes_once_when_its_last_question_is_in():
    names = ("a", "b", "a", "c", "b", "d")
    assert votes([1, 1, 0, 1, -1, -1], Design(names)) == (1, 1, -1)
    assert votes([0.2, -0.9, 0.3, 0, 0, 0], Design(names)) == (1, -1)


def test_the_planned_looks_keep_five_per_cent_together():
    z = np.random.default_rng(1).normal(size=(400_000, 3)).cumsum(axis=1) / np.sqrt([1, 2, 3])
    crossed = (np.abs(z) > OBRIEN_FLEMING).any(axis=1).mean()
    assert crossed == pytest.approx(0.05, abs=0.0015)
    assert [limit * math.sqrt(look) for look, limit in enumerate(OBRIEN_FLEMING, 1)] == (
        pytest.approx([3.471] * 3, abs=0.002)
    )
    assert look_stops(-3.5, 1)
    assert not look_stops(2.004, 3)
