from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from graft.errors import UnreadableDocument
from graft.loaders import known_extensions, loader_for, loader_of


def test_a_loader_is_found_by_extension_in_any_case():
    assert type(loader_for(Path("a/B.MD"))).__name__ == "MarkdownLoader"
    for extension in known_extensions():
        assert extension in loader_for(Path("x" + extension)).extensions


def test_every_extension_of_a_loader_is_known():
    for extension in known_extensions():
        assert set(loader_for(Path("x" + extension)).extensions) <= set(known_extensions())


@pytest.mark.parametrize(("name", "what"), [("a.xyz", "no loader for .xyz"), ("a", "without")])
def test_an_unknown_extension_is_refused(name, what):
    with pytest.raises(UnreadableDocument, match=what) as caught:
        loader_for(Path(name))
    assert ".pdf" in caught.value.next_step


def test_knowing_the_extensions_loads_no_heavy_library():
    code = (
        "import sys, graft.loaders, graft.corpus, graft.questions, graft.retrieve\n"
        "import graft.index.lancedb, graft.splitters.semantic\n"
        "heavy = {'lxml', 'pypdfium2', 'lancedb', 'numpy', 'tokenizers', 'pyarrow'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


@pytest.mark.parametrize("name", ["shop.db", "shop.sqlite", "SHOP.SQLITE3"])
def test_a_database_is_refused_with_the_command_that_adds_it(name):
    with pytest.raises(UnreadableDocument, match="no loader for") as caught:
        loader_for(Path("data") / name)
    assert caught.value.next_step == f'graft add "sqlite:///data/{name}"'


def test_a_database_under_another_name_is_refused_with_the_command_that_adds_it():
    with pytest.raises(UnreadableDocument, match="an SQLite database, not what .txt") as caught:
        loader_of(Path("shop.txt"), b"SQLite format 3\0" + bytes(100))
    assert caught.value.next_step == 'graft add "sqlite:///shop.txt"'


def test_no_loader_can_unpickle():
    code = (
        "import sys, importlib, graft.loaders\n"
        "for module, _ in graft.loaders._LOADERS: importlib.import_module(module)\n"
        "print(sorted({'pickle', 'shelve', 'dill'} & set(sys.modules)))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
