"""Journal articles in JATS: title, authors, abstract, sections, tables, captions, references.

Used by the XML loader, which has taken the namespaces off. Formulas keep their text where
they have any; pictures and the publisher's notes are left out and counted. References come
last under a heading of their own, since people do ask which work an article builds on.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from graft.loaders.ooxml import Block, clean
from graft.loaders.pieces import table_rows

if TYPE_CHECKING:
    from lxml.etree import _Element as Element

__all__ = ["article_blocks", "is_article"]

_PARTS = frozenset(("front", "body", "back", "sub-article", "response", "front-stub"))
_BLOCKS = frozenset(
    ("p", "list", "def-list", "table-wrap", "table-wrap-group", "fig", "fig-group", "disp-formula")
    + ("disp-formula-group", "disp-quote", "boxed-text", "supplementary-material", "verse-group")
    + ("preformat", "code", "statement", "speech", "media", "graphic", "array", "ack", "sec")
    + ("fn-group", "glossary", "app", "app-group", "notes", "bio", "ref-list", "table", "fn")
)
_CAPTIONED = ("fig", "supplementary-material", "media", "graphic", "table-wrap")
_PICTURES = ("graphic", "media", "inline-graphic", "inline-media")
_SECTIONS = {
    "ack": "Acknowledgments",
    "ref-list": "References",
    "glossary": "Glossary",
    "app": "Appendix",
    "fn-group": "Notes",
    "notes": "Notes",
    "bio": "",
    "sec": "",
    "boxed-text": "",
    "statement": "",
}
_TITLES = ("article-title", "subtitle")  # other titles are short forms and translations
_ABSTRACTS = ("abstract", "trans-abstract")
_PUBLISHER = ("permissions", "author-notes", "custom-meta-group", "history", "related-article")
_KINDS = {"author": "Authors", "editor": "Editors", "translator": "Translators"}


def is_article(root: Element) -> bool:
    """Say whether a root is an article, alone or within the answer of an archive."""
    return _article(root) is not None


def article_blocks(root: Element) -> tuple[list[Block], Counter[str]]:
    """Return what a reader of the article sees, and what is left out by kind."""
    article = _article(root)
    reader = _Reader()
    blocks = list(reader.article(article, 1)) if article is not None else []
    return blocks, +reader.left_out


def _article(root: Element) -> Element | None:
    for item in root.iter("article"):
        if any(child.tag in _PARTS for child in item):
            return item
    return None


class _Reader:
    """Walks an article and yields its blocks."""

    def __init__(self) -> None:
        self.left_out: Counter[str] = Counter()

    def article(self, article: Element, level: int) -> Iterator[Block]:
        """Yield the blocks of an article, those of replies and parts under their own titles."""
        for part in article:
            if part.tag in ("front", "front-stub"):
                yield from self._front(part, level)
            elif part.tag in ("body", "back"):
                yield from self.blocks(part, level)
            elif part.tag in ("sub-article", "response"):
                yield from self.article(part, level + 1)

    def blocks(self, parent: Element, level: int) -> Iterator[Block]:
        """Yield the blocks of a section; words between them are paragraphs."""
        run = [parent.text or ""]
        for item in parent:
            if item.tag in _BLOCKS:
                yield from _paragraph(run)
                yield from self._block(item, level)
            elif item.tag not in ("title", "label", "sec-meta", "caption", "attrib"):
                run.append(self._inline(item))
            run.append(item.tail or "")
        yield from _paragraph(run)
        for item in parent.iterfind("attrib"):
            yield from _paragraph([self._inline(item)])

    def _block(self, item: Element, level: int) -> Iterator[Block]:
        tag = item.tag
        if tag == "table-wrap":
            yield from self._table(item, level)
        elif tag in ("table", "array"):
            rows = table_rows(item)
            yield from [Block("\n".join(rows), kind="table")] if rows else []
        elif tag == "ref-list":
            yield from self._references(item, level)
        elif tag in _CAPTIONED:
            yield from self._caption(item)
        elif tag in ("list", "def-list", "verse-group"):
            yield from self._list(item, level)
        elif tag in ("preformat", "code"):
            text = clean("".join(item.itertext())).strip("\n").rstrip()
            yield from [Block(text, kind="code")] if text.strip() else []
        elif tag == "disp-formula":
            yield from _paragraph([self._inline(item)])
        elif tag in _SECTIONS:
            yield from self._section(item, level)
        else:
            yield from self.blocks(item, level)

    def _section(self, section: Element, level: int) -> Iterator[Block]:
        """Yield a section; one without a title belongs to what stands before it."""
        title = self._title(section)
        heading = title or _SECTIONS.get(section.tag, "")
        if heading:
            yield Block(heading, level + 1)
        yield from self.blocks(section, level + 1 if heading else level)

    def _title(self, element: Element) -> str:
        """Return the label and the title of an element on one line."""
        parts = [self._line(item) for item in element if item.tag in ("label", "title")]
        return " ".join(part for part in parts if part)

    def _table(self, wrap: Element, level: int) -> Iterator[Block]:
        yield from self._caption(wrap)
        for item in wrap:
            if item.tag in ("table", "alternatives"):
                tables = [item] if item.tag == "table" else list(item.iter("table"))[:1]
                for table in tables:
                    yield from self._block(table, level)
            elif item.tag == "table-wrap-foot":
                yield from self.blocks(item, level)

    def _caption(self, item: Element) -> Iterator[Block]:
        pictures = [item, *item.iter()] if item.tag in _PICTURES else item.iter()
        self.left_out["picture"] += int(any(part.tag in _PICTURES for part in pictures))
        parts = [self._line(part) for part in item if part.tag == "label"]
        for caption in item.iterfind("caption"):
            parts += [self._line(part) for part in caption]
        text = " ".join(_ended(part) for part in parts if part)
        if text:
            yield Block(text)

    def _list(self, element: Element, level: int) -> Iterator[Block]:
        title = self._title(element)
        if title:
            yield Block(title)
        for item in element:
            if item.tag in ("list-item", "def-item"):
                parts = [self._line(part) for part in item]
                text = (": " if item.tag == "def-item" else " ").join(
                    part for part in parts if part
                )
                if text:
                    yield Block(f"- {text}", kind="list")
            elif item.tag == "verse-line":
                yield Block(self._line(item), kind="verse")
            elif item.tag in ("list", "def-list", "verse-group"):
                yield from self._list(item, level)

    def _references(self, references: Element, level: int) -> Iterator[Block]:
        heading = self._title(references) or _SECTIONS["ref-list"]
        yield Block(heading, level + 1)
        for item in references:
            if item.tag == "ref-list":
                yield from self._references(item, level + 1)
            elif item.tag == "ref":
                label = self._line(item.find("label")) if item.find("label") is not None else ""
                parts = [_citation(self, part) for part in item if part.tag != "label"]
                text = " ".join(part for part in parts if part)
                if text:
                    number = f"{label.rstrip('.')}. " if label else "- "
                    yield Block(number + text, kind="list")
            elif item.tag not in ("label", "title"):
                yield from self._block(item, level)

    def _front(self, front: Element, level: int) -> Iterator[Block]:
        meta = front.find("article-meta")
        meta = front if meta is None else meta
        group = [item for item in meta.iterfind("title-group/*") if item.tag in _TITLES]
        titles = [self._line(item) for item in group]
        if any(titles):
            yield Block(": ".join(dict.fromkeys(title for title in titles if title)), level)
        for line in self._facts(front, meta):
            yield Block(line, kind="row")
        for item in meta:
            if item.tag in _ABSTRACTS:
                yield Block(self._title(item) or "Abstract", level + 1)
                yield from self.blocks(item, level + 1)
            elif item.tag in _PUBLISHER:
                self.left_out["note of the publisher"] += 1

    def _facts(self, front: Element, meta: Element) -> Iterator[str]:
        """Yield who wrote the article, where and when it came out, and its keywords."""
        people: dict[str, list[str]] = {}
        for item in meta.iterfind("contrib-group/contrib"):
            kind = _KINDS.get(item.get("contrib-type") or "author", "Contributors")
            people.setdefault(kind, []).append(self._person(item))
        places = [*meta.iterfind("contrib-group/aff"), *meta.iterfind("aff")]
        facts = {kind: _listed(names) for kind, names in people.items()}
        facts["Affiliations"] = _listed(
            (self._line(item, skip=("label",)) for item in places), "; "
        )
        facts["Journal"] = _listed(self._line(x) for x in list(front.iter("journal-title"))[:1])
        facts["Published"] = _listed(_date(item) for item in list(meta.iterfind("pub-date"))[:1])
        ids = (item for item in meta.iterfind("article-id") if item.get("pub-id-type") == "doi")
        facts["DOI"] = _listed(self._line(item) for item in ids)
        facts["Keywords"] = _listed(self._line(item) for item in meta.iterfind("kwd-group/kwd"))
        yield from (f"{name}: {value}" for name, value in facts.items() if value)

    def _person(self, contributor: Element) -> str:
        for item in contributor.iter("name", "string-name", "collab"):
            if item.tag != "name":
                return self._line(item, skip=("contrib-group",))
            parts = [
                item.findtext("given-names"),
                item.findtext("surname"),
                item.findtext("suffix"),
            ]
            return " ".join(" ".join(part for part in parts if part).split())
        return ""

    def _line(self, element: Element, skip: Iterable[str] = ()) -> str:
        return " ".join(clean(self._inline(element, skip)).split())

    def _inline(self, element: Element, skip: Iterable[str] = ()) -> str:
        """Return the text of an element, blocks in it parted by spaces."""
        tag = element.tag
        if not isinstance(tag, str) or tag in skip:
            return ""
        if tag in _PICTURES:
            self.left_out["picture"] += 1
            return ""
        if tag in ("inline-formula", "disp-formula", "alternatives"):
            return f" {_formula(element)} "
        if tag in ("tex-math", "annotation", "object-id"):
            return ""
        inner = element.text or ""
        for item in element:
            inner += self._inline(item, skip) + (item.tail or "")
        if tag == "sup" and any(item.get("ref-type") == "bibr" for item in element.iter("xref")):
            # A raised number of a reference would read as a part of the word before it.
            return inner if "[" in inner else f" [{inner}]"
        is_apart = tag in _BLOCKS or tag in ("title", "list-item", "break", "td", "institution")
        return f" {inner} " if is_apart or tag in ("country", "label") else inner


def _paragraph(run: list[str]) -> Iterator[Block]:
    """Yield the words gathered so far, and begin anew."""
    text = " ".join(clean("".join(run)).split())
    run.clear()
    if text:
        yield Block(text)


def _formula(element: Element) -> str:
    """Return the text of a formula: of its elements, or the words around its TeX."""
    for math in element.iter("math"):
        texts = (item.text for item in math.iter("mi", "mn", "mo", "mtext", "ms"))
        return " ".join(text.strip() for text in texts if text and text.strip())
    for tex in element.iter("tex-math"):
        found = re.search(r"\\begin\{document\}(.*)\\end\{document\}", tex.text or "", re.DOTALL)
        return (found[1] if found else tex.text or "").strip("$ \n")
    return " ".join(" ".join(element.itertext()).split())


def _citation(reader: _Reader, citation: Element) -> str:
    """Return a reference; the parts of names stand apart, as no mark in the file says."""
    parts = [citation.text or ""]
    is_bare = citation.tag == "element-citation"
    for item in citation:
        if item.tag in ("person-group", "name", "string-name"):
            names = [item] if item.tag != "person-group" else list(item.iter("name", "string-name"))
            texts = [" ".join(" ".join(name.itertext()).split()) for name in names]
            parts.append(_listed(texts) if texts else reader._inline(item))
        else:
            parts.append(reader._inline(item))
        parts.append(item.tail or "")
        if not (item.tail or "").strip():
            parts.append(". " if is_bare else " ")
    return " ".join(clean("".join(parts)).split())


def _listed(texts: Iterable[str], gap: str = ", ") -> str:
    return gap.join(dict.fromkeys(text for text in texts if text))


def _date(element: Element) -> str:
    parts = [element.findtext(name) or "" for name in ("year", "month", "day")]
    return "-".join(part.strip().zfill(2) for part in parts if part.strip())


def _ended(text: str) -> str:
    return text if text[-1] in ".:;!?" else f"{text}."
