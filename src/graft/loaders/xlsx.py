"""Excel: every sheet under its name, its tables as lines that can be read alone.

Values are those that were stored with the file: no formula is worked out and no macro runs.
Hidden sheets, rows and columns, comments, pictures and charts are left out and counted; the
titles of charts and the texts of boxes stay.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from graft.errors import UnreadableDocument
from graft.loaders.container import open_container
from graft.loaders.drawings import paragraph_text
from graft.loaders.ooxml import Package, clean, local_name, namespace, shown_choice
from graft.loaders.tables import Piece, lay_out
from graft.loaders.text import title_from_name
from graft.loaders.xlsx_sheet import SheetReader
from graft.loaders.xlsx_tables import tables_of
from graft.loaders.xlsx_values import Formats
from graft.types import Document

if TYPE_CHECKING:
    from lxml.etree import _Element as Element

__all__ = ["XlsxLoader"]

LOADER_VERSION = 1
_S = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_A, _C, _R = namespace("a"), namespace("c"), namespace("r")
_ON = ("1", "true")
_MAX_PARAGRAPHS = 10_000


class XlsxLoader:
    """Reads Excel files; macros in them are never run."""

    extensions: tuple[str, ...] = (".xlsx", ".xlsm")

    def load(self, source: Path, doc_id: str) -> Iterator[Document]:
        """Yield the one document of the file.

        Raises:
            UnreadableDocument: encrypted, broken, made to do harm, or without text.
        """
        with open_container(source) as container:
            package = Package(container)
            part, root = package.main_part("xl/workbook.xml", f"{_S}workbook")
            pieces = list(_sheets(package, part, root))
            title = package.title()
        if not pieces:
            raise UnreadableDocument(
                "the workbook has no text",
                where=str(source),
                why="; ".join(package.notes()) or "its sheets have no cells with text",
                next_step="leave it out, or fill it and add it again",
            )
        text, sections = lay_out(pieces, "\n\n")
        yield Document(
            id=doc_id,
            source=str(source),
            title=title or title_from_name(source),
            text=text,
            content_hash=container.content_hash,
            loader="xlsx",
            sections=sections,
            notes=package.notes(),
        )


def _sheets(package: Package, part: str, root: Element) -> Iterator[Piece]:
    """Yield the shown sheets in the order of the workbook."""
    relations = package.relations(part)
    by_kind = {item.kind: item.part for item in relations.values()}
    properties = root.find(f"{_S}workbookPr")
    is_1904 = properties is not None and properties.get("date1904") in _ON
    styles = package.xml(by_kind["styles"]) if "styles" in by_kind else None
    formats = Formats(styles, is_1904)
    reader = SheetReader(package, formats, by_kind.get("sharedStrings", ""))
    package.count("macro project", int("vbaProject" in by_kind))
    for sheet in root.iterfind(f"{_S}sheets/{_S}sheet"):
        target = relations.get(sheet.get(f"{_R}id") or "")
        if sheet.get("state") in ("hidden", "veryHidden"):
            package.count("hidden sheet")
        elif reader.is_full:
            package.count("sheet of the rest beyond the limit")
        elif target is not None and target.kind == "worksheet":
            name = " ".join(clean(sheet.get("name") or "").split()) or "Sheet"
            yield from _sheet(package, reader, target.part, name)
            if reader.is_full:
                package.problems.append(f"the sheet {name} is read up to the limit of cells")
        elif target is not None:
            package.count("sheet of another kind")


def _sheet(package: Package, reader: SheetReader, part: str, name: str) -> Iterator[Piece]:
    """Yield a sheet as one piece under its name, and a piece for each table with a title."""
    sheet = reader.read(part)
    texts = [((), text) for text in _drawn(package, part)]
    tables = [*tables_of(sheet.rows, sheet.merged), *texts]
    package.count("hidden column", sum(kind == 2 for kind in sheet.hidden_columns))
    if not tables:
        return
    path: tuple[str, ...] = (name,)
    parts = [name]
    for title, text in tables:
        wanted = (name, title[0]) if title else (name,)
        if wanted != path or title:
            yield Piece(path, "\n\n".join(parts))
            path, parts = wanted, []
        parts += ["\n".join(title), text] if title else [text]
    yield Piece(path, "\n\n".join(parts))


def _drawn(package: Package, part: str) -> Iterator[str]:
    """Yield the texts of boxes and titles of charts of a sheet; count what else is there."""
    comments = threads = 0
    for kind, target in package.relations(part).values():
        if kind not in ("comments", "threadedComment", "drawing"):
            continue
        root = package.xml(target)
        if root is None:
            continue
        if kind == "drawing":
            yield from _drawing(package, target, root)
            continue
        names = [local_name(item) for item in root.iter()]
        comments += names.count("comment")
        threads += names.count("threadedComment")
    # For each thread there is a plain comment too, for programs that know no threads.
    package.count("comment", max(comments, threads))


def _drawing(package: Package, part: str, root: Element) -> Iterator[str]:
    relations = package.relations(part)
    for shape in _shapes(package, root):
        name = local_name(shape)
        if name == "pic":
            package.count("picture")
        elif name == "graphicFrame":
            package.count("chart")
            for chart in shape.iter(f"{_C}chart"):
                target = relations.get(chart.get(f"{_R}id") or "")
                space = package.xml(target.part) if target is not None else None
                yield from _chart(package, space) if space is not None else ()
        elif lines := _lines(package, shape):
            yield "\n".join(lines)


def _chart(package: Package, space: Element) -> Iterator[str]:
    """Yield what kind of chart it is and its titles; its values stand in the cells."""
    kinds = [name for item in space.iter() if (name := local_name(item)).endswith("Chart")]
    kind = kinds[0].removesuffix("Chart").removesuffix("3D") if kinds else ""
    titles = [" ".join(_lines(package, title)) for title in space.iter(f"{_C}title")]
    if any(titles):
        yield f"{kind} chart: ".lstrip().capitalize() + "; ".join(text for text in titles if text)


def _shapes(package: Package, parent: Element) -> Iterator[Element]:
    """Yield the shown boxes, pictures and frames of a drawing, groups opened; count the hidden."""
    for item in parent:
        name = local_name(item)
        named = item.find("*/{*}cNvPr")
        if named is not None and named.get("hidden") in _ON:
            package.count("hidden shape")
            continue
        if name in ("sp", "pic", "graphicFrame", "cxnSp"):
            yield item
        elif name == "AlternateContent":
            branch = shown_choice(item)
            yield from _shapes(package, branch) if branch is not None else ()
        elif name in ("twoCellAnchor", "oneCellAnchor", "absoluteAnchor", "grpSp"):
            yield from _shapes(package, item)


def _lines(package: Package, element: Element) -> list[str]:
    """Return the paragraphs of a box or a title."""
    paragraphs = list(element.iter(f"{_A}p"))
    package.count("paragraph of very long boxes", max(0, len(paragraphs) - _MAX_PARAGRAPHS))
    shown = paragraphs[:_MAX_PARAGRAPHS]
    return [text for item in shown if (text := paragraph_text(package, item))]
