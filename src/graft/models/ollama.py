"""An Ollama Modelfile: the template, system text and stops that training used, in Ollama's words.

Ollama does not run a model's own Jinja template, it has one of its own; where that is missing
or another one, a fine-tuned model rambles. The parts are read off renderings of the real
template, so any template that puts turns one after the other can be carried over.
"""

from __future__ import annotations

from dataclasses import dataclass

from graft.errors import BadInput
from graft.models.chat import Chat
from graft.models.weight_files import read_settings
from graft.types import Message

__all__ = ["TurnParts", "modelfile", "turn_parts"]

SYSTEM, USER, ANSWER, AGAIN = "\u2402s\u2403", "\u2402u\u2403", "\u2402a\u2403", "\u2402v\u2403"
NEXT = "export with --formats peft,merged,gguf and write the template of Ollama by hand"


@dataclass(frozen=True, slots=True)
class TurnParts:
    """What stands between the texts of turns: before and after each kind."""

    before_system: str
    after_system: str
    before_user: str
    before_answer: str
    after_answer: str


def turn_parts(chat: Chat) -> TurnParts:
    """Read the parts off renderings of the chat template.

    Raises:
        BadInput: the template changes texts or puts them in another order.
    """
    system, user, answer = (
        Message("system", SYSTEM),
        Message("user", USER),
        Message("assistant", ANSWER),
    )
    whole = chat.render([system, user, answer, Message("user", AGAIN)])
    ended = chat.render([system, user, answer], answer_follows=False)
    try:
        before_system, rest = whole.split(SYSTEM)
        between, rest = rest.split(USER)
        before_answer, rest = rest.split(ANSWER)
        second, end = rest.split(AGAIN)
        after_answer = ended.split(ANSWER)[1]
    except (ValueError, IndexError) as error:
        raise _not_carried("it repeats, leaves out or reorders turns") from error
    before_user = second.removeprefix(after_answer)
    if end != before_answer or not second.startswith(after_answer):
        raise _not_carried("a later turn is written otherwise than the first")
    if not between.endswith(before_user):
        raise _not_carried("the first question is written otherwise than a later one")
    after_system = between.removesuffix(before_user)
    parts = TurnParts(before_system, after_system, before_user, before_answer, after_answer)
    if chat.render([system, user]) != (
        f"{before_system}{SYSTEM}{after_system}{before_user}{USER}{before_answer}"
    ):
        raise _not_carried("one question is written otherwise than several")
    return parts


def _not_carried(why: str) -> BadInput:
    return BadInput("the chat template cannot be written as one of Ollama", why=why, next_step=NEXT)


def modelfile(
    chat: Chat,
    model: str,
    system: str,
    *,
    before_question: str = "",
    max_new_tokens: int = 48,
    context_tokens: int = 4096,
) -> str:
    """Return the text of a Modelfile.

    Args:
        chat: the base's chat.
        model: the GGUF file, relative to the Modelfile.
        system: the system text of training.
        before_question: what stood before every question in training, in the user's turn.
        max_new_tokens: the limit of an answer that was measured.
        context_tokens: the length of the model's context.

    Raises:
        BadInput: the template cannot be carried over, or the texts cannot be quoted.
    """
    parts = turn_parts(chat)
    first = parts.before_system
    settings = read_settings(chat.folder / "tokenizer_config.json")
    if settings.get("add_bos_token"):  # the engine puts it there itself
        first = first.removeprefix(chat.names["bos_token"])
    template = (
        "{{ if .System }}" + first + "{{ .System }}" + parts.after_system + "{{ end }}"
        + parts.before_user + before_question + "{{ .Prompt }}"
        + parts.before_answer + "{{ .Response }}" + parts.after_answer
    )  # fmt: skip
    stops = sorted({*chat.stop_texts(), *_openings(parts)})
    for text in (system, parts.before_user, parts.after_answer, before_question, first):
        if '"""' in text or "{{" in text:
            raise _not_carried('a text of it has three quotes or "{{"')
    lines = [
        f"FROM {model}",
        f'TEMPLATE """{template}"""',
        f'SYSTEM """{system}"""',
        "PARAMETER temperature 0",
        "PARAMETER repeat_penalty 1",
        f"PARAMETER num_predict {max_new_tokens}",
        f"PARAMETER num_ctx {context_tokens}",
        *(f'PARAMETER stop "{stop}"' for stop in stops if '"' not in stop),
    ]
    return "\n".join(lines) + "\n"


def _openings(parts: TurnParts) -> list[str]:
    """Return the mark that opens a turn, where it is one: a stop besides the end of the turn."""
    mark = parts.before_user.strip().split("\n")[0].split(">")[0]
    return [f"{mark}>"] if mark.startswith("<|") else []
