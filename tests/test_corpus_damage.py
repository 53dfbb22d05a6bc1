"""Files torn or with a flipped bit: noticed when they are opened or verified, never served."""

from __future__ import annotations

import random

import pytest

from corpus_changes import Place, Reading
from graft.errors import GraftError

LONG = "The pump of hall {0} runs for {0} seconds without any water. " * 12


@pytest.fixture(autouse=True)
def _read_here(monkeypatch):
    monkeypatch.setattr("graft.reading.Parsing", Reading)


def filled(folder, kind):
    place = Place(folder, kind)
    for number in range(12):
        place.write(f"d{number}.md", f"# Hall {number}\n\n" + LONG.format(number))
    place.add()
    return place


def files_of(place):
    suffixes = (".npz",) if place.kind == "memory" else (".lance", ".manifest")
    found = sorted((place.state / "index").rglob("*"))
    return [path for path in found if path.suffix in suffixes and path.is_file()]


def flip(path, chosen):
    data = bytearray(path.read_bytes())
    data[chosen.randrange(len(data))] ^= 1 << chosen.randrange(8)
    path.write_bytes(data)


def tear(path, chosen):
    data = path.read_bytes()
    path.write_bytes(data[: chosen.randrange(len(data))])


def assert_four_parts(error):
    assert error.what and error.where and error.why and error.next_step


@pytest.mark.parametrize("harm", [flip, tear])
@pytest.mark.parametrize("kind", ["memory", "lancedb"])
def test_a_damaged_index_is_never_searched(tmp_path, kind, harm):
    start = filled(tmp_path / "origin", kind)
    expected = start.searched()
    chosen = random.Random(7)
    files = files_of(start) * (6 if kind == "memory" else 1)
    served = 0
    for number, file in enumerate(files):
        place = tmp_path / f"{kind}{number}"
        start.copied(place)
        harm(place / file.relative_to(start.folder), chosen)
        try:
            assert Place(place, kind).searched() == expected, file
            served += 1
        except GraftError as error:
            assert_four_parts(error)
    # Only the manifests of older versions are no part of what is searched.
    assert served <= sum("_versions" in file.parts for file in files)


@pytest.mark.parametrize("harm", [flip, tear])
def test_a_damaged_catalogue_is_noticed(tmp_path, harm):
    start = filled(tmp_path / "origin", "memory")
    chosen = random.Random(11)
    documents, passages = start.corpus.documents(), start.corpus.passages()
    noticed = 0
    for number in range(25):
        folder = tmp_path / str(number)
        start.copied(folder)
        harm(folder / ".graft" / "catalog.sqlite", chosen)
        try:
            place = Place(folder, "memory")
            found = (place.corpus.documents(), place.corpus.passages())
            problems = place.corpus.verify(place.opened(), 64)
        except GraftError as error:
            assert_four_parts(error)
            noticed += 1
        else:
            assert all(item.what and item.next_step for item in problems)
            noticed += bool(problems)
            if not problems:
                assert found == (documents, passages)
    assert noticed


def test_verify_names_what_is_amiss_and_the_next_command(tmp_path):
    place = filled(tmp_path / "team", "memory")
    assert place.corpus.verify(place.index, 64) == []
    ids = sorted(place.index.ids())
    kept = place.index.fetch(ids[:2])
    place.index.remove(ids[:1])
    (problem,) = place.corpus.verify(place.index, 64)
    assert (problem.what, problem.count) == ("passages are not in the index", 1)
    assert "graft add" in problem.next_step
    passage, vector = kept[ids[1]]
    place.index.write([passage], (vector * float("nan")).reshape(1, -1))
    assert len(place.corpus.verify(place.index, 64)) == 2
    assert place.corpus.verify(place.index, 65)
