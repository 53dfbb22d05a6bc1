"""Another embedder: the old index is refused, the new one built beside it and switched to."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3

import pytest

from corpus_changes import CountedStore, Embedder, Killed, Place, Reading, Steps
from graft.errors import FingerprintMismatch, NoSpaceLeft
from graft.index.identity import stored_identity
from graft.index.lancedb import LanceIndex
from graft.spaces import Space
from graft.types import Where


class Other(Embedder):
    space = Space("other", "hashed-words-2", pooling="sum", dimension=32)
    identity = str(space)
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
    assert caught.value.why == (
        "weights: other (hashed-words-2) here, fake (hashed-words-1) in the index;"
        " dimensions: 32 here, 64 in the index"
    )
    assert "graft reindex" in caught.value.next_step
    done = place.corpus.reindex(other, opened(other))
    assert done.is_new and not done.left and len(other.texts) == done.passages
    assert done.why == caught.value.why
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
    again = place.corpus.reindex(other, opened(other))
    assert not again.is_new and not again.why
    assert len(other.texts) == done.passages


def test_an_index_that_names_its_embedder_as_before_is_refused_and_made_anew(tmp_path, monkeypatch):
    monkeypatch.setattr("graft.reading.Parsing", Reading)
    old = type("Old", (Embedder,), {"identity": "0123456789abcdef:mean:::int8"})()
    place = small(tmp_path / "team")
    passages = place.searched()
    place.corpus.reindex(old, opened(old))
    folder = place.state / place.corpus.index_name()
    (folder / "embeddings.json").unlink()
    assert stored_identity(folder) == old.identity
    assert found_by(old, place) == passages
    with pytest.raises(FingerprintMismatch) as caught:
        opened(Embedder())(folder)
    assert caught.value.why == (
        "embeddings: fake (hashed-words-1, f32) here,"
        " '0123456789abcdef:mean:::int8' (its parts are not known) in the index"
    )
    assert "graft reindex" in caught.value.next_step
    done = place.corpus.reindex(Embedder(), opened(Embedder()))
    assert done.why == caught.value.why and found_by(Embedder(), place) == passages


def small(folder):
    place = Place(folder, "lancedb")
    for number in range(7):
        place.write(f"d{number}.md", f"# Hall {number}\n\nThe pump {number} runs.")
    place.add()
    return place


def found_by(embedder, place):
    """Return what a new reader finds, or that it is refused."""
    folder = place.state / place.corpus.index_name()
    try:
        index = opened(embedder, place.corpus)(folder)
    except FingerprintMismatch:
        return "refused"
    return sorted(index.all_passages(), key=lambda item: item.id)


def counting(patch, steps, written):
    """Make commits, writes to any index and moves of folders steps."""
    connect, replace, rmtree = sqlite3.connect, os.replace, shutil.rmtree
    store = type("Store", (CountedStore,), {"steps": steps})
    patch.setattr(sqlite3, "connect", lambda file, **named: connect(file, **named, factory=store))
    for name in ("write", "remove", "publish", "tidy"):
        real = getattr(LanceIndex, name)
        if name == "write":

            def real(self, passages, vectors, real=real):
                real(self, passages, vectors)
                written.extend(passage.shown for passage in passages)

        patch.setattr(LanceIndex, name, steps.around(real, name))
    patch.setattr("graft.reindexing.os.replace", steps.around(replace, "replace"))
    patch.setattr("graft.reindexing.shutil.rmtree", steps.around(rmtree, "rmtree"))


def test_killed_anywhere_the_old_index_or_the_new_one_is_served(tmp_path, monkeypatch):
    monkeypatch.setattr("graft.reading.Parsing", Reading)
    monkeypatch.setattr("graft.filling.PASSAGES_AT_ONCE", 3)
    start = small(tmp_path / "origin")
    passages = start.searched()
    twin, steps = start.copied(tmp_path / "twin"), Steps()
    with monkeypatch.context() as patch:
        counting(patch, steps, [])
        twin.corpus.reindex(Other(), opened(Other()))
    assert found_by(Other(), twin) == passages
    seen = {"old": 0, "new": 0}
    numbers = range(1, len(steps.seen) + 1)
    for number in [*numbers[:-6:5], *numbers[-6:]]:
        place, counter, written = start.copied(tmp_path / f"{number}"), Steps(), []
        counter.last = number
        with monkeypatch.context() as patch:
            counting(patch, counter, written)
            with pytest.raises(Killed):
                place.corpus.reindex(Other(), opened(Other()))
        after = Place(place.folder, "lancedb") if found_by(Other(), place) == "refused" else place
        old, new = found_by(after.embedder, after), found_by(Other(), after)
        assert (old, new) in ((passages, "refused"), ("refused", passages)), counter.seen[-1]
        seen["old" if new == "refused" else "new"] += 1
        again = Other()
        after.corpus.reindex(again, opened(again))
        assert found_by(again, after) == passages, counter.seen[-1]
        assert not set(again.texts) & set(written), counter.seen[-1]
        kept = [path.name for path in after.state.iterdir() if "index" in path.name]
        assert kept == [after.corpus.index_name()], counter.seen[-1]
        index = opened(again, after.corpus)(after.state / after.corpus.index_name())
        assert after.corpus.verify(index, 32) == [], counter.seen[-1]
    assert seen["old"] > 1 and seen["new"] > 1


def test_a_full_disk_leaves_the_old_index_and_the_next_run_completes(tmp_path, monkeypatch):
    monkeypatch.setattr("graft.reading.Parsing", Reading)
    place = small(tmp_path / "team")
    passages = place.searched()

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(LanceIndex, "write", full)
        with pytest.raises((NoSpaceLeft, OSError)):
            place.corpus.reindex(Other(), opened(Other()))
    assert place.searched() == passages
    place.corpus.reindex(Other(), opened(Other()))
    assert found_by(Other(), place) == passages
