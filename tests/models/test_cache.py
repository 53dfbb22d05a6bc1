from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from graft.errors import BadInput, GraftError, NoSpaceLeft
from graft.models.cache import cache_root, damaged_files, hash_file, made_once


class Maker:
    """Writes two files into a draft and counts how often it was asked."""

    def __init__(self):
        self.calls = 0

    def __call__(self, draft):
        self.calls += 1
        (draft / "deep").mkdir()
        (draft / "weights.bin").write_bytes(b"12345")
        (draft / "deep" / "config.json").write_text("{}")


@pytest.fixture
def make():
    return Maker()


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "cache" / "model"


def left(folder):
    return sorted(item.name for item in folder.parent.iterdir())


def test_a_folder_is_made_once(folder, make):
    assert made_once(folder, make) == folder
    assert made_once(folder, make) == folder
    assert make.calls == 1
    assert (folder / "weights.bin").read_bytes() == b"12345"
    assert left(folder) == ["model"]


@pytest.mark.parametrize("error", [BadInput("no"), ValueError("no"), KeyboardInterrupt()])
def test_a_failing_maker_leaves_nothing(folder, error):
    def fail(draft):
        (draft / "half.bin").write_bytes(b"1")
        raise error

    with pytest.raises(type(error)):
        made_once(folder, fail)
    assert left(folder) == []


def test_a_full_disk_leaves_nothing_and_is_named(folder, make):
    def full(draft):
        (draft / "half.bin").write_bytes(b"1")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(NoSpaceLeft) as caught:
        made_once(folder, full)
    assert caught.value.where == str(folder)
    assert left(folder) == []
    assert made_once(folder, make) == folder


def test_a_disk_too_full_for_a_draft_is_named(folder, make, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("tempfile.mkdtemp", full)
    with pytest.raises(NoSpaceLeft):
        made_once(folder, make)


def test_another_failure_of_the_disk_stays_what_it_is(folder):
    def denied(draft):
        raise PermissionError(errno.EACCES, "Permission denied")

    with pytest.raises(PermissionError):
        made_once(folder, denied)
    assert left(folder) == []


def test_a_failing_maker_leaves_the_whole_folder_of_before(folder, make):
    made_once(folder, make)
    (folder / "weights.bin").unlink()

    def fail(draft):
        raise BadInput("no")

    with pytest.raises(BadInput):
        made_once(folder, fail)
    assert (folder / "deep" / "config.json").is_file()


@pytest.mark.parametrize("harm", ["manifest", "missing", "shorter", "broken manifest"])
def test_a_half_made_folder_is_made_anew(folder, make, harm):
    made_once(folder, make)
    if harm == "manifest":
        (folder / "manifest.json").unlink()
    elif harm == "missing":
        (folder / "deep" / "config.json").unlink()
    elif harm == "shorter":
        (folder / "weights.bin").write_bytes(b"1234")
    else:
        (folder / "manifest.json").write_text('{"format"')
    made_once(folder, make)
    assert make.calls == 2
    assert damaged_files(folder) == []


def test_a_folder_of_another_format_is_made_anew(folder, make):
    made_once(folder, make)
    path = folder / "manifest.json"
    path.write_text(path.read_text().replace('"format": 1', '"format": 0'))
    made_once(folder, make)
    assert make.calls == 2


def test_another_process_that_was_faster_wins(folder, make, monkeypatch):
    rename = os.replace

    def slower(source, target):
        monkeypatch.setattr(os, "replace", rename)
        made_once(folder, make)
        raise OSError(errno.ENOTEMPTY, "Directory not empty")

    monkeypatch.setattr(os, "replace", slower)
    assert made_once(folder, make) == folder
    assert make.calls == 2
    assert left(folder) == ["model"]


def test_a_damaged_file_of_the_same_size_is_found(folder, make):
    made_once(folder, make)
    assert damaged_files(folder) == []
    (folder / "weights.bin").write_bytes(b"12346")
    assert damaged_files(folder) == ["weights.bin"]
    (folder / "deep" / "config.json").unlink()
    assert sorted(damaged_files(folder)) == [str(Path("deep/config.json")), "weights.bin"]


def test_a_folder_that_is_not_of_the_cache_cannot_be_checked(tmp_path):
    with pytest.raises(GraftError, match="not a folder of the model cache"):
        damaged_files(tmp_path)


def test_a_file_is_named_by_its_sha256(tmp_path):
    path = tmp_path / "empty"
    path.write_bytes(b"")
    assert hash_file(path).startswith("e3b0c44298fc1c14")


def test_the_cache_follows_its_variables_in_order(monkeypatch, tmp_path):
    monkeypatch.setenv("GRAFT_CACHE", str(tmp_path / "own"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")
    assert cache_root() == tmp_path / "own"
    monkeypatch.delenv("GRAFT_CACHE")
    assert cache_root() == tmp_path / "xdg" / "graft"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_root() == tmp_path / "home" / ".cache" / "graft"
