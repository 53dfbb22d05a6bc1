"""`graft train`: train the adapters of the fine-tuned arms."""

from __future__ import annotations

from typing import Annotated

import typer

from graft.cli.options import EffortOption
from graft.cli.session import Session
from graft.cli.texts import counted, duration

__all__ = ["EXAMPLES", "train"]

EXAMPLES = ("graft train", "graft train hybrid --effort normal")


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
) -> None:
    """Train the adapters of the fine-tuned arms.

    An adapter whose material has not changed is reused.
    """
    workspace = session.open()
    with session.progress() as progress:
        reports = workspace.train(names or (), effort=effort, force=force, on_progress=progress)
    session.document({"effort": effort, "adapters": reports})
    for report in reports:
        how = (
            "reused, nothing changed"
            if report.reused
            else f"trained, {counted(report.steps, 'step')}, {counted(report.tokens, 'token')}, "
            f"{duration(report.seconds)}"
        )
        session.show(f"{report.adapter}  {how}")
        session.show(f"  {report.folder}")
        if report.dev_answers is not None:
            session.note(f"  right answers on dev {report.dev_answers:.0%}")
        for reason, number in report.left_out.items():
            session.note(f"  left out: {reason} {number:,}")
    session.note("next: graft compare")
