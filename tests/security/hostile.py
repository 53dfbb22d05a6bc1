"""A workspace that is given a folder of hostile files and a good one, by the public way in."""

from __future__ import annotations

import re
import tempfile
import zipfile
from functools import partial
from pathlib import Path

from graft import Workspace
from graft.parsing import Limits, Parsing

CONFIG = 'generator = "fake"\nembedder = "fake"\n[retrieval]\npassages = 1\n'
GOOD = "# Kiln\n\nThe kiln of the north hall is fired on Mondays.\n"
QUICK = Limits(memory_bytes=1_000_000_000, seconds=10.0, output_bytes=5_000_000)
# What a terminal obeys, and halves of characters, which nothing can store.
UNSHOWN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


class Added:
    """What adding the files came to."""

    def __init__(self, workspace, report):
        self.workspace = workspace
        self.report = report
        self.reasons = {Path(item.path).name: item.reason for item in report.skipped}
        self.documents = {item.id: item for item in workspace.corpus.documents()}

    def text(self, name):
        return self.documents[name].text

    def everything(self):
        """Return all that is kept of documents, and all that was said of the others."""
        kept = [
            "\n".join([item.title, item.text, *item.notes, *map(str, item.sections)])
            for item in self.documents.values()
        ]
        return "\n".join([*kept, *map(str, self.report.skipped)])


def files_of(folder, without=()):
    """Return every file of a folder with what tells whether it was written to."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if not any(path == other or path.is_relative_to(other) for other in without):
            status = path.lstat()
            is_folder = path.is_dir()
            found[str(path)] = () if is_folder else (status.st_size, status.st_mtime_ns)
    return found


def made(folder):
    """Return a new workspace with fakes for its models."""
    root = Workspace.create(folder).root
    (root / "graft.toml").write_text(CONFIG)
    (root / "docs").mkdir()
    return Workspace.open(root)


def add(tmp_path, monkeypatch, files, limits=QUICK):
    """Add files (bytes by name, or what writes them to a path) and a good one.

    Whatever they are, each is added or named with its reason, the good one is found, nothing
    is written outside the workspace's own folder, and what is stored is sound.
    """
    team = tmp_path / "team"
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr("graft.reading.Parsing", partial(Parsing, limits))
    workspace = made(team)
    docs = workspace.root / "docs"
    for name, content in {**files, "zz-good.md": GOOD.encode()}.items():
        if isinstance(content, bytes):
            (docs / name).write_bytes(content)
        else:
            content(docs / name)
    before = files_of(tmp_path, without=[workspace.state])
    report = workspace.add([docs])
    assert files_of(tmp_path, without=[workspace.state]) == before
    found = Added(workspace, report)
    assert len(found.report.added) + len(found.reasons) == len(files) + 1
    assert all(item.reason and item.next_step for item in report.skipped)
    assert workspace.search("kiln north hall")[0].passage.doc_id == "zz-good.md"
    assert workspace.changes.verify() == []
    for document in found.documents.values():
        paths = [word for item in document.sections for word in item.heading_path]
        shown = "\n".join([document.title, document.text, *document.notes, *paths])
        assert not UNSHOWN.search(shown), document.id
    return found


def packed(members, method=zipfile.ZIP_DEFLATED):
    """Return what writes a zip file of members, pairs of a name and its bytes."""

    def write(path):
        with zipfile.ZipFile(path, "w", method) as archive:
            for name, data in members:
                archive.writestr(name, data)

    return write
