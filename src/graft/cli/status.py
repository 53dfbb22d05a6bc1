"""`graft status`: what the workspace holds."""

from __future__ import annotations

from graft.cli.session import Session
from graft.cli.texts import flattened, on_one_line, worded
from graft.spaces import told_space

__all__ = ["EXAMPLES", "status"]

EXAMPLES = ("graft status", "graft status --json --workspace ../handbook")


def status(session: Session) -> None:
    """Show what the workspace holds and what is stale."""
    found = session.open().status()
    session.document(found)
    shown = {name: value for name, value in found.items() if name != "schema"}
    # Eight parts are one line for people; a program has them one by one.
    identity = found["embeddings"]["identity"]
    shown["embeddings"] = on_one_line(told_space(identity)) if identity else ""
    lines = [
        (on_one_line(name.replace("_", " ")), worded(value)) for name, value in flattened(shown)
    ]
    width = max((len(name) for name, _ in lines), default=0)
    for name, value in lines:
        session.show(f"{name:<{width}}  {value}")
