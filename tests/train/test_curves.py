from __future__ import annotations

from graft.train.curves import curve_csv, curve_line, curve_sentence
from graft.train.plan import CurvePoint


def points(*looks):
    return [
        CurvePoint(10 * number, 100 * number, 1.0 * number, *look)
        for number, look in enumerate(looks, 1)
    ]


def test_overfitting_is_a_sentence_with_its_figures():
    curve = points((2.0, 1.5, 0.4), (0.9, 1.4, 0.5), (0.1, 2.2, 0.3))
    said = curve_sentence(curve, 20)
    assert said.startswith("Overfitting: after step 20 the loss on dev rose from 1.40 to 2.20")
    assert "training loss fell from 0.90 to 0.10" in said
    assert "fell from 50% to 30%" in said
    assert "step 20 is kept" in said
    assert "more passes do not" in said


def test_a_loss_that_rises_while_answers_hold_is_told_as_it_is():
    curve = points((2.0, 1.0, 0.4), (0.1, 1.5, 0.5))
    said = curve_sentence(curve, 20)
    assert "stayed at 50%" in said
    assert "no harm is seen yet" in said


def test_still_rising_settled_nothing_right_and_no_dev():
    assert "still rising" in curve_sentence(points((2, 2, 0.1), (1, 1, 0.3)), 20)
    assert "settled at 30%" in curve_sentence(points((2, 2, 0.3), (1, 1.9, 0.3)), 20)
    assert "Not one answer" in curve_sentence(points((2, 2, 0.0), (1, 1.9, 0.0)), 20)
    assert "could not be seen" in curve_sentence([], 5)


def test_a_line_of_blocks_is_never_wider_than_asked():
    assert curve_line([3.0, 2.0, 1.0]) == "█▅▁"
    assert len(curve_line([float(n) for n in range(1000)])) == 32
    assert curve_line([1.0, 1.0]) == "▁▁"
    assert curve_line([]) == ""


def test_the_file_has_a_line_a_look():
    text = curve_csv(points((2.0, 1.5, 0.4), (0.9, 1.4, 0.5)))
    assert text.splitlines()[1] == "10,100,1.00,2.000000,1.500000,0.4000"
    assert len(text.splitlines()) == 3
