"""Pieces of a document: runs of text with their sections, joined to the text of the whole.

Books, messages and notebooks are made of parts that are HTML, Markdown or plain text. Those
parts are read here with the means of the loaders of these formats, so that the same page
gives the same text wherever it stands.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from html import unescape
from typing import TYPE_CHECKING, NamedTuple

from graft.loaders import html, markdown
from graft.loaders.ooxml import local_name
from graft.types import Section

if TYPE_CHECKING:
    from lxml.etree import _Element as Element

__all__ = [
    "BARE_PICTURE",
    "Page",
    "Piece",
    "headed",
    "html_page",
    "join",
    "left_out",
    "markdown_page",
    "named_characters",
    "one_line",
    "plain_names",
    "plural",
    "table_rows",
    "to_html",
    "under",
]

BARE_PICTURE = "picture without text"
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f-\x84\x86-\x9f]")
_NO_XML = re.compile("[^\\t\\n\\r\\x20-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]")
_UNSHOWN = re.compile(r"[\x00-\x1f\x7f-\x9f\ufeff\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]+")


class Piece(NamedTuple):
    """A run of text and the sections that cover it; without sections it is one of no heading."""

    text: str
    sections: tuple[Section, ...] = ()


class Page(NamedTuple):
    """What a page shows, and how many elements of each kind were dropped from it.

    `bare_pictures` counts the pictures that no words stand for.
    """

    piece: Piece
    dropped: Counter[str]
    problems: tuple[str, ...] = ()
    bare_pictures: int = 0


def join(pieces: Iterable[Piece]) -> Piece:
    """Put pieces under each other, an empty line between; those without text are passed over."""
    parts: list[str] = []
    sections: list[Section] = []
    length = 0
    for text, own in pieces:
        if not text.strip():
            continue
        if parts:
            parts.append("\n\n")
            length += 2
        for section in own or (Section((), 0, len(text)),):
            start, end = section.start + length, section.end + length
            sections.append(Section(section.heading_path, start, end, section.page))
        parts.append(text)
        length += len(text)
    return Piece("".join(parts), tuple(sections))


def headed(head: str, piece: Piece) -> Piece:
    """Return a piece with lines above it, in one section with what has no heading."""
    whole = join([Piece(head), piece])
    if len(whole.sections) > 1 and not whole.sections[1].heading_path:
        first, second, *others = whole.sections
        return Piece(whole.text, (Section((), first.start, second.end), *others))
    return whole


def under(piece: Piece, *headings: str) -> Piece:
    """Return a piece whose sections stand under further headings."""
    own = piece.sections or (Section((), 0, len(piece.text)),)
    sections = (
        Section((*headings, *item.heading_path), item.start, item.end, item.page) for item in own
    )
    return Piece(piece.text, tuple(sections))


def html_page(text: str) -> Page:
    """Return what a reader of an HTML page sees; its text is empty where nothing is shown."""
    root, problems = html._parse(text)
    if root is None:
        return Page(Piece(""), Counter())
    dropped = html._drop_unseen(root)
    bare_pictures = html._pictures_to_words(root)
    html._tables_to_rows(root)
    blocks = list(html._blocks(root))
    piece = Piece(*html._lay_out(blocks)) if blocks else Piece("")
    return Page(piece, dropped, tuple(problems), bare_pictures)


def markdown_page(text: str) -> Page:
    """Return what a reader of a Markdown page sees."""
    shown, hidden = markdown._visible(text)
    headings = list(markdown._headings(shown))
    dropped = Counter({"comment or script": hidden} if hidden else {})
    return Page(Piece(shown, markdown._sections(shown, headings)), dropped)


def table_rows(table: Element) -> list[str]:
    """Return the rows of a table with the element names of HTML, cells parted by " | "."""
    return [_CONTROLS.sub("", row) for row in html._rows(table) if row]


def plain_names(root: Element) -> Element:
    """Take the namespaces off all elements, so that one name stands for one thing."""
    for element in root.iter():
        # What is left of broken XML may have names that cannot be given.
        if isinstance(element.tag, str) and ":" not in (name := local_name(element)):
            element.tag = name
    return root


def named_characters(root: Element) -> Element:
    """Put the characters for names such as &nbsp; that only a DTD elsewhere would explain."""
    from lxml import etree

    for entity in list(root.iter(etree.Entity)):
        parent, before = entity.getparent(), entity.getprevious()
        text = _NO_XML.sub("", unescape(entity.text or "") + (entity.tail or ""))
        if before is not None:
            before.tail = (before.tail or "") + text
        elif parent is not None:
            parent.text = (parent.text or "") + text
        if parent is not None:
            parent.remove(entity)
    return root


def to_html(root: Element) -> str:
    """Write XHTML as HTML, since a parser of HTML misreads an element that closes itself."""
    from lxml import etree

    return str(etree.tostring(plain_names(root), method="html", encoding="unicode"))


def one_line(text: str) -> str:
    """Return text on one line, without characters that cannot be seen or turn its direction."""
    whole = text.encode("utf-8", errors="replace").decode("utf-8")
    return " ".join(_UNSHOWN.sub(" ", whole).split())


def plural(kind: str, number: int) -> str:
    """Return the words for that many of a kind, named in the singular.

    >>> plural("page without text", 2)
    '2 pages without text'
    """
    first, space, rest = kind.partition(" ")
    if space and rest.split(" ", 1)[0] not in ("of", "without", "in"):
        return f"{number} {kind}{'s' if number > 1 else ''}"
    return f"{number} {first}{'s' if number > 1 else ''}{space}{rest}"


def left_out(counted: Counter[str]) -> tuple[str, ...]:
    """Return a note for each kind of thing that is left out."""
    return tuple(f"{plural(kind, number)} left out" for kind, number in sorted(counted.items()))
