"""The text of an OpenDocument file in reading order: paragraphs, lists, tables, frames.

Tracked insertions are text, tracked deletions are not. Comments, hidden text, pictures and
tables of contents are left out and counted; footnotes and text boxes stand under the
paragraph that they belong to. It does not know slides and sheets.
"""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from graft.loaders.odf_styles import Styles, namespace, whole
from graft.loaders.odf_tables import Grid, Row
from graft.loaders.ooxml import Block, Package, clean, local_name

if TYPE_CHECKING:
    from lxml.etree import _Element as Element

__all__ = ["TextReader"]

_T, _TABLE, _D, _O = namespace("text"), namespace("table"), namespace("draw"), namespace("office")
_P = namespace("presentation")
_LINK = "{http://www.w3.org/1999/xlink}href"
_INDEXES = frozenset(
    f"{_T}{name}"
    for name in ("table-of-content", "illustration-index", "table-index", "object-index")
    + ("user-index", "alphabetical-index")
)
_AROUND = frozenset((f"{_T}numbered-paragraph", f"{_T}bibliography", f"{_T}index-body"))
# What a paragraph holds beside its own words: marks, and numbers that a program wrote down.
_UNREAD = frozenset(
    f"{_T}{name}" for name in ("note-citation", "ruby-text", "number", "tracked-changes")
)
_COUNTED = {
    f"{_O}annotation": "comment",
    f"{_T}placeholder": "prompt of an empty field",
    f"{_T}script": "macro project",
    f"{_T}hidden-text": "piece of hidden text",
    f"{_D}control": "form field",
    f"{_D}image": "picture",
    f"{_D}object-ole": "embedded object",
    f"{_D}plugin": "embedded object",
    f"{_D}applet": "embedded object",
    f"{_D}floating-frame": "embedded object",
}
_FRAME_PARTS = ("text-box", "table", "object", "object-ole", "plugin", "applet", "floating-frame")
_MAX_SPACES = 200
_LAYOUT_LEVEL = 2  # a table around the title or a highest heading lays out the page
_MATH_MARKS = {"msup": "^", "msub": "_", "mfrac": "/"}


@dataclass(slots=True)
class _Line:
    """The text of a paragraph as it is read, and the blocks that are to stand under it."""

    parts: list[str] = field(default_factory=list)
    below: list[Block] = field(default_factory=list)
    after_hidden: bool = False


class _List(NamedTuple):
    """Where a list item stands: the style of its list and how deep it is."""

    style: str
    level: int


class TextReader:
    """Walks what holds text and yields its blocks; `package` counts what is left out."""

    def __init__(self, package: Package, styles: Styles) -> None:
        self.package, self.styles = package, styles
        self.grid = Grid(package)
        self._counts: Counter[_List] = Counter()
        self._objects: set[str] = set()

    def blocks(self, parent: Element) -> Iterator[Block]:
        """Yield the blocks of a body, a section, a cell, a frame or a note."""
        for item in parent:
            tag = item.tag
            if tag in (f"{_T}p", f"{_T}h"):
                yield from self._paragraph(item)
            elif tag == f"{_T}list":
                yield from self._list(item, _List("", 0))
            elif tag == f"{_T}section":
                yield from self._section(item)
            elif tag in _INDEXES:
                lines = sum(any(line.itertext()) for line in item.iter(f"{_T}p"))
                self.package.count("line of the table of contents", lines)
            elif tag == f"{_T}tracked-changes":
                self.count_deletions(item)
            elif tag == f"{_TABLE}table":
                yield from self._table(item)
            elif tag in _AROUND:
                yield from self.blocks(item)
            elif tag in _COUNTED:
                self.package.count(_COUNTED[tag])
            elif isinstance(tag, str) and tag.startswith(_D):
                yield from self.drawn(item)

    def drawn(self, shape: Element) -> Iterator[Block]:
        """Yield the text of a frame, a group or another shape; pictures are counted."""
        tag = shape.tag
        if shape.get(f"{_D}display") in ("none", "printer"):
            self.package.count("hidden shape")
        elif tag == f"{_D}frame":
            yield from self._frame(shape)
        elif tag in (f"{_D}g", f"{_D}a"):
            for item in shape:
                yield from self.drawn(item)
        elif tag in _COUNTED:
            self.package.count(_COUNTED[tag])
        else:
            yield from self.blocks(shape)

    def count_deletions(self, changes: Element) -> None:
        """Count the tracked deletions, whose text the file still holds."""
        deleted = {f"{_T}deletion", f"{_TABLE}deletion", f"{_TABLE}cell-content-change"}
        self.package.count("tracked deletion", sum(item.tag in deleted for item in changes.iter()))

    def _section(self, section: Element) -> Iterator[Block]:
        shown = section.get(f"{_T}display") or "true"
        if shown == "none" or section.get(f"{_T}is-hidden") == "true":
            self.package.count("hidden section")
        else:
            yield from self.blocks(section)

    def _paragraph(self, paragraph: Element) -> Iterator[Block]:
        style = paragraph.get(f"{_T}style-name")
        is_hidden = self.styles.is_hidden("paragraph", style) or any(
            item.get(f"{_T}is-hidden") == "true" for item in paragraph.iter(f"{_T}hidden-paragraph")
        )
        line = _Line()
        self._inline(paragraph, line, is_hidden)
        text = clean("".join(line.parts))
        is_code = self.styles.is_code(style)
        level = 0
        if paragraph.tag == f"{_T}h":
            level = 1 + max(1, whole(paragraph.get(f"{_T}outline-level"), 1))
        elif self.styles.is_title(style):
            level = 1
        if is_code and not level:
            text = text.rstrip()
        else:
            lines = (" ".join(part.split()) for part in text.split("\n"))
            text = (" " if level else "\n").join(part for part in lines if part)
        if text.strip():
            yield Block(text, level, "code" if is_code and not level else "")
        yield from line.below

    def _inline(self, parent: Element, line: _Line, is_hidden: bool) -> None:
        self._add(parent.text, line, is_hidden)
        for item in parent:
            tag = item.tag
            if tag == f"{_T}span":
                hides = self.styles.is_hidden("text", item.get(f"{_T}style-name"))
                self._inline(item, line, is_hidden or hides)
            elif tag in _COUNTED:
                self.package.count(_COUNTED[tag])
            elif tag == f"{_T}note":
                line.below += [] if is_hidden else self._note(item)
            elif isinstance(tag, str) and tag.startswith(_D):
                line.below += [] if is_hidden else self.drawn(item)
            elif not is_hidden and tag in (f"{_T}s", f"{_T}tab", f"{_T}line-break"):
                line.parts.append(_space(item))
            elif isinstance(tag, str) and tag.startswith((_T, _P)) and tag not in _UNREAD:
                self._inline(item, line, is_hidden)
            self._add(item.tail, line, is_hidden)

    def _add(self, text: str | None, line: _Line, is_hidden: bool) -> None:
        if not text:
            return
        if is_hidden and text.strip():
            self.package.count("piece of hidden text", int(not line.after_hidden))
            line.after_hidden = True
        elif not is_hidden:
            # Space in the file is layout; shown space has elements of its own.
            line.parts.append(re.sub(r"[ \t\r\n]+", " ", text))
            line.after_hidden = line.after_hidden and not text.strip()

    def _note(self, note: Element) -> list[Block]:
        kind = "Endnote" if note.get(f"{_T}note-class") == "endnote" else "Footnote"
        bodies = note.iterfind(f"{_T}note-body")
        texts = [block.text for body in bodies for block in self.blocks(body)]
        text = " ".join(" ".join(texts).split())
        return [Block(f"{kind}: {text}", kind="note")] if text else []

    def _list(self, element: Element, around: _List) -> Iterator[Block]:
        here = _List(element.get(f"{_T}style-name") or around.style, around.level + 1)
        is_continued = element.get(f"{_T}continue-numbering") == "true"
        if not is_continued and not element.get(f"{_T}continue-list"):
            self._counts[here] = 0
        for item in element:
            if item.tag not in (f"{_T}list-item", f"{_T}list-header"):
                continue
            label = ""
            for part in item:
                if part.tag == f"{_T}list":
                    yield from self._list(part, here)
                    continue
                # A container of its own, so that only the children of this part are read.
                for block in self._part(part):
                    if not label and item.tag == f"{_T}list-item":
                        label = self._label(here, item)
                        yield _as_item(block, label)
                    else:
                        yield _as_item(block, "")

    def _part(self, part: Element) -> Iterator[Block]:
        if part.tag in (f"{_T}p", f"{_T}h"):
            yield from self._paragraph(part)
        else:
            yield from self.blocks(part)

    def _label(self, here: _List, item: Element) -> str:
        start = self.styles.list_start(here.style, here.level)
        if start is None:
            return "- "
        given = item.get(f"{_T}start-value")
        number = (
            whole(given) if given else (self._counts[here] + 1 if self._counts[here] else start)
        )
        self._counts[here] = number
        return f"{number}. "

    def _frame(self, frame: Element) -> Iterator[Block]:
        """Read the first thing in a frame that a program would show; the others stand in for it."""
        parts = {local_name(item): item for item in reversed(frame)}
        name = next((name for name in _FRAME_PARTS if name in parts), "")
        if name == "table":
            yield from self._table(parts[name])
        elif name == "object":
            yield from self._object(parts[name])
        elif name == "text-box":
            yield from self.blocks(parts[name])
        elif name or "image" in parts:
            self.package.count(_COUNTED[f"{_D}{name or 'image'}"])

    def _object(self, element: Element) -> Iterator[Block]:
        """Read a formula or the values of a chart; each object is read once."""
        name = posixpath.normpath(element.get(_LINK) or "")
        root: Element | None = next(iter(element), None)
        if root is None and name not in self._objects and not name.startswith(".."):
            self._objects.add(name)
            root = self.package.xml(f"{name}/content.xml")
        if root is None:
            self.package.count("embedded object")
        elif local_name(root) == "math":
            text = " ".join(clean(_formula(root)).split())
            yield from [Block(text)] if text else []
        else:
            tables = (
                [] if next(root.iter(f"{_O}chart"), None) is None else root.iter(f"{_TABLE}table")
            )
            rows = [row for table in tables for row in self.table_lines(table)]
            if rows:
                yield Block("\n".join(rows), kind="table")
            else:
                self.package.count("embedded object")

    def _table(self, table: Element) -> Iterator[Block]:
        """Yield a table as rows; one that only lays out the page is read as blocks."""
        rows = list(self.grid.rows(table))
        levels = (whole(item.get(f"{_T}outline-level"), 1) + 1 for item in table.iter(f"{_T}h"))
        if all(len(row.cells) < 2 for row in rows) or any(n <= _LAYOUT_LEVEL for n in levels):
            for row in rows:
                for cell in row.cells.values():
                    yield from self.blocks(cell)
            return
        lines = self.table_lines(table, rows)
        if lines:
            yield Block("\n".join(lines), kind="table")

    def table_lines(self, table: Element, rows: list[Row] | None = None) -> list[str]:
        """Return the rows of a table, cells parted by " | "."""
        lines = []
        for row in self.grid.rows(table) if rows is None else rows:
            width = min(row.width, 1 + max(row.cells))
            texts = [
                self.cell_text(row.cells[at]) if at in row.cells else "" for at in range(width)
            ]
            lines += [" | ".join(texts)] if any(texts) else []
        return lines

    def cell_text(self, cell: Element) -> str:
        """Return the text of a cell on one line."""
        texts = []
        for block in self.blocks(cell):
            is_table = block.kind == "table"
            text = block.text.replace(" | ", ", ").replace("\n", "; ") if is_table else block.text
            texts.append(" ".join(text.split()))
        return " ".join(texts)


def _as_item(block: Block, label: str) -> Block:
    if block.kind in ("table", "note"):
        return block
    return Block(label + block.text, block.level, "" if block.level else "list")


def _space(item: Element) -> str:
    name = local_name(item)
    if name == "s":
        return " " * min(max(1, whole(item.get(f"{_T}c"), 1)), _MAX_SPACES)
    return "\t" if name == "tab" else "\n"


def _formula(element: Element) -> str:
    """Return a formula on one line, parts of a fraction parted by a slash."""
    name = local_name(element)
    if name in ("annotation", "annotation-xml"):
        return ""
    if not len(element):
        return element.text or ""
    inner = [text for item in element if (text := _formula(item))]
    if name == "msqrt":
        return f"√({' '.join(inner)})"
    return _MATH_MARKS.get(name, " ").join(inner)
