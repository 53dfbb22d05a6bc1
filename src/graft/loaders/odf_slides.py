"""The slides of an OpenDocument presentation: one section each, with title and speaker notes.

Hidden slides, empty prompts, comments and pictures are left out and counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from graft.loaders.odf_styles import namespace
from graft.loaders.odf_text import TextReader
from graft.loaders.ooxml import Block, lay_out
from graft.loaders.pieces import Piece, join
from graft.types import Section

if TYPE_CHECKING:
    from lxml.etree import _Element as Element

__all__ = ["slide_piece"]

_D, _P, _O = namespace("draw"), namespace("presentation"), namespace("office")
_FURNITURE = ("header", "footer", "date-time", "page-number")


def slide_piece(reader: TextReader, body: Element) -> tuple[Piece, str]:
    """Return the text of all shown slides, and the title of the first."""
    pieces: list[Piece] = []
    first = ""
    # Hidden slides count: the numbers are those that the program shows.
    for number, page in enumerate(body.iterfind(f"{_D}page"), 1):
        if reader.styles.is_hidden_page(page.get(f"{_D}style-name")):
            reader.package.count("hidden slide")
            continue
        title, blocks = _read(reader, page)
        text = lay_out([Block(title), *blocks] if title else blocks)[0] if title or blocks else ""
        if not text:
            reader.package.problems.append(f"slide {number} has no text")
            continue
        first = first or ("" if pieces else title)
        pieces.append(Piece(text, (Section((title,) if title else (), 0, len(text), number),)))
    return join(pieces), first


def _read(reader: TextReader, page: Element) -> tuple[str, list[Block]]:
    title, blocks = "", []
    notes: list[Block] = []
    for shape in page:
        kind = shape.get(f"{_P}class") or ""
        if shape.tag == f"{_P}notes":
            notes += _notes(reader, shape)
        elif shape.tag == f"{_O}annotation":
            reader.package.count("comment")
        elif not isinstance(shape.tag, str) or not shape.tag.startswith(_D):
            continue
        elif shape.get(f"{_P}placeholder") == "true":
            continue  # a prompt to click here, which no show has
        elif kind in _FURNITURE:
            reader.package.count("line of page headers and footers", int(any(reader.drawn(shape))))
        elif kind == "title" and not title:
            title = " ".join(" ".join(item.text for item in reader.drawn(shape)).split())
        else:
            # A heading within a slide is no section: the slide is the smallest one.
            blocks += [Block(item.text, 0, item.kind) for item in reader.drawn(shape)]
    if notes:
        spoken = "\n".join(item.text for item in notes)
        blocks.append(Block(f"Speaker notes: {spoken}"))
    return title, blocks


def _notes(reader: TextReader, notes: Element) -> Iterator[Block]:
    for shape in notes.iterfind(f"{_D}frame"):
        is_prompt = shape.get(f"{_P}placeholder") == "true"
        if shape.get(f"{_P}class") == "notes" and not is_prompt:
            yield from reader.drawn(shape)
