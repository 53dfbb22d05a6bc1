"""The real workspace with the fake generator and embedder, through the command line."""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from graft.cli import session
from graft.cli.commands import app
from graft.embed.fake import FakeEmbedder
from graft.index.lancedb import LanceIndex
from graft.workspace import Workspace

CONFIG = 'generator = "fake"\nembedder = "fake"\n'
STAGES = (("add", "docs"), ("questions", "import", "questions.jsonl"))


@pytest.fixture(autouse=True)
def _real(_clean: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Undo the fake workspace of this folder's conftest."""
    monkeypatch.setattr(session, "workspace_class", lambda: Workspace)


def graft(*arguments: str) -> Result:
    """Run a command line in this process."""
    return CliRunner().invoke(app, list(arguments), prog_name="graft")


def done(*arguments: str) -> Result:
    """Run a command line that must succeed."""
    result = graft(*arguments)
    assert result.exit_code == 0, (arguments, result.stderr, result.exception)
    return result


def write_material(root: Path, count: int = 4) -> None:
    """Write documents and questions: one fact a document, asked once to train, once to test."""
    (root / "docs").mkdir(parents=True)
    lines = []
    for number in range(count):
        text = f"# Pump {number}\n\nThe Tarn {number} is tested at {number + 30} bar.\n"
        (root / "docs" / f"d{number}.md").write_text(text)
        shared = {"answers": [f"{number + 30} bar"], "doc_ids": [f"d{number}.md"]}
        asked = f"What pressure is the Tarn {number} tested at?"
        lines.append({"id": f"t{number}", "question": asked, "split": "train", **shared})
        asked = f"The test pressure of Tarn {number}?"
        lines.append({"id": f"e{number}", "question": asked, "split": "test", **shared})
    write_questions(root / "questions.jsonl", lines)


def write_questions(path: Path, lines: list[dict[str, Any]]) -> None:
    """Write a question file."""
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def make_workspace(root: Path, *, stages: int = 0, count: int = 4) -> Path:
    """Make a workspace with its material and the first `stages` of add and import done."""
    done("init", str(root))
    (root / "graft.toml").write_text(CONFIG)
    write_material(root, count)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        for command in STAGES[:stages]:
            done(*command)
    return root


def four_parts(result: Result, code: int) -> str:
    """Check the form of an error and its exit code; return what stands on stderr."""
    assert result.exit_code == code, result.stderr
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    names = [line.split()[0] for line in result.stderr.splitlines()[-4:]]
    assert names == ["error:", "where", "why", "next"], result.stderr
    return result.stderr


def kept(root: Path) -> dict[str, Any]:
    """Return what a workspace holds: files by hash, and what catalogue and index say.

    The two are compared by content, since reading them may write to their files; none is the
    same as an empty one. Logs are left out.
    """
    found: dict[str, Any] = {}
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.is_file() and not name.startswith(
            (".graft/logs/", ".graft/index/", ".graft/catalog.sqlite", ".graft/writer.lock")
        ):
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    found["catalogue"] = sorted(map(str, catalogue(root)))
    found["index"] = indexed(root)
    return found


# Decided by a clock, by the file system, by the order of work, or by LanceDB.
NOT_CONTENT = {
    *("added", "created", "last_attempt", "next_attempt", "signature", "modified"),
    *("row", "document"),
}


def catalogue(root: Path) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of the catalogue without what is no content."""
    path = root / ".graft" / "catalog.sqlite"
    if not path.exists():
        return
    store = sqlite3.connect(path)
    tables = [row[0] for row in store.execute("SELECT name FROM sqlite_master WHERE type='table'")]
    for table in sorted({*tables} - {"published", "meta"}):
        cursor = store.execute(f"SELECT * FROM {table}")
        names = [column[0] for column in cursor.description]
        for row in cursor:
            yield (
                table,
                *(value for name, value in zip(names, row, strict=True) if name not in NOT_CONTENT),
            )
    store.close()


def indexed(root: Path) -> list[str]:
    """Return the ids in the index."""
    folder = root / ".graft" / "index"
    if not (folder / "passages.lance" / "_versions").exists():
        return []
    return sorted(LanceIndex(folder, FakeEmbedder.dimension, FakeEmbedder.identity).ids())


def copied(root: Path, to: Path) -> Path:
    """Copy a workspace: a new path each time, since LanceDB remembers tables by path."""
    return Path(shutil.copytree(root, to))


def without_times(comparison: dict[str, Any]) -> dict[str, Any]:
    """Return a comparison without what a clock decides.

    Of the storage only whether there is any: Lance's own files differ by some bytes each time.
    """
    plain: dict[str, Any] = json.loads(json.dumps(comparison))
    for arm in plain["arms"]:
        del arm["latency_ms"], arm["build_seconds"]
        arm["storage_bytes"] = bool(arm["storage_bytes"])
    return plain
