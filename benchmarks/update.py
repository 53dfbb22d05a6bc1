"""Measures what a second `add` costs: nothing changed, one file changed, one file gone.

python -m benchmarks.update --json
python -m benchmarks.update --limit 20   # a trial on the first 20 files
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.harness import Result, data_folder, fail, finished, shown_command, write_lines
from graft import Workspace
from graft.errors import GraftError

SEED = 7  # of a fresh graft.toml
COLLECTION = "platform-docs"
MARK = "zyqqelvane"  # a word that no document has
SENTENCE = f"The {MARK} valve is opened on Thursdays."


def main(arguments: Sequence[str] | None = None) -> int:
    """Copy the documents, add them four times, write and print the result."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--limit", type=int, metavar="N", help="only the first N files")
    parser.add_argument("--json", action="store_true", help="print one JSON line at the end")
    options = parser.parse_args(given)
    result = Result("update", shown_command("update", given), SEED)
    try:
        source = data_folder(COLLECTION) / "docs"
        with tempfile.TemporaryDirectory(prefix="graft-bench-") as place:
            docs = Path(place) / "docs"
            result.figures["files"] = copy_files(source, docs, options.limit)
            records = measure(Workspace.create(Path(place) / "team"), docs)
        result.figures.update(figures(records))
        write_lines(result.raw / "steps.jsonl.gz", records)
    except GraftError as error:
        return fail(error)
    finished(result, options.json)
    return 0


def copy_files(source: Path, target: Path, limit: int | None = None) -> int:
    """Copy the files of a folder, the first `limit` by path; return how many."""
    files = sorted(path for path in source.rglob("*") if path.is_file())[:limit]
    for path in files:
        place = target / path.relative_to(source)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place)
    return len(files)


def measure(workspace: Workspace, docs: Path) -> list[dict[str, Any]]:
    """Add new, unchanged, with a changed file and without it; return one record a step."""
    # Loaded before the clock starts: what is measured is the update, not the model's loading.
    workspace.assembly.embedder.embed(["warm"], "passage")
    victim = min(path for path in docs.rglob("*.md"))
    records = [step(workspace, docs, "first"), step(workspace, docs, "unchanged")]
    text = victim.read_text(encoding="utf-8")
    victim.write_text(f"{text}\n\n# {MARK}\n\n{SENTENCE}\n", encoding="utf-8")
    records.append(step(workspace, docs, "changed"))
    victim.unlink()
    records.append(step(workspace, docs, "deleted"))
    return records


def step(workspace: Workspace, docs: Path, name: str) -> dict[str, Any]:
    """Add the folder and search for the mark; both count in the seconds."""
    started = time.monotonic()
    report = workspace.add([docs])
    added = time.monotonic()
    found = any(MARK in hit.passage.shown for hit in workspace.search(SENTENCE))
    return {
        "step": name,
        "seconds_add": round(added - started, 4),
        "seconds": round(time.monotonic() - started, 4),
        "found": found,
        "added": len(report.added),
        "updated": len(report.updated),
        "unchanged": len(report.unchanged),
        "removed": len(report.removed),
        "skipped": len(report.skipped),
        "passages": report.passages,
    }


def figures(records: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the figures of the four steps."""
    first, unchanged, changed, deleted = records
    return {
        "documents": first["added"],
        "passages": first["passages"],
        "skipped": first["skipped"],
        "seconds_first": first["seconds_add"],
        "seconds_unchanged": unchanged["seconds_add"],
        "unchanged_share": round(unchanged["seconds_add"] / first["seconds_add"], 4),
        "one_file_seconds": changed["seconds"],
        "changed_found": changed["found"] and changed["updated"] == 1,
        "delete_seconds": deleted["seconds"],
        "deleted_gone": not deleted["found"] and deleted["removed"] == 1,
    }


if __name__ == "__main__":
    sys.exit(main())
