"""PDF: the text that its pages show, in reading order, one section a page.

Lines are joined into paragraphs, words cut by a hyphen at the end of a line are whole again,
lines that stand at the top or bottom of most pages are left out and counted. Hidden text is
left out, the values of a form are lines of their own. Pages that are pictures of text are
named, and read where OCR is on; a PDF without any text is refused with the reason.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from graft.errors import UnreadableDocument
from graft.loaders.ocr import is_installed, read_picture
from graft.loaders.pdf_fields import fields_of
from graft.loaders.pdf_furniture import without_furniture
from graft.loaders.pdf_hidden import drop_hidden
from graft.loaders.pdf_hidden import has_picture as has_picture_on
from graft.loaders.pdf_letters import (
    LOST,
    SPELLED_OUT,
    is_garbled,
    ligatures_of,
    meaningless,
)
from graft.loaders.pdf_lines import CELL, lines_of
from graft.loaders.text import read_bytes, title_from_name
from graft.types import Document, Section

if TYPE_CHECKING:
    from pypdfium2 import PdfDocument, PdfPage

__all__ = ["PdfLoader"]

LOADER_VERSION = 1
_PASSWORD_ERROR = 4  # FPDF_ERR_PASSWORD
_CONTROLS = re.compile(r"[\x00-\x01\x03-\x08\x0b-\x1f\x7f-\x9f\ufffe\uffff]")
# PDFium writes U+0002 or U+FFFE for a hyphen at the end of a line, and takes the line end out.
_CUT_WORD = re.compile(r"[\x02\ufffe][ \t]*\n?")
_HYPHEN_END = re.compile(r"([^\W_]+)-[ \t]*\n[ \t]*([^\W_]+)")
_BULLET = re.compile(r"^(?:[-–•▪●◦*o■□]\s|\d{1,3}[.)]\s|[a-z][.)]\s|\([a-z\d]{1,3}\)\s)")
_SENTENCE_END = re.compile(r"[.!?:;。！？]['\"”’)\]]*$")
_BAD_TITLE = re.compile(
    r"^(?:untitled|microsoft word|powerpoint|slide \d|document\d*$)|\.\w{2,5}$", re.IGNORECASE
)
_FULL_LINE = 0.7  # a line this long, as a share of the page's long lines, goes on in the next
_TITLE_LENGTH = 90
_COVER_LENGTH = 120
_COVER_LINES = 4
_PAGES_NAMED = 8
_OCR_DOTS = 200  # an inch: what scanners use, and more made no word better
_OCR_PIXELS = 25_000_000
_FORCE_OCR = "ocrmypdf --force-ocr IN.pdf OUT.pdf"
_INSTALL_OCR = "pip install -e '.[ocr]'"


class PdfLoader:
    """Reads the text layer of PDF files; with `ocr` also pages that are pictures of text."""

    extensions: tuple[str, ...] = (".pdf",)

    def __init__(self, *, ocr: bool = False) -> None:
        self._ocr = ocr

    def load(self, source: Path, doc_id: str) -> Iterator[Document]:
        """Yield the one document of the file.

        Raises:
            UnreadableDocument: encrypted, broken, without text, or scanned and without OCR.
        """
        data = read_bytes(source)
        pdf = _open(data, source)
        try:
            widths: dict[str, float] = {}
            pages = [
                _read_page(pdf, number, source, self._ocr, widths) for number in range(len(pdf))
            ]
            meta_title = " ".join((pdf.get_metadata_dict().get("Title") or "").split())
            attached = pdf.count_attachments()
        finally:
            pdf.close()
        if not any(page.text or page.fields for page in pages):
            raise _without_text(pages, source, self._ocr)
        # A word cut at the end of a page is not cut by the footer below it.
        plain = [_CONTROLS.sub("", _CUT_WORD.sub("-\n", page.text)) for page in pages]
        lines, notes = without_furniture([text.split("\n") for text in plain])
        whole = _join_cut_words(["\n".join(page) for page in lines])
        lines = [text.split("\n") if text else [] for text in whole]
        bodies = [_paragraphs(page) for page in lines]
        shown = zip(bodies, ("\n".join(page.fields) for page in pages), strict=True)
        text, sections = _lay_out(["\n\n".join(filter(None, parts)) for parts in shown])
        yield Document(
            id=doc_id,
            source=str(source),
            title=_title(meta_title, lines) or title_from_name(source),
            text=text,
            content_hash=hashlib.sha256(data).hexdigest(),
            loader="pdf",
            sections=sections,
            notes=(*notes, *_notes(pages, attached)),
        )


class _Page(NamedTuple):
    """What a page shows, and what was left out of it; `by_ocr` where it is a picture of text."""

    text: str
    fields: tuple[str, ...]
    has_picture: bool
    by_ocr: bool
    hidden: Counter[str]
    left_out: Counter[str]
    letters: Counter[str]


def _open(data: bytes, source: Path) -> PdfDocument:
    import pypdfium2

    try:
        pdf = pypdfium2.PdfDocument(data)
        if pdf.get_formtype():
            pdf.init_forms()
        return pdf
    except pypdfium2.PdfiumError as error:
        is_locked = getattr(error, "err_code", None) == _PASSWORD_ERROR
        raise UnreadableDocument(
            "the PDF is encrypted" if is_locked else "the PDF cannot be read",
            where=str(source),
            why="it asks for a password" if is_locked else str(error),
            next_step="save it without a password and add it again"
            if is_locked
            else "open it in a viewer, save it anew and add it again",
        ) from error


def _read_page(
    pdf: PdfDocument, number: int, source: Path, ocr: bool, widths: dict[str, float]
) -> _Page:
    """Read what a page shows: its text, then the values of its form."""
    import pypdfium2

    try:
        page = pdf[number]
        hidden = drop_hidden(page)
        textpage = page.get_textpage()
        ligatures = ligatures_of(page, textpage, widths)
        bad, total = meaningless(textpage)
        lines = [line.translate(SPELLED_OUT) for line in lines_of(textpage, ligatures)]
        textpage.close()
        fields = fields_of(pdf, page)
        has_text = any(line.strip() for line in lines)
        has_picture = not has_text and has_picture_on(page)
        by_ocr = ocr and has_picture
        if by_ocr:
            lines = _read_scan(page, source)
        page.close()
    except pypdfium2.PdfiumError as error:
        raise UnreadableDocument(
            "a page of the PDF cannot be read",
            where=f"{source}, page {number + 1}",
            why=str(error),
            next_step="open it in a viewer, save it anew and add it again",
        ) from error
    text = "\n".join(lines) if any(line.strip() for line in lines) else ""
    letters = Counter(
        read=sum(letters != LOST for letters in ligatures.values()),
        lost=sum(letters == LOST for letters in ligatures.values()),
        bad=bad,
        garbled=is_garbled(bad, total),
    )
    return _Page(text, fields.lines, has_picture, by_ocr, hidden, fields.left_out, letters)


def _read_scan(page: PdfPage, source: Path) -> list[str]:
    """Read a page that is a picture, at the resolution that scanners use for text."""
    if not is_installed():
        raise UnreadableDocument(
            "the PDF is scanned, and what reads scans is not installed",
            where=str(source),
            why="reading pictures of text needs the extra ocr",
            next_step=_INSTALL_OCR,
        )
    width, height = page.get_size()
    scale = min(_OCR_DOTS / 72, math.sqrt(_OCR_PIXELS / max(1.0, width * height)))
    return read_picture(page.render(scale=scale).to_numpy())


def _without_text(pages: Sequence[_Page], source: Path, ocr: bool) -> UnreadableDocument:
    """Return why a file has no text, and what would give it some."""
    hidden = sum(sum(page.hidden.values()) for page in pages)
    if not any(page.has_picture for page in pages):
        return UnreadableDocument(
            "the PDF has no text",
            where=str(source),
            why=f"its {len(pages)} pages are empty or drawings"
            + (f"; {hidden} pieces of hidden text left out" if hidden else ""),
            next_step="leave it out, or save it with its text and add it again",
        )
    return UnreadableDocument(
        "the PDF is scanned, and OCR found no text" if ocr else "the PDF is scanned, needs OCR",
        where=str(source),
        why=f"none of its {len(pages)} pages has a text layer",
        next_step="scan it anew with more dots an inch, or leave it out"
        if ocr
        else ("" if is_installed() else _INSTALL_OCR + ", then ")
        + "set ocr = true in graft.toml, or run OCR over it first: ocrmypdf IN.pdf OUT.pdf",
    )


def _notes(pages: Sequence[_Page], attached: int) -> list[str]:
    """Say what of the file is not in the text, or did not come from its text layer."""
    by_ocr = [number for number, page in enumerate(pages, 1) if page.by_ocr and page.text]
    bare = [number for number, page in enumerate(pages, 1) if not page.text and not page.fields]
    scanned = [number for number in bare if pages[number - 1].has_picture]
    hidden = sum((page.hidden for page in pages), Counter[str]())
    left_out = sum((page.left_out for page in pages), Counter[str]())
    left_out["attached file"] = attached
    notes = [f"{_listed(by_ocr)} read by OCR"] if by_ocr else []
    if scanned:
        how = "" if is_installed() else f" {_INSTALL_OCR} to read them"
        notes.append(f"{_listed(scanned)} {_has(scanned)} no text: scanned?{how}")
    if empty := [number for number in bare if number not in scanned]:
        notes.append(f"{_listed(empty)} {_has(empty)} no text")
    if hidden:
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(hidden.items()))
        notes.append(f"{hidden.total()} pieces of hidden text left out ({kinds})")
    for kind, count in sorted(left_out.items()):
        if count:
            notes.append(f"{count} {kind}{'s' * (count > 1)} left out")
    return [*notes, *_notes_on_letters(pages)]


def _notes_on_letters(pages: Sequence[_Page]) -> Iterator[str]:
    """Say which letters the fonts of the file give wrongly."""
    letters = sum((page.letters for page in pages), Counter[str]())
    garbled = [number for number, page in enumerate(pages, 1) if page.letters["garbled"]]
    if letters["read"]:
        yield f"ligatures that the font gives as f, read from their drawing: {letters['read']}"
    if letters["lost"]:
        yield f"letters lost by the font: {letters['lost']} ligatures"
    if garbled:
        yield f"{_listed(garbled)} garbled by the font, OCR would help: {_FORCE_OCR}"
    if bad := sum(page.letters["bad"] for page in pages if not page.letters["garbled"]):
        yield f"characters that the font gives no meaning: {bad}"


def _listed(numbers: Sequence[int]) -> str:
    """Name pages.

    >>> _listed([3, 7])
    'pages 3 and 7'
    """
    if len(numbers) == 1:
        return f"page {numbers[0]}"
    shown = [str(number) for number in numbers[:_PAGES_NAMED]]
    more = len(numbers) - len(shown)
    last = f"{more} more" if more else shown.pop()
    return f"pages {', '.join(shown)} and {last}"


def _has(numbers: Sequence[int]) -> str:
    return "have" if len(numbers) > 1 else "has"


def _join_cut_words(texts: Sequence[str]) -> list[str]:
    """Join words cut at a line's end; a hyphen stays where the document writes it elsewhere."""
    hyphened = {word.lower() for text in texts for word in re.findall(r"[^\W\d_]+-[^\W\d_]+", text)}

    def join(found: re.Match[str]) -> str:
        whole = f"{found[1]}-{found[2]}"
        is_cut = found[1].isalpha() and found[2].isalpha() and found[2][0].islower()
        return found[1] + found[2] if is_cut and whole.lower() not in hyphened else whole

    return [_HYPHEN_END.sub(join, text) for text in texts]


def _paragraphs(lines: list[str]) -> str:
    """Join lines that run on; a blank line parts what does not."""
    lines = [" ".join(line.split()) for line in lines]
    lengths = sorted(len(line) for line in lines if line)
    long_line = lengths[int(len(lengths) * 0.9)] if lengths else 0
    parts: list[str] = []
    before = ""
    for line in lines:
        if before and line:
            parts.append(_gap(before, line, long_line))
        elif before:
            parts.append("\n\n")
        parts.append(line)
        before = line
    return re.sub(r"\n{3,}", "\n\n", "".join(parts)).strip()


def _gap(before: str, line: str, long_line: int) -> str:
    if CELL in before or CELL in line:
        return "\n"
    is_full = len(before) >= long_line * _FULL_LINE
    ends = _SENTENCE_END.search(before) is not None
    if _BULLET.match(line):
        return "\n"
    if line[0].islower() or (is_full and not ends):
        return " "
    if ends and is_full:
        return " "
    return "\n\n" if ends else "\n"


def _lay_out(texts: Sequence[str]) -> tuple[str, tuple[Section, ...]]:
    parts: list[str] = []
    sections: list[Section] = []
    length = 0
    for number, text in enumerate(texts, 1):
        if not text:
            continue
        if parts:
            parts.append("\n\n")
            length += 2
            sections[-1] = Section((), sections[-1].start, length, sections[-1].page)
        sections.append(Section((), length, length + len(text), number))
        parts.append(text)
        length += len(text)
    return "".join(parts), tuple(sections)


def _title(meta_title: str, pages: list[list[str]]) -> str:
    """Return the title that the file gives, that of a cover page, or a first line like one."""
    if len(meta_title) > 2 and not _BAD_TITLE.search(meta_title):
        return meta_title
    first_page = next((page for page in pages if page), [])
    cover = " ".join(" ".join(first_page).split())
    if len(pages) > 1 and 2 < len(cover) <= _COVER_LENGTH and len(first_page) <= _COVER_LINES:
        return cover
    first = " ".join(first_page[0].split()) if first_page else ""
    second = first_page[1].strip() if len(first_page) > 1 else ""
    is_title = 2 < len(first) <= _TITLE_LENGTH and first[-1] not in ".,;" and not first.isdigit()
    return first if is_title and not second[:1].islower() else ""
