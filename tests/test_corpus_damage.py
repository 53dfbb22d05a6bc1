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
    return [path for path in sorted((place.state / "index").rglob("*")) if path.suffix in suffixes]


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
    count = len(files_of(start))
    assert count
    seen = 0
    for number in range(count if kind == "lancedb" else 6):
        place = tmp_path / f"{kind}{number}"
        start.copied(place)
        path = files_of(Place(place, "none") if False else start)[number % count]
        path = place / path.relative_to(start.folder)
        harm(path, chosen)
        try:
            found = Place(place, kind).searched()
        except GraftError as error:
            assert_four_parts(error)
            seen += 1
        else:
            assert found == expected, path
    assert seen >= (count if kind == "lancedb" else 6) - 1


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
