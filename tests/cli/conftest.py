"""The command line over the fake workspace."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from graft.cli import session
from graft.cli.commands import app
from graft.testing.workspace import FakeWorkspace

Run = Callable[..., Result]


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("GRAFT_WORKSPACE", "NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(session, "workspace_class", lambda: FakeWorkspace)


@pytest.fixture
def graft() -> Run:
    """Run a command line: `graft("status", "--json")`."""

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(app, list(arguments), prog_name="graft")

    return run


@pytest.fixture
def document(graft: Run) -> Callable[..., dict[str, Any]]:
    """Run a command with `--json` and return its one document."""

    def run(*arguments: str) -> dict[str, Any]:
        result = graft(*arguments, "--json")
        data = json.loads(result.stdout)
        assert data["schema"] == 1
        return data

    return run


@pytest.fixture
def workspace(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeWorkspace:
    """A workspace with documents and questions, which is the current folder."""
    made = FakeWorkspace.create(tmp_path / "handbook", example=True)
    made.add([made.root / "docs"])
    made.import_questions(made.root / "questions.jsonl", {})
    monkeypatch.chdir(made.root)
    return made


@pytest.fixture
def undecided(workspace: FakeWorkspace) -> FakeWorkspace:
    """The workspace after a comparison that recommends nothing."""
    workspace.compare()
    workspace.change_verdict(
        clear=False, recommended="", tie_set=["rag", "hybrid"], sentence="No clear winner."
    )
    return workspace
