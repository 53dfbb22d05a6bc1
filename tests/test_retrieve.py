from __future__ import annotations

import pytest

from graft.config import RetrievalConfig
from graft.embed.fake import FakeEmbedder
from graft.errors import UsageError
from graft.index.memory import MemoryIndex
from graft.retrieve import Retriever, fuse
from graft.types import Hit, Passage, Where


def passage(name, text, doc_id="a.md", position=0, **more):
    return Passage(id=name, doc_id=doc_id, text=text, position=position, **more)


@pytest.fixture
def retriever():
    embedder = FakeEmbedder()
    passages = [
        passage("p1", "the pump runs dry for ninety seconds", "a.md", 0),
        passage("p2", "the pump is painted blue", "a.md", 1),
        passage("p3", "visitors wear a grey badge", "b.md"),
        passage("q1", "Q: pump dry?\nA: 90 s", "a.md", kind="pair", pair_id="t1", answer="90 s"),
        passage("q2", "Q: pump colour?\nA: blue", "", kind="pair", pair_id="t2", answer="blue"),
    ]
    index = MemoryIndex(64, "fake")
    index.write(passages, embedder.embed([item.shown for item in passages]))
    embedder.calls.clear()
    return Retriever(index, embedder, RetrievalConfig())


def ids(hits):
    return [hit.passage.id for hit in hits]


def test_fusion_adds_reciprocal_ranks():
    one, two, three = (Hit(passage(name, name), 0.0) for name in ("one", "two", "three"))
    fused = fuse({"dense": [one, two], "text": [two, three]}, 60)
    assert ids(fused) == ["two", "one", "three"]
    assert fused[0].score == pytest.approx(1 / 62 + 1 / 61)
    assert fused[0].ranks == {"dense": 2, "text": 1}
    assert fused[1].ranks == {"dense": 1}


def test_equal_scores_stand_in_the_order_of_document_and_position():
    late, early = Hit(passage("x", "x", "b.md"), 0.0), Hit(passage("y", "y", "a.md", 3), 0.0)
    assert ids(fuse({"dense": [late], "text": [early]}, 60)) == ["y", "x"]
    assert ids(fuse({"text": [early], "dense": [late]}, 60)) == ["y", "x"]


def test_documents_come_first_then_pairs(retriever):
    hits, stages = retriever.find("how long may the pump run dry", 2, 1)
    assert ids(hits) == ["p1", "p2", "q1"]
    assert set(stages) == {"embed_seconds", "search_seconds"}
    assert all(seconds >= 0 for seconds in stages.values())


def test_no_pairs_are_returned_where_none_are_wanted(retriever):
    assert ids(retriever.find("pump", 5, 0).hits) == ["p2", "p1", "p3"]


def test_what_is_kept_out_is_never_returned(retriever):
    where = Where(without_documents=frozenset({"a.md"}), without_pairs=frozenset({"t2"}))
    assert ids(retriever.find("pump dry", 5, 5, where).hits) == ["p3"]
    assert ids(retriever.find("pump", 5, 5, Where(kinds=frozenset({"pair"}))).hits) == ["q2", "q1"]


def test_search_fuses_both_kinds(retriever):
    assert set(ids(retriever.search("pump"))) == {"p1", "p2", "p3", "q1", "q2"}


def test_many_queries_are_embedded_in_one_batch(retriever):
    queries = ["pump dry", "badge", ""]
    wheres = [Where(), Where(without_documents=frozenset({"b.md"})), Where()]
    found = retriever.find_many(queries, 1, 0, wheres)
    assert retriever.embedder.calls == [3]
    assert [ids(item.hits) for item in found[:2]] == [["p1"], ["p1"]]
    assert retriever.find_many([], 1, 1) == []


def test_filters_of_another_number_are_refused(retriever):
    with pytest.raises(UsageError, match="differ in number"):
        retriever.find_many(["a", "b"], 1, 1, [Where()])
