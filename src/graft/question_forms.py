"""Other forms of a training pair: chat messages, prompt and completion, instruction and output.

Each becomes the fields of our own form before it is checked. What our form has no place for (system
texts, earlier turns) is counted and said, never dropped in silence. It knows one line at a time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

__all__ = ["FORM_FIELDS", "in_our_form"]

FORM_FIELDS = frozenset(
    ("messages", "conversations", "prompt", "completion", "instruction", "input", "output")
)
_ROLES = {"human": "user", "gpt": "assistant", "model": "assistant", "developer": "system"}


def in_our_form(
    data: Mapping[str, Any], faults: list[str], counts: Counter[str]
) -> Mapping[str, Any]:
    """Return a line with `question` and `answers`; a line that has them stays as it is.

    What is wrong goes to `faults` with the field and what to do, what is left out to `counts`.

    >>> in_our_form({"prompt": "How long?", "completion": "90 s"}, [], Counter())["answers"]
    ['90 s']
    """
    if "question" in data:
        return data
    rest = {key: value for key, value in data.items() if key not in FORM_FIELDS}
    if "messages" in data or "conversations" in data:
        name = "messages" if "messages" in data else "conversations"
        pair = _from_turns(name, data[name], faults, counts)
    elif "prompt" in data or "completion" in data:
        pair = _from_sides(data, faults, counts)
    elif "instruction" in data:
        asked = [_text("instruction", data.get("instruction"), faults)]
        asked.append(_text("input", data.get("input") or "", faults))
        pair = ("\n".join(filter(None, asked)), _text("output", data.get("output"), faults))
    else:
        return data
    if faults:
        return rest
    question, answer = pair
    if not answer:
        faults.append("the answer is empty: give it one, or leave the line out")
    return rest | {"question": question, "answers": [answer]}


def _from_sides(
    data: Mapping[str, Any], faults: list[str], counts: Counter[str]
) -> tuple[str, str]:
    """Read prompt and completion, each a text or a list of turns."""
    prompt, completion = data.get("prompt"), data.get("completion")
    if isinstance(prompt, list) or isinstance(completion, list):
        if not isinstance(prompt, list) or not isinstance(completion, list):
            faults.append("prompt and completion are not both texts or both lists of turns")
            return "", ""
        return _from_turns("prompt and completion", [*prompt, *completion], faults, counts)
    return _text("prompt", prompt, faults), _text("completion", completion, faults)


def _from_turns(
    name: str, turns: object, faults: list[str], counts: Counter[str]
) -> tuple[str, str]:
    """Return the last question and its answer."""
    if not isinstance(turns, list) or not turns:
        faults.append(f"{name} is not a list of turns")
        return "", ""
    said: list[tuple[str, str]] = []
    for number, turn in enumerate(turns, 1):
        if not isinstance(turn, Mapping):
            faults.append(f"{name}: turn {number} is not an object with role and content")
            return "", ""
        role = str(turn.get("role", turn.get("from", ""))).strip().lower()
        role = _ROLES.get(role, role)
        if role not in ("system", "user", "assistant"):
            faults.append(
                f"{name}: turn {number} has the role {role!r:.40}, expected system, user or"
                " assistant"
            )
            return "", ""
        content = turn.get("content", turn.get("value"))
        said.append((role, _text(f"{name}: content of turn {number}", content, faults)))
    counts["system text"] += sum(role == "system" for role, _ in said)
    said = [item for item in said if item[0] != "system"]
    roles = [role for role, _ in said]
    if roles[-2:] != ["user", "assistant"]:
        faults.append(f"{name} does not end with a user's turn and an assistant's answer")
        return "", ""
    counts["earlier turn"] += len(said) - 2
    return said[-2][1], said[-1][1]


def _text(name: str, value: object, faults: list[str]) -> str:
    """Return a text, also one in parts; anything else is a fault."""
    if isinstance(value, list) and all(isinstance(part, Mapping) for part in value):
        parts = [part.get("text") for part in value]
        if all(isinstance(part, str) for part in parts):
            return "".join(parts).strip()
        faults.append(f"{name} has parts that are no text, which cannot be trained on")
        return ""
    if not isinstance(value, str):
        faults.append(f"{name} is missing" if value is None else f"{name} is not a text")
        return ""
    return value.strip()
