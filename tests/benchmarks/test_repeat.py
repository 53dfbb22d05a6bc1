from __future__ import annotations

from benchmarks.repeat import outside, same_answers


def arm(name, score, low=None, high=None):
    return {"name": name, "headline": {"score": score, "low": low, "high": high}}


def test_answers_are_compared_arm_by_arm():
    one = {("rag", "a"): "x", ("rag", "b"): "y", ("base", "a"): "z"}
    two = one | {("rag", "b"): "other"}
    assert same_answers(one, two) == {"base": 1.0, "rag": 0.5, "all": 0.6667}
    assert same_answers({}, {}) == {"all": 0.0}


def test_a_headline_is_held_against_the_interval_of_the_first_run():
    first = {"arms": [arm("rag", 0.5, 0.4, 0.6), arm("base", 0.1, 0.0, 0.2), arm("x", None)]}
    other = {"arms": [arm("rag", 0.61), arm("base", 0.2), arm("x", 0.9), arm("new", 0.5)]}
    assert outside(first, other) == ["rag"]
