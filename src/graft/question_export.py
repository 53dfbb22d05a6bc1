"""A question set as a file that Graft and others read: JSONL, CSV or a BEIR folder.

Every field is written as it stands in the set, derived ones too, so that the file read again
is the same set with the same hash.
"""

from __future__ import annotations

import csv
import io
import json
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from graft.beir import write_beir
from graft.errors import BadInput, UsageError
from graft.files import write_atomically
from graft.question_lines import guarded
from graft.question_set import QuestionSet, plain_question
from graft.types import Document, Question

__all__ = ["FORMS", "export_questions", "form_of"]

FORMS = ("jsonl", "csv", "beir")
COLUMNS = (
    *("id", "question", "answers", "answerable", "split", "group", "doc_ids", "kind"),
    *("fact", "tags", "key_facts", "grades"),
)
_ENDINGS = {".jsonl": "jsonl", ".csv": "csv"}
_ALWAYS = ("answers", "answerable")


def form_of(path: Path, form: str = "") -> str:
    """Return the form to write: the one named, else the one that the ending says.

    Raises:
        UsageError: there is no such form, or the ending says none.
    """
    quoted = shlex.quote(str(path))
    if form and form not in FORMS:
        raise UsageError(
            f"no form is called {form!r}",
            where=f"--format {form}",
            why=f"there are {', '.join(FORMS)}",
            next_step=f"graft questions export {quoted} --format jsonl",
        )
    found = form or _ENDINGS.get(path.suffix.lower(), "")
    if not found:
        likely = "jsonl" if path.suffix and not path.is_dir() else "beir"
        raise UsageError(
            "the ending does not say in which form to write",
            where=str(path),
            why=f"known are {' and '.join(_ENDINGS)}; a BEIR folder is always named by --format",
            next_step=f"graft questions export {quoted} --format {likely}",
        )
    return found


def export_questions(
    path: Path,
    questions: QuestionSet,
    form: str = "",
    documents: Iterable[Document] = (),
    *,
    force: bool = False,
) -> None:
    """Write the set; `documents` become the `corpus.jsonl` of a BEIR folder.

    Raises:
        BadInput: something stands there already and `force` is not given.
        UsageError: there is no such form, or the ending says none.
    """
    chosen = form_of(path, form)
    occupied = any(path.iterdir()) if path.is_dir() else path.exists()
    if occupied and not force or path.is_dir() and chosen != "beir":
        again = f"graft questions export {shlex.quote(str(path))}"
        again += f" --format {form}" if form else ""
        folder = path.is_dir() and chosen != "beir"  # no --force makes a file of a folder
        raise BadInput(
            "there is something already",
            where=str(path),
            why="graft questions export overwrites nothing by itself",
            next_step="name another path" if folder else f"name another path, or {again} --force",
        )
    if chosen == "beir":
        write_beir(path, questions.questions, documents)
    else:
        write = _csv if chosen == "csv" else _jsonl
        write_atomically(path, write(questions.questions))


def _jsonl(questions: Sequence[Question]) -> str:
    lines = []
    for item in questions:
        fields = plain_question(item)
        kept = {name: value for name, value in fields.items() if value or name in _ALWAYS}
        lines.append(json.dumps(kept, ensure_ascii=False) + "\n")
    return "".join(lines)


def _csv(questions: Sequence[Question]) -> str:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for item in questions:
        writer.writerow([guarded(_cell(getattr(item, name))) for name in COLUMNS])
    return out.getvalue()


def _cell(value: Any) -> str:  # noqa: ANN401 - any field of a question
    """Return a field as one cell: `a|b`, or a JSON list where a value would be misread.

    >>> _cell(("a", "b")), _cell(("a|b",)), _cell(True)
    ('a|b', '["a|b"]', 'true')
    """
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, tuple):
        return str(value)
    texts = [str(item) for item in value]
    if any("|" in text or text.startswith("[") for text in texts):
        return json.dumps(texts, ensure_ascii=False)
    return "|".join(texts)
