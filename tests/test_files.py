from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from graft.errors import BadInput, NoSpaceLeft
from graft.files import raise_no_space, write_atomically


def no_space(*_, **__):
    raise OSError(errno.ENOSPC, "No space left on device")


def write_half(path, text, **_):
    with path.open("w", encoding="utf-8") as file:
        file.write(text[: len(text) // 2])
    no_space()


def test_a_file_is_written_with_its_folders(tmp_path):
    path = tmp_path / "deep" / "er" / "a.txt"
    write_atomically(path, "Größe\n")
    assert path.read_text(encoding="utf-8") == "Größe\n"
    assert [item.name for item in path.parent.iterdir()] == ["a.txt"]


def test_a_file_is_replaced_as_a_whole(tmp_path):
    path = tmp_path / "a.txt"
    write_atomically(path, "a long first text")
    write_atomically(path, "short")
    assert path.read_text(encoding="utf-8") == "short"


def test_a_full_disk_while_writing_leaves_the_old_file_alone(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    write_atomically(path, "old")
    monkeypatch.setattr(Path, "write_text", write_half)
    with pytest.raises(NoSpaceLeft) as caught:
        write_atomically(path, "new and longer")
    assert path.read_text(encoding="utf-8") == "old"
    assert [item.name for item in tmp_path.iterdir()] == ["a.txt"]
    assert caught.value.where == str(path)
    assert isinstance(caught.value.__cause__, OSError)


def test_a_full_disk_while_renaming_leaves_the_old_file_alone(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    write_atomically(path, "old")
    monkeypatch.setattr(os, "replace", no_space)
    with pytest.raises(NoSpaceLeft):
        write_atomically(path, "new")
    assert path.read_text(encoding="utf-8") == "old"
    assert [item.name for item in tmp_path.iterdir()] == ["a.txt"]


def test_a_full_disk_while_making_the_folder_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(Path, "mkdir", no_space)
    with pytest.raises(NoSpaceLeft):
        write_atomically(tmp_path / "new" / "a.txt", "text")


def test_a_refused_write_names_the_file_and_the_folder_to_open(tmp_path, monkeypatch):
    def denied(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "replace", denied)
    with pytest.raises(BadInput, match="the file cannot be written") as caught:
        write_atomically(tmp_path / "a.txt", "new")
    assert list(tmp_path.iterdir()) == []
    assert (caught.value.where, caught.value.why) == (str(tmp_path / "a.txt"), "Permission denied")
    assert caught.value.next_step == (
        f"name another path, or give yourself write access to {tmp_path}"
    )


@pytest.mark.parametrize("name", ["a.txt/b.txt", "a.txt/new/b.txt", "folder"])
def test_a_path_that_can_hold_no_file_is_refused(tmp_path, name):
    (tmp_path / "a.txt").write_text("old")
    (tmp_path / "folder").mkdir()
    with pytest.raises(BadInput, match="the file cannot be written") as caught:
        write_atomically(tmp_path / name, "new")
    assert caught.value.next_step.endswith(f"to {tmp_path}")
    assert (tmp_path / "a.txt").read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_and_a_full_quota_are_one_error(tmp_path, code):
    with pytest.raises(NoSpaceLeft, match="no space left on the disk"):
        raise_no_space(OSError(code, "full"), tmp_path)


def test_no_other_error_is_raised_for_a_full_disk(tmp_path):
    raise_no_space(OSError(errno.EIO, "broken"), tmp_path)
