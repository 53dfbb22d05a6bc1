"""The general questions and the general text that come with Graft, to see what is forgotten.

They are about no team's documents: everyday knowledge, simple arithmetic, language and short
instructions. Their order takes turns between the four, so that any beginning is a fair part.
"""

from __future__ import annotations

import json
from importlib import resources

from graft.types import Question

__all__ = ["general_questions", "general_text"]


def general_questions(limit: int | None = None) -> list[Question]:
    """Return the bundled questions, or the first `limit` of them."""
    lines = _read("questions.jsonl").splitlines()[:limit]
    return [_question(line) for line in lines]


def general_text() -> str:
    """Return the bundled text: some 800 words in several styles."""
    return _read("text.txt")


def _question(line: str) -> Question:
    data = json.loads(line)
    name = data["id"]
    return Question(
        name, data["question"], tuple(data["answers"]), "test", name, tags=tuple(data["tags"])
    )


def _read(name: str) -> str:
    return (resources.files("graft") / "general" / name).read_text(encoding="utf-8")
