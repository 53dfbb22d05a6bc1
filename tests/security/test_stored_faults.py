"""Stored files that are torn, damaged, or of a newer Graft: refused, never half understood."""

from __future__ import annotations

import json
import random
import shutil
import sqlite3
from dataclasses import asdict

import pytest

from corpus_changes import Place, Reading
from graft import Workspace
from graft.adapters import read_receipt
from graft.embed.fake import FakeEmbedder
from graft.errors import BadInput, GraftError
from graft.index.lancedb import LanceIndex
from graft.index.memory import MemoryIndex
from graft.judge import Verdict, VerdictLog
from graft.question_set import load_questions
from graft.report.gates import read_baseline
from graft.results import Results
from graft.runs import read_run

CONFIG = 'generator = "fake"\nembedder = "fake"\n[retrieval]\npassages = 1\n'
WHOLE = ("questions.jsonl", "runs/*/manifest.json", "reports/*/comparand.json",
         "reports/*/comparison.json", "build.json")  # fmt: skip


@pytest.fixture(scope="module")
def origin(tmp_path_factory):
    """A workspace with one comparison of two arms."""
    root = tmp_path_factory.mktemp("origin") / "team"
    (root / "docs").mkdir(parents=True)
    lines = []
    for number in range(4):
        text = f"# Tarn {number}\n\nThe pump Tarn {number} is tested at {number + 30}.\n"
        (root / "docs" / f"d{number}.md").write_text(text)
        for split in ("train", "test"):
            asked = f"At what pressure is the pump Tarn {number} tested in {split}?"
            line = {"id": f"{split}{number}", "question": asked, "split": split}
            lines.append(line | {"answers": [str(number + 30)], "doc_ids": [f"d{number}.md"]})
    (root / "questions.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    Workspace.create(root)
    (root / "graft.toml").write_text(CONFIG)
    workspace = Workspace.open(root)
    workspace.add([root / "docs"])
    workspace.import_questions(root / "questions.jsonl", {})
    workspace.compare(arms=("base", "rag"))
    return root


def read_all(root):
    """Return what every command that reads stored files makes of them, or that it refuses."""
    found = []
    for read in (
        lambda one: one.status()["verdict"],
        lambda one: one.report().comparison["arms"],
        lambda one: [item.id for item in load_questions(one.state).questions],
        lambda one: one.plan_compare(arms=("base", "rag")).settings,
        lambda one: one.compare(arms=("base", "rag")).comparison["arms"],
    ):
        try:
            told = json.dumps(read(Workspace.open(root)), default=str)
            found.append(told.replace(str(root), ""))
        except GraftError as error:
            assert error.what and error.where and error.why and error.next_step
            found.append("refused")
    return found


@pytest.mark.parametrize("pattern", WHOLE)
@pytest.mark.parametrize("harm", ["torn", "flipped"])
def test_a_damaged_file_is_refused_and_never_taken_as_it_stands(origin, tmp_path, pattern, harm):
    """Case 66: torn files and flipped bits in questions, runs, comparisons and times."""
    chosen = random.Random(7)
    root = shutil.copytree(origin, tmp_path / "whole")
    expected = read_all(root)
    refused = 0
    for number in range(1 if harm == "torn" else 3):
        root = shutil.copytree(origin, tmp_path / f"{harm}{number}")
        path = sorted((root / ".graft").glob(pattern))[0]
        data = bytearray(path.read_bytes())
        if harm == "torn":
            data = data[: len(data) // 2]
        else:
            data[chosen.randrange(len(data))] ^= 1 << chosen.randrange(7)
        path.write_bytes(data)
        found = read_all(root)
        assert all(one in ("refused", same) for one, same in zip(found, expected, strict=True))
        refused += "refused" in found
    assert refused


NEWER = {"schema": 99, "needs": "9.1"}


def of_newer_index(tmp_path, kind, patch):
    module = "graft.index.memory" if kind is MemoryIndex else "graft.index.lancedb"
    with patch.context() as newer:
        newer.setattr(f"{module}.SCHEMA", 99)
        newer.setattr(f"{module}.NEEDS", "9.1")
        opened(kind, tmp_path / "index").write(*rows())
    opened(kind, tmp_path / "index")


def opened(kind, folder):
    if kind is MemoryIndex:
        return MemoryIndex(64, "fake", folder)
    return LanceIndex(folder, 64, "fake")


def rows():
    from graft.types import Passage

    return [Passage("p", "a.md", "One.", 0)], FakeEmbedder().embed(["One."])


def of_newer_catalogue(tmp_path):
    place = Place(tmp_path / "team")
    with sqlite3.connect(place.state / "catalog.sqlite") as store:
        store.execute("UPDATE meta SET value = '9.1'")
        store.execute("PRAGMA user_version = 99")
    store.close()
    Place(place.folder)


def of_newer_json(path, read):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(NEWER | {"arms": [], "hash": "", "removed_from_train": []}) + "\n")
    read()


def of_newer_comparison(tmp_path, name):
    reports = tmp_path / "reports"
    (reports / "one").mkdir(parents=True)
    (reports / "newest.txt").write_text("one")
    (reports / "one" / "comparison.json").write_text("{}")
    results = Results(tmp_path)
    read = results.newest if name == "comparison.json" else results.redraw
    of_newer_json(reports / "one" / name, read)


def of_newer_verdict(tmp_path):
    verdict = Verdict(**dict.fromkeys(Verdict.__slots__, ""))
    (tmp_path / "v.jsonl").write_text(json.dumps(asdict(verdict) | NEWER) + "\n")
    VerdictLog(tmp_path / "v.jsonl").read()


FORMATS = {
    "catalogue": lambda at, _: of_newer_catalogue(at),
    "index on disk": lambda at, patch: of_newer_index(at, LanceIndex, patch),
    "index in memory": lambda at, patch: of_newer_index(at, MemoryIndex, patch),
    "questions": lambda at, _: of_newer_json(at / "questions.jsonl", lambda: load_questions(at)),
    "run": lambda at, _: of_newer_json(at / "manifest.json", lambda: read_run(at)),
    "adapter": lambda at, _: of_newer_json(at / "receipt.json", lambda: read_receipt(at)),
    "comparison": lambda at, _: of_newer_comparison(at, "comparison.json"),
    "comparand": lambda at, _: of_newer_comparison(at, "comparand.json"),
    "baseline": lambda at, _: of_newer_json(at / "b.json", lambda: read_baseline(at / "b.json")),
    "verdict of the judge": lambda at, _: of_newer_verdict(at),
}


@pytest.mark.parametrize("name", list(FORMATS))
def test_a_newer_format_is_refused_with_the_version_that_reads_it(tmp_path, monkeypatch, name):
    """Case 72: an older program on data of a newer one, for each stored format."""
    with pytest.raises(BadInput, match="by a newer Graft") as caught:
        FORMATS[name](tmp_path, monkeypatch)
    assert "schema 99" in caught.value.why and "Graft 9.1 or newer" in caught.value.why
    assert caught.value.where
    assert caught.value.next_step == "pip install 'graft>=9.1'"


@pytest.mark.parametrize(
    ("head", "step"),
    [
        ({"schema": 99}, "upgrade Graft"),
        ({"schema": 99, "needs": "1'; rm -rf ~; '"}, "upgrade Graft"),
        ({"schema": "newest"}, "put back a copy of the workspace"),
        ({"schema": None}, "put back a copy of the workspace"),
    ],
)
def test_what_a_stored_head_says_is_checked_before_it_becomes_a_command(tmp_path, head, step):
    """Case 72: the version that is needed stands in a file that anyone may have written."""
    (tmp_path / "manifest.json").write_text(json.dumps(head))
    with pytest.raises(BadInput) as caught:
        read_run(tmp_path)
    assert caught.value.next_step == step
    assert "rm -rf" not in str(caught.value)


def test_an_index_of_a_newer_graft_is_neither_searched_nor_replaced(tmp_path, monkeypatch):
    """Case 72: neither `add` nor `reindex` touches an index that this version cannot read."""
    monkeypatch.setattr("graft.reading.Parsing", Reading)
    with monkeypatch.context() as patch:
        patch.setattr("graft.index.lancedb.SCHEMA", 99)
        place = Place(tmp_path / "team", "lancedb")
        place.write("a.md", "# A\n\nOne.")
        place.add()
        before = place.searched()

    def open_again(folder):
        return LanceIndex(folder, 64, "fake")

    for act in (
        lambda: Place(place.folder, "lancedb"),
        lambda: place.corpus.reindex(FakeEmbedder(), open_again),
    ):
        with pytest.raises(BadInput, match="by a newer Graft"):
            act()
    monkeypatch.setattr("graft.index.lancedb.SCHEMA", 99)
    assert Place(place.folder, "lancedb").searched() == before
