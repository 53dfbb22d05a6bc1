"""A checkpoint's tokenizer and chat template, without importing transformers.

Training rows, evaluation and serving all render prompts here, so the string that the model
sees is the same everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from graft.errors import BadInput
from graft.models.templates import MAX_TEMPLATE, BoundedTemplate, TemplateRefused
from graft.models.weight_files import read_settings
from graft.types import Message, fingerprint

__all__ = ["Chat"]


class Chat:
    """Renders messages with the model's own template and counts its own tokens."""

    def __init__(self, folder: Path) -> None:
        """Read `tokenizer.json` and the chat template of a checkpoint folder.

        Raises:
            BadInput: the checkpoint has no chat template or no fast tokenizer.
        """
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
        self.folder = folder
        try:
            self._template = BoundedTemplate(template)
        except ValueError as error:
            raise _unusable(folder, error) from error
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.names = {name: _token_text(settings.get(name)) for name in ("bos_token", "eos_token")}
        self._without_system = False
        self._without_system = self._refuses_system()
        self.stop_ids = _stop_ids(folder, self._tokenizer, self.names["eos_token"])
        self.hash = fingerprint(template, sorted(self.names.items()))

    def render(self, messages: Sequence[Message], *, answer_follows: bool = True) -> str:
        """Return the prompt as one string; `answer_follows` opens the assistant's turn.

        Raises:
            BadInput: the template refuses the messages, or needs what is not there.
        """
        turns = [{"role": item.role, "content": item.content} for item in messages]
        if self._without_system:
            turns = _system_in_user(turns)
        try:
            return self._template.render(
                {"messages": turns, "add_generation_prompt": answer_follows} | self.names
            )
        except ValueError as error:
            raise _unusable(self.folder, error) from error

    def _refuses_system(self) -> bool:
        """Tell whether the template knows no system turn; its text then opens the user's."""
        asked = Message("user", "?")
        try:
            self.render([Message("system", "."), asked])
        except TemplateRefused:
            raise
        except BadInput:
            try:
                self.render([asked])
            except TemplateRefused:
                raise
            except BadInput:
                return False  # it refuses everything: the first real prompt says why
            return True
        return False

    def render_answer(self, messages: Sequence[Message], answer: str) -> str:
        """Return what follows the prompt when the assistant gives `answer`, end of turn included.

        Taken from the template itself, so that the learned end is the one that stops serving.
        """
        prompt = self.render(messages)
        whole = self.render([*messages, Message("assistant", answer)], answer_follows=False)
        if whole.startswith(prompt):
            return whole[len(prompt) :].rstrip("\n")
        return answer + self.names["eos_token"]

    def encode(self, text: str) -> list[int]:
        """Return token ids; nothing is added."""
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    def stop_texts(self) -> tuple[str, ...]:
        """Return the tokens that end an answer as they stand in a text."""
        return tuple(str(self._tokenizer.id_to_token(item)) for item in self.stop_ids)

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of token ids without special tokens."""
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=True))

    def count(self, messages: Sequence[Message]) -> int:
        """Count the tokens of a rendered prompt."""
        return len(self.encode(self.render(messages)))


def _read_settings(folder: Path) -> dict[str, Any]:
    settings = read_settings(folder / "tokenizer_config.json")
    own = folder / "chat_template.jinja"
    if own.is_file():
        with own.open(encoding="utf-8", errors="replace") as file:
            settings["chat_template"] = file.read(MAX_TEMPLATE + 1)
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
            value = read_settings(path).get("eos_token_id")
            found |= set(value if isinstance(value, list) else [value])
    found.add(tokenizer.token_to_id(eos))
    return tuple(sorted(item for item in found if item is not None))


def _system_in_user(turns: list[dict[str, str]]) -> list[dict[str, str]]:
    if len(turns) < 2 or turns[0]["role"] != "system":
        return turns
    text = f"{turns[0]['content']}\n\n{turns[1]['content']}"
    return [{"role": turns[1]["role"], "content": text}, *turns[2:]]


def _unusable(folder: Path, error: Exception) -> BadInput:
    return BadInput(
        "the chat template of the base model cannot be used",
        where=str(folder),
        why=str(error),
        next_step="set base_model to another version of the model",
    )
