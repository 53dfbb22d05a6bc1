"""`graft add --watch`: changes are taken in until Ctrl-C, whatever one round meets."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest

from graft.cli import add as command
from graft.errors import BadInput
from graft.testing.workspace import FakeWorkspace


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], object]]:
    """What happens to the documents between the rounds; then Ctrl-C."""
    acts: list[Callable[[], object]] = []

    def rounds(*_: object, **__: object) -> Iterator[str]:
        for act in acts:
            act()
            yield "change"
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "rounds", rounds)
    return acts


def test_changes_are_told_and_rounds_without_one_are_not(graft, workspace, steps):
    new = workspace.root / "docs" / "new.md"
    steps += [
        *(lambda: None, lambda: new.write_text("A new document.")),
        *(lambda: None, lambda: new.write_text("Another text.")),
    ]
    result = graft("add", "docs", "--watch")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert len(lines) == 3, lines
    assert "1 added" in lines[1]
    assert "1 updated" in lines[2]
    assert "stopped watching" in result.stderr


def test_with_json_every_change_is_a_document(graft, workspace, steps):
    new = workspace.root / "docs" / "new.md"
    steps.append(lambda: new.write_text("A new document."))
    text = graft("add", "docs", "--watch", "--json").stdout
    decoder = json.JSONDecoder()
    first, at = decoder.raw_decode(text)
    second, _ = decoder.raw_decode(text[at:].lstrip())
    assert first["added"] == []
    assert second["added"] == ["new.md"]


def test_a_round_that_fails_is_told_and_the_next_one_tried(graft, workspace, steps, monkeypatch):
    whole = FakeWorkspace.add
    calls = iter([False, False, True, False])

    def add(self: FakeWorkspace, *args: object, **settings: object) -> object:
        if next(calls):
            raise BadInput("the folder cannot be read", where="docs", why="why", next_step="next")
        return whole(self, *args, **settings)

    monkeypatch.setattr(FakeWorkspace, "add", add)
    new = workspace.root / "docs" / "new.md"
    steps += [lambda: None, lambda: new.write_text("A new document.")]
    result = graft("add", "docs", "--watch")
    assert result.exit_code == 0
    assert "error: the folder cannot be read" in result.stderr
    assert "1 added" in result.stdout.splitlines()[-1]


def test_a_first_round_that_fails_ends_the_command(graft, workspace, steps, monkeypatch):
    def add(*_: object, **__: object) -> object:
        raise BadInput("no such folder", where="docs", why="why", next_step="next")

    monkeypatch.setattr(FakeWorkspace, "add", add)
    result = graft("add", "nowhere", "--watch")
    assert result.exit_code == BadInput.exit_code
    assert "stopped watching" not in result.stderr
