"""Values as text and as JSON, in the forms that several commands share.

Nothing here prints or knows a command. Text from documents and models is made safe for a
terminal: an escape sequence in a file name must not move the cursor.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from graft.showing import on_one_line
from graft.types import Hit

__all__ = [
    "cited",
    "counted",
    "duration",
    "flattened",
    "on_one_line",
    "plain_data",
    "safe",
    "worded",
]

_UNSAFE = {
    code: None
    for span in (
        range(0x09),
        range(0x0B, 0x20),
        range(0x7F, 0xA0),
        range(0x202A, 0x202F),
        range(0x2066, 0x206A),
    )
    for code in span
}


def safe(text: str) -> str:
    r"""Return text without control characters and bidirectional overrides; lines and tabs stay.

    >>> safe("a\x1b[31mb\nc")
    'a[31mb\nc'
    """
    return text.translate(_UNSAFE)


def counted(number: int, noun: str) -> str:
    """Return a number with its noun.

    >>> counted(1, "passage"), counted(1200, "passage")
    ('1 passage', '1,200 passages')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def duration(seconds: float) -> str:
    """Return a time span as people say it.

    >>> duration(0.4), duration(41.3), duration(200), duration(9000)
    ('1 s', '41 s', '3 min', '2.5 h')
    """
    if seconds < 99.5:
        return f"{max(1, round(seconds))} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 99.5 else f"{minutes / 60:,.1f} h"


def cited(hit: Hit) -> str:
    """Return where a passage stands: document, heading path and page, or the training pair."""
    passage = hit.passage
    if passage.kind == "pair":
        return f"training pair {passage.pair_id}"
    page = f", page {passage.page}" if passage.page is not None else ""
    return on_one_line(" > ".join([passage.doc_id, *passage.heading_path]) + page)


def flattened(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the leaves of nested mappings with dotted names.

    >>> list(flattened({"a": {"b": 1}, "c": [2]}))
    [('a.b', 1), ('c', [2])]
    """
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from flattened(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def worded(value: object) -> str:
    """Return a value of JSON as words; an inner list reads as `name: what`.

    >>> worded(None), worded(True), worded(1200), worded([["a.pdf", "no text"]])
    ('-', 'yes', '1,200', 'a.pdf: no text')
    """
    if value is None or value in ("", [], (), {}):
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, list | tuple):
        return ", ".join(
            on_one_line(": ".join(map(str, item)) if isinstance(item, list | tuple) else str(item))
            for item in value
        )
    return on_one_line(str(value))


def plain_data(value: Any) -> Any:  # noqa: ANN401 - any value of ours becomes any JSON value
    """Return a value as JSON can hold it: dataclasses as objects, NaN and infinity as null."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        return {item.name: plain_data(getattr(value, item.name)) for item in fields}
    if isinstance(value, Mapping):
        return {str(name): plain_data(item) for name, item in value.items()}
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Iterable) and not isinstance(value, str):
        return [plain_data(item) for item in value]
    return value
