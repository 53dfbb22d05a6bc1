"""`graft add`: take documents into the workspace."""

from __future__ import annotations

from typing import Annotated

import typer

from graft.cli.session import Session
from graft.cli.texts import counted, plain_data

__all__ = ["EXAMPLES", "add"]

EXAMPLES = ("graft add docs/", 'graft add handbook.pdf "sqlite:///shop.db" --json')


def add(
    session: Session,
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH|URL...",
            help="Files, folders, addresses of databases, or names of sources of graft.toml.",
        ),
    ],
) -> None:
    """Add documents, or take in what changed in them.

    What is known already is left alone. A file that cannot be read is named and counted.
    """
    workspace = session.open()
    with session.progress() as progress:
        report = workspace.add(paths, on_progress=progress)
    session.document(plain_data(report))
    for item in report.skipped:
        session.complain(f"skipped {item.path}: {item.reason}")
        if item.next_step:
            session.note(f"  next: {item.next_step}")
    counts = {
        "added": report.added,
        "updated": report.updated,
        "unchanged": report.unchanged,
        "removed": report.removed,
        "skipped": report.skipped,
    }
    parts = [f"{len(items):,} {name}" for name, items in counts.items() if items]
    session.show(f"{', '.join(parts) or 'nothing found'}; {counted(report.passages, 'passage')}")
    session.note("next: graft questions import questions.jsonl")
