"""What a file is by its bytes, where they leave no doubt; names are not looked at here.

A zip archive is told by the names of its parts, everything else by how it begins. Formats
without a mark of their own (text, Markdown, CSV) are never recognised.
"""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from typing import NamedTuple

__all__ = ["Kind", "kind_of"]


class Kind(NamedTuple):
    """A format: what to call it, and the extension that files of it have."""

    name: str
    extension: str


_HTML = Kind("an HTML page", ".html")
_ZIP = Kind("a zip archive", ".zip")
_MAGIC = (
    (b"%PDF-", Kind("a PDF", ".pdf")),
    (b"{\\rtf", Kind("an RTF text", ".rtf")),
    (b"\x89PNG\r\n\x1a\n", Kind("a PNG picture", ".png")),
    (b"\xff\xd8\xff", Kind("a JPEG picture", ".jpg")),
    (b"GIF87a", Kind("a GIF picture", ".gif")),
    (b"GIF89a", Kind("a GIF picture", ".gif")),
    (b"\x1f\x8b\x08", Kind("a gzip archive", ".gz")),
    (b"7z\xbc\xaf\x27\x1c", Kind("a 7z archive", ".7z")),
    (b"Rar!\x1a\x07", Kind("a RAR archive", ".rar")),
    (b"SQLite format 3\x00", Kind("an SQLite database", ".sqlite")),
    (b"\x7fELF", Kind("a program", ".so")),
)
_ZIP_FOLDERS = (
    ("word", Kind("a Word document", ".docx")),
    ("ppt", Kind("a PowerPoint presentation", ".pptx")),
    ("xl", Kind("an Excel workbook", ".xlsx")),
)
_ZIP_TYPES = {
    b"application/vnd.oasis.opendocument.text": Kind("an OpenDocument text", ".odt"),
    b"application/vnd.oasis.opendocument.spreadsheet": Kind("an OpenDocument table", ".ods"),
    b"application/vnd.oasis.opendocument.presentation": Kind("OpenDocument slides", ".odp"),
    b"application/epub+zip": Kind("an EPUB book", ".epub"),
}
_ZIP_MARKS = (b"PK\x03\x04", b"PK\x05\x06")
_CENTRAL_MARK = b"PK\x01\x02"
_MAX_MEMBERS = 10_000
_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    OSError,
    EOFError,
    ValueError,
    RuntimeError,
    NotImplementedError,
)
_HTML_START = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]{0,200}\?>\s*)?(?:<!--.{0,500}?-->\s*)?"
    rb"<(?:!doctype\s+html|html)[\s>]",
    re.IGNORECASE | re.DOTALL,
)
_HEAD = 2_048


def kind_of(data: bytes) -> Kind | None:
    """Return what the bytes surely are, or None.

    >>> kind_of(b"%PDF-1.7 ...").extension
    '.pdf'
    >>> kind_of(b"Dear all,") is None
    True
    """
    if data.startswith(_ZIP_MARKS):
        return _zip_kind(data)
    found = next((kind for magic, kind in _MAGIC if data.startswith(magic)), None)
    if found is None and _HTML_START.match(data[:_HEAD]):
        return _HTML
    return found


def _is_small(info: zipfile.ZipInfo) -> bool:
    """Tell whether a member says that it is small, packed so that no more is ever unpacked."""
    methods = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
    return info.file_size < _HEAD and info.compress_type in methods


def _zip_kind(data: bytes) -> Kind | None:
    """Tell Office, OpenDocument and EPUB files; a broken archive is left to its loader."""
    if data.count(_CENTRAL_MARK) > _MAX_MEMBERS:
        return None
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = archive.namelist()
            if "mimetype" in names and _is_small(archive.getinfo("mimetype")):
                with archive.open("mimetype") as stream:
                    return _ZIP_TYPES.get(stream.read(_HEAD).strip())
    except _BROKEN:
        return None
    folders = {name.partition("/")[0] for name in names}
    if "[Content_Types].xml" not in names:
        return None if "META-INF" in folders else _ZIP
    return next((kind for folder, kind in _ZIP_FOLDERS if folder in folders), None)
