"""Options that more than one command takes, each spelled and explained once."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from graft.config import Effort
from graft.errors import UsageError

__all__ = [
    "ArmsOption",
    "BaselineOption",
    "EffortOption",
    "GatedArmOption",
    "JsonOption",
    "JunitOption",
    "LimitOption",
    "QuietOption",
    "RetrievalOption",
    "UnderOption",
    "VerboseOption",
    "WorkspaceOption",
    "split_names",
]

JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON document on stdout and nothing else there.")
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but the result.")]
VerboseOption = Annotated[
    bool, typer.Option("--verbose", "-v", help="Show the traceback of an error.")
]
WorkspaceOption = Annotated[
    Path | None,
    typer.Option(
        "--workspace",
        metavar="PATH",
        envvar="GRAFT_WORKSPACE",
        help="The workspace; else the one around the current folder.",
    ),
]
EffortOption = Annotated[
    Effort,
    typer.Option("--effort", help="How much time to spend; every derived value is printed."),
]
ArmsOption = Annotated[
    str | None, typer.Option("--arms", metavar="A,B", help="Only these arms, separated by commas.")
]
LimitOption = Annotated[
    int | None, typer.Option("--limit", min=1, help="At most so many test questions.")
]
JunitOption = Annotated[
    Path | None, typer.Option("--junit", metavar="PATH", help="Write the checks as JUnit XML.")
]
UnderOption = Annotated[
    str | None,
    typer.Option(
        "--fail-under",
        metavar="SCORE",
        help="Exit with 100 if the headline is under this: 0.8 or 80 %.",
    ),
]
BaselineOption = Annotated[
    Path | None,
    typer.Option(
        "--fail-if-regressed",
        metavar="BASELINE.json",
        help="Exit with 100 if the headline dropped against this stored comparison.",
    ),
]
GatedArmOption = Annotated[
    str | None,
    typer.Option("--arm", metavar="NAME", help="The arm of the gates; else the recommended one."),
]

RetrievalOption = Annotated[
    bool, typer.Option("--retrieval", help="Measure retrieval alone: no model is asked.")
]


def split_names(text: str | None) -> tuple[str, ...]:
    """Return the names of a comma-separated list; none where no list was given.

    >>> split_names("base, rag")
    ('base', 'rag')

    Raises:
        UsageError: a name is missing between two commas, or the list is empty.
    """
    if text is None:
        return ()
    names = tuple(name.strip() for name in text.split(","))
    if not all(names):
        raise UsageError(
            "a name is missing in a list",
            where=f"--arms {shlex.quote(text)}",
            why="names are separated by single commas",
            next_step="graft compare --arms base,rag",
        )
    return names
