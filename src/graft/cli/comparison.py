"""A comparison's plan and its result as the commands `compare`, `report` and `demo` show them."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from graft.cli.gating import GATE_NOT_MET, Gates, check_gates, refusal_of
from graft.cli.session import Session
from graft.cli.texts import counted, duration, flattened, worded

if TYPE_CHECKING:
    from graft.estimate import ComparePlan
    from graft.results import CompareResult

__all__ = ["SOME_FAILED", "note_plan", "show_result"]

SOME_FAILED = 5
SHOWN_ALREADY = "graft report"  # a failure may point there; the reader has just seen it
# Where stdout is a file, lines are not wrapped: wide enough for any table and sentence.
UNWRAPPED = 1000


def note_plan(session: Session, plan: ComparePlan) -> None:
    """Say what a comparison will do, how long it takes, and every derived value."""
    if plan.done:
        session.note("everything is measured already; the verdict is drawn anew")
        return
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
    folder: Path | None = None,
    gates: Gates | None = None,
    margin: float = 0.05,
) -> None:
    """Show the verdict and the table, where the report lies, and the next command.

    `folder` is that of a workspace which is not around the current folder.

    Raises:
        UsageError: a gate cannot be checked; the result has been shown all the same.
        typer.Exit: after all has been shown, with 100 where a gate is not met, else with 5
            where questions failed.
    """
    from graft.report.terminal import render_terminal

    asked = gates or Gates()
    found, refused = check_gates(asked, result, margin)
    told = {"gates": found} if asked.least is not None or asked.baseline is not None else {}
    session.document({**result.comparison, **told})
    coloured = session.coloured
    width = shutil.get_terminal_size().columns if coloured or _is_terminal() else UNWRAPPED
    session.show_rendered(render_terminal(result.comparison, width=width, colour=coloured))
    session.show(f"\nreport {result.report}")
    if result.reused:
        session.note("nothing had changed, so every answer was reused")
    session.note(f"next: {_next_step(result, folder)}")
    for gate in found:
        if gate.met:
            session.note(f"gate met: {gate.text}")
        else:
            session.complain(refusal_of(gate, result.report))
    if refused is not None:
        raise refused
    if result.failed:
        session.complain(f"{counted(result.failed, 'question')} failed; the report names them")
    if not all(gate.met for gate in found):
        raise typer.Exit(GATE_NOT_MET)
    if result.failed:
        raise typer.Exit(SOME_FAILED)


def _is_terminal() -> bool:
    import sys

    return sys.stdout.isatty()


def _next_step(result: CompareResult, folder: Path | None) -> str:
    """Return what to do next: serve what is recommended, else go to what stands in the way."""
    verdict = result.comparison.get("verdict") or {}
    if verdict.get("recommended") and not verdict.get("blocked_by"):
        step = "graft serve"
    else:
        failures = result.comparison.get("failures") or ()
        step = next((str(item["command"]) for item in failures if item.get("command")), "")
        if step in ("", SHOWN_ALREADY):
            step = f'open {shlex.quote(str(result.report))}, its part "Why"'
    inside = folder is not None and step.startswith("graft ")
    return f"cd {shlex.quote(str(folder))} && {step}" if inside else step
