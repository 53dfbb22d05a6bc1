"""The family of loaders: one file a format, found by the file's extension.

Only the module that is needed is imported, so that knowing the extensions costs nothing. The
corpus asks `loader_for` and never names a loader.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import cast

from graft.errors import UnreadableDocument
from graft.protocols import Loader

__all__ = ["known_extensions", "loader_for"]

_LOADERS = {
    ("graft.loaders.markdown", "MarkdownLoader"): (".md", ".markdown"),
    ("graft.loaders.text", "TextLoader"): (".txt", ".text", ".log"),
    ("graft.loaders.html", "HtmlLoader"): (".html", ".htm", ".xhtml"),
    ("graft.loaders.pdf", "PdfLoader"): (".pdf",),
    ("graft.loaders.docx", "DocxLoader"): (".docx", ".docm"),
    ("graft.loaders.pptx", "PptxLoader"): (".pptx", ".pptm"),
}


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
    extension = path.suffix.lower()
    for (module, name), extensions in _LOADERS.items():
        if extension in extensions:
            return cast(Loader, getattr(importlib.import_module(module), name)())
    known = " ".join(known_extensions())
    raise UnreadableDocument(
        f"no loader for {extension}" if extension else "no loader for a file without extension",
        where=str(path),
        why="its extension says nothing of a known format",
        next_step=f"convert the file to one of these and add it again: {known}",
    )
