from __future__ import annotations

from benchmarks.freshness import is_current
from benchmarks.update import copy_files, figures


def test_a_passage_is_current_where_its_file_has_every_line(tmp_path):
    (tmp_path / "a.md").write_text("one\n  two\nthree\n", encoding="utf-8")
    assert is_current("one\ntwo", "docs/a.md", tmp_path)
    assert not is_current("one\nfour", "docs/a.md", tmp_path)
    assert not is_current("one", "docs/gone.md", tmp_path)


def test_only_the_first_files_are_copied(tmp_path):
    source = tmp_path / "source"
    (source / "b").mkdir(parents=True)
    for name in ("a.md", "b/c.md", "d.md"):
        (source / name).write_text(name, encoding="utf-8")
    assert copy_files(source, tmp_path / "some", 2) == 2
    assert (tmp_path / "some" / "b" / "c.md").read_text(encoding="utf-8") == "b/c.md"
    assert copy_files(source, tmp_path / "all") == 3


def test_a_file_still_found_is_not_gone():
    one = {"added": 3, "updated": 0, "removed": 0, "skipped": 0, "passages": 9}
    one |= {"seconds_add": 10.0, "seconds": 11.0, "found": False}
    changed = one | {"updated": 1, "found": True, "seconds": 1.0}
    deleted = one | {"removed": 1, "found": True}
    found = figures([one, one | {"seconds_add": 0.1}, changed, deleted])
    assert found["unchanged_share"] == 0.01
    assert found["changed_found"]
    assert not found["deleted_gone"]
