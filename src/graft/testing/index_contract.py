"""What every index must do. Subclass `IndexContract` and override the `index` fixture.

    class TestMine(IndexContract):
        @pytest.fixture
        def index(self, tmp_path):
            return MyIndex(tmp_path, 4, "fake")

        def reopened(self, index):
            return MyIndex(index.folder, 4, "fake")

        def serving(self, serves):
            return MyIndex(self.folder, 4, "fake", serves=serves)

The folder of an index on disk is called "index", as `Serving` says. Vectors have four
dimensions, so that every expected order can be worked out by eye.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pytest

from graft.errors import BadInput, FingerprintMismatch
from graft.protocols import Published
from graft.types import Hit, Passage, Where

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["IndexContract", "Serving", "document_passage", "pair_passage", "vectors"]

NASTY_QUERIES = (
    "",
    "   ",
    "!?",
    '"',
    "'",
    '"unclosed',
    "pump AND",
    "OR NOT (",
    "a:b^2~3 *",
    "shown:pump",
    "\x00",
    "O'Hara -- drop",
    "日本語",
    "🙂",
    "pump " * 500,
)


def document_passage(name: str, text: str, doc_id: str = "a.md", position: int = 0) -> Passage:
    """Return a passage of a document with every field filled."""
    return Passage(
        id=name,
        doc_id=doc_id,
        text=text,
        position=position,
        start=3,
        end=3 + len(text),
        heading_path=("Handbook", "Part > one"),
        page=2,
    )


def pair_passage(name: str, text: str, pair_id: str, doc_id: str = "") -> Passage:
    """Return a training pair as a passage."""
    return Passage(
        id=name, doc_id=doc_id, text=text, position=0, kind="pair", pair_id=pair_id, answer="yes"
    )


def vectors(*rows: Sequence[float]) -> NDArray[np.float32]:
    """Return the rows, each at unit length."""
    import numpy as np

    matrix = np.array(rows, dtype=np.float32).reshape(len(rows), -1)
    return np.asarray(matrix / np.linalg.norm(matrix, axis=1, keepdims=True), dtype=np.float32)


EAST, NORTH, UP = (1.0, 0.0, 0.0, 0.0), (0.0, 1.0, 0.0, 0.0), (0.0, 0.0, 1.0, 0.0)
NORTH_EAST = (1.0, 1.0, 0.0, 0.0)


def _ids(hits: Sequence[Hit]) -> list[str]:
    return [hit.passage.id for hit in hits]


class Serving:
    """Says which state of which index is searched; set `state`, or `name` to replace the index."""

    def __init__(self, state: Published, name: str = "index") -> None:
        self.state = state
        self.name = name

    def index_name(self) -> str:
        """Return the name of the folder that is served."""
        return self.name

    def published_token(self) -> str:
        """Return the name of the state."""
        return self.state.token

    def published(self) -> Published:
        """Return the state."""
        return self.state


class IndexContract:
    """The contract; an index has four dimensions and the identity "fake"."""

    @pytest.fixture
    def index(self) -> Any:  # noqa: ANN401 - whatever the subclass tests
        """Return an empty index."""
        raise NotImplementedError("override the fixture `index`")

    def reopened(self, index: Any, identity: str = "fake") -> Any:  # noqa: ANN401
        """Return a new object over the same stored data, opened for an embedder."""
        raise NotImplementedError("override `reopened`")

    def serving(self, serves: Serving) -> Any:  # noqa: ANN401
        """Return a new object over the same stored data that serves a state."""
        raise NotImplementedError("override `serving`")

    @pytest.fixture
    def filled(self, index: Any) -> Any:  # noqa: ANN401
        """Return an index with two documents and two pairs."""
        index.write(
            [
                document_passage("p1", "The pump runs dry for ninety seconds", "a.md", 0),
                document_passage("p2", "Grease the gearbox every month", "a.md", 1),
                document_passage("p3", "Visitors wear a grey badge", "b.md", 0),
                pair_passage("q1", "Q: How long may the pump run dry?\nA: yes", "t1", "a.md"),
                pair_passage("q2", "Q: Which badge?\nA: yes", "t2"),
            ],
            vectors(EAST, NORTH, UP, NORTH_EAST, UP),
        )
        return index

    def test_an_empty_index_finds_nothing(self, index: Any) -> None:  # noqa: ANN401, D102
        found = index.search("pump", vectors(EAST), 5, Where())
        assert {name: list(hits) for name, hits in found.items()} == {"dense": [], "text": []}
        assert index.count() == 0
        assert index.ids() == frozenset()
        assert index.all_passages() == []
        assert index.drop(["a.md"]) == 0

    def test_writing_nothing_is_allowed(self, index: Any) -> None:  # noqa: ANN401, D102
        index.write([], vectors(EAST)[:0])
        assert index.count() == 0

    def test_each_channel_returns_the_best_first_with_its_rank(  # noqa: D102
        self,
        filled: Any,  # noqa: ANN401
    ) -> None:
        found = filled.search("grey badge", vectors(EAST), 2, Where())
        assert _ids(found["dense"]) == ["p1", "q1"]
        assert found["dense"][0].score == pytest.approx(1.0, abs=1e-3)
        assert found["dense"][0].ranks == {"dense": 1}
        assert found["dense"][1].ranks == {"dense": 2}
        assert _ids(found["text"]) == ["p3", "q2"]
        assert found["text"][0].ranks == {"text": 1}
        assert found["text"][0].score > found["text"][1].score > 0

    def test_more_than_there_is_returns_all_there_is(self, filled: Any) -> None:  # noqa: ANN401, D102
        found = filled.search("pump", vectors(EAST), 1_000, Where())
        assert len(found["dense"]) == 5
        assert set(_ids(found["text"])) == {"p1", "q1"}

    def test_no_hits_are_asked_for_and_none_come(self, filled: Any) -> None:  # noqa: ANN401, D102
        assert not any(filled.search("pump", vectors(EAST), 0, Where()).values())

    def test_passages_come_back_as_they_were_written(self, filled: Any) -> None:  # noqa: ANN401, D102
        passage = filled.search("", vectors(EAST), 1, Where())["dense"][0].passage
        assert passage == document_passage("p1", "The pump runs dry for ninety seconds")
        pair = filled.search("", vectors(NORTH_EAST), 1, Where())["dense"][0].passage
        assert pair == pair_passage("q1", "Q: How long may the pump run dry?\nA: yes", "t1", "a.md")

    def test_ties_stand_in_the_order_of_document_and_position(self, index: Any) -> None:  # noqa: ANN401, D102
        names = [f"p{number:02}" for number in range(12)]
        passages = [document_passage(name, "same words", "a.md", int(name[1:])) for name in names]
        for passage in reversed(passages):
            index.write([passage], vectors(NORTH_EAST))
        for k in (3, 12):
            found = index.search("same words", vectors(EAST), k, Where())
            assert _ids(found["dense"]) == names[:k]
            assert _ids(found["text"]) == names[:k]

    def test_adding_an_id_again_replaces_it(self, filled: Any) -> None:  # noqa: ANN401, D102
        filled.search("pump", vectors(EAST), 1, Where())
        filled.write([document_passage("p1", "The turbine hums")], vectors(UP))
        assert filled.count() == 5
        found = filled.search("turbine", vectors(UP), 5, Where())
        assert _ids(found["text"]) == ["p1"]
        assert _ids(found["dense"])[0] == "p1"
        assert _ids(filled.search("ninety", vectors(UP), 5, Where())["text"]) == []

    def test_an_id_twice_in_one_write_counts_once(self, index: Any) -> None:  # noqa: ANN401, D102
        index.write(
            [document_passage("p1", "old"), document_passage("p1", "new")], vectors(EAST, NORTH)
        )
        assert [passage.text for passage in index.all_passages()] == ["new"]

    def test_what_is_written_is_found_by_its_words_at_once(self, filled: Any) -> None:  # noqa: ANN401, D102
        filled.search("pump", vectors(EAST), 1, Where())
        filled.write([document_passage("p9", "A zebra", "z.md")], vectors(NORTH))
        assert _ids(filled.search("zebra", vectors(EAST), 3, Where())["text"]) == ["p9"]

    def test_dropping_a_document_leaves_pairs_and_others(self, filled: Any) -> None:  # noqa: ANN401, D102
        assert filled.drop(["a.md", "a.md", "none.md"]) == 2
        assert filled.ids() == {"p3", "q1", "q2"}
        assert _ids(filled.search("pump", vectors(EAST), 5, Where())["text"]) == ["q1"]
        assert filled.drop(["a.md"]) == 0

    def test_removing_by_id_takes_any_passage(self, filled: Any) -> None:  # noqa: ANN401, D102
        assert filled.remove(["q1", "p2", "none"]) == 2
        assert filled.ids() == {"p1", "p3", "q2"}

    def test_filters_keep_documents_pairs_and_kinds_out(self, filled: Any) -> None:  # noqa: ANN401, D102
        def found(where: Where) -> set[str]:
            hits = filled.search("pump badge", vectors(EAST), 5, where)
            return {*_ids(hits["dense"]), *_ids(hits["text"])}

        assert found(Where(without_documents=frozenset({"a.md"}))) == {"p3", "q2"}
        assert found(Where(without_pairs=frozenset({"t1"}))) == {"p1", "p2", "p3", "q2"}
        assert found(Where(kinds=frozenset({"pair"}))) == {"q1", "q2"}
        assert found(Where(kinds=frozenset())) == set()

    def test_filters_still_leave_as_many_as_asked_for(self, index: Any) -> None:  # noqa: ANN401, D102
        passages = [
            document_passage(f"p{number:03}", "pump", f"{number:03}.md") for number in range(300)
        ]
        index.write(passages, vectors(*[EAST] * 300))
        kept_out = frozenset(f"{number:03}.md" for number in range(295))
        found = index.search("pump", vectors(EAST), 5, Where(without_documents=kept_out))
        expected = ["p295", "p296", "p297", "p298", "p299"]
        assert _ids(found["dense"]) == expected
        assert _ids(found["text"]) == expected

    @pytest.mark.parametrize("query", NASTY_QUERIES)
    def test_no_query_text_raises(self, filled: Any, query: str) -> None:  # noqa: ANN401, D102
        assert len(filled.search(query, vectors(EAST), 2, Where())["dense"]) == 2

    def test_words_are_found_whatever_their_script_and_case(self, index: Any) -> None:  # noqa: ANN401, D102
        texts = ("Die Größe des Rohrs", "L'état naïf", "насос работает", "東京 本社", "Emoji 🙂 ok")
        passages = [
            document_passage(f"p{number}", text, f"Ordner/Ü {number}'s.md")
            for number, text in enumerate(texts)
        ]
        index.write(passages, vectors(*[EAST] * len(texts)))
        for number, query in enumerate(("größe", "Naïf", "НАСОС", "本社", "emoji")):
            hits = index.search(query, vectors(EAST), 1, Where())["text"]
            assert _ids(hits) == [f"p{number}"], query
            assert hits[0].passage == passages[number]
        assert index.drop(["Ordner/Ü 0's.md"]) == 1

    def test_a_reopened_index_is_equal(self, filled: Any) -> None:  # noqa: ANN401, D102
        before = filled.search("pump badge", vectors(NORTH_EAST), 5, Where())
        again = self.reopened(filled)
        after = again.search("pump badge", vectors(NORTH_EAST), 5, Where())
        assert again.all_passages() == filled.all_passages()
        for channel in ("dense", "text"):
            assert _ids(after[channel]) == _ids(before[channel])
            assert [hit.score for hit in after[channel]] == pytest.approx(
                [hit.score for hit in before[channel]], abs=1e-4
            )

    def test_passages_are_fetched_with_their_vectors(self, filled: Any) -> None:  # noqa: ANN401, D102
        found = filled.fetch(["p1", "q2", "none"])
        assert set(found) == {"p1", "q2"}
        assert found["p1"][0] == document_passage("p1", "The pump runs dry for ninety seconds")
        assert list(found["p1"][1]) == pytest.approx(EAST)
        filled.write([document_passage("p1", "The turbine hums")], vectors(UP))
        assert filled.fetch(["p1"])["p1"][0].text == "The turbine hums"
        assert filled.fetch([]) == {}

    def test_a_published_state_is_searched_while_the_next_is_written(  # noqa: D102
        self,
        filled: Any,  # noqa: ANN401
    ) -> None:
        serves = Serving(Published("nothing", {}))
        reader = self.serving(serves)
        assert not any(reader.search("pump", vectors(EAST), 5, Where()).values())
        serves.state = filled.publish(serves.state)
        before = filled.all_passages()
        assert filled.publish(serves.state) == serves.state
        filled.write([document_passage("p9", "A pump", "z.md")], vectors(EAST))
        filled.remove(["p1"])
        assert reader.all_passages() == before
        found = reader.search("ninety", vectors(EAST), 5, Where())
        assert _ids(found["text"]) == _ids(found["dense"])[:1] == ["p1"]
        serves.state = filled.publish(serves.state)
        filled.tidy()
        assert {passage.id for passage in reader.all_passages()} == {"p9", "p2", "p3", "q1", "q2"}
        assert _ids(reader.search("ninety", vectors(EAST), 5, Where())["text"]) == []

    def test_an_index_that_was_replaced_is_neither_searched_nor_filled(  # noqa: D102
        self,
        filled: Any,  # noqa: ANN401
    ) -> None:
        serves = Serving(filled.publish(Published("nothing", {})))
        reader = self.serving(serves)
        assert reader.search("pump", vectors(EAST), 5, Where())["dense"]
        serves.state, serves.name = Published("0123456789abcdef:2", {}), "index-0123456789ab"
        with pytest.raises(FingerprintMismatch, match="replaced by one of another embedder"):
            reader.search("pump", vectors(EAST), 5, Where())
        with pytest.raises(FingerprintMismatch, match="replaced by one of another embedder"):
            reader.ids()

    def test_vectors_of_another_embedder_are_refused_and_the_part_is_named(  # noqa: D102
        self,
        filled: Any,  # noqa: ANN401
    ) -> None:
        filled.publish(Published("nothing", {}))
        with pytest.raises(FingerprintMismatch) as caught:
            self.reopened(filled, "another")
        assert "'another' (its parts are not known) here, 'fake'" in caught.value.why
        assert "graft reindex" in caught.value.next_step

    def test_a_state_of_another_index_is_refused(self, filled: Any) -> None:  # noqa: ANN401, D102
        filled.publish(Published("nothing", {}))
        reader = self.serving(Serving(Published("0123456789abcdef:2", {})))
        with pytest.raises(BadInput, match="not the one that the catalogue names"):
            reader.search("pump", vectors(EAST), 5, Where())
