"""`graft compare`: build what is missing, measure every arm, say which one to use."""

from __future__ import annotations

from graft.cli.comparison import note_plan, show_result
from graft.cli.options import ArmsOption, EffortOption, LimitOption, split_names
from graft.cli.session import Session

__all__ = ["EXAMPLES", "compare"]

EXAMPLES = ("graft compare", "graft compare --arms base,rag --limit 50 --json")


def compare(
    session: Session,
    effort: EffortOption = "quick",
    arms: ArmsOption = "",
    limit: LimitOption = None,
) -> None:
    """Measure every arm and say which one to use.

    Arms are asked the test questions; a report is written. What is missing is built first.
    What is done already is reused, so an interrupted comparison goes on where it stopped.
    """
    names = split_names(arms)
    workspace = session.open()
    note_plan(session, workspace.plan_compare(effort=effort, arms=names, limit=limit))
    with session.progress() as progress:
        result = workspace.compare(effort=effort, arms=names, limit=limit, on_progress=progress)
    show_result(session, result)
