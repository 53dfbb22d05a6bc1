"""`graft demo`: the golden path on the example, from nothing to a verdict."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from graft.cli.comparison import note_plan, show_result
from graft.cli.session import Session
from graft.cli.texts import counted
from graft.errors import BadInput

if TYPE_CHECKING:
    from graft.workspace import Workspace

__all__ = ["EXAMPLES", "demo"]

EXAMPLES = ("graft demo", "graft demo --folder /tmp/graft-demo")
# Measured on two cores (docs/log.md); the plan says it for the machine at hand.
FIRST_TIME = "about ten minutes on two cores the first time, seconds after that"


def demo(
    session: Session,
    folder: Annotated[
        Path, typer.Option("--folder", metavar="PATH", help="Where the workspace is made.")
    ] = Path("graft-demo"),
) -> None:
    """Try it all on the documents of an invented company.

    Creates a workspace with the example, builds every arm and compares them. Running it again
    does nothing twice and shows the same table.
    """
    session.note(f"the demo takes {FIRST_TIME}")
    workspace = _open_or_create(session, folder)
    with session.progress() as progress:
        added = workspace.add([workspace.root / "docs"], on_progress=progress)
        workspace.import_questions(workspace.root / "questions.jsonl", {}, on_progress=progress)
    new = len(added.added) + len(added.updated) + len(added.reread)
    session.note(f"{counted(new, 'document')} new or changed, {len(added.unchanged):,} unchanged\n")
    note_plan(session, workspace.plan_compare(effort="quick"))
    with session.progress() as progress:
        result = workspace.compare(effort="quick", on_progress=progress)
    show_result(session, result, folder)


def _open_or_create(session: Session, folder: Path) -> Workspace:
    if not (folder / "graft.toml").exists():
        session.note(f"creating the workspace {folder}")
        return session.create(folder, example=True)
    if not (folder / "questions.jsonl").exists():
        raise BadInput(
            "the folder is a workspace, but not that of the demo",
            where=str(folder),
            why="it has no questions.jsonl, which graft init --example writes",
            next_step="graft demo --folder another-folder",
        )
    session.note(f"using the workspace {folder}")
    return session.open(folder)
