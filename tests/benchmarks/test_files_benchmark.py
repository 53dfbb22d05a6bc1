"""The words of files are compared by rules that favour neither side, and every file is counted."""

from __future__ import annotations

import json

from benchmarks import files, harness


def test_what_stands_aside_need_not_be_found_and_is_no_fault():
    reference = (
        "1. The pump &amp; valve\n<!-- image -->\n[manual](https://a.example/x_(y).html)\n"
        "Area $A=\\pi r^{2}$ costs $5 and $6\n$$\\frac{a}{b}$$\n"
        "[author: Ada, time: 2026]: why so?\n"
    )
    bare = files.compare("a", "The pump & valve manual: area costs 5 and 6", reference)
    assert (bare.recall, bare.precision, bare.missing, bare.added) == (1.0, 1.0, (), ())
    full = files.compare("a", "The pump valve manual area costs 5 and 6 pi r why so", reference)
    assert (full.recall, full.precision) == (1.0, 1.0)


def test_missing_and_added_words_are_named():
    one = files.compare("a", "pump valve rotor", "pump valve seal bar")
    assert (one.recall, one.precision) == (0.5, 0.667)
    assert (one.missing, one.added) == (("bar", "seal"), ("rotor",))
    assert not one.is_well_read
    assert files.compare("a", "x" * 3, "XXX").is_well_read


def test_every_file_is_accounted_for(tmp_path, monkeypatch, capsys):
    data = tmp_path / "data" / files.COLLECTION
    (data / "docs").mkdir(parents=True)
    (data / "expected").mkdir()
    (data / files.WHOLE).write_text("")
    (data / "docs" / "good.md").write_text("# Pump\n\nIt holds ninety bar.\n")
    (data / "expected" / "good.md.md").write_text("# Pump\n\nIt holds ninety bar.")
    (data / "docs" / "poor.md").write_text("Other words.\n")
    (data / "expected" / "poor.md.md").write_text("What was hoped for.")
    (data / "docs" / "alone.txt").write_text("Nobody says what this should be.")
    (data / "docs" / "broken.pdf").write_bytes(b"no pdf")
    monkeypatch.setenv("GRAFT_BENCH_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(harness, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(
        files, "Result", lambda *given: harness.Result(*given, folder=tmp_path / "results")
    )
    assert files.main(["--json"]) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])["figures"]
    assert (found["files"], found["files_with_documents"], found["unreadable"]) == (4, 3, 1)
    assert list(found["unreadable_listed"]) == ["broken.pdf"] and found["vanished"] == []
    assert found["without_reference"] == ["alone.txt"]
    assert (found["readable_ok"], found["readable_total"]) == (1, 2)
    assert found["misses"]["poor.md"] == {"recall": 0.0, "precision": 0.0, "reason": files.UNKNOWN}
    assert list((tmp_path / "results" / "raw").rglob("files.jsonl.gz"))


def test_a_file_that_vanishes_is_named(tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text("words")
    records = list(files.file_records(tmp_path, [], []))
    assert files.figures(records)["vanished"] == ["a.md"]
