"""`graft questions`: take questions in and check them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, get_args

import typer

from graft.cli.session import Session
from graft.cli.texts import counted
from graft.errors import UsageError
from graft.types import Split

__all__ = ["CHECK_EXAMPLES", "IMPORT_EXAMPLES", "check_questions", "import_questions"]

SPLITS: tuple[Split, ...] = get_args(Split)
IMPORT_EXAMPLES = (
    "graft questions import qa.jsonl",
    "graft questions import qa.jsonl --where core=true",
)
CHECK_EXAMPLES = ("graft questions check", "graft questions check --json")


def import_questions(
    session: Session,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A JSONL or CSV file.")],
    where: Annotated[
        list[str] | None,
        typer.Option(
            "--where", metavar="FIELD=VALUE", help="Of test lines only those with this value."
        ),
    ] = None,
) -> None:
    """Import questions with their answers.

    The set is then fixed by its hash.
    """
    conditions = dict(_condition(text) for text in where or ())
    workspace = session.open()
    with session.progress() as progress:
        report = workspace.import_questions(file, conditions, on_progress=progress)
    counts = {split: len(report.questions.by_split(split)) for split in SPLITS}
    session.document(
        {
            "file": file,
            "hash": report.questions.hash,
            "questions": counts,
            "filtered": report.filtered,
            "duplicates": report.duplicates,
            "removed_from_train": report.removed_from_train,
            "problems": report.problems,
        }
    )
    parts = ", ".join(f"{number:,} {split}" for split, number in counts.items())
    session.show(f"{counted(sum(counts.values()), 'question')} imported: {parts}")
    if report.filtered:
        session.note(f"{counted(report.filtered, 'test line')} left out by --where")
    for problem in report.problems:
        session.complain(problem)
    session.note("next: graft questions check")


def check_questions(session: Session) -> None:
    """Say what stands out in the questions."""
    remarks = session.open().check_questions()
    session.document({"remarks": remarks})
    for remark in remarks:
        session.show(remark)
    session.note("next: graft compare")


def _condition(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign or not name.strip():
        raise UsageError(
            "--where takes a field and a value",
            where=f"--where {text}",
            why="there is no = between them",
            next_step="graft questions import FILE --where core=true",
        )
    return name.strip(), value.strip()
