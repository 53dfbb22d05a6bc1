"""PowerPoint: one section a slide, with its title, texts, tables, charts and speaker notes.

Shapes stand in the order that the file gives them, which is that of a screen reader. Hidden
slides, hidden shapes, comments and pictures are left out and counted. Macros never run.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from graft.errors import UnreadableDocument
from graft.loaders.container import open_container
from graft.loaders.drawings import graphic_lines, paragraph_text
from graft.loaders.ooxml import Package, flag, local_name, namespace, shown_choice
from graft.loaders.text import title_from_name
from graft.types import Document, Section

if TYPE_CHECKING:
    from lxml.etree import _Element as Element

__all__ = ["PptxLoader"]

LOADER_VERSION = 1
_P, _A, _R = namespace("p"), namespace("a"), namespace("r")
_READ = (f"{_A}tbl", f"{namespace('c')}chart", f"{namespace('dgm')}relIds")
_TITLES = ("title", "ctrTitle")
_FURNITURE = ("dt", "ftr", "sldNum", "hdr")
_LIST_PLACES = ("body", "obj", "")
_BULLETS = ("buChar", "buBlip")
_COMMENTS = ("cm", "reply")
_TRUE = ("1", "true", "on")


class _Slide(NamedTuple):
    """The text of a shown slide; `number` counts hidden slides as well."""

    number: int
    title: str
    text: str


class PptxLoader:
    """Reads PowerPoint files; macros in them are never run."""

    extensions: tuple[str, ...] = (".pptx", ".pptm")

    def load(self, source: Path, doc_id: str) -> Iterator[Document]:
        """Yield the one document of the file.

        Raises:
            UnreadableDocument: encrypted, broken, made to do harm, or without text.
        """
        with open_container(source) as container:
            package = Package(container)
            part, root = package.main_part("ppt/presentation.xml", f"{_P}presentation")
            slides = list(_slides(package, part, root))
            title = package.title()
        if not any(slide.text for slide in slides):
            raise UnreadableDocument(
                "the presentation has no text",
                where=str(source),
                why="; ".join(package.notes()) or "none of its slides shows text",
                next_step="leave it out, or fill it and add it again",
            )
        text, sections = _lay_out(slides)
        titles = [slide.title for slide in slides if slide.title]
        first = slides[0].title
        yield Document(
            id=doc_id,
            source=str(source),
            title=first or title or (titles[0] if titles else "") or title_from_name(source),
            text=text,
            content_hash=container.content_hash,
            loader="pptx",
            sections=sections,
            notes=package.notes(),
        )


def _slides(package: Package, part: str, root: Element) -> Iterator[_Slide]:
    """Yield the slides in the order of the show, each one once."""
    relations = package.relations(part)
    package.count("macro project", sum(item.kind == "vbaProject" for item in relations.values()))
    size = root.find(f"{_P}sldSz")
    seen: set[str] = set()
    wanted = (item.get(f"{_R}id") for item in root.iterfind(f"{_P}sldIdLst/{_P}sldId"))
    for number, relation_id in enumerate(wanted, 1):
        target = relations.get(relation_id or "")
        if target is None or target.kind != "slide" or target.part in seen:
            continue
        seen.add(target.part)
        slide = package.xml(target.part)
        if slide is None:
            package.problems.append(f"slide {number} cannot be read")
        elif not flag(slide, "show"):
            package.count("hidden slide")
        else:
            reader = _Reader(package, target.part, size, seen)
            yield _read(reader, slide, number)


def _read(reader: _Reader, slide: Element, number: int) -> _Slide:
    trees = slide.iterfind(f"{_P}cSld/{_P}spTree")
    texts = [text for tree in trees for text in reader.texts(tree)]
    notes = reader.notes()
    if notes:
        texts.append("Speaker notes: " + "\n".join(notes))
    text = "\n\n".join([reader.title, *texts] if reader.title else texts)
    if not text:
        reader.package.problems.append(f"slide {number} has no text")
    return _Slide(number, reader.title, text)


class _Reader:
    """Walks the shapes of one slide in their order; `title` is known when all are read.

    `seen` holds the parts that were read for this slide or another; none is read twice.
    """

    def __init__(self, package: Package, part: str, size: Element | None, seen: set[str]) -> None:
        self.title = ""
        self.package, self._part = package, part
        self._width, self._height = (_number(size, name) for name in ("cx", "cy"))
        self._seen = seen

    def texts(self, parent: Element, *, is_top: bool = True) -> Iterator[str]:
        """Yield the text of each shape, groups from within; the title is kept apart."""
        for shape in parent:
            kind = local_name(shape)
            if kind in ("sp", "cxnSp", "grpSp", "graphicFrame", "pic") and (
                _is_hidden(shape) or (is_top and self._is_outside(shape))
            ):
                self.package.count("hidden shape")
            elif kind == "grpSp":
                yield from self.texts(shape, is_top=False)
            elif kind == "AlternateContent":
                branch = shown_choice(shape)
                yield from self.texts(branch, is_top=is_top) if branch is not None else ()
            elif kind == "pic":
                self.package.count("picture")
            elif kind == "graphicFrame":
                yield from self._graphic(shape)
            elif kind in ("sp", "cxnSp"):
                yield from self._shape(shape)

    def notes(self) -> list[str]:
        """Return the lines of the speaker notes, and count the comments."""
        lines: list[str] = []
        for kind, part in self.package.relations(self._part).values():
            if kind not in ("notesSlide", "comments") or part in self._seen:
                continue
            self._seen.add(part)
            root = self.package.xml(part)
            items = list(root.iter()) if root is not None else []
            if kind == "comments":
                self.package.count("comment", sum(local_name(x) in _COMMENTS for x in items))
            elif root is not None:
                lines += _speaker_notes(self.package, root)
        return lines

    def _shape(self, shape: Element) -> Iterator[str]:
        place = shape.find(f"*/{_P}nvPr/{_P}ph")
        kind = (place.get("type") or "") if place is not None else None
        lines = _lines(self.package, shape.find(f"{_P}txBody"), kind)
        if kind in _FURNITURE:
            self.package.count("line of page headers and footers", int(bool(lines)))
        elif kind in _TITLES and not self.title:
            self.title = " ".join(" ".join(lines).split())
        elif lines:
            yield "\n".join(lines)

    def _graphic(self, frame: Element) -> Iterator[str]:
        """Yield a table, a chart or a diagram; other things in a frame are counted."""
        lines = [row for table in frame.iter(f"{_A}tbl") for row in _rows(self.package, table)]
        lines += graphic_lines(self.package, self._part, frame, self._seen)
        if lines:
            yield "\n".join(lines)
        elif next(frame.iter(*_READ), None) is None:
            self.package.count("embedded object")

    def _is_outside(self, shape: Element) -> bool:
        """Say whether a shape lies beside the slide, where no one sees it in the show."""
        place = shape.find(f"*/{_A}xfrm")
        place = shape.find(f"{_P}xfrm") if place is None else place
        corner = place.find(f"{_A}off") if place is not None else None
        if place is None or corner is None or not self._width or not self._height:
            return False
        extent = place.find(f"{_A}ext")
        left, top = _number(corner, "x"), _number(corner, "y")
        right, bottom = left + _number(extent, "cx"), top + _number(extent, "cy")
        return left >= self._width or top >= self._height or right < 0 or bottom < 0


def _is_hidden(shape: Element) -> bool:
    named = shape.find(f"*/{_P}cNvPr")
    return named is not None and (named.get("hidden") or "").lower() in _TRUE


def _number(element: Element | None, name: str) -> int:
    try:
        return int((element.get(name) if element is not None else "") or 0)
    except ValueError:
        return 0


def _lines(package: Package, body: Element | None, place: str | None = None) -> list[str]:
    """Return the paragraphs of a text body; `place` is the kind of placeholder it fills."""
    if body is None:
        return []
    found = [
        (item.find(f"{_A}pPr"), text)
        for item in body.iter(f"{_A}p")
        if (text := paragraph_text(package, item))
    ]
    in_list = place in _LIST_PLACES and len(found) > 1
    counts: dict[int, int] = {}
    return [_label(properties, counts, in_list) + text for properties, text in found]


def _label(properties: Element | None, counts: dict[int, int], in_list: bool) -> str:
    """Return the bullet or number of a paragraph; `counts` holds the numbers of each depth."""
    names = {local_name(item): item for item in properties} if properties is not None else {}
    depth = _number(properties, "lvl")
    number = names.get("buAutoNum")
    for other in [item for item in counts if item > depth or (item == depth and number is None)]:
        del counts[other]
    if number is not None:
        counts[depth] = counts[depth] + 1 if depth in counts else _number(number, "startAt") or 1
        return f"{counts[depth]}. "
    is_item = not names.keys().isdisjoint(_BULLETS) or (in_list and "buNone" not in names)
    return "- " if is_item else ""


def _rows(package: Package, table: Element) -> Iterator[str]:
    """Yield the rows of a table; a merged cell stands in the first of its places."""
    for row in table.iter(f"{_A}tr"):
        cells = []
        for cell in row.iterfind(f"{_A}tc"):
            if (cell.get("hMerge") or "") in _TRUE:
                continue
            is_shown = (cell.get("vMerge") or "") not in _TRUE
            texts = _lines(package, cell.find(f"{_A}txBody")) if is_shown else []
            cells.append(" ".join(" ".join(texts).split()))
        if any(cells):
            yield " | ".join(cells)


def _speaker_notes(package: Package, root: Element) -> list[str]:
    lines: list[str] = []
    for shape in root.iter(f"{_P}sp"):
        place = shape.find(f"*/{_P}nvPr/{_P}ph")
        if place is not None and place.get("type") == "body" and not _is_hidden(shape):
            lines += _lines(package, shape.find(f"{_P}txBody"))
    return lines


def _lay_out(slides: list[_Slide]) -> tuple[str, tuple[Section, ...]]:
    parts: list[str] = []
    starts: list[tuple[int, _Slide]] = []
    length = 0
    for slide in slides:
        if not slide.text:
            continue
        if parts:
            parts.append("\n\n")
            length += 2
        starts.append((length, slide))
        parts.append(slide.text)
        length += len(slide.text)
    ends = [start for start, _ in starts[1:]] + [length]
    sections = (
        Section((slide.title,) if slide.title else (), start, end, slide.number)
        for (start, slide), end in zip(starts, ends, strict=True)
    )
    return "".join(parts), tuple(sections)
