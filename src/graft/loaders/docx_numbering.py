"""Numbers that Word counts itself: those of clauses, numbered headings and list items.

They stand nowhere in the text of the file, yet people ask for them ("what does 4.2 say?").
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from graft.loaders.ooxml import flag, namespace

if TYPE_CHECKING:
    from lxml.etree import _Element as Element

__all__ = ["BULLET", "Numbering"]

_W = namespace("w")
_VAL = f"{_W}val"
_LEVELS = 9
_MAX_NUMBER = 4_000  # no list is that long by hand, and Roman numbers end there
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_ROMAN = (
    *((1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l")),
    *((40, "xl"), (10, "x"), (9, "ix"), (5, "v"), (4, "iv"), (1, "i")),
)
BULLET = "-"


class Numbering:
    """Counts through the numbered paragraphs of a file in their order."""

    def __init__(self, root: Element | None) -> None:
        found = root if root is not None else ()
        self._lists = {
            item.get(f"{_W}abstractNumId") or "": {
                _whole(level.get(f"{_W}ilvl")): level for level in item.iterfind(f"{_W}lvl")
            }
            for item in found
            if item.tag == f"{_W}abstractNum"
        }
        self._uses = {
            item.get(f"{_W}numId") or "": item for item in found if item.tag == f"{_W}num"
        }
        self._counts: dict[str, list[int]] = {}
        self._started: set[str] = set()

    def next_label(self, number_id: str, level_text: str) -> str:
        """Count one paragraph and return its number as shown, or `BULLET`."""
        use = self._uses.get(number_id)
        chosen = use.find(f"{_W}abstractNumId") if use is not None else None
        list_id = (chosen.get(_VAL) or "") if chosen is not None else ""
        levels = self._lists.get(list_id, {})
        place = min(_whole(level_text), _LEVELS - 1)
        if use is None or place not in levels:
            return BULLET
        counts = self._counts.setdefault(list_id, [0] * _LEVELS)
        if number_id not in self._started:
            self._started.add(number_id)
            for override in use.iterfind(f"{_W}lvlOverride"):
                start = override.find(f"{_W}startOverride")
                at = _whole(override.get(f"{_W}ilvl"))
                if start is not None and at < _LEVELS:
                    counts[at] = _whole(start.get(_VAL)) - 1
        for above in range(place):
            counts[above] = counts[above] or _start(levels.get(above))
        counts[place] = counts[place] + 1 if counts[place] else _start(levels[place])
        counts[place + 1 :] = [0] * (_LEVELS - place - 1)
        return _label(levels, place, counts)


def _label(levels: dict[int, Element], place: int, counts: list[int]) -> str:
    level = levels[place]
    kind = _value(level, "numFmt")
    if kind in ("bullet", "none", ""):
        return BULLET if kind == "bullet" else ""
    is_plain = flag(level.find(f"{_W}isLgl"), _VAL)
    label = _value(level, "lvlText")
    for above in range(place + 1):
        own = "decimal" if is_plain or above not in levels else _value(levels[above], "numFmt")
        label = label.replace(f"%{above + 1}", _written(counts[above], own))
    return " ".join(label.split())


def _written(number: int, kind: str) -> str:
    """Return a number as a kind of list writes it.

    >>> [_written(28, kind) for kind in ("decimal", "lowerLetter", "upperRoman")]
    ['28', 'bb', 'XXVIII']
    """
    if not 0 < number < _MAX_NUMBER or kind == "decimal":
        return str(number)
    if kind == "decimalZero":
        return f"{number:02}"
    if kind in ("lowerLetter", "upperLetter"):
        text = _LETTERS[(number - 1) % 26] * ((number - 1) // 26 + 1)
    elif kind in ("lowerRoman", "upperRoman"):
        text, left = "", number
        for value, sign in _ROMAN:
            text += sign * (left // value)
            left %= value
    else:
        return str(number)
    return text.upper() if kind.startswith("upper") else text


def _start(level: Element | None) -> int:
    start = level.find(f"{_W}start") if level is not None else None
    return _whole(start.get(_VAL)) if start is not None else 1


def _value(element: Element, name: str) -> str:
    found = element.find(f"{_W}{name}")
    return (found.get(_VAL) or "") if found is not None else ""


def _whole(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 6 else 0
