"""`graft train`: train the adapters of the fine-tuned arms, forecast it, check what is stale."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from graft.cli.options import EffortOption
from graft.cli.session import Session
from graft.cli.texts import counted, duration
from graft.errors import UsageError

if TYPE_CHECKING:
    from graft.adapters import TrainReport
    from graft.checking import CheckReport
    from graft.train.audit import Audit
    from graft.train_forecast import TrainForecast

__all__ = ["EXAMPLES", "train"]

EXAMPLES = ("graft train --dry-run", "graft train hybrid --effort normal")
SHOWN_ANSWERS = 5


def train(
    session: Session,
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[ADAPTER]...", help="finetuned, hybrid; else both."),
    ] = None,
    effort: EffortOption = "quick",
    force: Annotated[
        bool, typer.Option("--force", "-f", help="Train anew what is trained already.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say rows, tokens, minutes, memory and disk; stop.")
    ] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Ask adapters about what changed since; advise.")
    ] = False,
    changes: Annotated[
        Path | None,
        typer.Option("--changes", metavar="FILE", help="With --check: facts, old and new."),
    ] = None,
    questions_per_month: Annotated[
        float, typer.Option(min=0, help="With --check: questions that are asked a month.")
    ] = 0.0,
    error_cost: Annotated[
        float, typer.Option(min=0, help="With --check: what a stale answer costs.")
    ] = 0.0,
    train_cost: Annotated[
        float, typer.Option(min=0, help="With --check: what a training costs, labour too.")
    ] = 0.0,
) -> None:
    """Train the adapters of the fine-tuned arms.

    An adapter whose material has not changed is reused; a training that was stopped goes on.
    """
    money = (questions_per_month, error_cost, train_cost)
    _need_fitting(check, dry_run, force, changes, money)
    tuning = session.open().tuning
    with session.progress() as progress:
        if check:
            checked = tuning.check(
                names or (),
                changes=changes,
                questions_a_month=questions_per_month,
                error_cost=error_cost,
                train_cost=train_cost,
                on_progress=progress,
            )
        elif dry_run:
            forecasts = tuning.forecast(names or (), effort=effort, on_progress=progress)
        else:
            reports = tuning.train(names or (), effort=effort, force=force, on_progress=progress)
    if check:
        _show_check(session, checked)
        return
    session.document({"effort": effort, "adapters": forecasts if dry_run else reports})
    for forecast in forecasts if dry_run else ():
        _show_forecast(session, forecast)
    for report in () if dry_run else reports:
        _show_report(session, report)
    session.note(f"next: graft train --effort {effort}" if dry_run else "next: graft compare")


def _need_fitting(
    check: bool, dry_run: bool, force: bool, changes: Path | None, money: Sequence[float]
) -> None:
    """Raise `UsageError` for options that do not go together."""
    if check and (dry_run or force):
        raise UsageError(
            "--check trains nothing",
            why=f"{'--dry-run' if dry_run else '--force'} is for training",
            next_step="graft train --check",
        )
    if not check and (changes or any(money)):
        raise UsageError(
            "--changes and the costs are for --check",
            why="nothing is checked without it",
            next_step="graft train --check --changes changes.jsonl",
        )


def _show_report(session: Session, report: TrainReport) -> None:
    how = (
        "reused, nothing changed"
        if report.reused
        else f"trained, {counted(report.steps, 'step')}, {counted(report.tokens, 'token')}, "
        f"{duration(report.seconds)}"
    )
    session.show(f"{report.adapter}  {how}")
    session.show(f"  {report.folder}")
    if report.differing:
        session.note(
            f"  an earlier run was stopped; started anew, since {_listed(report.differing)} differ"
        )
    elif report.resumed_at and not report.reused:
        session.note(f"  went on after step {report.resumed_at:,}, where it had been stopped")
    if report.dev_answers is not None:
        session.note(f"  right answers on dev {report.dev_answers:.0%}")
    if report.line:
        session.note(f"  training loss {report.line}")
    if report.said:
        session.note(f"  {report.said}")
    for trial in report.rates:
        looks = ", ".join(f"{look[1]:.2f}" for look in trial["looks"])
        kept = ", chosen" if trial["chosen"] else ""
        session.note(f"  learning rate {trial['rate']:g}: loss on dev {looks}{kept}")
    if report.seeds:
        worst = min(report.seeds, key=lambda item: (item["dev_answers"], -item["dev_loss"]))
        session.note(
            f"  of {len(report.seeds)} seeds the worst answers {worst['dev_answers']:.0%} of dev"
        )
    _show_left_out(session, report.left_out)
    if not report.reused:
        _show_audit(session, report.audit)


def _show_left_out(session: Session, left_out: object) -> None:
    for reason, number in dict(left_out).items():  # type: ignore[call-overload]
        session.note(f"  left out: {reason} {number:,}")


def _listed(parts: Sequence[str]) -> str:
    return ", ".join(parts[:-1]) + " and " + parts[-1] if len(parts) > 1 else parts[0]


def _show_audit(session: Session, audit: Audit) -> None:
    """Show what is learned: counts of each split, and with -v rows with that part marked."""
    for split, found in audit.splits.items():
        session.note(
            f"  {split}: {counted(found.rows, 'row')}, {counted(found.learned_tokens, 'token')} "
            f"learned of {found.read_tokens:,}; a row {found.least} to {found.most}, "
            f"median {found.median}"
        )
    if session.verbose:
        for text in audit.shown:
            session.note("  a row, learned part in ⟦ ⟧:")
            session.note("\n".join(f"    {line}" for line in text.splitlines()))


def _show_forecast(session: Session, forecast: TrainForecast) -> None:
    passes = "1 pass" if forecast.epochs == 1 else f"{forecast.epochs} passes"
    session.show(
        f"{forecast.adapter}  {counted(forecast.rows, 'row')} in {passes}, "
        f"{counted(forecast.steps, 'step')}, {counted(forecast.tokens, 'token')}"
        f", {forecast.learned_tokens:,} of them learned"
    )
    runs = ["a pilot of the learning rate"] * forecast.pilot
    runs += [f"{forecast.seeds} seeds"] * (forecast.seeds > 1)
    beside = f", with {_listed(runs)}" if runs else ""
    built = "; already built, would be reused" if forecast.built else ""
    session.show(
        f"  about {duration(forecast.seconds)}{beside}, {forecast.memory_bytes / 1e9:.1f} GB of "
        f"memory, {forecast.disk_bytes / 1e6:,.0f} MB of disk, of which "
        f"{forecast.kept_bytes / 1e6:,.0f} MB stay{built}"
    )
    _show_left_out(session, forecast.left_out)
    _show_audit(session, forecast.audit)
    if not session.verbose and forecast.audit.shown:
        session.note("  a row, learned part in ⟦ ⟧ (with -v three):")
        shown = forecast.audit.shown[0].splitlines()
        session.note("\n".join(f"    {line}" for line in shown))


def _show_check(session: Session, reports: Sequence[CheckReport]) -> None:
    shares = {report.adapter: report.shares for report in reports}
    session.document({"adapters": reports, "shares": shares})
    for report in reports:
        stale = report.stale
        session.show(
            f"{report.adapter}  trained on {counted(stale.trained, 'document')}: "
            f"{len(stale.changed):,} changed, {len(stale.removed):,} removed since"
        )
        if report.asked:
            told = ", ".join(f"{kind} {report.counts[kind]}" for kind in report.counts)
            session.show(f"  asked {counted(report.asked, 'changed question')}: {told}")
        else:
            session.show("  no changed fact to ask about; --changes names some")
        session.show(f"  {report.advice.sentence}")
        old = [item for item in report.answers if item["kind"] == "old"]
        for item in old[:SHOWN_ANSWERS]:
            session.note(f"  old: {item['question']}  {item['answer']}")
        if len(old) > SHOWN_ANSWERS:
            session.note(f"  and {len(old) - SHOWN_ANSWERS:,} more, all with --json")
