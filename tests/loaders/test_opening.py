from __future__ import annotations

import pytest

from graft.errors import UnreadableDocument
from graft.loaders import opening
from graft.loaders.opening import holding, open_regular, read_bytes


def write_while_reading(monkeypatch, path, times):
    """Let the file grow each of the first `times` times that it is opened to be read."""
    left = [times]

    def open_and_write(source):
        file = open_regular(source)
        if left[0]:
            left[0] -= 1
            real = file.read

            class Growing:
                def __enter__(self):
                    return self

                def __exit__(self, *_):
                    file.close()

                def fileno(self):
                    return file.fileno()

                def read(self, size):
                    data = real(size)
                    with path.open("ab") as more:
                        more.write(b"+")
                    return data

            return Growing()
        return file

    monkeypatch.setattr(opening, "open_regular", open_and_write)


def test_what_is_held_is_what_every_later_reading_gives(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"old")
    with holding(path) as data:
        path.write_bytes(b"newer")
        assert data == read_bytes(path) == b"old"
    assert read_bytes(path) == b"newer"


def test_another_file_is_not_what_is_held(tmp_path):
    one, other = tmp_path / "a.txt", tmp_path / "b.txt"
    one.write_bytes(b"one")
    other.write_bytes(b"other")
    with holding(one):
        assert read_bytes(other) == b"other"


def test_a_file_that_changes_is_read_again_once(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    path.write_bytes(b"text")
    write_while_reading(monkeypatch, path, 1)
    assert read_bytes(path) == b"text+"


def test_a_file_that_keeps_changing_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    path.write_bytes(b"text")
    write_while_reading(monkeypatch, path, 2)
    with pytest.raises(UnreadableDocument, match="changes while it is read"):
        read_bytes(path)


def test_a_file_too_large_is_refused_before_it_is_read(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    path.write_bytes(b"x" * 2_000_001)
    monkeypatch.setattr(opening, "MAX_FILE_BYTES", 2_000_000)
    with pytest.raises(UnreadableDocument, match="larger than 2 MB") as caught:
        open_regular(path)
    assert caught.value.why == "it has 2,000,001 bytes"


def test_a_name_that_cannot_be_a_path_is_refused(tmp_path):
    with pytest.raises(UnreadableDocument, match="cannot be opened"):
        read_bytes(tmp_path / "a\0b.txt")
