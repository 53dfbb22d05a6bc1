"""`graft add`: take documents into the workspace, once or whenever they change."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from graft.cli.session import Session
from graft.cli.texts import counted, on_one_line, plain_data
from graft.errors import GraftError
from graft.watching import SWEEP_SECONDS, rounds

if TYPE_CHECKING:
    from graft.corpus import AddReport
    from graft.workspace import Workspace

__all__ = ["EXAMPLES", "add"]

EXAMPLES = ("graft add docs/ --watch", 'graft add handbook.pdf "sqlite:///shop.db" --json')


def add(
    session: Session,
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH|URL...",
            help="Files, folders, addresses of databases, or names of sources of graft.toml.",
        ),
    ],
    watch: Annotated[
        bool, typer.Option("--watch", help="Stay, and take in every change until Ctrl-C.")
    ] = False,
    retry: Annotated[
        bool, typer.Option("--retry", help="Try files that failed again at once.")
    ] = False,
    sweep: Annotated[
        float,
        typer.Option(min=1.0, metavar="SECONDS", help="With --watch: look at all this often."),
    ] = SWEEP_SECONDS,
) -> None:
    """Add documents, or take in what changed in them.

    What is known already is left alone. A file that cannot be read is named and counted. With
    --watch changes are taken in as they come, one JSON document a change with --json.
    """
    workspace = session.open()
    with session.progress() as progress:
        report = workspace.add(paths, on_progress=progress, retry=retry)
    _show(session, report, report.skipped)
    if watch:
        _watch(session, workspace, paths, sweep, report)
    else:
        session.note("next: graft questions import questions.jsonl")


def _show(session: Session, report: AddReport, skipped: Sequence[object], prefix: str = "") -> None:
    session.document(plain_data(report))
    for item in report.skipped:
        if item in skipped:
            session.complain(f"skipped {on_one_line(item.path)}: {on_one_line(item.reason)}")
            if item.next_step:
                session.note(f"  next: {on_one_line(item.next_step)}")
    counts = {
        "added": report.added,
        "updated": report.updated,
        "unchanged": report.unchanged,
        "read again with a newer loader": report.reread,
        "renamed": report.renamed,
        "removed": report.removed,
        "skipped": report.skipped,
    }
    parts = [f"{len(items):,} {name}" for name, items in counts.items() if items]
    found = ", ".join(parts) or "nothing found"
    session.show(f"{prefix}{found}; {counted(report.passages, 'passage')}")


def _watch(
    session: Session, workspace: Workspace, paths: Sequence[str], sweep: float, before: AddReport
) -> None:
    """Take in changes until Ctrl-C; a round that fails is told, and the next one tried.

    Sweeps and rounds that change nothing say nothing.
    """
    places = [Path(item) for item in paths if Path(item).exists()]
    session.note(f"watching {on_one_line(', '.join(paths))}; Ctrl-C ends")
    try:
        for _ in _first_and(rounds(places, without=workspace.root / ".graft", sweep=sweep)):
            started = time.monotonic()
            try:
                report = workspace.add(paths)
            except GraftError as error:
                session.complain(str(error))
                continue
            new = [item for item in report.skipped if item not in before.skipped]
            gone = len(report.skipped) < len(before.skipped)
            changed = (report.added, report.updated, report.reread, report.renamed)
            if any((*changed, report.removed, new)) or gone:
                now = f"{time.strftime('%H:%M:%S')}, {time.monotonic() - started:.1f} s: "
                _show(session, report, new, now)
            before = report
    except KeyboardInterrupt:
        session.note("stopped watching; every change so far is taken in")


def _first_and(later: Iterator[str]) -> Iterator[str]:
    """Look once at once: something may have changed between reading and watching."""
    yield "start"
    yield from later
