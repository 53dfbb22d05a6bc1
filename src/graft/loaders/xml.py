"""XML: journal articles in JATS as articles, any other XML as readable lines.

Data becomes `name: value`, the short values of one record on one line; running text stays as
it is, and an element that begins with a title is a section. Entities are never expanded: a
file that declares any is refused.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from graft.errors import UnreadableDocument
from graft.loaders.container import parse_xml
from graft.loaders.jats import article_blocks, is_article
from graft.loaders.ooxml import Block, clean, lay_out, local_name
from graft.loaders.pieces import (
    BARE_PICTURE,
    Piece,
    html_page,
    left_out,
    named_characters,
    one_line,
    plain_names,
    to_html,
)
from graft.loaders.text import read_bytes, title_from_name
from graft.types import Document

if TYPE_CHECKING:
    from lxml.etree import _Element as Element

__all__ = ["XmlLoader"]

LOADER_VERSION = 3
_TITLES = ("title", "head", "heading")
# Names that say no more than that this is text.
_UNLABELLED = frozenset(("p", "para", "simpara", "li", "line", "l", "s", "seg", "text"))
_SHORT = 100
_RECORD_LENGTH = 600
# Attributes that say how a thing looks or where it links, and not what it is.
_UNREAD = frozenset(("class", "style", "rend", "role", "lang", "version", "xsi", "schemaLocation"))


class XmlLoader:
    """Reads XML files."""

    extensions: tuple[str, ...] = (".xml", ".nxml", ".jats")

    def load(self, source: Path, doc_id: str) -> Iterator[Document]:
        """Yield the one document of the file.

        Raises:
            UnreadableDocument: the file declares entities, is no XML, or has no text.
        """
        data = read_bytes(source)
        root, notes = _parsed(data, source)
        title = ""
        piece = Piece("")
        if local_name(root) == "html":
            page = html_page(to_html(root))
            piece = page.piece
            notes += left_out(page.dropped + Counter({BARE_PICTURE: page.bare_pictures}))
        else:
            named_characters(plain_names(root))
            if is_article(root):
                blocks, counted = article_blocks(root)
                notes += left_out(counted)
            else:
                blocks = list(_blocks(root, 0))
            title = next((block.text for block in blocks if block.level == 1), "")
            piece = Piece(*lay_out(blocks)) if blocks else piece
        if not piece.text:
            raise UnreadableDocument(
                "the file has no text",
                where=str(source),
                why="its elements hold nothing to read",
                next_step="leave it out, or fill it and add it again",
            )
        headings = (item.heading_path[0] for item in piece.sections if item.heading_path)
        yield Document(
            id=doc_id,
            source=str(source),
            title=title or next(headings, "") or title_from_name(source),
            text=piece.text,
            content_hash=hashlib.sha256(data).hexdigest(),
            loader="xml",
            sections=piece.sections,
            notes=notes,
        )


def _parsed(data: bytes, source: Path) -> tuple[Element, tuple[str, ...]]:
    """Return the root; a broken file is read as far as it goes, which is noted."""
    try:
        return parse_xml(data, str(source)), ()
    except UnreadableDocument as error:
        if "entities" in error.what or not data.strip():
            raise
        root = parse_xml(data, str(source), mend=True)
        return root, ("the file is damaged and read as far as it goes",)


def _blocks(element: Element, level: int) -> Iterator[Block]:
    """Yield an element as a section, a record, a paragraph, or what is in it."""
    children = [item for item in element if isinstance(item.tag, str)]
    if _is_mixed(element, children):
        text = _words(element)
        if text:
            yield Block(text)
        return
    if not children:
        yield from _value(element)
        return
    title = _words(children[0]) if local_name(children[0]) in _TITLES else ""
    if title:
        children, level = children[1:], level + 1
        yield Block(title, level)
    record = _record(element, children)
    attributes = [] if title else _attributes(element)
    if record or attributes:
        yield Block(record or f"{local_name(element)}: {'; '.join(attributes)}", kind="row")
    for child in () if record else children:
        yield from _blocks(child, level)


def _is_mixed(element: Element, children: list[Element]) -> bool:
    """Say whether an element is running text with marks in it."""
    if not children:
        return False
    around = [element.text, *(item.tail for item in element)]
    return any(text and text.strip() for text in around)


def _value(element: Element) -> Iterator[Block]:
    """Yield an element without others in it: a labelled value, or a paragraph."""
    text = _words(element)
    if len(text) > _SHORT:
        yield Block(text)
        return
    line = _labelled(element, text)
    if line:
        yield Block(line, kind="row")


def _record(element: Element, children: list[Element]) -> str:
    """Return the line of an element that holds short values alone; empty where it does not."""
    if any(len(item) for item in children) or len(children) < 2:
        return ""
    if any(local_name(item) in _UNLABELLED for item in children):
        return ""
    texts = [_words(item) for item in children]
    if any(len(text) > _SHORT for text in texts) or sum(map(len, texts)) > _RECORD_LENGTH:
        return ""
    parts = [_labelled(item, text) for item, text in zip(children, texts, strict=True)]
    shown = [part for part in (*_attributes(element), *parts) if part]
    return f"{local_name(element)}: {'; '.join(shown)}" if shown else ""


def _labelled(element: Element, text: str) -> str:
    name, attributes = local_name(element), "; ".join(_attributes(element))
    if text and name in _UNLABELLED:
        return text
    if text and attributes:
        return f"{name}: {text} ({attributes})"
    return f"{name}: {text or attributes}" if text or attributes else ""


def _attributes(element: Element) -> list[str]:
    return [
        f"{name}: {one_line(value)}"
        for name, value in element.attrib.items()
        if name[0] != "{" and name not in _UNREAD and 0 < len(value.strip()) <= _SHORT
    ]


def _words(element: Element) -> str:
    """Return the text of an element on one line, elements next to each other kept apart."""
    return " ".join(clean("".join(_runs(element))).split())


def _runs(element: Element) -> Iterator[str]:
    yield element.text or ""
    for item in element:
        # What holds further elements and no words is a block of its own.
        is_block = len(item) > 0 and not (item.text or "").strip()
        yield " " if is_block else ""
        if isinstance(item.tag, str):
            yield from _runs(item)
        yield item.tail or " "
