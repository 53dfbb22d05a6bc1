"""EPUB books: the chapters in the order of the book, each read like an HTML page.

Cover, navigation and pages without text are left out and counted. A chapter without a heading
stands under its name in the table of contents. A book under digital rights management is
refused; scripts never run and nothing outside the file is fetched.
"""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote

from graft.errors import UnreadableDocument
from graft.loaders.container import Container, open_container, parse_xml
from graft.loaders.pieces import (
    BARE_PICTURE,
    Page,
    Piece,
    html_page,
    join,
    left_out,
    one_line,
    to_html,
    under,
)
from graft.loaders.text import decode, title_from_name
from graft.types import Document

if TYPE_CHECKING:
    from lxml.etree import _Element as Element

__all__ = ["EpubLoader"]

LOADER_VERSION = 3
_CONTAINER, _ENCRYPTION = "META-INF/container.xml", "META-INF/encryption.xml"
_PAGES = ("application/xhtml+xml", "text/html", "text/x-oeb1-document", "application/xml")
# Fonts are scrambled in books that everybody may read.
_FONT_SCRAMBLING = ("http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC")
_TYPE = "{http://www.idpf.org/2007/ops}type"
_LEFT_OUT = {
    **dict.fromkeys(("toc", "landmarks", "page-list", "loi", "lot"), "navigation page"),
    "cover": "cover page",
}
_COVER_LENGTH = 400  # some books call their first chapter the cover; it is longer


class _Item(NamedTuple):
    """A file of the book as its list of files has it."""

    name: str
    media_type: str
    properties: tuple[str, ...]


class EpubLoader:
    """Reads EPUB books."""

    extensions: tuple[str, ...] = (".epub",)

    def load(self, source: Path, doc_id: str) -> Iterator[Document]:
        """Yield the one document of the file.

        Raises:
            UnreadableDocument: encrypted, broken, made to do harm, or without text.
        """
        with open_container(source) as container:
            book = _Book(container)
            text, sections = join(book.chapters())
        if not text:
            raise UnreadableDocument(
                "the book has no text",
                where=str(source),
                why="; ".join(book.notes()) or "its chapters are missing or show no text",
                next_step="if its pages are pictures, have their text recognised and add that",
            )
        first = next((item.heading_path[0] for item in sections if item.heading_path), "")
        yield Document(
            id=doc_id,
            source=str(source),
            title=book.title or first or title_from_name(source),
            text=text,
            content_hash=container.content_hash,
            loader="epub",
            sections=sections,
            notes=book.notes(),
        )


class _Book:
    """The files of a book by the ids of its list; what is left out becomes the notes."""

    def __init__(self, container: Container) -> None:
        self._container = container
        self._names = frozenset(container.names())
        self._path = self._package_path()
        self._root = container.xml(self._path)
        self._left_out: Counter[str] = Counter()
        self._dropped: Counter[str] = Counter()
        self._problems: list[str] = []
        self._items = dict(self._listed())
        self.title = _title(self._root)

    def chapters(self) -> Iterator[Piece]:
        """Yield the chapters in the order of the book, each one once."""
        wanted = [item.get("idref") or "" for item in self._root.iterfind("{*}spine/{*}itemref")]
        items = [self._items[name] for name in dict.fromkeys(wanted) if name in self._items]
        self._refuse_locked({item.name for item in items})
        special, labels = self._special_pages(), self._labels()
        for item in dict.fromkeys(items):
            kind = special.get(item.name, "")
            if item.media_type not in _PAGES:
                self._left_out["page without text"] += 1
            elif "nav" in item.properties or kind == "navigation page":
                self._left_out["navigation page"] += 1
            elif item.name not in self._names:
                self._problems.append(f"{one_line(item.name)} is missing")
            else:
                yield from self._chapter(item.name, kind, labels.get(item.name, ""))

    def notes(self) -> tuple[str, ...]:
        """Return what was left out and what was broken, in plain words."""
        dropped = ", ".join(f"{number} {kind}" for kind, number in sorted(self._dropped.items()))
        notes = [*left_out(self._left_out), *dict.fromkeys(self._problems)]
        return (*notes, f"dropped elements: {dropped}") if dropped else tuple(notes)

    def _chapter(self, name: str, kind: str, label: str) -> Iterator[Piece]:
        text, own_kind = self._html(name)
        page = html_page(text) if text else Page(Piece(""), Counter())
        piece, kind = page.piece, kind or own_kind
        if not piece.text or (kind == "cover page" and len(piece.text) < _COVER_LENGTH):
            self._left_out[kind or "page without text"] += 1
        elif kind == "navigation page":
            self._left_out[kind] += 1
        else:
            self._dropped += page.dropped
            self._left_out += Counter({BARE_PICTURE: page.bare_pictures})
            self._problems += page.problems
            has_heading = any(section.heading_path for section in piece.sections)
            yield piece if has_heading or not label else under(piece, label)

    def _html(self, name: str) -> tuple[str, str]:
        """Return a chapter as HTML, and what kind of page it calls itself."""
        data = self._container.read(name)
        where = f"{self._container.source}, {name}"
        try:
            root = parse_xml(data, where)
        except UnreadableDocument as error:
            if "entities" in error.what:
                raise
        else:
            return to_html(root), _own_kind(root)
        try:
            return decode(data, self._container.source).text, ""
        except UnreadableDocument:
            return "", ""

    def _package_path(self) -> str:
        """Return the name of the file that describes the book."""
        root = self._container.xml(_CONTAINER)
        paths = [unquote(item.get("full-path") or "") for item in root.iter("{*}rootfile")]
        found = next((path for path in paths if path in self._names), "")
        if not found:
            raise UnreadableDocument(
                "the book does not say what is in it",
                where=str(self._container.source),
                why="the file that lists its chapters is missing",
                next_step="open it in its program, save it anew and add it again",
            )
        return found

    def _listed(self) -> Iterator[tuple[str, _Item]]:
        for item in self._root.iterfind("{*}manifest/{*}item"):
            name = self._resolved(item.get("href") or "", self._path)
            kind = (item.get("media-type") or "").lower()
            properties = tuple((item.get("properties") or "").split())
            yield item.get("id") or "", _Item(name, kind, properties)

    def _resolved(self, href: str, base: str) -> str:
        """Return the member that a link within the book leads to."""
        path = posixpath.join("/", posixpath.dirname(base), unquote(href.partition("#")[0]))
        return posixpath.normpath(path).lstrip("/")

    def _refuse_locked(self, chapters: set[str]) -> None:
        if _ENCRYPTION not in self._names:
            return
        for entry in self._container.xml(_ENCRYPTION).iter("{*}EncryptedData"):
            method = entry.find("{*}EncryptionMethod")
            algorithm = method.get("Algorithm") if method is not None else ""
            links = (item.get("URI") or "" for item in entry.iter("{*}CipherReference"))
            names = {self._resolved(link, "") for link in links}
            if algorithm not in _FONT_SCRAMBLING and names & chapters:
                raise UnreadableDocument(
                    "the book is encrypted",
                    where=str(self._container.source),
                    why="its chapters are under digital rights management",
                    next_step="add a copy without protection, if you have the right to one",
                )

    def _special_pages(self) -> dict[str, str]:
        """Return the pages that the guide of an older book calls cover or contents."""
        found: dict[str, str] = {}
        for item in self._root.iterfind("{*}guide/{*}reference"):
            kind = _LEFT_OUT.get((item.get("type") or "").lower())
            # A part of a page, said by its anchor, is no page.
            if kind and "#" not in (item.get("href") or ""):
                found[self._resolved(item.get("href") or "", self._path)] = kind
        return found

    def _labels(self) -> dict[str, str]:
        """Return the names of the chapters in the table of contents, the first of each file."""
        found: dict[str, str] = {}
        for item in self._items.values():
            is_old = item.media_type == "application/x-dtbncx+xml"
            if item.name not in self._names or not (is_old or "nav" in item.properties):
                continue
            try:
                root = self._container.xml(item.name)
            except UnreadableDocument:
                continue
            for href, label in _old_entries(root) if is_old else _entries(root):
                if href and label:
                    found.setdefault(self._resolved(href, item.name), label)
        return found


def _title(root: Element) -> str:
    titles = root.iterfind("{*}metadata//{http://purl.org/dc/elements/1.1/}title")
    texts = (one_line("".join(item.itertext())) for item in titles)
    return next((text for text in texts if text), "")


def _entries(root: Element) -> Iterator[tuple[str, str]]:
    for nav in root.iter("{*}nav"):
        if "toc" in (nav.get(_TYPE) or "").split():
            for link in nav.iter("{*}a"):
                yield link.get("href") or "", one_line("".join(link.itertext()))


def _old_entries(root: Element) -> Iterator[tuple[str, str]]:
    for point in root.iter("{*}navPoint"):
        target = point.find("{*}content")
        text = point.findtext("{*}navLabel/{*}text") or ""
        yield (target.get("src") or "") if target is not None else "", one_line(text)


def _own_kind(root: Element) -> str:
    """Return what a page is by the marks on its body and on what alone stands in it."""
    body = root.find("{*}body")
    marked = [] if body is None else [body, *body] if len(body) == 1 else [body]
    marks = re.findall(r"\S+", " ".join(item.get(_TYPE) or "" for item in marked))
    return next((_LEFT_OUT[mark] for mark in marks if mark in _LEFT_OUT), "")
