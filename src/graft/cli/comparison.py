"""A comparison's plan and its result as the commands `compare`, `report` and `demo` show them."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import typer

from graft.cli.gating import GATE_NOT_MET, Gates, check_gates, refusal_of
from graft.cli.session import Session
from graft.cli.texts import counted, duration, flattened, worded
from graft.errors import GraftError

if TYPE_CHECKING:
    from graft.estimate import ComparePlan
    from graft.report.gates import Gate
    from graft.results import CompareResult

__all__ = ["SOME_FAILED", "note_plan", "show_result"]

SOME_FAILED = 5
# Where stdout is a file, lines are not wrapped: wide enough for any table and sentence.
UNWRAPPED = 1000


def note_plan(session: Session, plan: ComparePlan) -> None:
    """Say what a comparison will do, how long it takes, and every derived value."""
    session.note(f"this takes about {duration(plan.seconds)}:")
    width = max((len(text) for text, _ in plan.steps), default=0)
    for text, seconds in plan.steps:
        session.note(f"  {text:<{width}}  {duration(seconds) if seconds >= 0.5 else '-':>7}")
    settings = [f"{name} {worded(value)}" for name, value in flattened(plan.settings)]
    if settings:
        session.note(f"settings: {', '.join(settings)}")
    if plan.shows:
        session.note(plan.shows)
    session.note("Ctrl-C stops it; the same command continues\n")


def show_result(
    session: Session,
    result: CompareResult,
    next_step: str = "",
    gates: Gates | None = None,
    margin: float = 0.05,
) -> None:
    """Show the verdict and the table, where the report lies, and the next command.

    Raises:
        UsageError: a gate cannot be checked; the result has been shown all the same.
        typer.Exit: after all has been shown, with 100 where a gate is not met, else with 5
            where questions failed.
    """
    from graft.report.terminal import render_terminal

    asked = gates or Gates()
    found, refused = _checked(asked, result, margin)
    told = {"gates": found} if asked.least is not None or asked.baseline is not None else {}
    session.document({**result.comparison, **told})
    coloured = session.coloured
    width = shutil.get_terminal_size().columns if coloured or _is_terminal() else UNWRAPPED
    session.show_rendered(render_terminal(result.comparison, width=width, colour=coloured))
    session.show(f"\nreport {result.report}")
    if result.reused:
        session.note("nothing had changed, so every answer was reused")
    session.note(f"next: {next_step or _serving(result)}")
    if refused is not None:
        raise refused
    for gate in found:
        if gate.met:
            session.note(f"gate met: {gate.text}")
        else:
            session.complain(refusal_of(gate))
    if result.failed:
        session.complain(f"{counted(result.failed, 'question')} failed; the report names them")
    if not all(gate.met for gate in found):
        raise typer.Exit(GATE_NOT_MET)
    if result.failed:
        raise typer.Exit(SOME_FAILED)


def _checked(
    asked: Gates, result: CompareResult, margin: float
) -> tuple[list[Gate], GraftError | None]:
    """Check the gates; what cannot be checked is told after the result."""
    try:
        return check_gates(asked, result, margin), None
    except GraftError as error:
        return [], error


def _is_terminal() -> bool:
    import sys

    return sys.stdout.isatty()


def _serving(result: CompareResult) -> str:
    verdict = result.comparison.get("verdict") or {}
    if verdict.get("recommended"):
        return "graft serve"
    tied = verdict.get("tie_set") or ["NAME"]
    return f"graft serve --arm {tied[0]}"
