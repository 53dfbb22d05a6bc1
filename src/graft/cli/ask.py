"""`graft ask`: one question to one arm, or to all of them side by side."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Annotated

import typer

from graft.cli.session import Session
from graft.cli.texts import cited, duration
from graft.errors import UsageError
from graft.prompts import reading_order

if TYPE_CHECKING:
    from graft.workspace import AskResult

__all__ = ["EXAMPLES", "ask"]

EXAMPLES = ('graft ask "How long is the notice period?"', 'graft ask --all "Who signs travel?"')


def ask(
    session: Session,
    question: Annotated[str, typer.Argument(help="The question.")],
    arm: Annotated[
        str,
        typer.Option(
            "--arm",
            metavar="NAME",
            help="The arm; else the recommended one, and without a recommendation rag.",
        ),
    ] = "",
    every: Annotated[bool, typer.Option("--all", help="Ask every arm.")] = False,
) -> None:
    """Answer a question, by one arm or by all.

    The answer goes to stdout, its sources to stderr.
    """
    if arm and every:
        raise UsageError(
            "--arm and --all exclude each other",
            next_step=f"graft ask --all {shlex.quote(question)}",
        )
    if not question.strip():
        raise UsageError(
            "the question is empty",
            where='graft ask ""',
            why="there is nothing to answer",
            next_step=EXAMPLES[0],
        )
    workspace = session.open()
    results = workspace.ask_all(question) if every else [workspace.ask(question, arm)]
    session.document({"question": question, "answers": results})
    width = max((len(result.arm) for result in results), default=0)
    for result in results:
        session.show(f"{result.arm:<{width}}  {result.answer}" if every else result.answer)
        _note_sources(session, result)


def _note_sources(session: Session, result: AskResult) -> None:
    total = result.stage_seconds.get("total_seconds")
    took = f" in {duration(total) if total >= 1 else f'{total * 1000:.0f} ms'}" if total else ""
    session.note(f"  {result.arm}{took}{', declined' if result.declined else ''}")
    hits = {hit.passage.id: hit for hit in result.passages}
    for number, passage in enumerate(reading_order([hit.passage for hit in hits.values()]), 1):
        session.note(f"  [{number}] {cited(hits[passage.id])}")
