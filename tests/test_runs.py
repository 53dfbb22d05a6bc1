from __future__ import annotations

import dataclasses
import errno
import json
import os
from pathlib import Path

import pytest

from graft.errors import BadInput, NoSpaceLeft
from graft.runs import (
    RunManifest,
    append_lines,
    question_from_json,
    read_records,
    read_run,
    write_atomically,
)
from graft.types import Question, Record

MANIFEST = RunManifest(
    run_id="r1",
    arm="rag",
    control=False,
    base_model="fake",
    weights="w",
    generator="fake",
    contract="c",
    questions="q",
    corpus="v1",
)


def record(name, answer="90 s", **more):
    return Record("rag", name, answer, False, **more)


def write_manifest(folder, **changes):
    data = dataclasses.asdict(MANIFEST) | changes
    write_atomically(folder / "manifest.json", json.dumps(data))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "records.jsonl"


def names(path):
    return [item.question_id for item in read_records(path)]


def test_records_come_back_as_they_were_written(path):
    written = record(
        "q1",
        'Größe "90"\n\t🙂',
        passages=("p1", "p2"),
        passage_doc_ids=("a.md", "b.md"),
        shortened=1,
        stage_seconds={"total_seconds": 0.5},
        scores={"primary": 1.0, "f1": None},
        reason="matches",
        error="none",
        finish_reason="stop",
    )
    append_lines(path, [written])
    assert read_records(path) == (written,)


def test_records_are_appended(path):
    append_lines(path, [record("q1"), record("q2")])
    append_lines(path, [])
    append_lines(path, [record("q3")])
    assert names(path) == ["q1", "q2", "q3"]


def test_a_file_that_is_not_there_has_no_records(path):
    assert read_records(path) == ()


@pytest.mark.parametrize("sign", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\r"])
def test_a_line_break_of_another_kind_in_an_answer_does_not_cut_the_line(path, sign):
    append_lines(path, [record("q1", f"one{sign}two"), record("q2")])
    assert [item.answer for item in read_records(path)] == [f"one{sign}two", "90 s"]


def cut_short(path, keep):
    append_lines(path, [record("q1"), record("q2", "Größe")])
    text = path.read_bytes()
    path.write_bytes(text[: text.index(b"\n") + 1 + keep])


@pytest.mark.parametrize("keep", [1, 30])
def test_a_last_line_cut_short_by_a_crash_is_dropped(path, keep):
    cut_short(path, keep)
    assert names(path) == ["q1"]


def test_a_last_line_cut_within_a_letter_is_dropped(path):
    append_lines(path, [record("q1"), record("q2", "Größe")])
    text = path.read_bytes()
    path.write_bytes(text[: text.index("ö".encode()) + 1])
    assert names(path) == ["q1"]


def test_going_on_after_a_crash_does_not_join_two_lines(path):
    cut_short(path, 30)
    append_lines(path, [record("q2")])
    append_lines(path, [record("q3")])
    assert names(path) == ["q1", "q2", "q3"]


def test_a_line_that_lacks_only_its_end_is_asked_again_and_not_doubled(path):
    append_lines(path, [record("q1"), record("q2")])
    path.write_bytes(path.read_bytes()[:-1])
    for name in {"q1", "q2"} - set(names(path)):
        append_lines(path, [record(name)])
    append_lines(path, [record("q3")])
    assert names(path) == ["q1", "q2", "q3"]


@pytest.mark.parametrize("broken", ["{not json", "[]", '{"arm": "rag"}'])
def test_a_broken_line_in_the_middle_is_named_with_its_number(path, broken):
    append_lines(path, [record("q1")])
    with path.open("a", encoding="utf-8") as file:
        file.write(broken + "\n")
    append_lines(path, [record("q3")])
    with pytest.raises(BadInput) as caught:
        read_records(path)
    assert caught.value.where == f"{path}:2"
    assert caught.value.exit_code == 4


def test_a_field_of_a_newer_version_is_ignored(path):
    data = record("q1").to_json() | {"mood": "good"}
    path.write_text(json.dumps(data) + "\n", encoding="utf-8")
    assert read_records(path) == (record("q1"),)


class HalfFile:
    """A file on a disk that is full after a few bytes."""

    def __init__(self, file):
        self.file = file

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()

    def write(self, text):
        self.file.write(text[:20])
        self.file.flush()
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_takes_the_half_written_line_back(path, monkeypatch):
    append_lines(path, [record("q1")])
    before = path.read_bytes()
    whole = Path.open
    monkeypatch.setattr(
        Path,
        "open",
        lambda self, mode="r", **more: (
            HalfFile(whole(self, mode, **more)) if mode[0] == "a" else whole(self, mode, **more)
        ),
    )
    with pytest.raises(NoSpaceLeft):
        append_lines(path, [record("q2")])
    monkeypatch.undo()
    assert path.read_bytes() == before
    append_lines(path, [record("q2")])
    assert names(path) == ["q1", "q2"]


def test_a_disk_too_full_for_a_first_file_is_named(path, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(NoSpaceLeft):
        append_lines(path, [record("q1")])


def test_a_failing_flush_takes_the_line_back(path, monkeypatch):
    append_lines(path, [record("q1")])

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(NoSpaceLeft):
        append_lines(path, [record("q2")])
    assert names(path) == ["q1"]


def test_a_run_is_read_with_its_latency(tmp_path):
    write_manifest(tmp_path)
    append_lines(tmp_path / "records.jsonl", [record("q1")])
    append_lines(tmp_path / "latency.jsonl", [record("q2")])
    run = read_run(tmp_path)
    assert run.manifest == MANIFEST
    assert (run.records, run.latency) == ((record("q1"),), (record("q2"),))


def test_a_run_that_could_not_be_built_has_no_records(tmp_path):
    write_manifest(tmp_path, not_applicable="there are no training pairs")
    run = read_run(tmp_path)
    assert (run.records, run.latency) == ((), ())
    assert run.manifest.not_applicable == "there are no training pairs"


def test_a_run_of_a_newer_graft_is_refused(tmp_path):
    write_manifest(tmp_path, schema=2, needs="0.9")
    with pytest.raises(BadInput, match="newer Graft") as caught:
        read_run(tmp_path)
    assert caught.value.why == "schema 2, this version reads up to 1; Graft 0.9 or newer reads it"


def test_an_unknown_field_of_the_manifest_is_ignored(tmp_path):
    write_manifest(tmp_path, colour="red")
    assert read_run(tmp_path).manifest == MANIFEST


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(BadInput, match="no such run"):
        read_run(tmp_path)


def test_a_broken_manifest_is_named(tmp_path):
    (tmp_path / "manifest.json").write_text("{", encoding="utf-8")
    with pytest.raises(BadInput) as caught:
        read_run(tmp_path)
    assert "manifest.json" in caught.value.where


def test_a_question_comes_back_as_it_was_stored():
    item = Question("q1", "How long?", ("90 s",), "test", "g", ("a.md",), tags=("pump",))
    assert question_from_json(json.loads(json.dumps(dataclasses.asdict(item)))) == item
