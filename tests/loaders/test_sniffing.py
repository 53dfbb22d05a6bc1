from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest

from graft.errors import UnreadableDocument
from graft.loaders import loader_of
from graft.loaders.sniffing import kind_of


def zipped(**parts):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return data.getvalue()


WORD = zipped(**{"[Content_Types].xml": "<x/>", "word/document.xml": "<x/>"})
SHEET_IN_WORD = zipped(
    **{"[Content_Types].xml": "", "word/document.xml": "", "word/embeddings/xl/a.bin": ""}
)


@pytest.mark.parametrize(
    ("data", "extension"),
    [
        (b"%PDF-1.7\n...", ".pdf"),
        (b"{\\rtf1 text}", ".rtf"),
        (b"\x89PNG\r\n\x1a\n....", ".png"),
        (b"\xef\xbb\xbf  <!DOCTYPE html>\n<p>", ".html"),
        (b'<?xml version="1.0"?>\n<!-- a -->\n<HTML lang="en">', ".html"),
        (WORD, ".docx"),
        (SHEET_IN_WORD, ".docx"),
        (zipped(**{"[Content_Types].xml": "", "xl/workbook.xml": ""}), ".xlsx"),
        (zipped(**{"[Content_Types].xml": "", "ppt/presentation.xml": ""}), ".pptx"),
        (zipped(mimetype="application/vnd.oasis.opendocument.text"), ".odt"),
        (zipped(mimetype="application/epub+zip"), ".epub"),
        (zipped(**{"notes.txt": "text"}), ".zip"),
        (zipped(), ".zip"),
    ],
)
def test_a_format_with_a_mark_is_known_by_it(data, extension):
    assert kind_of(data).extension == extension


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"plain words",
        b"see %PDF-1.7",
        b"<p>a part of a page</p>",
        b"<htmlx>",
        b"# Title\n<!doctype html>",
        b"PK\x03\x04" + b"\0" * 99,
        zipped(mimetype="application/other"),
        zipped(**{"META-INF/container.xml": ""}),
        b"PK\x03\x04" + b"PK\x01\x02" * 20_000,
    ],
)
def test_what_is_not_sure_is_left_to_the_extension(data):
    assert kind_of(data) is None


@pytest.mark.parametrize(
    ("name", "data", "loader", "noted"),
    [
        ("a.pdf", b"%PDF-1.7", "PdfLoader", False),
        ("a.txt", b"%PDF-1.7", "PdfLoader", True),
        ("A.TXT", WORD, "DocxLoader", True),
        ("a.docm", WORD, "DocxLoader", False),
        ("a.xhtml", b"<html>", "HtmlLoader", False),
        ("a.md", b"<!doctype html>", "HtmlLoader", True),
        ("a.log", b"<html>", "TextLoader", False),
        ("a.docx", b"no archive at all", "DocxLoader", False),
    ],
)
def test_the_loader_is_that_of_the_bytes(name, data, loader, noted):
    chosen = loader_of(Path(name), data)
    assert type(chosen.loader).__name__ == loader
    assert bool(chosen.note) is noted


@pytest.mark.parametrize(
    ("name", "data", "what"),
    [
        ("a.txt", b"\x89PNG\r\n\x1a\n", "the file is a PNG picture, not what .txt says"),
        ("a.docx", zipped(a="b"), "the file is a zip archive, not what .docx says"),
        ("a.pdf", b"Rar!\x1a\x07\x00", "the file is a RAR archive, not what .pdf says"),
        ("a.xyz", b"%PDF-1.7", "no loader for .xyz"),
    ],
)
def test_what_no_loader_reads_is_refused_by_its_name(name, data, what):
    with pytest.raises(UnreadableDocument) as caught:
        loader_of(Path(name), data)
    assert caught.value.what == what
    assert caught.value.where == name and caught.value.why and caught.value.next_step
