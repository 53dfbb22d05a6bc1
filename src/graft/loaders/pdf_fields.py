"""What stands on a PDF page beside its printed text: filled form fields and notes.

Values that a reader of the page sees become lines of `label: value`; hidden fields, passwords
and comments are counted. No script of the form is run.
"""

from __future__ import annotations

import ctypes
import re
from collections import Counter
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from pypdfium2 import PdfDocument, PdfPage

__all__ = ["Fields", "fields_of"]

_FLAG_HIDDEN = 0x1 | 0x2 | 0x20  # invisible, hidden, not on the screen
_FIELD_PASSWORD = 1 << 13
_LEAST_POINTS = 1.0
_PART_NUMBER = re.compile(r"\[\d+\]$")


class Fields(NamedTuple):
    """The lines of a page's fields and text boxes, and what was left out."""

    lines: tuple[str, ...]
    left_out: Counter[str]


class _Note(NamedTuple):
    """An annotation: its handle, that of the form, and the page that it is on."""

    raw: Any
    form: Any
    page: PdfPage


def fields_of(pdf: PdfDocument, page: PdfPage) -> Fields:
    """Return what the fields and notes of a page show."""
    import pypdfium2.raw as pdfium

    lines: list[str] = []
    left_out: Counter[str] = Counter()
    for note in _notes(pdf, page, pdfium):
        kind = pdfium.FPDFAnnot_GetSubtype(note.raw)
        if kind in (pdfium.FPDF_ANNOT_POPUP, pdfium.FPDF_ANNOT_LINK):
            continue
        is_field = kind == pdfium.FPDF_ANNOT_WIDGET
        said = _field(note, pdfium) if is_field else _contents(note, pdfium)
        if not said:
            continue
        if _is_hidden(note, pdfium):
            left_out["hidden form field" if is_field else "hidden note"] += 1
        elif is_field or kind == pdfium.FPDF_ANNOT_FREETEXT:
            lines.append(said)
        else:
            left_out["comment"] += 1
    return Fields(tuple(dict.fromkeys(lines)), left_out)


def _notes(pdf: PdfDocument, page: PdfPage, pdfium: ModuleType) -> Iterator[_Note]:
    form = pdf.formenv.raw if pdf.formenv is not None else None
    for number in range(pdfium.FPDFPage_GetAnnotCount(page.raw)):
        raw = pdfium.FPDFPage_GetAnnot(page.raw, number)
        if not raw:
            continue
        try:
            yield _Note(raw, form, page)
        finally:
            pdfium.FPDFPage_CloseAnnot(raw)


def _field(note: _Note, pdfium: ModuleType) -> str:
    """Return a filled field as a line, nothing where it is empty or only a button."""
    if note.form is None:
        return ""
    kind = pdfium.FPDFAnnot_GetFormFieldType(note.form, note.raw)
    if kind in (pdfium.FPDF_FORMFIELD_CHECKBOX, pdfium.FPDF_FORMFIELD_RADIOBUTTON):
        if not pdfium.FPDFAnnot_IsChecked(note.form, note.raw):
            return ""
        value = _text(pdfium.FPDFAnnot_GetFormFieldExportValue, note.form, note.raw)
        value = "yes" if value.lower() in ("", "1", "on", "yes") else value
    elif kind in (
        pdfium.FPDF_FORMFIELD_TEXTFIELD,
        pdfium.FPDF_FORMFIELD_COMBOBOX,
        pdfium.FPDF_FORMFIELD_LISTBOX,
    ):
        value = _text(pdfium.FPDFAnnot_GetFormFieldValue, note.form, note.raw)
    else:
        return ""
    label = _text(pdfium.FPDFAnnot_GetFormFieldAlternateName, note.form, note.raw)
    if not label:
        name = _text(pdfium.FPDFAnnot_GetFormFieldName, note.form, note.raw)
        label = _PART_NUMBER.sub("", name.rsplit(".", 1)[-1])
    return f"{label}: {value}" if value and label else value


def _contents(note: _Note, pdfium: ModuleType) -> str:
    return _text(pdfium.FPDFAnnot_GetStringValue, note.raw, b"Contents")


def _is_hidden(note: _Note, pdfium: ModuleType) -> bool:
    """Tell whether a note is not shown: by its flags, or by having no place on the page."""
    if pdfium.FPDFAnnot_GetFlags(note.raw) & _FLAG_HIDDEN:
        return True
    if note.form is not None and (
        pdfium.FPDFAnnot_GetFormFieldFlags(note.form, note.raw) & _FIELD_PASSWORD
        and pdfium.FPDFAnnot_GetFormFieldType(note.form, note.raw)
        == pdfium.FPDF_FORMFIELD_TEXTFIELD
    ):
        return True
    box = pdfium.FS_RECTF()
    if not pdfium.FPDFAnnot_GetRect(note.raw, box):
        return True
    left, bottom, right, top = note.page.get_bbox()
    is_small = box.right - box.left < _LEAST_POINTS or box.top - box.bottom < _LEAST_POINTS
    is_outside = box.right < left or box.left > right or box.top < bottom or box.bottom > top
    return bool(is_small or is_outside)


def _text(get: Callable[..., int], *handles: object) -> str:
    """Return a string of the library, which tells its size in bytes when given no room."""
    size = get(*handles, None, 0)
    if size <= 2:
        return ""
    buffer = (ctypes.c_ushort * (size // 2))()
    get(*handles, buffer, size)
    text = bytes(buffer).decode("utf-16-le", errors="replace").split("\0")[0]
    return " ".join(text.split())
