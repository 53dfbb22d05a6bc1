"""Values and names of a database as a reader would write them: text, one form for each type.

A value comes as the driver gives it, so that decimals stand as they were written. It knows
no tables and opens nothing.
"""

from __future__ import annotations

import json
import re
from datetime import date, datetime
from decimal import Decimal

__all__ = ["is_binary", "key_text", "plural", "shown", "shown_line", "words"]

_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f]")
_MIDNIGHT = re.compile(r"^(\d{4}-\d\d-\d\d)[ T]00:00(?::00(?:\.0+)?)?$")
_WORD_BORDER = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|[_\W]+")
_PLURAL_ES = re.compile(r"(?:s|x|z|ch|sh)$")


def is_binary(value: object) -> bool:
    """Tell whether a value is bytes and not text."""
    return isinstance(value, bytes | bytearray | memoryview)


def shown(value: object, kind: str = "") -> str:
    """Return a value as text, empty for what has none; `kind` is that of its column.

    >>> shown(Decimal("0.990")), shown(datetime(2026, 3, 1)), shown(1, "boolean")
    ('0.990', '2026-03-01', 'yes')
    """
    if value is None or is_binary(value):
        return ""
    if isinstance(value, bool) or (kind == "boolean" and value in (0, 1)):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return _MIDNIGHT.sub(r"\1", value.isoformat(sep=" "))
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, dict | list | tuple):
        return json.dumps(value, ensure_ascii=False, default=str)
    text = str(value).replace("\r\n", "\n").replace("\r", "\n")
    text = _CONTROLS.sub("", text).strip()
    return _MIDNIGHT.sub(r"\1", text) if kind == "date" else text


def shown_line(value: object, kind: str = "") -> str:
    """Return a value as text on one line."""
    return " ".join(shown(value, kind).split())


def key_text(key: tuple[object, ...]) -> str:
    """Return the value of a key.

    >>> key_text((4, "b"))
    '4, b'
    """
    return ", ".join(shown_line(value) for value in key)


def words(name: str) -> str:
    """Return the name of a table or column as words.

    >>> words("InvoiceLine"), words("unit_price"), words("ISBNCode")
    ('Invoice Line', 'Unit Price', 'ISBN Code')
    """
    parts = [part for part in _WORD_BORDER.split(name) if part]
    return " ".join(part[0].upper() + part[1:] for part in parts) or name.strip() or "Value"


def plural(name: str) -> str:
    """Return several of a thing; a name that is plural already stays.

    >>> plural("Album"), plural("Category"), plural("tracks")
    ('Albums', 'Categories', 'tracks')
    """
    lower = name.lower()
    if lower.endswith("s") and not lower.endswith(("ss", "us", "is")):
        return name
    if lower.endswith("y") and lower[-2:-1] not in "aeiou":
        return f"{name[:-1]}ies"
    return f"{name}es" if _PLURAL_ES.search(lower) else f"{name}s"
