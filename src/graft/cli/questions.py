"""`graft questions`: take questions in, check them and write them out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, get_args

import typer

from graft.cli.session import Session
from graft.cli.texts import counted
from graft.errors import UsageError
from graft.types import Split

__all__ = [
    "CHECK_EXAMPLES",
    "EXPORT_EXAMPLES",
    "IMPORT_EXAMPLES",
    "check_questions",
    "export_questions",
    "import_questions",
]

SPLITS: tuple[Split, ...] = get_args(Split)
IMPORT_EXAMPLES = (
    "graft questions import qa.jsonl",
    "graft questions import qa.jsonl --where core=true --group-from page",
)
CHECK_EXAMPLES = ("graft questions check", "graft questions check --json")
EXPORT_EXAMPLES = (
    "graft questions export qa.csv",
    "graft questions export qa-beir --format beir",
)


def import_questions(
    session: Session,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A JSONL or CSV file, or a BEIR folder.")
    ],
    where: Annotated[
        list[str] | None,
        typer.Option(
            "--where", metavar="FIELD=VALUE", help="Of test lines only those with this value."
        ),
    ] = None,
    group_from: Annotated[
        str,
        typer.Option(
            "--group-from",
            metavar="FIELD",
            help="The field that says which questions belong together; folder: that of the"
            " first document.",
        ),
    ] = "",
) -> None:
    """Import questions with their answers.

    The set is then fixed by its hash.
    """
    conditions = dict(_condition(text) for text in where or ())
    workspace = session.open()
    with session.progress() as progress:
        report = workspace.import_questions(
            file, conditions, on_progress=progress, group_from=group_from
        )
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


def export_questions(
    session: Session,
    path: Annotated[Path, typer.Argument(metavar="PATH", help="The file or folder to write.")],
    form: Annotated[
        str,
        typer.Option("--format", metavar="FORM", help="jsonl, csv or beir; else by the ending."),
    ] = "",
    force: Annotated[bool, typer.Option("--force", "-f", help="Overwrite what is there.")] = False,
) -> None:
    """Write the questions to a file or a BEIR folder.

    Read again, it is the same set with the same hash.
    """
    questions = session.open().export_questions(path, form, force=force)
    count = len(questions.questions)
    session.document({"path": path, "hash": questions.hash, "questions": count})
    session.show(f"{counted(count, 'question')} written to {path}, hash {questions.hash}")
    if left := len(questions.removed_from_train):
        session.note(f"{counted(left, 'question')} taken out of training at import not written")


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
