"""BEIR folders in and out: `queries.jsonl`, `qrels/SPLIT.tsv` and `corpus.jsonl`.

What BEIR has no place for (answers, groups, tags and so on) travels in each query's
`metadata`, so that a set survives the way out and back whole. An id that a spreadsheet would
work out gets a `'` in front, the same in all three files. It knows files and lines;
`questions.py` makes questions of them.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from graft.errors import QuestionFileError
from graft.files import write_atomically
from graft.question_lines import SPLITS, Line, Problem, file_error, guarded, read_lines, unguarded
from graft.question_set import named, plain_question
from graft.types import Document, Question

__all__ = ["read_beir", "write_beir"]

QUERIES, CORPUS, QRELS = "queries.jsonl", "corpus.jsonl", "qrels"
HEADER = ("query-id", "corpus-id", "score")
WRITTEN = ("train", "dev", "test")  # a query judged in several splits belongs to the last
# They have a place of their own in the folder.
_OUTSIDE = ("id", "question", "doc_ids", "grades")


@dataclass(slots=True)
class Judgements:
    """Grades of documents by split and query, and what was left out on the way."""

    grades: dict[str, dict[str, dict[str, int]]] = field(
        default_factory=lambda: {split: {} for split in WRITTEN}
    )
    irrelevant: int = 0
    notes: list[str] = field(default_factory=list)


def read_beir(folder: Path) -> tuple[list[Line], list[Problem], list[str]]:
    """Read a folder into lines, what is wrong with lines, and what was left out.

    Judgements of grade 0 and below are not kept: a document that is not judged counts the
    same. A query without a document, an answer or `answerable: false` asks nothing.

    Raises:
        QuestionFileError: it is no BEIR folder, or a file of judgements has bad lines.
    """
    found = _judgements(folder)
    queries, problems = read_lines(folder / QUERIES)
    lines, idle, twice = [], [], []
    names = set()
    for line in queries:
        name = unguarded(str(line.data.get("_id") or "").strip())
        names.add(name)
        if not name:
            problems.append(Problem(line.number, "no _id"))
            continue
        splits = [split for split in WRITTEN if name in found.grades[split]]
        if len(splits) > 1:
            twice.append(name)
        grades = found.grades[splits[-1]][name] if splits else {}
        data = _fields(line.data, name, splits[-1] if splits else "", grades)
        if _asks(data):
            lines.append(Line(line.number, data))
        else:
            idle.append(name)
    unknown = sorted({name for split in found.grades.values() for name in split} - names)
    for what, left in (
        ("Queries without a relevant document or an answer, left out", idle),
        ("Queries judged in several splits, kept in the last", twice),
        ("Judged queries that queries.jsonl does not have, left out", unknown),
    ):
        if left:
            found.notes.append(f"{what}, {len(left)}: {named(left)}.")
    if found.irrelevant:
        found.notes.append(
            f"Judgements of documents that do not fit (grade 0), left out: {found.irrelevant}."
        )
    if (folder / CORPUS).is_file():
        found.notes.append(f"The documents of {CORPUS} were not added; questions name their _id.")
    return lines, problems, found.notes


def _fields(
    query: Mapping[str, Any], name: str, split: str, grades: Mapping[str, int]
) -> dict[str, Any]:
    """Return a query as the fields of a question line."""
    metadata = query.get("metadata")
    own = {key: value for key, value in query.items() if key not in ("_id", "text", "metadata")}
    data = {**own, **(metadata if isinstance(metadata, dict) else {})}
    data |= {"id": name, "question": query.get("text")}
    if grades:
        data |= {"split": split, "doc_ids": list(grades), "grades": list(grades.values())}
        data.setdefault("answerable", True)
    return data


def _asks(data: Mapping[str, Any]) -> bool:
    """Tell whether there is something to measure: a document, an answer, or to decline."""
    declines = str(data.get("answerable", "")).lower() == "false"
    return bool(data.get("doc_ids") or data.get("answers") or data.get("answer") or declines)


def _judgements(folder: Path) -> Judgements:
    found = Judgements()
    paths = sorted((folder / QRELS).glob("*.tsv"))
    known = [path for path in paths if path.stem.lower() in SPLITS]
    if not known or not (folder / QUERIES).is_file():
        missing = f"no {QUERIES}" if known else f"no {QRELS}/train.tsv, dev.tsv or test.tsv"
        raise QuestionFileError(
            "the folder cannot be opened as a BEIR set",
            where=str(folder),
            why=f"there is {missing}",
            next_step="name a JSONL or CSV file, or a folder with queries.jsonl and qrels/test.tsv",
        )
    for path in known:
        _read_judgements(path, found)
    if others := [path.name for path in paths if path not in known]:
        found.notes.append(f"Files of judgements that name no split, not read: {', '.join(others)}")
    return found


def _read_judgements(path: Path, found: Judgements) -> None:
    """Read one file; the header is known by its last column not being a number."""
    grades = found.grades[SPLITS[path.stem.lower()]]
    problems: list[Problem] = []
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise QuestionFileError(
            "the judgements cannot be read",
            where=str(path),
            why=str(error),
            next_step="save the file as UTF-8 and import the folder again",
        ) from error
    for number, row in enumerate(csv.reader(io.StringIO(text, newline=""), delimiter="\t"), 1):
        if not any(row) or (number == 1 and tuple(row) == HEADER):
            continue
        if len(row) != len(HEADER) or not row[2].strip().lstrip("+-").isdecimal():
            problems.append(Problem(number, f"not {', '.join(HEADER)} with a whole number"))
            continue
        query, document = (unguarded(name.strip()) for name in row[:2])
        grade = int(row[2])
        if grade <= 0:
            found.irrelevant += 1
        elif grades.setdefault(query, {}).setdefault(document, grade) != grade:
            problems.append(Problem(number, f"query {query} grades {document} twice, otherwise"))
    if problems:
        raise file_error(path, problems)


def write_beir(
    folder: Path, questions: Sequence[Question], documents: Iterable[Document] = ()
) -> None:
    """Write a set as a BEIR folder; documents, if given, become `corpus.jsonl`.

    Raises:
        NoSpaceLeft: the disk is full.
    """
    queries = [
        {
            "_id": guarded(item.id),
            "text": item.question,
            "metadata": {
                name: value for name, value in plain_question(item).items() if name not in _OUTSIDE
            },
        }
        for item in questions
    ]
    write_atomically(folder / QUERIES, _lines(queries))
    for split in WRITTEN:
        rows = [
            (guarded(item.id), guarded(document), grade)
            for item in questions
            if item.split == split
            for document, grade in zip(
                item.doc_ids, item.grades or (1,) * len(item.doc_ids), strict=True
            )
        ]
        path = folder / QRELS / f"{split}.tsv"
        if not rows:
            path.unlink(missing_ok=True)
            if split != "test":
                continue
        out = io.StringIO()
        csv.writer(out, delimiter="\t", lineterminator="\n").writerows([HEADER, *rows])
        write_atomically(path, out.getvalue())
    corpus = [
        {"_id": guarded(item.id), "title": item.title, "text": item.text} for item in documents
    ]
    if corpus:
        write_atomically(folder / CORPUS, _lines(corpus))


def _lines(items: Sequence[Mapping[str, Any]]) -> str:
    return "".join(json.dumps(item, ensure_ascii=False) + "\n" for item in items)
