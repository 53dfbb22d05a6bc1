"""Styles of a Word file: which paragraph is a heading, a list item or code, and what is hidden.

A style takes from the one that it is based on what it does not say itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

from graft.loaders.ooxml import flag, namespace

if TYPE_CHECKING:
    from lxml.etree import _Element as Element

__all__ = ["Style", "Styles"]

_W = namespace("w")
_VAL = f"{_W}val"
_HEADING_NAME = re.compile(r"^heading (\d)$", re.IGNORECASE)
_CODE_NAME = re.compile(
    r"^(?:(?:source |program )?code(?: block)?|html preformatted|preformatted text|"
    r"plain text|macro text|listing|verbatim(?: \w+)?)$",
    re.IGNORECASE,
)
_CONTENTS_NAME = re.compile(r"^(?:toc \w+|contents \w+|table of figures)$", re.IGNORECASE)
_MONOSPACED = re.compile(r"courier|consolas|menlo|monaco|\bmono\b|lucida console", re.IGNORECASE)
_BODY_LEVEL = 9
_MAX_CHAIN = 20
_TINY = 2  # half points: text of one point is not there to be read
_WHITE = "FFFFFF"
_FILLED = tuple(f"{_W}{name}" for name in ("p", "tc", "tbl"))


@dataclass(frozen=True, slots=True)
class Style:
    """What a style says once its bases are read; `level` is 0 for body text, 1 for a title.

    `number_id` is that of the list it counts in, or "", and `list_level` how deep.
    """

    level: int = 0
    number_id: str = ""
    list_level: str = ""
    is_code: bool = False
    is_contents: bool = False
    is_hidden: bool = False
    is_monospaced: bool = False


class Styles:
    """The styles of a file by id, and what they make of a paragraph or run."""

    def __init__(self, root: Element | None) -> None:
        items = root.findall(f"{_W}style") if root is not None else []
        self._elements = {item.get(f"{_W}styleId") or "": item for item in items}
        self._read: dict[str, Style] = {}
        defaults = (
            item.get(f"{_W}styleId") or ""
            for item in items
            if item.get(f"{_W}type") == "paragraph" and item.get(f"{_W}default") in ("1", "true")
        )
        self._default = next(defaults, "")

    def paragraph(self, paragraph: Element) -> Style:
        """Return the style of a paragraph with what the paragraph says itself."""
        properties = paragraph.find(_full("pPr"))
        if properties is None:
            return self._style(self._default)
        own = {item.tag: item for item in properties}
        style = own.get(_full("pStyle"))
        named = self._style((style.get(_VAL) if style is not None else "") or self._default)
        outline, number = own.get(_full("outlineLvl")), own.get(_full("numPr"))
        if outline is not None:
            named = replace(named, level=_level(outline.get(_VAL) or ""))
        if number is not None:
            number_id = _value(number, "numId") or named.number_id
            level = _value(number, "ilvl") or named.list_level
            named = replace(named, number_id=_listed(number_id), list_level=level)
        return named

    def is_hidden(self, run: Element, of_paragraph: Style) -> bool:
        """Say whether a reader does not see the text of a run."""
        properties = run.find(f"{_W}rPr")
        if properties is None:
            return of_paragraph.is_hidden
        vanish = properties.find(f"{_W}vanish")
        if vanish is not None:
            hidden = flag(vanish, _VAL)
        else:
            hidden = of_paragraph.is_hidden or self._style(_value(properties, "rStyle")).is_hidden
        return hidden or _is_tiny(properties) or self._is_white(run, properties)

    def is_monospaced(self, run: Element, of_paragraph: Style) -> bool:
        """Say whether a run is set in a font for code."""
        properties = run.find(f"{_W}rPr")
        font = properties.find(f"{_W}rFonts") if properties is not None else None
        name = font.get(f"{_W}ascii") if font is not None else None
        return _MONOSPACED.search(name) is not None if name else of_paragraph.is_monospaced

    def _is_white(self, run: Element, properties: Element) -> bool:
        """Say whether text is white and nothing says that what lies behind it is not."""
        if _value(properties, "color").upper() != _WHITE or _has_fill(properties):
            return False
        if properties.find(f"{_W}highlight") is not None:
            return False
        for around in run.iterancestors():
            if around.tag == f"{_W}txbxContent":
                return False
            if around.tag == f"{_W}document":
                return around.find(f"{_W}background") is None
            own = around.find(f"{around.tag}Pr") if around.tag in _FILLED else None
            if own is not None and (_has_fill(own) or self._fills(own)):
                return False
        return True

    def _fills(self, properties: Element) -> bool:
        """Say whether the style that properties name, or one of its bases, has a fill."""
        style_id = _value(properties, "pStyle") or _value(properties, "tblStyle")
        fills = (item for style in self._chain(style_id) for item in style.iter(f"{_W}shd"))
        return any(_is_fill(item) for item in fills)

    def _chain(self, style_id: str) -> list[Element]:
        """Return a style and those that it is based on, nearest first."""
        chain: list[Element] = []
        while (element := self._elements.get(style_id)) is not None and len(chain) < _MAX_CHAIN:
            chain.append(element)
            style_id = _value(element, "basedOn")
        return chain

    def _style(self, style_id: str) -> Style:
        if style_id not in self._read:
            self._read[style_id] = self._resolve(style_id)
        return self._read[style_id]

    def _resolve(self, style_id: str) -> Style:
        chain = self._chain(style_id)
        names = [_value(element, "name") for element in chain]
        levels = (_own_level(element) for element in chain)
        vanish = (element.find(f"{_W}rPr/{_W}vanish") for element in chain)
        hidden = next((item for item in vanish if item is not None), None)
        fonts = (element.find(f"{_W}rPr/{_W}rFonts") for element in chain)
        font = next((item for item in fonts if item is not None), None)
        numbers = (_value(element, "pPr/numPr/numId") for element in chain)
        list_levels = (_value(element, "pPr/numPr/ilvl") for element in chain)
        tiny = (
            _is_tiny(item) for element in chain if (item := element.find(f"{_W}rPr")) is not None
        )
        return Style(
            level=next((level for level in levels if level is not None), 0),
            number_id=_listed(next((item for item in numbers if item), "")),
            list_level=next((item for item in list_levels if item), ""),
            is_code=any(_CODE_NAME.match(name) for name in names),
            is_contents=any(_CONTENTS_NAME.match(name) for name in names[:1]),
            is_hidden=flag(hidden, _VAL) or next(tiny, False),
            is_monospaced=font is not None
            and _MONOSPACED.search(font.get(f"{_W}ascii") or "") is not None,
        )


def _listed(number_id: str) -> str:
    """Return the id of a list, or nothing for the one that stands for no list."""
    return "" if number_id == "0" else number_id


def _own_level(style: Element) -> int | None:
    """Return the heading level that a style itself says; the title stands above the headings."""
    name = _value(style, "name")
    if name.lower() == "title":
        return 1
    outline = _value(style, "pPr/outlineLvl")
    if outline:
        return _level(outline)
    found = _HEADING_NAME.match(name)
    return int(found[1]) + 1 if found else None


def _level(outline: str) -> int:
    """Return 2 for the outline level "0", which is that of the highest heading."""
    is_heading = outline.isascii() and outline.isdigit() and int(outline) < _BODY_LEVEL
    return int(outline) + 2 if is_heading else 0


@cache
def _full(path: str) -> str:
    return "/".join(f"{_W}{name}" for name in path.split("/"))


def _value(element: Element, path: str) -> str:
    found = element.find(_full(path))
    return (found.get(_VAL) or "") if found is not None else ""


def _is_tiny(properties: Element) -> bool:
    size = _value(properties, "sz")
    return size.isascii() and size.isdigit() and int(size) <= _TINY


def _has_fill(properties: Element) -> bool:
    fill = properties.find(f"{_W}shd")
    return fill is not None and _is_fill(fill)


def _is_fill(fill: Element) -> bool:
    themed = fill.get(f"{_W}themeFill") is not None
    return themed or (fill.get(f"{_W}fill") or "").upper() not in ("", "AUTO", _WHITE)
