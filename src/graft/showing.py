"""Names and JSON as they may be shown: nothing in them moves a cursor or turns a line around.

Names of files come from strangers and reach terminals, pages and logs. What would act there is
shown as an escape, so that two names never look alike.
"""

from __future__ import annotations

import json
import re

__all__ = ["as_json", "on_one_line"]

# Control characters, line signs, turns of direction, and halves of characters.
_ACTING = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_ACTING_IN_JSON = re.compile(r"[\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def on_one_line(name: str) -> str:
    r"""Return the name of a file or document for one line of a terminal, page or log.

    >>> on_one_line("a\nb\x1b[31m\u202e.md")
    'a\\nb\\x1b[31m\\u202e.md'
    """
    return _ACTING.sub(_escape, name)


def as_json(value: object, *, indent: int | None = None, allow_nan: bool = False) -> str:
    r"""Return JSON that reads as written, with an escape for each character that would act.

    >>> as_json({"é": "a\x9b\u202e"})
    '{"é": "a\\u009b\\u202e"}'

    Raises:
        ValueError: a number is infinite or none, and `allow_nan` is not given.
    """
    text = json.dumps(value, ensure_ascii=False, indent=indent, allow_nan=allow_nan)
    return _ACTING_IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _escape(found: re.Match[str]) -> str:
    number = ord(found[0])
    return _SHORT.get(found[0]) or (f"\\x{number:02x}" if number < 256 else f"\\u{number:04x}")
