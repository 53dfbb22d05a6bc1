"""What every loader of files must do. Subclass `LoaderContract`, override `loader` and `file`.

    class TestMine(LoaderContract):
        @pytest.fixture
        def loader(self):
            return MyLoader()

        @pytest.fixture
        def file(self, tmp_path):
            return written(tmp_path / "a.xyz")   # a small good file that says WORDS

The file's text must hold the words of `WORDS`, in this order.
"""

from __future__ import annotations

import hashlib
import importlib
import re
from typing import TYPE_CHECKING, Any

import pytest

from graft.errors import UnreadableDocument

if TYPE_CHECKING:
    from pathlib import Path

    from graft.protocols import Loader

__all__ = ["WORDS", "LoaderContract"]

WORDS = ("Tarn", "pump", "ninety", "bar")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x84\x86-\x9f]")


class LoaderContract:
    """Loading is repeatable, complete, clean, and refuses what it cannot read."""

    @pytest.fixture
    def loader(self) -> Loader:
        """Return the loader under test."""
        raise NotImplementedError

    @pytest.fixture
    def file(self, tmp_path: Path) -> Path:
        """Return a small good file whose text holds the words of `WORDS`, in this order."""
        raise NotImplementedError

    def test_the_words_of_the_file_come_out_in_order(self, loader: Loader, file: Path) -> None:
        """The words of the file come out in order."""
        text = " ".join(item.text for item in loader.load(file, "a/b"))
        places = [text.find(word) for word in WORDS]
        assert -1 not in places and places == sorted(places)

    def test_ids_are_the_one_given_or_parts_of_it(self, loader: Loader, file: Path) -> None:
        """Ids are the one given or parts of it."""
        ids = [item.id for item in loader.load(file, "a/b")]
        assert ids and len(set(ids)) == len(ids)
        assert all(name == "a/b" or name.startswith("a/b#") for name in ids)

    def test_the_hash_is_that_of_the_files_bytes(self, loader: Loader, file: Path) -> None:
        """The hash is that of the bytes of the file."""
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        assert {item.content_hash for item in loader.load(file, "a")} == {digest}

    def test_the_loader_counts_its_versions(self, loader: Loader) -> None:
        """The module of the loader has a number that goes up when it reads differently."""
        module = importlib.import_module(type(loader).__module__)
        assert isinstance(module.LOADER_VERSION, int) and module.LOADER_VERSION > 0

    def test_loading_twice_gives_the_same(self, loader: Loader, file: Path) -> None:
        """Loading twice gives the same."""
        assert list(loader.load(file, "a")) == list(loader.load(file, "a"))

    def test_sections_cover_the_text_in_order(self, loader: Loader, file: Path) -> None:
        """Sections cover the text in order."""
        for document in loader.load(file, "a"):
            covered = 0
            for section in document.sections:
                assert covered <= section.start <= section.end <= len(document.text)
                assert not document.text[covered : section.start].strip()
                covered = section.end
            if document.sections:
                assert not document.text[covered:].strip()

    def test_every_document_has_a_title_text_and_the_loaders_name(
        self, loader: Loader, file: Path
    ) -> None:
        """Every document has a title, text and the name of its loader."""
        for document in loader.load(file, "a"):
            assert document.title.strip() and document.text.strip() and document.loader
            assert document.source == str(file)
            assert not _CONTROLS.search(document.text + document.title)

    @pytest.mark.parametrize("keep", [0.5, 0.05])
    def test_a_file_cut_short_is_read_in_part_or_refused(
        self, loader: Loader, file: Path, tmp_path: Path, keep: float
    ) -> None:
        """A file cut short is read in part or refused."""
        data = file.read_bytes()
        cut = tmp_path / f"cut{file.suffix}"
        cut.write_bytes(data[: int(len(data) * keep)])
        self.reads_or_refuses(loader, cut)

    @pytest.mark.parametrize(
        "data",
        [b"", b"\n", b"  \n \n", bytes(range(256)) * 8, b"%PDF-1.7\n", b"PK\x03\x04" + b"\0" * 99],
    )
    def test_what_is_no_such_file_is_refused_or_read_as_text(
        self, loader: Loader, file: Path, tmp_path: Path, data: bytes
    ) -> None:
        """What is no such file is refused or read as text."""
        strange = tmp_path / f"strange{file.suffix}"
        strange.write_bytes(data)
        self.reads_or_refuses(loader, strange)

    def test_a_file_that_is_gone_is_refused(self, loader: Loader, file: Path) -> None:
        """A file that is gone is refused."""
        file.unlink()
        with pytest.raises(UnreadableDocument):
            list(loader.load(file, "a"))

    def reads_or_refuses(self, loader: Loader, file: Path) -> None:
        """Load a file; whatever is wrong with it must be said in four parts."""
        try:
            found: Any = list(loader.load(file, "a"))
        except UnreadableDocument as error:
            assert error.what and error.where and error.why and error.next_step
        else:
            assert found and all(item.text.strip() for item in found)
