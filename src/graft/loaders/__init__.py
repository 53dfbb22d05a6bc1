"""The family of loaders: one file a format, found by the file's extension and its first bytes.

Only the module that is needed is imported, so that knowing the extensions costs nothing. The
corpus asks `loader_for` and `loader_of` and never names a loader. A loader's `LOADER_VERSION`
goes up by one whenever the same file gives another text: then documents that an earlier one
read are read again.
"""

from __future__ import annotations

import importlib
import shlex
from pathlib import Path
from typing import NamedTuple, cast

from graft.errors import UnreadableDocument
from graft.loaders.sniffing import kind_of
from graft.protocols import Loader

__all__ = ["Chosen", "known_extensions", "loader_for", "loader_of"]

_LOADERS = {
    ("graft.loaders.markdown", "MarkdownLoader"): (".md", ".markdown"),
    ("graft.loaders.text", "TextLoader"): (".txt", ".text", ".log"),
    ("graft.loaders.html", "HtmlLoader"): (".html", ".htm", ".xhtml"),
    ("graft.loaders.pdf", "PdfLoader"): (".pdf",),
    ("graft.loaders.docx", "DocxLoader"): (".docx", ".docm"),
    ("graft.loaders.pptx", "PptxLoader"): (".pptx", ".pptm"),
    ("graft.loaders.odf", "OdfLoader"): (".odt", ".ods", ".odp"),
    ("graft.loaders.epub", "EpubLoader"): (".epub",),
    ("graft.loaders.mail", "MailLoader"): (".eml", ".mbox"),
    ("graft.loaders.msg", "MsgLoader"): (".msg",),
    ("graft.loaders.xml", "XmlLoader"): (".xml", ".nxml", ".jats"),
    ("graft.loaders.notebook", "NotebookLoader"): (".ipynb",),
    ("graft.loaders.code", "CodeLoader"): (
        *(".py", ".pyi", ".js", ".mjs", ".jsx", ".ts", ".tsx", ".java", ".go", ".rs", ".php"),
        *(".swift", ".kt", ".kts", ".scala", ".cs", ".c", ".h", ".cc", ".cpp", ".hpp", ".rb"),
        *(".pl", ".pm", ".sh", ".bash", ".sql", ".r", ".lua", ".toml", ".ini", ".cfg", ".yaml"),
        *(".yml", ".css"),
    ),
    ("graft.loaders.xlsx", "XlsxLoader"): (".xlsx", ".xlsm"),
    ("graft.loaders.csv", "CsvLoader"): (".csv", ".tsv", ".psv"),
    ("graft.loaders.json", "JsonLoader"): (".json", ".jsonl", ".ndjson"),
}
_READS_SCANS = ("graft.loaders.pdf", "PdfLoader")
# Under these names a page is a page saved wrongly; elsewhere (.xml, .php) it may be meant so.
_TEXT_NAMES = (".txt", ".text", ".md", ".markdown", ".csv", ".tsv", ".rtf")
_OFFICE_NAMES = (".doc", ".docx", ".docm", ".xls", ".xlsx", ".xlsm", ".ppt", ".pptx", ".pptm")
_PAGE_SAVED_AS = (*_TEXT_NAMES, *_OFFICE_NAMES, ".pdf", ".odt", ".ods", ".odp", ".epub")
_MARK = b"\xef\xbb\xbf"
_DATABASES = (".db", ".sqlite", ".sqlite3")


class Chosen(NamedTuple):
    """The loader of a file; `note` says so where its name promises another format."""

    loader: Loader
    note: str = ""


def known_extensions() -> tuple[str, ...]:
    """Return every extension that has a loader, sorted.

    >>> ".pdf" in known_extensions()
    True
    """
    return tuple(sorted(item for extensions in _LOADERS.values() for item in extensions))


def loader_for(path: Path) -> Loader:
    """Return the loader of a file, by its extension in any case.

    Raises:
        UnreadableDocument: no loader knows the extension.
    """
    entry = _entry(path.suffix.lower())
    if entry is None:
        raise _unknown(path)
    return _made(entry)


def loader_of(path: Path, data: bytes, *, ocr: bool = False) -> Chosen:
    """Return the loader of a file by its bytes where they are sure, else by its extension.

    With `ocr` pictures of text are read where the loader can.

    Raises:
        UnreadableDocument: no loader knows the extension, or the format that it really has; or
            the file is empty.
    """
    suffix = path.suffix.lower()
    own = _entry(suffix)
    if own is None:
        raise _unknown(path)
    if data in (b"", _MARK) or data.isspace():
        raise UnreadableDocument(
            "the file has no text",
            where=str(path),
            why=f"it holds {len(data)} bytes and nothing to read",
            next_step="leave it out, or fill it and add it again",
        )
    kind = kind_of(data)
    real = _entry(kind.extension) if kind else own
    is_page = kind is not None and kind.extension == ".html"
    if kind is None or real == own or (is_page and suffix not in _PAGE_SAVED_AS):
        return Chosen(_made(own, ocr))
    if real is None and kind.extension in _DATABASES:
        what = f"the file is {kind.name}, not what {suffix} says"
        raise _database(path, what)
    if real is None:
        raise UnreadableDocument(
            f"the file is {kind.name}, not what {suffix} says",
            where=str(path),
            why=f"its bytes are those of {kind.name}, and there is no loader for {kind.extension}",
            next_step="unpack or convert it, give it its right extension and add it again",
        )
    return Chosen(_made(real, ocr), f"named {suffix}, but is {kind.name}: read as {kind.extension}")


def _entry(extension: str) -> tuple[str, str] | None:
    return next((entry for entry, known in _LOADERS.items() if extension in known), None)


def _made(entry: tuple[str, str], ocr: bool = False) -> Loader:
    module, name = entry
    options = {"ocr": True} if ocr and entry == _READS_SCANS else {}
    return cast(Loader, getattr(importlib.import_module(module), name)(**options))


def _unknown(path: Path) -> UnreadableDocument:
    extension = path.suffix.lower()
    if extension in _DATABASES:
        return _database(path, f"no loader for {extension}")
    known = " ".join(known_extensions())
    return UnreadableDocument(
        f"no loader for {extension}" if extension else "no loader for a file without extension",
        where=str(path),
        why="its extension says nothing of a known format",
        next_step=f"convert the file to one of these and add it again: {known}",
    )


def _database(path: Path, what: str) -> UnreadableDocument:
    why = "a database holds rows, not one text"
    address = f"sqlite:///{path}"
    # The command is meant to be pasted: no name of a file may end the quotes around it.
    quoted = shlex.quote(address) if set(address) & set('"$`\\!\n') else f'"{address}"'
    step = f"graft add {quoted}"
    return UnreadableDocument(what, where=str(path), why=why, next_step=step)
