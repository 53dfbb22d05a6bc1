"""OpenDocument: text documents, sheets and slides as a reader of them sees them.

A slide is a section with its number as the page, a sheet one with its name. Hidden sheets and
slides, comments, deletions, pictures, page headers and footers are left out and counted.
Macros never run, and nothing that the file points to outside itself is opened.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from graft.errors import UnreadableDocument
from graft.loaders.container import Container, open_container
from graft.loaders.odf_sheets import sheet_blocks
from graft.loaders.odf_slides import slide_piece
from graft.loaders.odf_styles import Styles, namespace
from graft.loaders.odf_text import TextReader
from graft.loaders.ooxml import Block, Package, lay_out, local_name
from graft.loaders.pieces import Piece, one_line
from graft.loaders.text import title_from_name
from graft.types import Document

if TYPE_CHECKING:
    from lxml.etree import _Element as Element

__all__ = ["OdfLoader"]

LOADER_VERSION = 1
_O, _STYLE = namespace("office"), namespace("style")
_BODIES = tuple(f"{_O}{kind}" for kind in ("text", "spreadsheet", "presentation"))
_MANIFEST = "META-INF/manifest.xml"
_TITLE = "{http://purl.org/dc/elements/1.1/}title"
_TITLE_LENGTH = 200
_HEADER_FOOTER = frozenset(
    f"{_STYLE}{name}{kind}" for name in ("header", "footer") for kind in ("", "-left", "-first")
)


class OdfLoader:
    """Reads OpenDocument texts, sheets and presentations; macros in them are never run."""

    extensions: tuple[str, ...] = (".odt", ".ods", ".odp")

    def load(self, source: Path, doc_id: str) -> Iterator[Document]:
        """Yield the one document of the file.

        Raises:
            UnreadableDocument: encrypted, broken, made to do harm, or without text.
        """
        with open_container(source) as container:
            _refuse_locked(container)
            package = Package(container)
            try:
                (text, sections), title = _read(package)
                property_title = _property_title(package)
            except RecursionError as error:
                raise UnreadableDocument(
                    "the document is nested too deep",
                    where=str(source),
                    why="its frames and tables stand within each other beyond all measure",
                    next_step="open it in its program, save it anew and add it again",
                ) from error
        if not text.strip():
            raise UnreadableDocument(
                "the document has no text",
                where=str(source),
                why="; ".join(package.notes()) or "it has no paragraphs with text",
                next_step="leave it out, or fill it and add it again",
            )
        first = next((item.heading_path[0] for item in sections if item.heading_path), "")
        if source.suffix.lower() == ".ods":
            first = ""  # the name of a sheet says little of the file
        yield Document(
            id=doc_id,
            source=str(source),
            title=title or property_title or first or title_from_name(source),
            text=text,
            content_hash=container.content_hash,
            loader="odf",
            sections=sections,
            notes=package.notes(),
        )


def _refuse_locked(container: Container) -> None:
    """Refuse a file under a password, whose parts would read as noise."""
    if _MANIFEST in container.names() and b"encryption-data" in container.read(_MANIFEST):
        raise UnreadableDocument(
            "the file is encrypted",
            where=str(container.source),
            why="it asks for a password",
            next_step="save it without a password and add it again",
        )


def _read(package: Package) -> tuple[Piece, str]:
    """Return the text with its sections, and the title that stands on the page."""
    root = package.xml("content.xml")
    # Looked for at any depth, since in a damaged file elements before it may not be closed.
    body = next(root.iter(*_BODIES), None) if root is not None else None
    if body is None:
        raise UnreadableDocument(
            "the file is not readable as what its name says",
            where=str(package.container.source),
            why="; ".join(package.problems) or "its content is missing or of another kind",
            next_step="open it in its program, save it anew and add it again",
        )
    kind = local_name(body)
    named = package.xml("styles.xml")
    reader = TextReader(package, Styles(root, named))
    # What a sheet has above and below is for paper alone, and every program fills it in.
    _count_the_rest(package, named if kind != "spreadsheet" else None)
    if kind == "presentation":
        return slide_piece(reader, body)
    is_text = kind == "text"
    blocks = list(reader.blocks(body) if is_text else sheet_blocks(reader, body))
    piece = Piece(*lay_out(blocks)) if blocks else Piece("")
    return piece, _page_title(blocks) if is_text else ""


def _page_title(blocks: list[Block]) -> str:
    return next((block.text for block in blocks if block.level == 1), "")


def _property_title(package: Package) -> str:
    root = package.xml("meta.xml")
    found = next(root.iter(_TITLE), None) if root is not None else None
    title = one_line(found.text or "") if found is not None else ""
    return title if len(title) <= _TITLE_LENGTH else ""


def _count_the_rest(package: Package, named: Element | None) -> None:
    """Count what is never read: headers and footers of pages, and macros."""
    for item in named.iter(*_HEADER_FOOTER) if named is not None else ():
        has_text = any(text.strip() for text in item.itertext())
        package.count("line of page headers and footers", int(has_text))
    names = package.container.names()
    package.count(
        "macro project", int(any(name.startswith(("Basic/", "Scripts/")) for name in names))
    )
