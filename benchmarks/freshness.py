"""Measures whether replaced documents leave anything behind in what a search returns.

    python -m benchmarks.freshness --json
    python -m benchmarks.freshness --limit 10   # a trial with 10 files and 10 questions

The older state of a knowledge base is added and searched; its folder's content is replaced by
the newer state and added again. A passage is old where its document no longer has its text.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.harness import Result, data_folder, fail, finished, shown_command, write_lines
from benchmarks.update import copy_files
from graft import Workspace
from graft.errors import GraftError

SEED = 7  # of a fresh graft.toml
COLLECTION = "endoflife-two-dates"


def main(arguments: Sequence[str] | None = None) -> int:
    """Add the old state, replace it by the new one, write and print the result."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--limit", type=int, metavar="N", help="N files, N questions")
    parser.add_argument("--json", action="store_true", help="print one JSON line at the end")
    options = parser.parse_args(given)
    result = Result("freshness", shown_command("freshness", given), SEED)
    try:
        data = data_folder(COLLECTION)
        lines = (data / "questions.jsonl").read_text(encoding="utf-8").splitlines()
        questions = [json.loads(line) for line in lines][: options.limit]
        with tempfile.TemporaryDirectory(prefix="graft-bench-") as place:
            docs = Path(place) / "docs"
            workspace = Workspace.create(Path(place) / "team")
            copy_files(data / "docs_old", docs, options.limit)
            workspace.add([docs])
            before = [old_passages(workspace, docs, item) for item in questions]
            shutil.rmtree(docs)
            result.figures["files"] = copy_files(data / "docs", docs, options.limit)
            # The control: without a second `add` the check must find old passages.
            stale = [old_passages(workspace, docs, item) for item in questions]
            started = time.monotonic()
            report = workspace.add([docs])
            workspace.search(questions[0]["question"])
            seconds = round(time.monotonic() - started, 3)
            after = [old_passages(workspace, docs, item) for item in questions]
        result.figures.update(
            questions=len(questions),
            updated=len(report.updated),
            seconds_to_searchable=seconds,
            old_passages_before=sum(item["old"] for item in before),
            old_passages_without_add=sum(item["old"] for item in stale),
            old_passages_returned=sum(item["old"] for item in after),
            passages_returned=sum(item["returned"] for item in after),
        )
        write_lines(result.raw / "searches.jsonl.gz", after)
    except GraftError as error:
        return fail(error)
    finished(result, options.json)
    return 0


def old_passages(workspace: Workspace, docs: Path, question: dict[str, Any]) -> dict[str, Any]:
    """Search one question; count the passages whose text their document no longer has."""
    hits = workspace.search(question["question"])
    old = sum(not is_current(hit.passage.text, hit.passage.doc_id, docs) for hit in hits)
    return {"question_id": question["id"], "returned": len(hits), "old": old}


def is_current(text: str, doc_id: str, docs: Path) -> bool:
    """Tell whether the words of every line of a passage stand in its file today, in their order.

    Where a link leads is left aside: a target within a site means nothing outside of it.
    """
    path = docs / Path(doc_id).name
    if not path.is_file():
        return False
    present = f" {words(path.read_text(encoding='utf-8'))} "
    return all(f" {words(line)} " in present for line in text.splitlines() if words(line))


def words(text: str) -> str:
    """Return the words of Markdown with one space between two.

    >>> words("> a [*pump*](/pumps 'all pumps').")
    'a pump'
    """
    return " ".join(re.findall(r"\w+", re.sub(r"\]\([^)]*\)", "] ", text)))


if __name__ == "__main__":
    sys.exit(main())
