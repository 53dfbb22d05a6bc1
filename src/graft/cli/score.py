"""`graft score`: score the stored answers again with today's measures; no model is asked."""

from __future__ import annotations

from typing import Annotated

import typer

from graft.cli.session import Session
from graft.cli.texts import counted

__all__ = ["EXAMPLES", "score"]

EXAMPLES = ("graft score", "graft score 3f9a0c1b2d4e5f60 --json")


def score(
    session: Session,
    report_id: Annotated[
        str, typer.Argument(metavar="[REPORT_ID]", help="A folder of .graft/reports.")
    ] = "",
) -> None:
    """Score the stored answers of a comparison again.

    Every measure is computed anew, the verdict drawn again; without an id it is the newest
    comparison. No answer changes and no model is asked.
    """
    found = session.open().score(report_id)
    comparison = found.result.comparison
    session.document(
        {
            "report_id": found.report_id,
            "report": found.result.report,
            "records": found.records,
            "changed": found.changed,
            "kept": found.kept,
            "comparison": comparison,
        }
    )
    session.show(f"{counted(found.records, 'answer')} scored again")
    for name, count in found.changed.items():
        session.show(f"  {name}: {counted(count, 'score')} changed")
    if not found.changed:
        session.show("  no score changed")
    session.show(f"\n{comparison['verdict']['sentence']}\n\nreport {found.result.report}")
    if found.kept:
        names = ", ".join(found.kept)
        session.note(f"the documents have changed since: {names} kept the scores that need them")
    session.note("next: graft report")
