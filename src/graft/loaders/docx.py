"""Word: what a reader of the document sees, as headings, paragraphs, list items and table rows.

Tracked insertions are text, tracked deletions are not. Comments, hidden text, pictures, page
headers and footers are left out and counted. A table becomes rows of cells parted by " | ";
text boxes and footnotes stand under the paragraph that they belong to. Macros never run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from graft.errors import UnreadableDocument
from graft.loaders.container import open_container
from graft.loaders.docx_numbering import BULLET, Numbering
from graft.loaders.docx_styles import Style, Styles
from graft.loaders.drawings import formula, graphic_lines, outermost
from graft.loaders.ooxml import (
    Block,
    Package,
    clean,
    flag,
    lay_out,
    local_name,
    namespace,
    shown_choice,
)
from graft.loaders.text import title_from_name
from graft.types import Document

if TYPE_CHECKING:
    from lxml.etree import _Element as Element

__all__ = ["DocxLoader"]

LOADER_VERSION = 1
_W, _W14, _M = namespace("w"), namespace("w14"), namespace("m")
_VAL = f"{_W}val"
_AROUND = frozenset(
    f"{_W}{name}"
    for name in re.findall(
        r"\w+", "hyperlink smartTag ins moveTo fldSimple customXml dir bdo ruby rubyBase"
    )
)
_DELETED = frozenset((f"{_W}del", f"{_W}moveFrom"))
_CHARACTERS = {"tab": "\t", "ptab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-"}
_DRAWN = frozenset(("drawing", "pict", "object"))
_NOTE_KINDS = {"footnoteReference": "Footnote", "endnoteReference": "Endnote"}
_NO_NOTES = ("separator", "continuationSeparator", "continuationNotice")
_PRIVATE_USE = range(0xE000, 0xF900)
_LAYOUT_LEVEL = 2  # a table around the title or a highest heading lays out the page


@dataclass(slots=True)
class _Line:
    """The text of a paragraph as it is read, and what is to stand under it.

    `fonts` says of each run whether its font is one for code.
    """

    style: Style
    parts: list[str] = field(default_factory=list)
    below: list[tuple[str, Element]] = field(default_factory=list)
    rows: list[str] = field(default_factory=list)
    fonts: set[bool] = field(default_factory=set)
    after_hidden: bool = False


class DocxLoader:
    """Reads Word files; macros in them are never run."""

    extensions: tuple[str, ...] = (".docx", ".docm")

    def load(self, source: Path, doc_id: str) -> Iterator[Document]:
        """Yield the one document of the file.

        Raises:
            UnreadableDocument: encrypted, broken, made to do harm, or without text.
        """
        with open_container(source) as container:
            package = Package(container)
            part, root = package.main_part("word/document.xml", f"{_W}document")
            reader = _Reader(package, part, root)
            blocks = [block for body in root.iter(f"{_W}body") for block in reader.blocks(body)]
            _count_the_rest(package, part)
            title = package.title()
        if not blocks:
            raise UnreadableDocument(
                "the document has no text",
                where=str(source),
                why="; ".join(package.notes()) or "it has no paragraphs with text",
                next_step="leave it out, or fill it and add it again",
            )
        text, sections = lay_out(blocks)
        yield Document(
            id=doc_id,
            source=str(source),
            title=_title(blocks, title) or title_from_name(source),
            text=text,
            content_hash=container.content_hash,
            loader="docx",
            sections=sections,
            notes=package.notes(),
        )


class _Reader:
    """Walks the main part in reading order and yields its blocks."""

    def __init__(self, package: Package, part: str, root: Element) -> None:
        parts = {item.kind: item.part for item in package.relations(part).values()}
        styles = package.xml(parts["styles"]) if "styles" in parts else None
        numbering = package.xml(parts["numbering"]) if "numbering" in parts else None
        self._styles, self._numbering = Styles(styles), Numbering(numbering)
        self._package, self._part = package, part
        self._notes: dict[tuple[str, str], Element] = {}
        self._fields: list[bool] = []
        self._closed = _closed_fields(root)
        self._charts: set[str] = set()
        for reference, kind in _NOTE_KINDS.items():
            notes = package.xml(parts[f"{kind.lower()}s"]) if f"{kind.lower()}s" in parts else None
            for note in notes if notes is not None else ():
                if note.get(f"{_W}type") not in _NO_NOTES:
                    self._notes[reference, note.get(f"{_W}id") or ""] = note
                    self._closed |= _closed_fields(note)

    def blocks(self, parent: Element) -> Iterator[Block]:
        """Yield the blocks of a body, a cell, a text box or a note."""
        for item in parent:
            tag = item.tag
            if tag == f"{_W}p":
                yield from self._paragraph(item)
            elif tag == f"{_W}tbl":
                yield from self._table(item)
            elif tag == f"{_W}sdt":
                content = self._control(item)
                yield from self.blocks(content) if content is not None else ()
            elif tag in _AROUND:
                yield from self.blocks(item)
            elif local_name(item) == "AlternateContent":
                branch = shown_choice(item)
                yield from self.blocks(branch) if branch is not None else ()
            elif tag == f"{_W}altChunk":
                self._package.count("embedded document")

    def _paragraph(self, paragraph: Element) -> Iterator[Block]:
        style = self._styles.paragraph(paragraph)
        line = _Line(style)
        self._inline(paragraph, line)
        text = clean("".join(line.parts))
        is_code = style.is_code or line.fonts == {True}
        if is_code and not style.level:
            text = text.strip("\n").rstrip()
        else:
            lines = (" ".join(part.split()) for part in text.split("\n"))
            text = (" " if style.level else "\n").join(part for part in lines if part)
        if text.strip() and style.is_contents:
            self._package.count("line of the table of contents")
        elif text.strip() and is_code and not style.level:
            yield Block(text, kind="code")
        elif text.strip():
            yield self._numbered(text, style)
        yield from self._below(line)

    def _numbered(self, text: str, style: Style) -> Block:
        label = ""
        if style.number_id:
            label = self._numbering.next_label(style.number_id, style.list_level)
        if label and not (style.level and label == BULLET):
            text = f"{label} {text}"
        is_row = style.number_id or text.startswith(("[x]", "[ ]"))
        return Block(text, style.level, "list" if is_row and not style.level else "")

    def _below(self, line: _Line) -> Iterator[Block]:
        """Yield the charts, text boxes and notes of a paragraph, each with fields of its own."""
        if line.rows:
            yield Block("\n".join(line.rows), kind="table")
        for kind, element in line.below:
            around, self._fields = self._fields, []
            blocks = list(self.blocks(element))
            self._fields = around
            if kind:
                text = " ".join(" ".join(block.text for block in blocks).split())
                blocks = [Block(f"{kind}: {text}", kind="note")] if text else []
            yield from blocks

    def _inline(self, parent: Element, line: _Line) -> None:
        for item in parent:
            tag = item.tag
            if tag == f"{_W}r":
                self._run(item, line)
            elif tag in _AROUND:
                self._inline(item, line)
            elif tag in _DELETED:
                has_text = any(local_name(text) in ("delText", "t") for text in item.iter())
                self._package.count("tracked deletion", int(has_text))
            elif tag == f"{_W}sdt":
                self._inline_control(item, line)
            elif tag in (f"{_M}oMath", f"{_M}oMathPara"):
                line.parts += ["" if self._in_code() else f" {formula(item)} "]
            elif local_name(item) == "AlternateContent":
                branch = shown_choice(item)
                if branch is not None:
                    self._inline(branch, line)

    def _run(self, run: Element, line: _Line) -> None:
        is_hidden = self._styles.is_hidden(run, line.style)
        for item in run:
            name = local_name(item)
            if name == "fldChar":
                self._field(item, line)
            elif is_hidden or self._in_code():
                if name == "t" and (item.text or "").strip():
                    self._package.count("piece of hidden text", int(not line.after_hidden))
                    line.after_hidden = True
            else:
                self._shown(item, name, run, line)

    def _shown(self, item: Element, name: str, run: Element, line: _Line) -> None:
        """Read one thing in a run that a reader sees."""
        if name == "t":
            line.parts.append(item.text or "")
            line.after_hidden = False
            if (item.text or "").strip():
                line.fonts.add(self._styles.is_monospaced(run, line.style))
        elif name in _CHARACTERS:
            line.parts.append(_CHARACTERS[name])
        elif name == "sym":
            line.parts.append(_symbol(item))
        elif name == "ruby":
            self._inline(item, line)
        elif name in _NOTE_KINDS:
            note = self._notes.pop((name, item.get(f"{_W}id") or ""), None)
            line.below += [(_NOTE_KINDS[name], note)] if note is not None else []
        elif name in _DRAWN:
            self._drawing(item, line)
        elif name == "AlternateContent":
            branch = shown_choice(item)
            for inner in branch if branch is not None else ():
                self._shown(inner, local_name(inner), run, line)

    def _drawing(self, drawing: Element, line: _Line) -> None:
        """Note the text boxes and charts of a drawing for below, and count its pictures."""
        if any(
            local_name(item) == "docPr" and item.get("hidden") in ("1", "true")
            for item in drawing.iter()
        ):
            self._package.count("hidden drawing")
            return
        line.rows += graphic_lines(self._package, self._part, drawing, self._charts)
        for item in outermost(drawing):
            name = local_name(item)
            if name == "txbxContent":
                line.below.append(("", item))
            else:
                self._package.count("embedded object" if name == "OLEObject" else "picture")

    def _control(self, control: Element) -> Element | None:
        """Return what a content control holds, or None where it shows its prompt alone."""
        if flag(control.find(f"{_W}sdtPr/{_W}showingPlcHdr"), _VAL):
            self._package.count("prompt of an empty field")
            return None
        return control.find(f"{_W}sdtContent")

    def _inline_control(self, control: Element, line: _Line) -> None:
        box = control.find(f"{_W}sdtPr/{_W14}checkbox")
        content = self._control(control)
        if box is not None:
            line.parts.append(_check_box(flag(box.find(f"{_W14}checked"), f"{_W14}val")))
        elif content is not None:
            self._inline(content, line)

    def _field(self, mark: Element, line: _Line) -> None:
        """Keep apart the code of a field, which nobody sees, and its result."""
        if mark not in self._closed:
            return
        kind = mark.get(f"{_W}fldCharType")
        if kind == "begin":
            box = mark.find(f"{_W}ffData/{_W}checkBox")
            if box is not None and not self._in_code():
                state = box.find(f"{_W}checked")
                state = box.find(f"{_W}default") if state is None else state
                line.parts.append(_check_box(flag(state, _VAL)))
            self._fields.append(True)
        elif self._fields and kind == "separate":
            self._fields[-1] = False
        elif self._fields:
            self._fields.pop()

    def _in_code(self) -> bool:
        return any(self._fields)

    def _table(self, table: Element) -> Iterator[Block]:
        """Yield a table as rows; one that only lays out the page is read as blocks."""
        rows = [list(self._cells(row)) for row in self._rows(table)]
        levels = (self._styles.paragraph(item).level for item in table.iter(f"{_W}p"))
        if all(len(row) < 2 for row in rows) or any(0 < n <= _LAYOUT_LEVEL for n in levels):
            for cell in (cell for row in rows for cell in row if cell is not None):
                yield from self.blocks(cell)
            return
        lines = []
        for row in rows:
            texts = [self._cell_text(cell) if cell is not None else "" for cell in row]
            lines.append(" | ".join(texts) if any(texts) else "")
        if any(lines):
            yield Block("\n".join(line for line in lines if line), kind="table")

    def _rows(self, parent: Element) -> Iterator[Element]:
        for item in parent:
            if item.tag == f"{_W}tr":
                properties = item.find(f"{_W}trPr")
                if properties is not None and properties.find(f"{_W}del") is not None:
                    self._package.count("tracked deletion")
                elif properties is not None and flag(properties.find(f"{_W}hidden"), _VAL):
                    self._package.count("piece of hidden text")
                else:
                    yield item
            elif item.tag in (f"{_W}sdt", f"{_W}sdtContent", f"{_W}customXml"):
                yield from self._rows(item)

    def _cells(self, parent: Element) -> Iterator[Element | None]:
        """Yield the cells of a row; None for one that is merged into the cell above."""
        for item in parent:
            if item.tag == f"{_W}tc":
                merge = item.find(f"{_W}tcPr/{_W}vMerge")
                across = item.find(f"{_W}tcPr/{_W}hMerge")
                if item.find(f"{_W}tcPr/{_W}cellDel") is not None:
                    self._package.count("tracked deletion")
                elif across is None or across.get(_VAL) == "restart":
                    yield item if merge is None or merge.get(_VAL) == "restart" else None
            elif item.tag in (f"{_W}sdt", f"{_W}sdtContent", f"{_W}customXml"):
                yield from self._cells(item)

    def _cell_text(self, cell: Element) -> str:
        texts = []
        for block in self.blocks(cell):
            is_table = block.kind == "table"
            text = block.text.replace(" | ", ", ").replace("\n", "; ") if is_table else block.text
            texts.append(" ".join(text.split()))
        return " ".join(texts)


def _closed_fields(root: Element) -> set[Element]:
    """Return the marks of the fields that end; one that never does would hide all behind it."""
    stack: list[list[Element]] = []
    closed: set[Element] = set()
    for mark in root.iter(f"{_W}fldChar"):
        kind = mark.get(f"{_W}fldCharType")
        if kind == "begin":
            stack.append([mark])
        elif stack:
            stack[-1].append(mark)
            if kind == "end":
                closed.update(stack.pop())
    return closed


def _check_box(is_checked: bool) -> str:
    return "[x] " if is_checked else "[ ] "


def _symbol(symbol: Element) -> str:
    """Return the character of a symbol; those of symbol fonts have no meaning outside them."""
    try:
        code = int(symbol.get(f"{_W}char") or "", 16)
    except ValueError:
        return ""
    return "" if code in _PRIVATE_USE or not 0x20 <= code < 0x10000 else chr(code)


def _count_the_rest(package: Package, part: str) -> None:
    """Count what stands in parts of its own: comments, page headers and footers, macros."""
    for relation in package.relations(part).values():
        if relation.kind == "vbaProject":
            package.count("macro project")
        if relation.kind not in ("comments", "header", "footer"):
            continue
        root = package.xml(relation.part)
        if root is not None and relation.kind == "comments":
            package.count("comment", len(root.findall(f"{_W}comment")))
        elif root is not None and any((text.text or "").strip() for text in root.iter(f"{_W}t")):
            package.count(f"page {relation.kind}")


def _title(blocks: list[Block], of_file: str) -> str:
    """Return the title on the page, the one in the properties, or the first heading."""
    first = next((block.text for block in blocks if block.level == 1), "")
    return first or of_file or next((block.text for block in blocks if block.level), "")
