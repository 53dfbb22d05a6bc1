"""A checkpoint's tokenizer and chat template, without importing transformers.

Training rows, evaluation and serving all render prompts here, so the string that the model
sees is the same everywhere.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from graft.errors import BadInput
from graft.types import Message, fingerprint

__all__ = ["Chat"]


class Chat:
    """Renders messages with the model's own template and counts its own tokens."""

    def __init__(self, folder: Path) -> None:
        """Read `tokenizer.json` and the chat template of a checkpoint folder.

        Raises:
            BadInput: the checkpoint has no chat template or no fast tokenizer.
        """
        from jinja2.sandbox import ImmutableSandboxedEnvironment
        from tokenizers import Tokenizer

        settings = _read_settings(folder)
        template = settings.get("chat_template") or ""
        if not template or not (folder / "tokenizer.json").is_file():
            missing = "chat template" if (folder / "tokenizer.json").is_file() else "tokenizer.json"
            raise BadInput(
                f"the base model has no {missing}",
                where=str(folder),
                why="questions can only be asked of a chat model with a fast tokenizer",
                next_step="set base_model to the instruction-tuned version of the model",
            )
        environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
        environment.globals["raise_exception"] = _refuse
        environment.filters["tojson"] = json.dumps
        self._template = environment.from_string(template)
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._names = {name: _token_text(settings.get(name)) for name in ("bos_token", "eos_token")}
        self.stop_ids = _stop_ids(folder, self._tokenizer, self._names["eos_token"])
        self.hash = fingerprint(template, sorted(self._names.items()))

    def render(self, messages: Sequence[Message], *, answer_follows: bool = True) -> str:
        """Return the prompt as one string; `answer_follows` opens the assistant's turn."""
        turns = [{"role": item.role, "content": item.content} for item in messages]
        return self._template.render(
            messages=turns, add_generation_prompt=answer_follows, **self._names
        )

    def render_answer(self, messages: Sequence[Message], answer: str) -> str:
        """Return what follows the prompt when the assistant gives `answer`, end of turn included.

        Taken from the template itself, so that the learned end is the one that stops serving.
        """
        prompt = self.render(messages)
        whole = self.render([*messages, Message("assistant", answer)], answer_follows=False)
        if whole.startswith(prompt):
            return whole[len(prompt) :].rstrip("\n")
        return answer + self._names["eos_token"]

    def encode(self, text: str) -> list[int]:
        """Return token ids; nothing is added."""
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of token ids without special tokens."""
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=True))

    def count(self, messages: Sequence[Message]) -> int:
        """Count the tokens of a rendered prompt."""
        return len(self.encode(self.render(messages)))


def _read_settings(folder: Path) -> dict[str, Any]:
    path = folder / "tokenizer_config.json"
    settings: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    if (folder / "chat_template.jinja").is_file():
        settings["chat_template"] = (folder / "chat_template.jinja").read_text("utf-8")
    template = settings.get("chat_template")
    if isinstance(template, list):
        named = {item["name"]: item["template"] for item in template}
        settings["chat_template"] = named.get("default", "")
    return settings


def _token_text(value: Any) -> str:  # noqa: ANN401 - a string or a dict in tokenizer_config.json
    return str(value["content"]) if isinstance(value, dict) else str(value or "")


def _stop_ids(folder: Path, tokenizer: Any, eos: str) -> tuple[int, ...]:  # noqa: ANN401
    found = set()
    for name in ("generation_config.json", "config.json"):
        path = folder / name
        if path.is_file():
            value = json.loads(path.read_text("utf-8")).get("eos_token_id")
            found |= set(value if isinstance(value, list) else [value])
    found.add(tokenizer.token_to_id(eos))
    return tuple(sorted(item for item in found if item is not None))


def _refuse(message: str) -> None:
    raise BadInput("the chat template refused the messages", why=message)
