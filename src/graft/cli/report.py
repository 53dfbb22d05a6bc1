"""`graft report`: show the newest comparison again, from its files."""

from __future__ import annotations

from graft.cli.comparison import show_result
from graft.cli.session import Session

__all__ = ["EXAMPLES", "report"]

EXAMPLES = ("graft report", "graft report --json > comparison.json")


def report(session: Session) -> None:
    """Show the newest comparison again.

    Its report is written anew from the files; no model is asked.
    """
    show_result(session, session.open().report())
