"""Another embedder: the old index is refused, the new one built beside it and switched to."""

from __future__ import annotations

import pytest

from corpus_changes import Embedder, Place, Reading
from graft.errors import FingerprintMismatch
from graft.index.lancedb import LanceIndex
from graft.types import Where


class Other(Embedder):
    identity = "other"
    dimension = 32


def opened(embedder, serves=None):
    return lambda folder: LanceIndex(folder, embedder.dimension, embedder.identity, serves=serves)


def test_an_index_of_another_embedder_is_refused_and_made_anew(tmp_path, monkeypatch):
    monkeypatch.setattr("graft.reading.Parsing", Reading)
    place = Place(tmp_path / "team", "lancedb")
    for number in range(3):
        place.write(f"d{number}.md", f"# Hall {number}\n\nThe pump {number} runs.")
    place.add()
    place.searched()
    other, before = Other(), place.corpus.versions()
    with pytest.raises(FingerprintMismatch) as caught:
        opened(other)(place.state / "index")
    assert "fake (64 dimensions)" in caught.value.why and "other (32" in caught.value.why
    assert "graft reindex" in caught.value.next_step
    done = place.corpus.reindex(other, opened(other))
    assert done.is_new and not done.left and len(other.texts) == done.passages
    assert not (place.state / "index").exists()
    index = opened(other, place.corpus)(place.state / place.corpus.index_name())
    found = index.search("pump", other.embed(["pump"], "query")[0], 9, Where())
    assert len(found["dense"]) == done.passages
    assert place.corpus.verify(index, 32) == []
    assert place.corpus.versions() == before
    with pytest.raises(FingerprintMismatch, match="replaced"):
        place.index.search("pump", place.embedder.embed(["pump"])[0], 9, Where())
    with pytest.raises(FingerprintMismatch, match="replaced"):
        place.add()
    assert not place.corpus.reindex(other, opened(other)).is_new
    assert len(other.texts) == done.passages
