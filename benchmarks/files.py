"""Measures how much of the text of real files of many formats reaches the documents.

    python -m benchmarks.files --json

All files are added to a fresh workspace at once, as a team would, with an embedder that costs
nothing, since only the text matters here. Each file becomes documents or is listed with the
reason. Where a reference text exists, the distinct words of both are compared.
"""

from __future__ import annotations

import argparse
import html
import re
import sys
import tempfile
import time
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.harness import Result, data_folder, fail, finished, shown_command, write_lines
from graft import Workspace
from graft.catalog import Skipped
from graft.errors import GraftError
from graft.types import Document

SEED = 7  # of a fresh graft.toml
COLLECTION = "office-mixed"
WHOLE = "manifest.jsonl"
RECALL = 0.95
PRECISION = 0.8
# Written after looking at the file beside its reference, never guessed from the figures.
REASONS = {
    "formatting.html": "the reference parts H2O, CO2 and x2 at the lowered and raised digits",
    "pntd.0008301.nxml": (
        "the reference glues the family names of cited authors to their initials, as in RaoRU"
    ),
    "pptx_chart.pptx": (
        "the reference leaves out the values of the second chart and adds names for pictures"
    ),
}
UNKNOWN = "not looked at yet"
# What a reference holds beside the text of the file, or writes in its own way.
_ASIDE = (
    (re.compile(r"<!--.*?-->", re.DOTALL), " "),  # placeholders of pictures
    (re.compile(r"\$\$.*?\$\$", re.DOTALL), " "),  # formulas
    (re.compile(r"\$(?=[^$\n]*[\\^_{=])[^$\n]+\$"), " "),
    (re.compile(r"^\[author: .*$", re.MULTILINE), " "),  # review comments
    (re.compile(r"\]\((?:[^()\s]|\([^()\s]*\))*(?:\s+\"[^\"]*\")?\)"), "] "),  # link targets
)
_NUMBER = re.compile(r"^\s*(?:[-*]\s+)?\d+[.)]\s", re.MULTILINE)
_WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True, slots=True)
class Compared:
    """How a file's words stand to those of its reference."""

    name: str
    recall: float
    precision: float
    missing: tuple[str, ...]
    added: tuple[str, ...]

    @property
    def is_well_read(self) -> bool:
        """Say whether nearly every word is there and few are that should not be."""
        return self.recall >= RECALL and self.precision >= PRECISION


def main(arguments: Sequence[str] | None = None) -> int:
    """Add every file, compare the words, write and print the result."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON line at the end")
    options = parser.parse_args(given)
    result = Result("files", shown_command("files", given), SEED)
    try:
        data = data_folder(COLLECTION, WHOLE)
        with tempfile.TemporaryDirectory(prefix="graft-bench-") as place:
            workspace = new_workspace(Path(place) / "team")
            started = time.monotonic()
            workspace.add([data / "docs"])
            seconds = time.monotonic() - started
            documents, skipped = workspace.corpus.documents(), workspace.corpus.skipped()
        records = list(file_records(data, documents, skipped))
        result.figures.update(figures(records), seconds=round(seconds, 1))
        write_lines(result.raw / "files.jsonl.gz", records)
    except GraftError as error:
        return fail(error)
    finished(result, options.json)
    return 0


def new_workspace(folder: Path) -> Workspace:
    """Make a workspace whose embedder is the fake one."""
    Workspace.create(folder)
    path = folder / "graft.toml"
    text = path.read_text(encoding="utf-8")
    fake = re.sub(r"(?m)^embedder = .*$", 'embedder = "fake"', text, count=1)
    path.write_text(fake, encoding="utf-8")
    return Workspace.open(folder)


def file_records(
    data: Path, documents: Iterable[Document], skipped: Iterable[Skipped]
) -> Iterable[dict[str, Any]]:
    """Yield what became of each file: its documents, or why it has none, and its words."""
    by_name: dict[str, list[Document]] = defaultdict(list)
    for document in documents:
        by_name[Path(document.source).name].append(document)
    reasons = {Path(item.path).name: item.reason for item in skipped}
    for path in sorted((data / "docs").iterdir()):
        found = by_name[path.name]
        record: dict[str, Any] = {
            "file": path.name,
            "documents": len(found),
            "skipped": reasons.get(path.name, ""),
            "loader": found[0].loader if found else "",
            "characters": sum(len(item.text) for item in found),
            "notes": [note for item in found for note in item.notes],
        }
        expected = data / "expected" / f"{path.name}.md"
        if found and expected.is_file():
            text = "\n".join(map(shown, found))
            one = compare(path.name, text, expected.read_text(encoding="utf-8"))
            record |= {
                "recall": one.recall,
                "precision": one.precision,
                "ok": one.is_well_read,
                "missing": one.missing,
                "added": one.added,
            }
        yield record


def shown(document: Document) -> str:
    """Return what can be found of a document: its text under the paths of its headings."""
    paths = dict.fromkeys(part for item in document.sections for part in item.heading_path)
    return "\n".join([*paths, document.text])


def compare(name: str, text: str, reference: str) -> Compared:
    """Compare the distinct words of a text with those of its reference.

    What is put aside need not be found, and is no fault where it is.
    """
    plain = reference
    for pattern, other in _ASIDE:
        plain = pattern.sub(other, plain)
    wanted, got = words(plain), words(text)
    allowed = wanted | words(reference)
    return Compared(
        name,
        round(len(wanted & got) / max(1, len(wanted)), 3),
        round(len(allowed & got) / max(1, len(got)), 3),
        tuple(sorted(wanted - got)),
        tuple(sorted(got - allowed)),
    )


def words(text: str) -> set[str]:
    """Return the distinct words of letters and digits, without case and list numbers.

    >>> sorted(words("1. The ＰＵＭＰ_room holds 90"))
    ['90', 'holds', 'pump', 'room', 'the']
    """
    plain = unicodedata.normalize("NFKC", html.unescape(text)).lower()
    return set(_WORD.findall(_NUMBER.sub(" ", plain)))


def figures(records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return how many files were read, how well, and each that was not."""
    unread = {item["file"]: item["skipped"] for item in records if item["skipped"]}
    judged = [item for item in records if "ok" in item]
    vanished = [item["file"] for item in records if not item["documents"] and not item["skipped"]]
    return {
        "files": len(records),
        "files_with_documents": sum(1 for item in records if item["documents"]),
        "unreadable": len(unread),
        "unreadable_listed": unread,
        "vanished": vanished,
        "without_reference": [
            item["file"] for item in records if item["documents"] and "ok" not in item
        ],
        "readable_total": len(judged),
        "readable_ok": sum(1 for item in judged if item["ok"]),
        "misses": {
            item["file"]: {
                "recall": item["recall"],
                "precision": item["precision"],
                "reason": REASONS.get(item["file"], UNKNOWN),
            }
            for item in judged
            if not item["ok"]
        },
    }


if __name__ == "__main__":
    sys.exit(main())
