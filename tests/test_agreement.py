"""A judge against people: worked values, and what the correction does in simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest

from graft.stats import (
    Design,
    Reliability,
    corrected_share,
    kappa,
    prediction_powered,
    reliability,
    rogan_gladen,
)


def alone(n: int) -> Design:
    return Design(tuple(f"q{number}" for number in range(n)))


def judged_by(truth: np.ndarray, q1: float, q0: float, draw: np.random.Generator) -> np.ndarray:
    """Verdicts of a judge with this sensitivity and specificity."""
    chance = draw.random(len(truth))
    return np.where(truth, chance < q1, chance >= q0)


def balanced(
    strata: np.ndarray, each: int, draw: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw the same number from every stratum; return the rows and a weight for every row."""
    weights, rows = np.zeros(len(strata)), []
    for name in np.unique(strata):
        pool = np.flatnonzero(strata == name)
        chosen = draw.choice(pool, min(each, len(pool)), replace=False)
        weights[chosen] = len(pool) / len(chosen)
        rows += list(chosen)
    return np.array(rows), weights


@pytest.mark.parametrize(
    ("human", "judge", "expected"),
    [
        ("rrww", "rrrw", 0.5),
        ("rrww", "rrww", 1.0),
        ("rrww", "rrrr", 0.0),  # always yes: as good as chance
        ("rrww", "wwrr", -1.0),
        ("rrrr", "rrrr", None),
        ("", "", None),
    ],
)
def test_kappa_of_worked_cases(human: str, judge: str, expected: float | None) -> None:
    assert kappa([c == "r" for c in human], [c == "r" for c in judge]) == expected


def test_kappa_of_a_published_table() -> None:
    """20 yes/yes, 5 yes/no, 10 no/yes, 15 no/no: observed 0.7, by chance 0.5."""
    human = [True] * 25 + [False] * 25
    judge = [True] * 20 + [False] * 5 + [True] * 10 + [False] * 15
    assert kappa(human, judge) == pytest.approx(0.4)


def test_sensitivity_and_specificity_count_apart() -> None:
    found = reliability([True] * 4 + [False] * 2, [True, True, True, False, False, True])
    assert (found.sensitivity, found.specificity) == (0.75, 0.5)
    assert (found.right, found.wrong, found.sum) == (4, 2, 1.25)


def test_a_class_without_labels_is_not_applicable() -> None:
    found = reliability([True, True], [True, False])
    assert (found.specificity, found.wrong, found.sum) == (None, 0.0, None)


def test_a_label_that_stands_for_three_weighs_three() -> None:
    found = reliability([True, True], [True, False], [3.0, 1.0])
    assert found.sensitivity == 0.75
    assert found.right == pytest.approx(16 / 10)


def test_weights_undo_a_sample_balanced_on_the_judges_own_verdicts() -> None:
    draw = np.random.default_rng(5)
    truth = draw.random(40_000) < 0.8
    judge = judged_by(truth, 0.95, 0.8, draw)
    rows, weights = balanced(judge, 4_000, draw)
    human, said = list(truth[rows]), list(judge[rows])
    naive, weighted = reliability(human, said), reliability(human, said, list(weights[rows]))
    assert naive.sensitivity is not None and naive.sensitivity < 0.85
    assert weighted.sensitivity == pytest.approx(0.95, abs=0.02)
    assert weighted.specificity == pytest.approx(0.80, abs=0.03)


def test_the_correction_and_its_interval_are_the_formulas() -> None:
    found = rogan_gladen(0.63, 300, Reliability(0.95, 0.85, 60, 40))
    assert found.estimate == pytest.approx(0.6)
    variance = 0.63 * 0.37 / 300 + 0.16 * 0.85 * 0.15 / 40 + 0.36 * 0.95 * 0.05 / 60
    half = 1.959964 * math.sqrt(variance) / 0.8
    assert (found.low, found.high) == pytest.approx((0.6 - half, 0.6 + half), abs=1e-6)


def test_the_correction_stays_within_0_and_1_and_is_never_certain() -> None:
    assert rogan_gladen(0.05, 100, Reliability(0.9, 0.8, 50, 50)).estimate == 0.0
    every = rogan_gladen(1.0, 50, Reliability(1.0, 1.0, 50, 50))
    assert (every.estimate, every.high) == (1.0, 1.0)
    assert 0.9 < every.low < 1.0


@pytest.mark.parametrize("known", [Reliability(1.0, 0.0, 5, 5), Reliability(None, 1.0, 0, 5)])
def test_a_judge_that_knows_nothing_corrects_nothing(known: Reliability) -> None:
    with pytest.raises(ValueError, match="q0|known"):
        corrected_share([1.0, 0.0], alone(2), known)


def test_questions_that_share_a_document_widen_the_corrected_interval() -> None:
    judge, scores = Reliability(0.95, 0.85, 60, 60), ([1.0] * 5 + [0.0] * 5) * 10
    apart = corrected_share(scores, alone(100), judge)
    together = corrected_share(scores, Design(tuple(f"c{n // 5}" for n in range(100))), judge)
    assert together.high - together.low > 1.5 * (apart.high - apart.low)
    assert (together.n, together.clusters) == (100, 20)


def test_a_six_point_fake_win_is_seen_by_the_judge_and_taken_back() -> None:
    """measuring.md 3.4, point 5: both arms are right 60 % of the time."""
    draw = np.random.default_rng(11)
    judged, corrected = [], []
    for q0 in (0.85, 0.70):
        truth = draw.random(40_000) < 0.6
        judge = judged_by(truth, 0.95, q0, draw)
        labelled = draw.choice(40_000, 8_000, replace=False)
        known = reliability(list(truth[labelled]), list(judge[labelled]))
        judged.append(float(judge.mean()))
        corrected.append(corrected_share(judge.astype(float), alone(40_000), known))
    assert judged[1] - judged[0] == pytest.approx(0.06, abs=0.01)
    assert corrected[1].estimate - corrected[0].estimate == pytest.approx(0.0, abs=0.02)
    assert all(item.low < 0.6 < item.high for item in corrected)


@pytest.mark.parametrize(("theta", "q1", "q0"), [(0.6, 0.95, 0.85), (0.6, 0.95, 0.70)])
def test_the_corrected_interval_covers_the_truth(theta: float, q1: float, q0: float) -> None:
    draw, covered, rounds = np.random.default_rng(3), 0, 400
    for _ in range(rounds):
        truth = draw.random(200) < theta
        judge = judged_by(truth, q1, q0, draw)
        shown = draw.random(60) < theta
        known = reliability(list(shown), list(judged_by(shown, q1, q0, draw)))
        found = rogan_gladen(float(judge.mean()), 200, known)
        covered += found.low <= theta <= found.high
    assert covered / rounds > 0.925


def test_prediction_powered_inference_is_the_formula_of_ppi_plus_plus() -> None:
    """n = 4 labelled and N = 4 others: lambda* = Cov(H, J) / [Var(J) (1 + n / N)]."""
    labelled_judge, human = np.array([1.0, 0.0, 1.0, -1.0]), [1.0, 0.0, 0.0, -1.0]
    others = np.array([1.0, 1.0, 0.0, 0.0])
    cov = float(np.mean((labelled_judge - 0.25) * np.array(human)))
    star = cov / (float(np.var(labelled_judge)) * (1 + 4 / 4))
    assert star == pytest.approx(4 / 11)
    expected = np.mean(human) + star * (others.mean() - labelled_judge.mean())
    found = prediction_powered(
        [*labelled_judge, *others], [*human, None, None, None, None], alone(8)
    )
    assert found.estimate == pytest.approx(float(expected))
    assert (found.weight, found.labelled, found.n) == (pytest.approx(8 / 11), 4, 8)


def test_its_error_is_the_formula_too() -> None:
    draw = np.random.default_rng(2)
    judge = draw.choice([-1.0, 0.0, 1.0], 4_000)
    truth = np.where(draw.random(4_000) < 0.7, judge, draw.choice([-1.0, 0.0, 1.0], 4_000))
    human = [float(item) if place < 800 else None for place, item in enumerate(truth)]
    found = prediction_powered(list(judge), human, alone(4_000))
    star = found.weight * 3_200 / 4_000
    gap = truth[:800] - star * judge[:800]
    expected = math.sqrt(star**2 * judge[800:].var() / 3_200 + gap.var() / 800)
    assert found.standard_error == pytest.approx(expected, rel=0.02)
    alone_error = math.sqrt(truth[:800].var() / 800)
    assert found.standard_error < 0.85 * alone_error


def test_a_judge_without_information_leaves_the_labels_alone() -> None:
    human = [1.0, 0.0, 1.0, 0.0, None, None]
    found = prediction_powered([0.0] * 6, human, alone(6))
    assert (found.estimate, found.weight) == (0.5, 0.0)


def test_one_labelled_cluster_is_not_enough() -> None:
    with pytest.raises(ValueError, match="two labelled"):
        prediction_powered([1.0, 0.0], [1.0, None], alone(2))


def test_the_paired_difference_covers_no_difference_where_the_judge_sees_one() -> None:
    """Labels balanced over strata of the judge; arms alike, the judge favours the second."""
    draw, covered, fooled, rounds = np.random.default_rng(8), 0, 0, 300
    for _ in range(rounds):
        one, two = draw.random(300) < 0.6, draw.random(300) < 0.6
        seen = [judged_by(one, 0.95, 0.85, draw), judged_by(two, 0.95, 0.70, draw)]
        judge = seen[1].astype(float) - seen[0]
        rows, weights = balanced(seen[0].astype(int) + seen[1], 17, draw)
        human: list[float | None] = [None] * 300
        for row in rows:
            human[row] = float(two[row]) - float(one[row])
        found = prediction_powered(list(judge), human, alone(300), list(weights))
        covered += found.low <= 0 <= found.high
        fooled += judge.mean() > 1.96 * judge.std() / math.sqrt(300)
    assert covered / rounds > 0.925
    assert fooled / rounds > 0.3
