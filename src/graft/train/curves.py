"""A training curve in one sentence, in one line of blocks, and as a file."""

from __future__ import annotations

from collections.abc import Sequence

from graft.train.plan import CurvePoint

__all__ = ["curve_csv", "curve_line", "curve_sentence"]

BLOCKS = "▁▂▃▄▅▆▇█"
OVERFIT = 1.05  # loss on dev above its lowest by this factor, while the training loss fell


def curve_sentence(curve: Sequence[CurvePoint], kept_step: int) -> str:
    """Say what a curve means: overfitting, still learning, or settled.

    >>> points = [CurvePoint(10, 1, 1, 2.0, 2.0, 0.2), CurvePoint(20, 2, 2, 0.5, 3.0, 0.1)]
    >>> curve_sentence(points, 10)[:41]
    'Overfitting: after step 10 the loss on de'
    """
    if not curve:
        return "No dev rows: the last step is kept, and overfitting could not be seen."
    last, lowest = curve[-1], min(curve, key=lambda point: point.dev_loss)
    best = max(point.dev_answers for point in curve)
    kept = f"step {kept_step} is kept"
    fell = last.train_loss < lowest.train_loss
    if last.dev_loss > OVERFIT * lowest.dev_loss and fell and last is not lowest:
        fewer = last.dev_answers < best
        answers = (
            f"answers on dev fell from {best:.0%} to {last.dev_answers:.0%}"
            if fewer
            else f"answers on dev stayed at {last.dev_answers:.0%}"
        )
        advice = "more varied rows help, more passes do not" if fewer else "no harm is seen yet"
        return (
            f"Overfitting: after step {lowest.step} the loss on dev rose from "
            f"{lowest.dev_loss:.2f} to {last.dev_loss:.2f} while the training loss fell from "
            f"{lowest.train_loss:.2f} to {last.train_loss:.2f}; {answers}; {kept}; {advice}."
        )
    if not best:
        return (
            f"Not one answer on dev is right after {last.step:,} steps "
            f"(loss {curve[0].dev_loss:.2f} to {last.dev_loss:.2f}); {kept}."
        )
    before = max((point.dev_answers for point in curve[:-1]), default=0.0)
    if last.dev_answers > before and len(curve) > 1:
        return (
            f"Answers on dev were still rising at the end ({before:.0%} to "
            f"{last.dev_answers:.0%}): more passes would teach more; {kept}."
        )
    return f"Answers on dev settled at {best:.0%}; {kept}."


def curve_line(values: Sequence[float], width: int = 32) -> str:
    """Draw values as a line of blocks, at most `width` wide, each the mean of its share.

    >>> curve_line([0.0, 0.5, 1.0])
    '▁▅█'
    """
    if not values:
        return ""
    count = min(width, len(values))
    edges = [round(number * len(values) / count) for number in range(count + 1)]
    parts = [values[start:end] for start, end in zip(edges, edges[1:], strict=False)]
    means = [sum(part) / len(part) for part in parts]
    low, high = min(means), max(means)
    span = (high - low) or 1.0
    top = len(BLOCKS) - 1
    return "".join(BLOCKS[int((value - low) / span * top + 0.5)] for value in means)


def curve_csv(curve: Sequence[CurvePoint]) -> str:
    """Return the looks at a run as a CSV file, a line each."""
    lines = ["step,tokens,seconds,train_loss,dev_loss,dev_answers"]
    lines += [
        f"{point.step},{point.tokens},{point.seconds:.2f},{point.train_loss:.6f},"
        f"{point.dev_loss:.6f},{point.dev_answers:.4f}"
        for point in curve
    ]
    return "\n".join(lines) + "\n"
