from __future__ import annotations

import pytest

from graft.errors import BadInput, FingerprintMismatch
from graft.index.memory import MemoryIndex
from graft.testing.index_contract import IndexContract, document_passage, vectors
from graft.types import Where


class TestMemoryIndex(IndexContract):
    @pytest.fixture
    def index(self, tmp_path):
        self.folder = tmp_path / "index"
        return MemoryIndex(4, "fake", self.folder)

    def reopened(self, index, identity="fake"):
        return MemoryIndex(4, identity, self.folder)

    def serving(self, serves):
        return MemoryIndex(4, "fake", self.folder, serves=serves)


def test_without_a_folder_nothing_is_kept(tmp_path):
    index = MemoryIndex(4)
    index.write([document_passage("p1", "pump")], vectors((1, 0, 0, 0)))
    assert index.count() == 1
    assert list(tmp_path.iterdir()) == []


def test_another_embedder_is_refused(tmp_path):
    MemoryIndex(4, "fake", tmp_path).write([document_passage("p1", "x")], vectors((1, 0, 0, 0)))
    with pytest.raises(FingerprintMismatch, match="do not belong together"):
        MemoryIndex(4, "other", tmp_path)


def test_a_broken_file_is_named(tmp_path):
    (tmp_path / "memory.npz").write_bytes(b"PK\x03\x04 broken")
    with pytest.raises(BadInput) as caught:
        MemoryIndex(4, "fake", tmp_path)
    assert "memory.npz" in str(caught.value)


def test_vectors_of_another_dimension_are_refused():
    with pytest.raises(FingerprintMismatch):
        MemoryIndex(3).write([document_passage("p1", "x")], vectors((1, 0, 0, 0)))


def test_a_rare_word_outweighs_a_common_one():
    index = MemoryIndex(4)
    texts = ("pump pump", "pump valve", "pump gasket")
    passages = [document_passage(f"p{n}", text, f"{n}.md") for n, text in enumerate(texts)]
    index.write(passages, vectors(*[(1, 0, 0, 0)] * 3))
    hits = index.search("pump gasket", vectors((1, 0, 0, 0)), 3, Where())["text"]
    assert hits[0].passage.id == "p2"
