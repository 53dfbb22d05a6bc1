"""The server over the fake workspace."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from graft.server.app import build_app
from graft.testing.workspace import FakeWorkspace

URL = "http://127.0.0.1"


@pytest.fixture
def workspace(tmp_path: Path) -> FakeWorkspace:
    """A compared workspace in the folder `handbook`; it recommends `hybrid`."""
    made = FakeWorkspace.create(tmp_path / "handbook", example=True)
    made.add([made.root / "docs"])
    made.import_questions(made.root / "questions.jsonl", {})
    made.compare()
    return made


@pytest.fixture
def client(workspace: FakeWorkspace) -> Iterator[TestClient]:
    """A client; all its requests share one event loop, as in a server."""
    with TestClient(build_app(workspace), base_url=URL, raise_server_exceptions=False) as made:
        yield made


@pytest.fixture
def ask(client: TestClient) -> Callable[..., Any]:
    """Ask a question: `ask("When?", model="handbook:rag", stream=True)`."""

    def post(question: str = "When is the kiln fired?", **fields: Any) -> Any:
        body = {"model": "handbook", "messages": [{"role": "user", "content": question}]}
        return client.post("/v1/chat/completions", json=body | fields)

    return post


def events(text: str) -> list[Any]:
    """Return the events of a stream; the last one, `[DONE]`, as it stands."""
    lines = [line.removeprefix("data: ") for line in text.split("\n\n") if line]
    return [line if line == "[DONE]" else json.loads(line) for line in lines]


@pytest.fixture(name="events")
def events_fixture() -> Callable[[str], list[Any]]:
    """Give the reader of streams."""
    return events
