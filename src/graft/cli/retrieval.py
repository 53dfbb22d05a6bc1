"""Retrieval measured on its own, as `graft compare --retrieval` shows it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from graft.cli.session import Session
from graft.cli.texts import counted
from graft.report.numbers import DASH, interval, percent, plain

if TYPE_CHECKING:
    from graft.retrieval_curve import RetrievalCurve
    from graft.stats import Interval

__all__ = ["show_retrieval"]

MOST_MISSED = 5  # named on the terminal; --json has all
SMALL = 10  # questions: below it a slice is too small to read


def show_retrieval(session: Session, result: RetrievalCurve) -> None:
    """Show the curve, the slices, what was missed, and what to do; or the one JSON document."""
    session.document({"retrieval": result})
    groups = counted(result.clusters, "group")
    session.show(f"retrieval over {counted(result.n, 'test question')} in {groups}")
    if result.left_out:
        left = counted(result.left_out, "answerable test question")
        session.note(f"left out: {left} without gold documents")
    if result.n:
        _show_points(session, result)
        _show_slices(session, result)
        _show_missed(session, result)
    session.show(f"\n{result.advice.text}")
    session.note(f"next: {result.advice.command}")


def _show_points(session: Session, result: RetrievalCurve) -> None:
    session.show("")
    rows = [["passages", "gold document", "its passage with the answer", "recall"]]
    for point in result.points:
        k = f"{point.k} (now)" if point.k == result.passages else str(point.k)
        rows.append([k, _share(point.hit), _share(point.answer), _share(point.recall)])
    _show_rows(session, rows)
    looked = result.points[0].answer
    if looked is not None and looked.n < result.n:
        session.note(f"the answer was looked for in {counted(looked.n, 'question')}")
    session.show(f"MRR {_value(result.mrr)}, nDCG@10 {_value(result.ndcg)}; 95 % intervals")


def _show_slices(session: Session, result: RetrievalCurve) -> None:
    if not result.slices:
        return
    session.show("")
    ks = [point.k for point in result.points]
    rows = [["gold document among", *map(str, ks), "questions"]]
    for part in result.slices:
        shares = [percent(part.hits[k].estimate) for k in ks]
        few = " (few)" if part.n < SMALL else ""
        rows.append([plain(part.name), *shares, f"{part.n:,}{few}"])
    _show_rows(session, rows)


def _show_missed(session: Session, result: RetrievalCurve) -> None:
    if not result.missed:
        return
    missed = counted(len(result.missed), "question")
    session.show(f"\n{missed} without a gold document among {result.depth} passages:")
    for item in result.missed[:MOST_MISSED]:
        session.show(f"  {plain(item.question_id)}: {plain(item.question)}")
        found = "; ".join(map(plain, item.found)) or "nothing"
        session.show(f"    wanted {', '.join(map(plain, item.gold))}; found {found}")
    if len(result.missed) > MOST_MISSED:
        session.note(f"  and {len(result.missed) - MOST_MISSED:,} more; --json names them all")


def _share(found: Interval | None) -> str:
    return DASH if found is None else f"{percent(found.estimate)} {interval(found.low, found.high)}"


def _value(found: Interval | None) -> str:
    if found is None:
        return DASH
    return f"{found.estimate:.2f} ({found.low:.2f}–{found.high:.2f})"


def _show_rows(session: Session, rows: Sequence[Sequence[str]]) -> None:
    """Show rows in columns, the first to the left, the others to the right."""
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    for row in rows:
        cells = [f"{row[0]:<{widths[0]}}"]
        cells += [f"{cell:>{width}}" for cell, width in zip(row[1:], widths[1:], strict=True)]
        session.show("  ".join(cells).rstrip())
