"""`graft compare`: build what is missing, measure every arm, say which one to use."""

from __future__ import annotations

from collections.abc import Mapping

from graft.cli.comparison import note_plan, show_result
from graft.cli.gating import check_arm, read_gates
from graft.cli.options import (
    ArmsOption,
    BaselineOption,
    EffortOption,
    GatedArmOption,
    JunitOption,
    LimitOption,
    RetrievalOption,
    UnderOption,
    split_names,
)
from graft.cli.session import Session
from graft.errors import UsageError

__all__ = ["EXAMPLES", "compare"]

EXAMPLES = (
    "graft compare --arms base,rag --limit 50 --json",
    "graft compare --fail-under 0.8 --junit graft.xml",
)


def compare(
    session: Session,
    effort: EffortOption = "quick",
    arms: ArmsOption = None,
    limit: LimitOption = None,
    junit: JunitOption = None,
    fail_under: UnderOption = None,
    fail_if_regressed: BaselineOption = None,
    arm: GatedArmOption = None,
    retrieval: RetrievalOption = False,
) -> None:
    """Measure every arm and say which one to use.

    Arms are asked the test questions; a report is written. What is missing is built first.
    What is done already is reused, so an interrupted comparison goes on where it stopped.
    A gate that is not met ends it with exit code 100.
    """
    if retrieval:
        _refuse_without_arms(
            {
                "--arms": arms,
                "--limit": limit,
                "--junit": junit,
                "--fail-under": fail_under,
                "--fail-if-regressed": fail_if_regressed,
                "--arm": arm,
            }
        )
        _retrieval_alone(session)
        return
    gates = read_gates(junit, fail_under, fail_if_regressed, arm)
    names = split_names(arms)
    workspace = session.open()
    plan = workspace.plan_compare(effort=effort, arms=names, limit=limit)
    check_arm(gates, plan.settings.get("arms") or ())
    note_plan(session, plan)
    with session.progress() as progress:
        result = workspace.compare(effort=effort, arms=names, limit=limit, on_progress=progress)
    show_result(session, result, gates=gates, margin=workspace.config.compare.margin)


def _refuse_without_arms(given: Mapping[str, object]) -> None:
    """Refuse options that would do nothing where retrieval alone is measured.

    Raises:
        UsageError: one of them was given.
    """
    named = [option for option, value in given.items() if value is not None]
    if named:
        raise UsageError(
            "--retrieval measures no arm",
            where=" ".join(named),
            why="gates, arms and limit are for a whole comparison",
            next_step="graft compare --retrieval",
        )


def _retrieval_alone(session: Session) -> None:
    from graft.cli.retrieval import show_retrieval

    workspace = session.open()
    with session.progress() as progress:
        result = workspace.measure_retrieval(on_progress=progress)
    show_retrieval(session, result)
