from __future__ import annotations

import math

import pytest

from graft.errors import TrainingFailed
from graft.train.halving import choose_rate, rates_around


def runner(losses):
    """`run(rate, share)` from losses by rate; notes what was asked."""
    asked = []

    def run(rate, share):
        asked.append((rate, share))
        loss = losses[rate]
        if loss is None:
            raise TrainingFailed("the loss is not a number")
        return loss * (1 - share), 0.5

    return run, asked


def test_the_worse_half_stops_after_each_round():
    run, asked = runner({1.0: 3.0, 2.0: 1.0, 4.0: 2.0})
    best, trials = choose_rate(run, (2.0, 1.0, 4.0))
    assert best == 2.0
    assert asked == [(1.0, 0.1), (2.0, 0.1), (4.0, 0.1), (2.0, 0.2), (4.0, 0.2)]
    assert [(trial.rate, len(trial.looks), trial.chosen) for trial in trials] == [
        (1.0, 1, False),
        (2.0, 2, True),
        (4.0, 2, False),
    ]


def test_a_rate_that_blows_up_is_out_and_told():
    run, _ = runner({1.0: 3.0, 2.0: None, 4.0: None})
    best, trials = choose_rate(run, (1.0, 2.0, 4.0))
    assert best == 1.0
    assert [trial.looks[0][1] for trial in trials][1:] == [math.inf, math.inf]


def test_where_every_rate_fails_the_error_stands():
    run, _ = runner({1.0: None, 2.0: None, 4.0: None})
    with pytest.raises(TrainingFailed, match="not a number"):
        choose_rate(run, (1.0, 2.0, 4.0))


def test_of_equal_rates_the_smaller_stays():
    run, _ = runner({1.0: 2.0, 2.0: 2.0, 4.0: 2.0})
    assert choose_rate(run, rates_around(2.0))[0] == 1.0
