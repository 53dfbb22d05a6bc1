from __future__ import annotations

import zipfile

import pytest

from graft.errors import UnreadableDocument
from graft.loaders.epub import EpubLoader
from graft.testing.loader_contract import LoaderContract

CONTAINER = (
    '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
    '<rootfile full-path="book/b.opf"/></rootfiles></container>'
)
OPS = 'xmlns="http://www.w3.org/1999/xhtml" xmlns:epub="http://www.idpf.org/2007/ops"'


def page(inner, attributes="", doctype=""):
    head = '<head><title/><script src="x.js"/></head>'
    return (
        f'<?xml version="1.0"?>{doctype}<html {OPS}>{head}<body {attributes}>{inner}</body></html>'
    )


def written(path, pages, title="Of Pumps", spine=None, items="", more="", others=()):
    """Write pages by their name; `spine` is their order."""
    listed = "".join(
        f'<item id="{name}" href="{name.replace(" ", "%20")}.xhtml"'
        ' media-type="application/xhtml+xml"/>'
        for name in pages
    )
    order = "".join(f'<itemref idref="{name}"/>' for name in (spine or pages))
    book = (
        '<package xmlns="http://www.idpf.org/2007/opf" xmlns:dc="http://purl.org/dc/elements/1.1/">'
        f"<metadata><dc:title>{title}</dc:title></metadata><manifest>{listed}{items}</manifest>"
        f"<spine>{order}</spine>{more}</package>"
    )
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mimetype", "application/epub+zip")
        archive.writestr("META-INF/container.xml", CONTAINER)
        archive.writestr("book/b.opf", book)
        for name, text in pages.items():
            archive.writestr(f"book/{name}.xhtml", text)
        for name, text in others:
            archive.writestr(name, text)
    return path


def load(tmp_path, pages, **more):
    path = written(tmp_path / "a-book.epub", pages, **more)
    (document,) = EpubLoader().load(path, "a-book.epub")
    return document


class TestEpub(LoaderContract):
    @pytest.fixture
    def loader(self):
        return EpubLoader()

    @pytest.fixture
    def file(self, tmp_path):
        return written(tmp_path / "a.epub", {"c": page("<h1>Tarn</h1><p>pump ninety bar</p>")})


def test_chapters_stand_in_the_order_of_the_spine_each_once(tmp_path):
    pages = {
        "b": page("<h1>Two</h1><p>b</p>"),
        "a 1": page("<h1>One</h1><h2>In</h2><p>a&#160;a</p>"),
    }
    document = load(tmp_path, pages, spine=["a 1", "b", "a 1", "gone"])
    assert document.title == "Of Pumps"
    assert document.text == "One\n\nIn\n\na a\n\nTwo\n\nb"
    assert [item.heading_path for item in document.sections] == [("One",), ("One", "In"), ("Two",)]
    assert [document.text[item.start :][:3] for item in document.sections] == ["One", "In\n", "Two"]


def test_cover_and_navigation_are_left_out_and_counted(tmp_path):
    nav = '<nav epub:type="toc"><ol><li><a href="c.xhtml#x">A chapter</a></li></ol></nav>'
    pages = {
        "cover": page("<p>Of Pumps, by A. Writer</p>"),
        "front": page("<section epub:type='cover'><p>again</p></section>"),
        "c": page("<p>text</p>"),
        "blank": page("<img src='x.png' alt=''/>"),
    }
    document = load(
        tmp_path,
        pages,
        spine=["cover", "nav", "front", "c", "blank", "svg"],
        items='<item id="nav" href="nav.xhtml" media-type="application/xhtml+xml"'
        ' properties="nav"/>'
        '<item id="svg" href="s.svg" media-type="image/svg+xml"/>',
        more='<guide><reference type="cover" href="cover.xhtml"/></guide>',
        others=[("book/nav.xhtml", page(f"<h1>SECRET contents</h1>{nav}"))],
    )
    assert document.text == "text"
    assert document.sections[0].heading_path == ("A chapter",)
    assert document.notes[:3] == (
        "2 cover pages left out",
        "1 navigation page left out",
        "2 pages without text left out",
    )


def test_an_older_table_of_contents_names_chapters(tmp_path):
    ncx = (
        '<ncx xmlns="http://www.daisy.org/z3986/2005/ncx/"><navMap><navPoint><navLabel><text>First'
        '</text></navLabel><content src="c.xhtml"/></navPoint></navMap></ncx>'
    )
    document = load(
        tmp_path,
        {"c": page("<p>text</p>")},
        items='<item id="n" href="t.ncx" media-type="application/x-dtbncx+xml"/>',
        others=[("book/t.ncx", ncx)],
    )
    assert document.sections[0].heading_path == ("First",)


def test_a_picture_is_read_as_the_words_that_stand_for_it(tmp_path):
    pages = {
        "a": page(
            "<p>Turn <img src='a.png' alt='the red valve'/> left.</p><img src='b.png'/>"
            "<figure><img alt='Oil pump'/><figcaption>Oil pump, from above</figcaption></figure>"
        ),
        "b": page("<img alt='A map of the plant'/><img src='c.png' alt='IMG_1.jpg'/>"),
        "c": page("<div style='display:none'><img alt='SECRET'/></div>"),
    }
    document = load(tmp_path, pages)
    assert document.text == (
        "Turn the red valve left.\n\nOil pump, from above\n\nA map of the plant"
    )
    assert "2 pictures without text left out" in document.notes


def test_hidden_text_and_broken_pages_are_read_like_html(tmp_path):
    pages = {
        "a": page("<p>seen<span style='display:none'>SECRET</span></p>"),
        "b": "<html><body><p>not &nbsp; closed<br>at all",
    }
    document = load(tmp_path, pages)
    assert document.text == "seen\n\nnot closed\nat all"
    assert document.notes == ("dropped elements: 1 hidden, 1 script or style",)


def scrambled(algorithm):
    return (
        '<encryption xmlns:e="http://www.w3.org/2001/04/xmlenc#"><e:EncryptedData>'
        f'<e:EncryptionMethod Algorithm="{algorithm}"/><e:CipherData>'
        '<e:CipherReference URI="book/c.xhtml"/></e:CipherData></e:EncryptedData></encryption>'
    )


def test_a_protected_book_is_refused_and_scrambled_fonts_are_not(tmp_path):
    path = written(
        tmp_path / "a.epub",
        {"c": page("<p>noise</p>")},
        others=[
            ("META-INF/encryption.xml", scrambled("http://www.w3.org/2001/04/xmlenc#aes128-cbc"))
        ],
    )
    with pytest.raises(UnreadableDocument, match="encrypted") as caught:
        list(EpubLoader().load(path, "a"))
    assert "rights management" in caught.value.why
    fonts = [("META-INF/encryption.xml", scrambled("http://www.idpf.org/2008/embedding"))]
    assert load(tmp_path, {"c": page("<p>text</p>")}, others=fonts).text == "text"


def test_entities_in_a_chapter_are_refused(tmp_path):
    doctype = '<!DOCTYPE html [<!ENTITY e SYSTEM "file:///etc/passwd">]>'
    with pytest.raises(UnreadableDocument, match="entities"):
        load(tmp_path, {"c": page("<p>&e;</p>", doctype=doctype)})


def test_a_chapter_outside_the_book_is_not_opened(tmp_path):
    items = '<item id="x" href="../../../etc/passwd" media-type="application/xhtml+xml"/>'
    document = load(tmp_path, {"c": page("<p>text</p>")}, spine=["x", "c"], items=items)
    assert document.text == "text"
    assert document.notes[0] == "etc/passwd is missing"


def test_a_book_of_pictures_is_refused_with_the_reason(tmp_path):
    path = written(tmp_path / "a.epub", {"c": page("<img src='1.png'/>")})
    with pytest.raises(UnreadableDocument) as caught:
        list(EpubLoader().load(path, "a"))
    assert "1 page without text left out" in caught.value.why
