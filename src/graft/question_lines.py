"""Question files line by line: JSONL or CSV become checked drafts, every bad line is named.

It knows the fields of one line and nothing of the set: splits, kinds and duplicates are
settled by who reads the whole.
"""

from __future__ import annotations

import csv
import io
import json
import re
import shlex
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from graft.errors import QuestionFileError
from graft.question_forms import FORM_FIELDS, in_our_form
from graft.types import fingerprint

__all__ = [
    *("FIELDS", "SPLITS", "Draft", "Line", "Problem"),
    *("drafts", "file_error", "guarded", "read_lines", "unguarded"),
]

FIELDS = frozenset(
    ("id", "question", "answers", "answer", "doc_ids", "answerable", "split", "group", "tags")
    + ("kind", "fact", "key_facts", "grades")
) | frozenset(FORM_FIELDS)
SPLITS = {
    "train": "train",
    "training": "train",
    "dev": "dev",
    "valid": "dev",
    "validation": "dev",
    "test": "test",
}
KINDS = frozenset({"label", "short", "long"})
MOST_CHARACTERS = 20_000  # of a test question; a training pair is refused by itself
# What a spreadsheet takes for the beginning of a formula; signs of double width count too.
_FORMULA = re.compile("'*[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
_TRUE = frozenset({"true", "yes", "1"})
_FALSE = frozenset({"false", "no", "0"})


class Line(NamedTuple):
    """One line's fields and where they stand."""

    number: int
    data: Mapping[str, Any]


class Problem(NamedTuple):
    """Why a line cannot be used."""

    number: int
    reason: str


@dataclass(frozen=True, slots=True)
class Draft:
    """A checked line; empty strings stand for what the file does not say."""

    number: int
    id: str
    question: str
    answers: tuple[str, ...]
    answerable: bool
    split: str = ""
    group: str = ""
    doc_ids: tuple[str, ...] = ()
    kind: str = ""
    fact: str = ""
    tags: tuple[str, ...] = ()
    key_facts: tuple[str, ...] = ()
    grades: tuple[int, ...] = ()
    data: Mapping[str, Any] = field(default_factory=dict)


def guarded(cell: str) -> str:
    """Return a cell that no spreadsheet works out: a formula gets a `'` in front.

    >>> guarded("=1+1"), guarded("'=1+1"), guarded("1+1")
    ("'=1+1", "''=1+1", '1+1')
    """
    return f"'{cell}" if _FORMULA.match(cell) else cell


def unguarded(cell: str) -> str:
    """Return a cell as it was before `guarded`.

    >>> unguarded("'=1+1"), unguarded("'tis")
    ('=1+1', "'tis")
    """
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def read_lines(path: Path) -> tuple[list[Line], list[Problem]]:
    """Read a file into lines; a CSV file is known by its extension, all else is JSONL.

    Raises:
        QuestionFileError: the file cannot be opened or is no text.
    """
    text = _text(path)
    problems: list[Problem] = []
    found = _csv(text, problems) if path.suffix.lower() in (".csv", ".tsv") else None
    return list(found if found is not None else _jsonl(text, problems)), problems


def file_error(path: Path, problems: Sequence[Problem]) -> QuestionFileError:
    """Return the error that names every bad line, lines of one reason together."""
    numbers: dict[str, list[int]] = {}
    for problem in problems:
        numbers.setdefault(problem.reason, []).append(problem.number)
    bad = len({problem.number for problem in problems})
    return QuestionFileError(
        f"the question file has {bad} bad line{'s' * (bad > 1)}; nothing of it was taken",
        where=str(path),
        why="; ".join(f"line {_ranges(lines)}: {reason}" for reason, lines in numbers.items()),
        next_step=f"mend these lines and run graft questions import {shlex.quote(str(path))} again",
    )


def _ranges(numbers: Sequence[int]) -> str:
    """Return line numbers as ranges.

    >>> _ranges([1, 2, 3, 7])
    '1-3, 7'
    """
    runs: list[list[int]] = []
    for number in sorted(set(numbers)):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
        if data.startswith((b"\xff\xfe", b"\xfe\xff")):
            return data.decode("utf-16")
        return data.decode("utf-8-sig")
    except OSError as error:
        raise QuestionFileError(
            "the question file cannot be opened",
            where=str(path),
            why=error.strerror or str(error),
            next_step="check the path and its permissions",
        ) from error
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise QuestionFileError(
            "the question file is not UTF-8",
            where=f"{path}:{line}",
            why=f"byte {data[error.start]:#04x} at position {error.start}",
            next_step="save it as UTF-8 and import it again",
        ) from error


def _jsonl(text: str, problems: list[Problem]) -> Iterator[Line]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            data = json.loads(line)
        except json.JSONDecodeError as error:
            problems.append(Problem(number, f"not valid JSON ({error.msg})"))
            continue
        except (ValueError, RecursionError) as error:
            is_deep = isinstance(error, RecursionError)
            why = "nested too deep" if is_deep else "a number of too many digits"
            problems.append(Problem(number, f"not valid JSON ({why})"))
            continue
        if isinstance(data, dict):
            yield Line(number, data)
        else:
            problems.append(Problem(number, "not a JSON object"))


def _csv(text: str, problems: list[Problem]) -> Iterator[Line]:
    """Read a table with a header; a cell of a list holds one value, `a|b`, or a JSON list.

    A `'` in front of what a spreadsheet would work out is none of its text.
    """
    head = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=head.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    names: list[str] = []
    while True:
        try:
            row = next(reader, None)
        except csv.Error as error:
            problems.append(Problem(reader.line_num, f"not valid CSV ({error})"))
            return
        if row is None:
            return
        if not names:
            names = [name.strip().lower() for name in row]
            if not {"question", "prompt", "instruction"} & set(names):
                reason = f'no column "question"; the columns are {", ".join(names)}'
                problems.append(Problem(reader.line_num, reason))
                return
        elif len(row) > len(names):
            problems.append(Problem(reader.line_num, f"{len(row)} values, {len(names)} columns"))
        elif any(value.strip() for value in row):
            yield Line(reader.line_num, dict(zip(names, map(unguarded, row), strict=False)))


def drafts(
    lines: Sequence[Line], problems: list[Problem], counts: Counter[str] | None = None
) -> list[Draft]:
    """Check every line; what is wrong goes to `problems`, all of a line's faults at once.

    `counts` is told what lines of another form had that ours has no place for.
    """
    told = Counter[str]() if counts is None else counts
    return [draft for line in lines if (draft := _draft(line, problems, told)) is not None]


def _draft(line: Line, problems: list[Problem], counts: Counter[str]) -> Draft | None:
    faults: list[str] = []
    data = in_our_form(line.data, faults, counts)
    question = _string(data, "question", faults)
    if not question and not faults:
        faults.append("no question")
    answers = _strings(data, "answers" if _has(data, "answers") else "answer", faults)
    answerable = _answerable(data, bool(answers), faults)
    if answers and answerable is False:
        faults.append("answerable is false, but there are answers")
    doc_ids = tuple(
        name.replace("\\", "/").removeprefix("./") for name in _strings(data, "doc_ids", faults)
    )
    split = _string(data, "split", faults).lower()
    if split and split not in SPLITS:
        faults.append(f"split is {split!r}, expected train, dev or test")
    kind = _string(data, "kind", faults).lower()
    tags = _strings(data, "tags", faults)
    if kind and kind not in KINDS:
        kind, tags = "", (*tags, kind)
    tested = SPLITS.get(split) == "test"
    if tested and max(map(len, (question, *answers))) > MOST_CHARACTERS:
        faults.append(f"longer than {MOST_CHARACTERS:,} characters")
    given = _string(data, "id", faults)
    fact, group = _string(data, "fact", faults), _string(data, "group", faults)
    key_facts = _strings(data, "key_facts", faults)
    grades = _grades(data, len(doc_ids), faults)
    if not _is_text(question, given, group, fact, *answers, *doc_ids, *tags, *key_facts):
        faults.append("half a character (a lone surrogate), which no file can hold")
    problems += [Problem(line.number, fault) for fault in faults]
    if faults:
        return None
    return Draft(
        number=line.number,
        id=given or "q-" + fingerprint(question, answers, doc_ids, split)[:10],
        question=question,
        answers=answers,
        answerable=bool(answerable),
        split=SPLITS.get(split, ""),
        group=group,
        doc_ids=doc_ids,
        kind=kind,
        fact=fact,
        tags=tags,
        key_facts=key_facts,
        grades=grades,
        data=data,
    )


def _has(data: Mapping[str, Any], name: str) -> bool:
    return data.get(name) not in (None, "")


def _string(data: Mapping[str, Any], name: str, faults: list[str]) -> str:
    value = data.get(name)
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        faults.append(f"{name} is not a string")
        return ""
    return str(value).strip()


def _strings(data: Mapping[str, Any], name: str, faults: list[str]) -> tuple[str, ...]:
    """Return a list of strings from a list, a JSON list in a string, `a|b`, or one value."""
    value = data.get(name)
    if isinstance(value, str):
        value = _unpacked(value)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        value = [value]
    if value is None:
        return ()
    if not isinstance(value, list) or not all(
        isinstance(item, str | int | float) and not isinstance(item, bool) for item in value
    ):
        faults.append(f"{name} is not a string or a list of strings")
        return ()
    return tuple(dict.fromkeys(text for item in value if (text := str(item).strip())))


def _grades(data: Mapping[str, Any], documents: int, faults: list[str]) -> tuple[int, ...]:
    """Return how well each document fits; none where all fit alike, with grade 1."""
    texts = _numbers(data.get("grades"))
    if not texts:
        return ()
    if not all(text.isdecimal() and int(text) > 0 for text in texts):
        faults.append("grades are not whole numbers from 1 up")
        return ()
    if len(texts) != documents:
        faults.append(f"{len(texts)} grades for {documents} doc_ids")
        return ()
    grades = tuple(int(text) for text in texts)
    return grades if set(grades) != {1} else ()


def _numbers(value: Any) -> list[str]:  # noqa: ANN401 - whatever the file holds
    if value is None or value == "":
        return []
    found = _unpacked(value) if isinstance(value, str) else value
    return [str(item).strip() for item in (found if isinstance(found, list) else [found])]


def _is_text(*texts: str) -> bool:
    """Tell whether texts can be written; JSON can escape one half of a character."""
    try:
        "".join(texts).encode()
    except UnicodeEncodeError:
        return False
    return True


def _unpacked(value: str) -> list[Any]:
    if value.lstrip().startswith("["):
        try:
            found = json.loads(value)
        except (ValueError, RecursionError):
            return [value]
        return found if isinstance(found, list) else [value]
    return re.split(r"\s*\|\s*", value)


def _answerable(data: Mapping[str, Any], has_answers: bool, faults: list[str]) -> bool | None:
    value = data.get("answerable")
    if value is None or value == "":
        return has_answers
    text = str(value).strip().lower()
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    faults.append(f"answerable is {value!r}, expected true or false")
    return None
