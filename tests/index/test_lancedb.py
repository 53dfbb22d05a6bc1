from __future__ import annotations

import shutil

import numpy as np
import pytest

from graft.errors import BadInput, FingerprintMismatch
from graft.index.lancedb import LanceIndex
from graft.protocols import Published
from graft.testing.index_contract import IndexContract, Serving, document_passage, vectors
from graft.types import Where


class TestLanceIndex(IndexContract):
    @pytest.fixture
    def index(self, tmp_path):
        self.folder = tmp_path / "index"
        return LanceIndex(self.folder, 4, "fake")

    def reopened(self, index, identity="fake"):
        return LanceIndex(self.folder, 4, identity)

    def serving(self, serves):
        return LanceIndex(self.folder, 4, "fake", serves=serves)


def test_another_embedder_or_dimension_is_refused(tmp_path):
    LanceIndex(tmp_path, 4, "fake")
    with pytest.raises(FingerprintMismatch, match="do not belong together"):
        LanceIndex(tmp_path, 4, "other")
    with pytest.raises(FingerprintMismatch):
        LanceIndex(tmp_path, 8, "fake")


def test_a_broken_table_is_named_with_the_way_out(tmp_path):
    LanceIndex(tmp_path, 4, "fake")
    shutil.rmtree(tmp_path / "passages.lance" / "_versions")
    with pytest.raises(BadInput) as caught:
        LanceIndex(tmp_path, 4, "fake")
    assert "graft add" in str(caught.value)


def test_vectors_of_another_dimension_are_refused(tmp_path):
    with pytest.raises(FingerprintMismatch):
        LanceIndex(tmp_path, 3, "fake").write([document_passage("p", "x")], vectors((1, 0, 0, 0)))


def test_words_are_found_in_their_inflections(tmp_path):
    index = LanceIndex(tmp_path, 4, "fake")
    index.write([document_passage("p1", "Pumps were running")], vectors((1, 0, 0, 0)))
    found = index.search("the pump runs", vectors((1, 0, 0, 0)), 1, Where())
    assert [hit.passage.id for hit in found["text"]] == ["p1"]


def test_above_the_limit_the_graph_agrees_with_exact_search(tmp_path):
    chosen = np.random.default_rng(7)
    rows = vectors(*chosen.normal(size=(400, 8)))
    passages = [document_passage(f"p{n:03}", f"word{n}", f"{n % 9}.md", n) for n in range(400)]
    exact = LanceIndex(tmp_path / "exact", 8, "fake")
    graph = LanceIndex(tmp_path / "graph", 8, "fake", exact_limit=100)
    for index in (exact, graph):
        index.write(passages, rows)
    where = Where(without_documents=frozenset({"1.md", "2.md"}))
    shared = 0
    for row in range(0, 400, 20):
        pair = [index.search("word7", rows[row], 10, where)["dense"] for index in (exact, graph)]
        ids = [{hit.passage.id for hit in hits} for hits in pair]
        shared += len(ids[0] & ids[1])
        assert len(ids[1]) == 10
        assert pair[1][0].score == pytest.approx(pair[0][0].score, abs=0.02)
    assert exact.is_exact
    assert not graph.is_exact
    assert shared >= 190
    assert graph.all_passages() == exact.all_passages()
    graph.write([document_passage("new", "zebra", "new.md")], rows[:1])
    found = graph.search("zebra", rows[0], 1, Where(kinds=frozenset({"document"})))
    assert [hit.passage.id for hit in found["text"]] == ["new"]


def test_a_second_reader_sees_new_passages(tmp_path, monkeypatch):
    import datetime

    monkeypatch.setattr("graft.index.lance_store._SEEN_AFTER", datetime.timedelta(0))
    writer = LanceIndex(tmp_path, 4, "fake")
    reader = LanceIndex(tmp_path, 4, "fake")
    assert reader.search("pump", vectors((1, 0, 0, 0)), 1, Where())["text"] == []
    writer.write([document_passage("p1", "pump")], vectors((1, 0, 0, 0)))
    found = reader.search("pump", vectors((1, 0, 0, 0)), 1, Where())
    assert [hit.passage.id for hit in found["dense"]] == ["p1"]
    assert [hit.passage.id for hit in found["text"]] == ["p1"]


def test_old_versions_of_the_table_are_cleared_away_and_the_live_one_is_not(tmp_path, monkeypatch):
    import datetime

    short = datetime.timedelta(milliseconds=1)
    monkeypatch.setattr("graft.index.lancedb._KEPT_VERSIONS", short)
    serves = Serving(Published("nothing", {}))
    writer = LanceIndex(tmp_path / "index", 4, "fake")
    reader = LanceIndex(tmp_path / "index", 4, "fake", serves=serves)
    counts = []
    for number in range(30):
        writer.write([document_passage("p1", f"pump {number}")], vectors((1, 0, 0, 0)))
        serves.state = writer.publish(serves.state)
        writer.tidy()
        counts.append(len(writer._table.list_versions()))
        (found,) = reader.search("pump", vectors((1, 0, 0, 0)), 1, Where())["text"]
        assert found.passage.text == f"pump {number}"
    assert max(counts) <= 30
    assert len(serves.state.files) < 60
    again = LanceIndex(tmp_path / "index", 4, "fake", serves=serves)
    assert again.all_passages() == reader.all_passages()


def test_above_the_limit_a_published_state_is_searched_too(tmp_path):
    rows = vectors(*np.random.default_rng(7).normal(size=(300, 8)))
    passages = [document_passage(f"p{n:03}", f"word{n}", f"{n % 9}.md", n) for n in range(300)]
    serves = Serving(Published("nothing", {}))
    writer = LanceIndex(tmp_path / "index", 8, "fake", exact_limit=100)
    writer.write(passages, rows)
    serves.state = writer.publish(serves.state)
    reader = LanceIndex(tmp_path / "index", 8, "fake", exact_limit=100, serves=serves)
    writer.remove([passage.id for passage in passages[:200]])
    found = reader.search("word5", rows[5], 3, Where())
    assert found["dense"][0].passage.id == found["text"][0].passage.id == "p005"
    serves.state = writer.publish(serves.state)
    assert reader.search("word5", rows[5], 3, Where())["text"] == []
    assert len(reader.all_passages()) == 100
