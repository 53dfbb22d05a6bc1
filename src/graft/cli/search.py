"""`graft search`: what retrieval finds, without a model."""

from __future__ import annotations

from typing import Annotated

import typer

from graft.cli.session import Session
from graft.cli.texts import cited
from graft.errors import UsageError

__all__ = ["EXAMPLES", "search"]

EXAMPLES = ('graft search "notice period"', 'graft search "error E42" --limit 10 --json')


def search(
    session: Session,
    query: Annotated[str, typer.Argument(help="Words to look for, or a question.")],
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="Passages to show.")] = 5,
) -> None:
    """Show the passages that fit a query best."""
    if not query.strip():
        raise UsageError(
            "the query is empty",
            where='graft search ""',
            why="there is nothing to look for",
            next_step=EXAMPLES[0],
        )
    hits = session.open().search(query, limit)
    session.document({"query": query, "hits": hits})
    for place, hit in enumerate(hits, 1):
        channels = ", ".join(f"{name} {rank}" for name, rank in hit.ranks.items())
        session.show(f"{place}. {cited(hit)}")
        session.show("   " + " ".join(hit.passage.text.split()))
        session.note(f"   score {hit.score:.4f}" + (f" ({channels})" if channels else ""))
    if not hits:
        session.note("nothing found")
