"""What changes when something changes: exactly that, and nothing is worked out twice."""

from __future__ import annotations

import shutil
import sqlite3
import threading

import pytest

from corpus_changes import Place, Reading
from graft.errors import BadInput
from graft.locking import WriterLock
from graft.types import Question

LONG = "The pump of hall {0} runs for {0} seconds without any water. " * 12


@pytest.fixture(autouse=True)
def _read_here(monkeypatch):
    monkeypatch.setattr("graft.reading.Parsing", Reading)


@pytest.fixture(params=["memory", "lancedb"])
def place(request, tmp_path):
    place = Place(tmp_path / "team", request.param)
    place.write("pump.md", "# Pump\n\n" + LONG.format(7))
    place.write("oven.md", "# Oven\n\nThe oven is hot.")
    place.write("plant/kiln.md", "# Kiln\n\nThe kiln is fired on Mondays.")
    place.add()
    place.embedder.texts.clear()
    return place


def state(place):
    with sqlite3.connect(place.state / "catalog.sqlite") as store:
        dump = list(store.iterdump())
    store.close()
    return dump


def test_an_unchanged_folder_costs_nothing_and_writes_nothing(place):
    before, files = state(place), sorted(place.state.rglob("*"))
    for opened in (place, Place(place.folder, place.kind)):
        report = opened.add()
        assert len(report.unchanged) == 3 and report.version == 1
        assert opened.embedder.texts == []
    assert state(place) == before
    assert [item for item in sorted(place.state.rglob("*")) if "wal" not in item.name] == [
        item for item in files if "wal" not in item.name
    ]


def test_a_renamed_file_is_one_document_under_another_name(place):
    (place.docs / "pump.md").rename(place.docs / "water pump.md")
    report = place.add()
    assert report.renamed == (("pump.md", "water pump.md"),)
    assert (report.added, report.removed, report.updated) == ((), (), ())
    assert place.embedder.texts == []
    assert place.sound()


def test_a_renamed_folder_moves_its_documents(place):
    (place.docs / "plant").rename(place.docs / "works")
    assert place.add().renamed == (("plant/kiln.md", "works/kiln.md"),)
    assert place.embedder.texts == []
    place.docs.rename(place.folder / "papers")
    report = place.add(place.folder / "papers")
    assert len(report.updated) == 3
    assert place.embedder.texts == []
    assert place.sound()


def test_a_file_moved_out_of_the_folder_is_not_kept_twice(place):
    target = place.folder / "archive"
    target.mkdir()
    (place.docs / "oven.md").rename(target / "stove.md")
    assert place.add(target).renamed == (("oven.md", "stove.md"),)
    assert "oven.md" not in [item.id for item in place.corpus.documents()]
    assert place.sound()


def test_an_edit_touches_no_other_passage(place):
    ids = {item.id: item for item in place.live()}
    path = place.docs / "oven.md"
    path.write_text(path.read_text() + "\n\nIt cools in an hour.")
    report = place.add()
    assert report.updated == ("oven.md",)
    assert len(place.embedder.texts) == 1
    now = {item.id: item for item in place.live()}
    gone, new = ids.keys() - now.keys(), now.keys() - ids.keys()
    assert {ids[name].doc_id for name in gone} == {now[name].doc_id for name in new} == {"oven.md"}
    assert all(ids[name] == now[name] for name in ids.keys() & now.keys())
    assert place.sound()


def test_a_paragraph_put_in_before_costs_only_itself(place):
    parts = [f"## Part {number}\n\n" + LONG.format(number) for number in range(5)]
    place.write("long.md", "# Long\n\n" + "\n\n".join(parts))
    place.add()
    place.embedder.texts.clear()
    place.write("long.md", "# Long\n\n## New\n\n" + LONG.format(99) + "\n\n" + "\n\n".join(parts))
    place.add()
    assert place.embedder.texts and all("99 seconds" in text for text in place.embedder.texts)
    assert place.sound()


def test_a_passage_that_only_moved_is_found_at_its_new_place(place):
    place.write("two.md", "# A\n\nOne.\n\n# B\n\n" + LONG.format(3))
    place.add()
    place.embedder.texts.clear()
    place.write("two.md", "# A\n\nOne more than before.\n\n# B\n\n" + LONG.format(3))
    place.add()
    assert not any("hall 3" in text for text in place.embedder.texts)
    assert place.sound()


def test_removing_a_document_removes_its_passages_and_it_stays_out(place):
    (place.docs / "gone.md").write_text("# Gone\n\nBriefly here.")
    place.add()
    with pytest.raises(BadInput, match="no such document"):
        place.corpus.remove(["oven.md", "ovens.md"], place.embedder, place.index)
    gone = place.corpus.remove(["ov*.md", place.docs / "plant"], place.embedder, place.index)
    assert gone == ("oven.md", "plant/kiln.md")
    assert place.sound()
    report = place.add()
    assert [item.state for item in report.skipped] == ["removed", "removed"]
    assert {item.id for item in place.corpus.documents()} == {"gone.md", "pump.md"}
    assert place.add(place.docs / "oven.md").added == ("oven.md",)
    assert place.add().unchanged == ("gone.md", "oven.md", "pump.md")
    assert [item.path.rpartition("/")[2] for item in place.corpus.skipped()] == ["kiln.md"]


def test_a_reader_serves_one_version_while_the_next_is_written(place):
    reader = place.opened()
    before = reader.all_passages()
    seen = []
    place.write("oven.md", "# Oven\n\nThe oven is cold.")
    publish = place.index.publish

    def look(known):
        published = publish(known)
        seen.append(reader.all_passages())
        seen.append(place.opened().all_passages())
        return published

    place.index.publish = look
    place.add()
    assert seen == [before, before]
    after = place.opened().all_passages()
    assert after != before
    if place.kind == "lancedb":
        assert reader.all_passages() == after


def test_pairs_are_live_with_their_index_or_not_at_all(place):
    pair = Question("q", "How hot?", ("Very",), "train", "g", ("oven.md",))
    place.corpus.add_pairs([pair], place.embedder, place.index)
    assert place.sound()
    other = Question("r", "How cold?", ("Not",), "train", "g", ("oven.md",))
    place.index.publish = None
    with pytest.raises(TypeError):
        place.corpus.add_pairs([other], place.embedder, place.index)
    again = Place(place.folder, place.kind)
    assert [item.pair_id for item in again.searched() if item.kind == "pair"] == ["q"]
    again.add()
    assert again.sound()


def test_a_second_writer_waits_and_then_says_so(place, monkeypatch):
    told = []
    other = WriterLock(place.state)
    place.corpus._lock._wait = 0.2
    with other.held(lambda *_: None), pytest.raises(BadInput, match="another process") as caught:
        place.add(on_progress=lambda *args: told.append(args))
    assert told[0][0] == "wait"
    assert caught.value.where and caught.value.why and caught.value.next_step
    assert place.searched()
    assert place.add().unchanged


def test_two_adds_at_once_both_end_well(place):
    for number in range(6):
        place.write(f"n{number}.md", f"# N {number}\n\n" + LONG.format(number))
    other = Place(place.folder, place.kind)
    failures = []

    def run(one):
        try:
            one.add()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is a failure
            failures.append(error)

    threads = [threading.Thread(target=run, args=(one,)) for one in (place, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(place.corpus.versions()) == 2
    assert Place(place.folder, place.kind).sound()


def test_a_lost_index_is_built_again_by_the_next_add(place):
    shutil.rmtree(place.state / "index")
    again = Place(place.folder, place.kind)
    with pytest.raises(BadInput, match="not the one that the catalogue names") as caught:
        again.searched()
    assert "graft add" in caught.value.next_step
    again.add()
    assert again.sound()
    assert len(again.corpus.versions()) == 1


def test_an_interrupted_reading_is_not_repeated(place, monkeypatch):
    monkeypatch.setattr("graft.changes._DOCUMENTS_AT_ONCE", 1)
    for number in range(4):
        place.write(f"n{number}.md", f"# N {number}\n\n" + LONG.format(number))
    read = []

    class Stopping(Reading):
        def parse(self, files):
            for parsed in super().parse(files):
                read.append(parsed.file.name)
                yield parsed
                if len(read) == 3:
                    raise KeyboardInterrupt

    monkeypatch.setattr("graft.reading.Parsing", Stopping)
    with pytest.raises(KeyboardInterrupt):
        place.add()
    assert read == ["n0.md", "n1.md", "n2.md"]
    report = place.add()
    assert read[3:] == ["n3.md"]
    assert report.added == ("n0.md", "n1.md", "n2.md", "n3.md")
    assert place.sound()
