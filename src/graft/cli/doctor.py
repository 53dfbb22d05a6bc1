"""`graft doctor`: whether this machine has what the workspace needs."""

from __future__ import annotations

import typer

from graft.cli.session import Session
from graft.errors import MissingPrerequisite

__all__ = ["EXAMPLES", "doctor"]

EXAMPLES = ("graft doctor", "graft doctor --json")


def doctor(session: Session) -> None:
    """Check what this machine has of what is needed.

    Exits with 3 where something is missing.
    """
    checks = session.open().doctor()
    missing = [check for check in checks if not check.ok]
    session.document({"ok": not missing, "checks": checks})
    width = max((len(check.name) for check in checks), default=0)
    for check in checks:
        session.show(f"{'ok' if check.ok else 'missing':<7}  {check.name:<{width}}  {check.detail}")
        if not check.ok and check.next_step:
            session.show(f"{'':<7}  {'':<{width}}  next: {check.next_step}")
    if missing:
        raise typer.Exit(MissingPrerequisite.exit_code)
