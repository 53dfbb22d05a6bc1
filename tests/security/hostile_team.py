"""A workspace whose folder holds strangers' files beside one good file."""

from __future__ import annotations

from graft.workspace import Workspace

GOOD = "# Pump\n\nThe Tarn pump is tested at ninety bar.\n"


class Team:
    """A workspace with the fake models and a folder `docs` with one good file."""

    def __init__(self, root):
        self.root = root
        Workspace.create(root)
        (root / "graft.toml").write_text('generator = "fake"\nembedder = "fake"\n')
        self.docs = root / "docs"
        self.docs.mkdir(exist_ok=True)
        self.write("good.md", GOOD)
        self.workspace = Workspace.open(root)

    def write(self, name, content):
        """Write a file as it stands."""
        path = self.docs / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def add(self, **files):
        """Write files, the last `_` of a name for its dot, and add the folder.

        Return the texts by file and the reasons by file left out; the good file is found.
        """
        for name, content in files.items():
            self.write(".".join(name.rsplit("_", 1)), content)
        report = self.workspace.add([self.docs])
        assert "good.md" in (*report.added, *report.unchanged)
        found = self.workspace.search("Tarn pump ninety bar", 3)
        assert "good.md" in [hit.passage.doc_id for hit in found]
        skipped = {item.path.rpartition("/")[2]: item for item in report.skipped}
        assert all(item.reason and item.next_step for item in skipped.values())
        documents = self.workspace.corpus.documents()
        texts = {item.id: item for item in documents if item.id != "good.md"}
        assert len(report.added) == len(texts) + 1 and not set(texts) & set(skipped)
        assert self.workspace.changes.verify() == []
        return texts, skipped

    def shown(self):
        """Return all that can be found of the folder: texts, titles and headings."""
        corpus = self.workspace.corpus
        titles = [item.title for item in corpus.documents()]
        return "\n".join([*titles, *(item.shown for item in corpus.passages())])
