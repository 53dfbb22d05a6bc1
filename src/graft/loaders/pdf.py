"""PDF: the text layer in reading order, one section a page, lines joined into paragraphs.

Words cut by a hyphen at the end of a line are whole again, lines that stand at the top or
bottom of most pages are left out and counted. Pictures of text are not read: a PDF without
any text is refused with the reason.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from graft.errors import UnreadableDocument
from graft.loaders.text import read_bytes, title_from_name
from graft.types import Document, Section

if TYPE_CHECKING:
    from pypdfium2 import PdfDocument

__all__ = ["PdfLoader"]

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
_FURNITURE_PAGES = 3
_FURNITURE_SHARE = 0.6


class PdfLoader:
    """Reads the text layer of PDF files."""

    extensions: tuple[str, ...] = (".pdf",)

    def load(self, source: Path, doc_id: str) -> Iterator[Document]:
        """Yield the one document of the file.

        Raises:
            UnreadableDocument: encrypted, broken, or scanned without a text layer.
        """
        data = read_bytes(source)
        pdf = _open(data, source)
        try:
            pages = _page_texts(pdf, source)
            meta_title = " ".join((pdf.get_metadata_dict().get("Title") or "").split())
        finally:
            pdf.close()
        if not any(page.strip() for page in pages):
            raise UnreadableDocument(
                "the PDF is scanned, needs OCR",
                where=str(source),
                why=f"none of its {len(pages)} pages has a text layer",
                next_step="run OCR over it, for example: ocrmypdf IN.pdf OUT.pdf",
            )
        lines, notes = _without_furniture([page.split("\n") for page in pages])
        texts = [_paragraphs(page) for page in lines]
        text, sections = _lay_out(texts)
        notes += [f"page {n} has no text" for n, page in enumerate(pages, 1) if not page.strip()]
        yield Document(
            id=doc_id,
            source=str(source),
            title=_title(meta_title, lines) or title_from_name(source),
            text=text,
            content_hash=hashlib.sha256(data).hexdigest(),
            loader="pdf",
            sections=sections,
            notes=tuple(notes),
        )


def _open(data: bytes, source: Path) -> PdfDocument:
    import pypdfium2

    try:
        return pypdfium2.PdfDocument(data)
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


def _page_texts(pdf: PdfDocument, source: Path) -> list[str]:
    """Return the clean text of each page, cut words joined."""
    import pypdfium2

    texts = []
    for number in range(len(pdf)):
        try:
            page = pdf[number]
            textpage = page.get_textpage()
            texts.append(textpage.get_text_bounded())
            textpage.close()
            page.close()
        except pypdfium2.PdfiumError as error:
            raise UnreadableDocument(
                "a page of the PDF cannot be read",
                where=f"{source}, page {number + 1}",
                why=str(error),
                next_step="open it in a viewer, save it anew and add it again",
            ) from error
    return _join_cut_words([text.replace("\r\n", "\n").replace("\r", "\n") for text in texts])


def _join_cut_words(texts: Sequence[str]) -> list[str]:
    """Join words cut at a line's end; a hyphen stays where the document writes it elsewhere."""
    plain = [_CONTROLS.sub("", _CUT_WORD.sub("-\n", text)) for text in texts]
    hyphened = {word.lower() for text in plain for word in re.findall(r"[^\W\d_]+-[^\W\d_]+", text)}

    def join(found: re.Match[str]) -> str:
        whole = f"{found[1]}-{found[2]}"
        is_cut = found[1].isalpha() and found[2].isalpha() and found[2][0].islower()
        return found[1] + found[2] if is_cut and whole.lower() not in hyphened else whole

    return [_HYPHEN_END.sub(join, text) for text in plain]


def _without_furniture(pages: list[list[str]]) -> tuple[list[list[str]], list[str]]:
    """Leave out first and last lines that most pages share, page numbers read as equal."""
    edges: Counter[str] = Counter()
    trimmed = [_trim(page) for page in pages]
    filled = sum(bool(page) for page in trimmed)
    for page in trimmed:
        edges.update({_shape(page[at]) for at in (0, -1) if len(page) > 1})
    bar = max(_FURNITURE_PAGES, filled * _FURNITURE_SHARE)
    shared = {shape for shape, count in edges.items() if count >= bar}
    dropped = 0
    kept = []
    for page in trimmed:
        first = int(len(page) > 1 and _shape(page[0]) in shared)
        last = int(len(page) - first > 1 and _shape(page[-1]) in shared)
        kept.append(page[first : len(page) - last])
        dropped += first + last
    return kept, [f"{dropped} page headers and footers dropped"] if dropped else []


def _trim(page: list[str]) -> list[str]:
    lines = [line.rstrip() for line in page]
    while lines and not lines[-1].strip():
        lines.pop()
    while lines and not lines[0].strip():
        lines.pop(0)
    return lines


def _shape(line: str) -> str:
    return re.sub(r"\d+", "#", " ".join(line.split()).lower())


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
