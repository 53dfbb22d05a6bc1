"""`graft status`: what the workspace holds."""

from __future__ import annotations

from graft.cli.session import Session
from graft.cli.texts import flattened, worded

__all__ = ["EXAMPLES", "status"]

EXAMPLES = ("graft status", "graft status --json --workspace ../handbook")


def status(session: Session) -> None:
    """Show what the workspace holds and what is stale."""
    found = session.open().status()
    session.document(found)
    shown = {name: value for name, value in found.items() if name != "schema"}
    lines = [(name.replace("_", " "), worded(value)) for name, value in flattened(shown)]
    width = max((len(name) for name, _ in lines), default=0)
    for name, value in lines:
        session.show(f"{name:<{width}}  {value}")
