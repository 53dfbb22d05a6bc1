"""Measures whether a question that names a row of a database finds it with the answer.

    python -m benchmarks.database --json
    python -m benchmarks.database --work /tmp/database   # keep the workspace and go on with it

A music shop as a SQLite file is added to a fresh workspace, and every look-up question is asked
of its retriever. A passage counts where it holds both the thing asked for and an answer.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
import time
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.harness import (
    Result,
    data_folder,
    fail,
    finished,
    shown_command,
    write_lines,
)
from graft import Workspace
from graft.errors import BadInput, GraftError

SEED = 7  # of a fresh graft.toml
COLLECTION = "chinook-db"
DATABASE = "Chinook_Sqlite.sqlite"
DEEPEST = 5
# What each kind of look-up question names, and how it says so.
THINGS = {
    "album": re.compile(r'^Which artist recorded the album "(.+)"\?$'),
    "track": re.compile(r'^On which album is the track "(.+)"\?$'),
    "city": re.compile(r"^In which city does the customer (.+) live\?$"),
    "email": re.compile(r"^What is the e-mail address of the customer (.+)\?$"),
}


class Asked(NamedTuple):
    """A look-up question: its kind and the thing that it names."""

    id: str
    question: str
    answers: Sequence[str]
    kind: str
    thing: str


def main(arguments: Sequence[str] | None = None) -> int:
    """Add the database, ask every question, write and print the result."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, metavar="FOLDER", help="keep and continue here")
    parser.add_argument("--json", action="store_true", help="print one JSON line at the end")
    options = parser.parse_args(given)
    result = Result("database", shown_command("database", given), SEED)
    try:
        data = data_folder(COLLECTION)
        asked = look_ups(data / "questions.jsonl")
        with tempfile.TemporaryDirectory(prefix="graft-bench-") as place:
            folder = (options.work or Path(place)).resolve() / "team"
            continued = (folder / "graft.toml").exists()
            workspace = Workspace.open(folder) if continued else Workspace.create(folder)
            result.figures["continued"] = continued
            result.figures.update(add(workspace, data / "docs" / DATABASE))
            ranks = [rank(workspace, item) for item in asked]
        result.figures.update(recalls(asked, ranks))
        records = zip(asked, ranks, strict=True)
        write_lines(
            result.raw / "ranks.jsonl.gz",
            [{"question_id": item.id, "kind": item.kind, "rank": found} for item, found in records],
        )
    except GraftError as error:
        return fail(error)
    finished(result, options.json)
    return 0


def add(workspace: Workspace, database: Path) -> dict[str, Any]:
    """Add the database twice; return what it came to and how long each took."""
    started = time.monotonic()
    report = workspace.add([f"sqlite:///{database}"])
    first = time.monotonic()
    again = workspace.add([f"sqlite:///{database}"])
    return {
        "documents": len(report.added) + len(report.unchanged) + len(report.updated),
        "passages": report.passages,
        "seconds_add": round(first - started, 2),
        "seconds_again": round(time.monotonic() - first, 2),
        "changed_again": len(again.added) + len(again.updated) + len(again.removed),
    }


def look_ups(path: Path) -> list[Asked]:
    """Return the questions that one row answers.

    Raises:
        BadInput: a question names nothing in a way that is known here.
    """
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        item = json.loads(line)
        if item["kind"] != "lookup":
            continue
        matches = {kind: pattern.match(item["question"]) for kind, pattern in THINGS.items()}
        kind, match = next(((kind, match) for kind, match in matches.items() if match), ("", None))
        if match is None:
            raise BadInput(
                "a look-up question has an unknown form",
                where=f"{path.name}, {item['id']}",
                why="the thing that it names cannot be told",
                next_step="add its form to THINGS of benchmarks/database.py",
            )
        found.append(Asked(item["id"], item["question"], item["answers"], kind, match[1]))
    return found


def rank(workspace: Workspace, asked: Asked) -> int | None:
    """Return the rank of the first passage that holds thing and answer, None where none does."""
    for number, hit in enumerate(workspace.search(asked.question, DEEPEST), 1):
        text = folded(hit.passage.shown)
        if folded(asked.thing) in text and any(folded(item) in text for item in asked.answers):
            return number
    return None


def folded(text: str) -> str:
    """Return the words of a text between spaces, without case, signs and line ends."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    words = re.findall(r"[^\W_]+", plain)
    return f" {' '.join(words)} "


def recalls(asked: Iterable[Asked], ranks: Iterable[int | None]) -> Mapping[str, Any]:
    """Return the share found among the first 1 and 5, in all and by kind of question."""
    pairs = [(item.kind, found) for item, found in zip(asked, ranks, strict=True)]
    figures: dict[str, Any] = {"questions": len(pairs)}
    for depth in (1, DEEPEST):
        figures[f"recall{depth}"] = share([found for _, found in pairs], depth)
    for kind in THINGS:
        figures[f"recall{DEEPEST}_{kind}"] = share(
            [found for one, found in pairs if one == kind], DEEPEST
        )
    return figures


def share(ranks: Sequence[int | None], depth: int) -> float | None:
    """Return the share of ranks within a depth, None where there are none.

    >>> share([1, 3, None, 5], 3)
    0.5
    """
    if not ranks:
        return None
    return round(sum(1 for found in ranks if found and found <= depth) / len(ranks), 4)


if __name__ == "__main__":
    sys.exit(main())
