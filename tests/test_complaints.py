"""Every test that `docs/complaints.md` and the tables of `tests/security` name is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
PAGES = [TESTS.parent / "docs" / "complaints.md", *sorted((TESTS / "security").glob("*.md"))]
NAMED = re.compile(r"`((?:[a-z_0-9]+/)*test_[a-z_0-9]+\.py)?::(test_[A-Za-z_0-9]+)`")


def functions(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_test_that_is_named_exists(page):
    missing, file = [], ""
    known: dict[str, set[str]] = {}
    for found in NAMED.finditer(page.read_text(encoding="utf-8")):
        file = found[1] or file
        if file not in known:
            path = TESTS / file
            known[file] = functions(path) if path.is_file() else set()
        if found[2] not in known[file]:
            missing.append(f"{file}::{found[2]}")
    assert known
    assert not missing
