"""What a number of test questions can show, said before anything is computed.

The formula is that of measuring.md 3.3, with three assumptions that are said beside it: how
often arms typically disagree, how alike the questions of one group are, and three contrasts
looked at together. It knows no run; after a comparison the verdict uses what was measured.
"""

from __future__ import annotations

from collections.abc import Sequence

from graft.question_set import QuestionSet
from graft.stats import ALPHA, design_effect, detectable_difference, sample_size
from graft.types import Question

__all__ = ["detectable", "power_line"]

DISAGREEMENT = (0.2, 0.3)  # shares of questions on which two arms typically differ
CONTRASTS = 3
CORRELATION = 0.2  # of questions of one group, where groups have several
WANTED = 0.10  # the difference for which the questions needed are named


def detectable(questions: QuestionSet) -> list[str]:
    """Say which differences between arms the test questions can show, and which not."""
    test = _scored(questions.by_split("test"))
    if not test:
        return []
    n = len(test)
    effect = _effect(test, n)
    groups = len({item.group for item in test})
    sentences = [_plainly(n, groups, effect), _together(n, effect)]
    if effect > 1:
        sentences.append(
            f"Assumed: questions of one group are alike (correlation {CORRELATION}), so that"
            f" {n:,} questions count as {n / effect:,.0f}. More groups show more than more"
            " questions a group."
        )
    return [text for text in sentences if text]


def power_line(questions: QuestionSet, asked: int) -> str:
    """Say in one line what `asked` of the test questions can show."""
    test = _scored(questions.by_split("test"))
    n = min(asked, len(test))
    low, high = (_points(n, share, _effect(test, n)) for share in DISAGREEMENT)
    if high is None:
        return f"no difference between arms can be shown with {_counted(n)}; graft questions check"
    shares = [f"{100 * share:.0f} %" for share in DISAGREEMENT]
    span = high if low is None else f"{low} to {high}"
    where = shares[-1] if low is None else " to ".join(shares)
    return (
        f"{_counted(n)} can show a difference between two arms of {span} points or more"
        f" (where they disagree on {where})"
    )


def _scored(test: Sequence[Question]) -> Sequence[Question]:
    """Leave out questions for retrieval alone, unless there are no others."""
    return [item for item in test if item.answers or not item.answerable] or test


def _effect(test: Sequence[Question], asked: int) -> float:
    """Return the design effect of a draw; fewer questions of the same groups are less alike."""
    groups = len({item.group for item in test})
    if not groups:
        return 1.0
    others = (len(test) / groups - 1) * asked / len(test)
    return design_effect(1 + others, CORRELATION)


def _points(n: int, disagreement: float, effect: float, alpha: float = ALPHA) -> str | None:
    found = detectable_difference(n, disagreement, alpha, effect=effect)
    return None if found is None else f"{100 * found:.1f}"


def _plainly(n: int, groups: int, effect: float) -> str:
    found = [(share, _points(n, share, effect)) for share in DISAGREEMENT]
    shown = [
        f"{points} points or more where arms disagree on {100 * share:.0f} % of the questions"
        for share, points in found
        if points is not None
    ]
    if not shown:
        return _nothing(n, groups, effect)
    start = f"With {_counted(n)} in {groups:,} group{'s' * (groups != 1)} you can see differences"
    missing = [
        f"none where they disagree on {100 * share:.0f} %" for share, points in found if not points
    ]
    return f"{start} of {', '.join([*shown, *missing])} (level {100 * ALPHA:.0f} %, power 80 %)."


def _nothing(n: int, groups: int, effect: float) -> str:
    """Say what a set sees that is too small for any usual difference.

    Where all disagreements go one way the difference is the share of disagreement itself; the
    smallest such share is the square of the difference that the formula gives for a share of 1.
    """
    shares = " or ".join(f"{100 * share:.0f} %" for share in DISAGREEMENT)
    root = detectable_difference(n, 1.0, effect=effect)
    needed = sample_size(WANTED, DISAGREEMENT[-1], effect=effect)
    so = (
        "not even where one arm is right and the other wrong every time"
        if root is None
        else f"it takes arms that disagree on at least {100 * root**2:.0f} %, with the same arm"
        f" right each time: a difference of {100 * root**2:.0f} points"
    )
    return (
        f"No difference can be shown with {_counted(n)} in {groups:,} group{'s' * (groups != 1)}"
        f" where arms disagree on {shares} of them; {so}. To see {100 * WANTED:.0f} points"
        f" at {100 * DISAGREEMENT[-1]:.0f} % takes {needed or 0:,} questions"
        f" (level {100 * ALPHA:.0f} %, power 80 %)."
    )


def _together(n: int, effect: float) -> str:
    """Say the same for three contrasts at one level, which is what a comparison looks at."""
    found = [_points(n, share, effect, ALPHA / CONTRASTS) for share in DISAGREEMENT]
    if found[-1] is None:
        usual = _points(n, DISAGREEMENT[-1], effect)
        return "" if usual is None else "With three contrasts at once it can show none."
    shown = [
        f"{points or 'none'} at {100 * share:.0f} %"
        for share, points in zip(DISAGREEMENT, found, strict=True)
    ]
    return f"With three contrasts at once, in points: {', '.join(shown)}."


def _counted(n: int) -> str:
    return f"{n:,} test question{'s' * (n != 1)}"
