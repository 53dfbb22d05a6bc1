"""What the styles of an OpenDocument file say of its text: hidden or not, and how lists count.

A style stands on another one; what it does not say itself holds from there. Automatic styles
of the content come before the named ones.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lxml.etree import _Element as Element

__all__ = ["Styles", "namespace", "whole"]

_BASE = "urn:oasis:names:tc:opendocument:xmlns"
_LEVELS = 10
_TINY_POINTS = 1.0  # text of one point is not there to be read
_POINTS = re.compile(r"^(\d{1,4}(?:\.\d{1,6})?)pt$")


def namespace(prefix: str) -> str:
    """Return the braced namespace that a prefix stands for, to put before a local name."""
    kind = {"fo": "xsl-fo-compatible", "svg": "svg-compatible"}.get(prefix, prefix)
    kind = {"draw": "drawing"}.get(kind, kind)
    return f"{{{_BASE}:{kind}:1.0}}"


_STYLE, _TEXT, _TABLE = namespace("style"), namespace("text"), namespace("table")
_FO, _PRESENTATION = namespace("fo"), namespace("presentation")


def whole(value: str | None, otherwise: int = 0) -> int:
    """Return a number that an attribute gives in digits.

    >>> whole("3"), whole(None, 1), whole("many", 1)
    (3, 1, 1)
    """
    is_number = value is not None and value.isascii() and value.isdigit() and len(value) < 10
    return int(value) if value is not None and is_number else otherwise


class Styles:
    """The styles by family and name; the first of two with one name is the one that holds."""

    def __init__(self, *roots: Element | None) -> None:
        self._styles: dict[tuple[str, str], Element] = {}
        self._lists: dict[str, Element] = {}
        for root in roots:
            for item in root.iter(f"{_STYLE}style") if root is not None else ():
                key = (item.get(f"{_STYLE}family") or "", item.get(f"{_STYLE}name") or "")
                self._styles.setdefault(key, item)
            for item in root.iter(f"{_TEXT}list-style") if root is not None else ():
                self._lists.setdefault(item.get(f"{_STYLE}name") or "", item)

    def is_hidden(self, family: str, name: str | None) -> bool:
        """Say whether a text or paragraph style hides its text, or makes it too small to see."""
        shown = self._value(family, name, "text-properties", f"{_TEXT}display")
        size = _POINTS.match(self._value(family, name, "text-properties", f"{_FO}font-size"))
        return shown == "none" or (size is not None and float(size[1]) <= _TINY_POINTS)

    def is_title(self, name: str | None) -> bool:
        """Say whether a paragraph style is the one for the title of a document."""
        return "Title" in self._names(name)

    def is_code(self, name: str | None) -> bool:
        """Say whether a paragraph style keeps the spaces of its text."""
        return "Preformatted_20_Text" in self._names(name)

    def is_hidden_sheet(self, name: str | None) -> bool:
        """Say whether a style hides its table."""
        shown = self._value("table", name, "table-properties", f"{_TABLE}display")
        return shown == "false"

    def is_hidden_page(self, name: str | None) -> bool:
        """Say whether a style keeps its slide out of the show."""
        attribute = f"{_PRESENTATION}visibility"
        return self._value("drawing-page", name, "drawing-page-properties", attribute) == "hidden"

    def list_start(self, name: str | None, level: int) -> int | None:
        """Return where the numbers of a list level begin; None where it has bullets."""
        place = str(min(level, _LEVELS))
        style = self._lists.get(name or "")
        for item in style if style is not None else ():
            if item.get(f"{_TEXT}level") == place:
                is_number = item.tag == f"{_TEXT}list-level-style-number"
                if is_number and item.get(f"{_STYLE}num-format"):
                    return whole(item.get(f"{_TEXT}start-value"), 1)
                return None
        return None

    def _names(self, name: str | None) -> set[str | None]:
        """Return a paragraph style and those it stands on by name, also ones that are missing."""
        parent = f"{_STYLE}parent-style-name"
        return {name, *(item.get(parent) for item in self._chain("paragraph", name))}

    def _chain(self, family: str, name: str | None) -> Iterator[Element]:
        """Yield a style and those that it stands on; one that stands on itself ends there."""
        seen: set[str] = set()
        while name and name not in seen and (family, name) in self._styles:
            seen.add(name)
            style = self._styles[family, name]
            yield style
            name = style.get(f"{_STYLE}parent-style-name")

    def _value(self, family: str, name: str | None, properties: str, attribute: str) -> str:
        for style in self._chain(family, name):
            for item in style.iterfind(f"{_STYLE}{properties}"):
                if item.get(attribute) is not None:
                    return str(item.get(attribute))
        return ""
