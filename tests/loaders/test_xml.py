from __future__ import annotations

import pytest

from graft.errors import UnreadableDocument
from graft.loaders.xml import XmlLoader
from graft.testing.loader_contract import LoaderContract


def load(tmp_path, text, name="a-file.xml"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    (document,) = XmlLoader().load(path, name)
    return document


class TestXml(LoaderContract):
    @pytest.fixture
    def loader(self):
        return XmlLoader()

    @pytest.fixture
    def file(self, tmp_path):
        path = tmp_path / "a.xml"
        path.write_text("<store><name>Tarn pump</name><pressure>ninety bar</pressure></store>")
        return path


class TestJats(LoaderContract):
    @pytest.fixture
    def loader(self):
        return XmlLoader()

    @pytest.fixture
    def file(self, tmp_path):
        path = tmp_path / "a.nxml"
        path.write_text(article("<sec><title>Tarn</title><p>pump ninety bar</p></sec>"))
        return path


def article(body, back="", meta=""):
    return (
        '<!DOCTYPE article PUBLIC "-//NLM//DTD JATS" "JATS.dtd"><article><front><article-meta>'
        "<title-group><article-title>Of <italic>Tarn</italic></article-title></title-group>"
        f"{meta}</article-meta></front><body>{body}</body><back>{back}</back></article>"
    )


def test_records_become_lines_of_labelled_values(tmp_path):
    document = load(
        tmp_path,
        '<staff xmlns:x="urn:x"><person id="7" x:hidden="no" class="c"><name>Ada</name>'
        '<city>Oslo</city><empty/></person><person><name>Bo</name><pay currency="EUR">30</pay>'
        "</person><updated>2026</updated></staff>",
    )
    assert document.title == "a file"
    assert document.text == (
        "person: id: 7; name: Ada; city: Oslo\nperson: name: Bo; pay: 30 (currency: EUR)\n"
        "updated: 2026"
    )


def test_titles_head_sections_and_running_text_stays_whole(tmp_path):
    long = "A long paragraph of words that goes on. " * 4
    document = load(
        tmp_path,
        f"<book><title>Of Pumps</title><chapter><title>Tarn</title><para>It has <b>H</b>igh "
        f"pressure.</para><para>{long}</para></chapter><chapter><title>Oil</title><p>x</p></chapter></book>",
    )
    assert document.title == "Of Pumps"
    assert document.text == (
        f"Of Pumps\n\nTarn\n\nIt has High pressure.\n\n{long.strip()}\n\nOil\n\nx"
    )
    assert [item.heading_path for item in document.sections] == [
        ("Of Pumps",),
        ("Of Pumps", "Tarn"),
        ("Of Pumps", "Oil"),
    ]


def test_an_article_has_its_title_people_sections_tables_and_captions(tmp_path):
    meta = (
        '<contrib-group><contrib contrib-type="author"><name><surname>Lovelace</surname>'
        "<given-names>Ada</given-names></name></contrib></contrib-group>"
        "<permissions><p>SECRET licence</p></permissions>"
        "<abstract><p>In short.</p></abstract><kwd-group><kwd>pumps</kwd><kwd>oil</kwd></kwd-group>"
    )
    body = (
        "<sec><label>1</label><title>Method</title><p>We used water <sup><xref ref-type='bibr'>3"
        "</xref></sup> at 5<sup>th</sup>&#160;try:<list><list-item><p>one</p></list-item>"
        "<list-item><p>two</p></list-item></list>done.</p><sec><title>Data</title>"
        "<table-wrap><label>Table 1</label><caption><title>Prices</title></caption><table><tr>"
        "<th>Part</th><th>Price</th></tr><tr><td>Seal</td><td>4</td></tr></table><table-wrap-foot><fn><p>"
        "In pounds.</p></fn></table-wrap-foot></table-wrap></sec></sec>"
        "<fig><label>Fig 1</label><caption><p>A pump.</p></caption><graphic href='x'/></fig>"
    )
    document = load(tmp_path, article(body, meta=meta), "a.nxml")
    assert document.title == "Of Tarn"
    assert document.text == (
        "Of Tarn\n\nAuthors: Ada Lovelace\nKeywords: pumps, oil\n\nAbstract\n\nIn short.\n\n"
        "1 Method\n\nWe used water [3] at 5th try:\n\n- one\n- two\n\ndone.\n\nData\n\n"
        "Table 1. Prices.\n\nPart | Price\nSeal | 4\n\nIn pounds.\n\nFig 1. A pump."
    )
    assert ("Of Tarn", "1 Method", "Data") in [item.heading_path for item in document.sections]
    assert document.notes == ("1 note of the publisher left out", "1 picture left out")


def test_references_come_last_with_names_kept_apart(tmp_path):
    back = (
        "<ref-list><title>References</title><ref><label>1</label><mixed-citation><name><surname>Pion"
        "</surname><given-names>SD</given-names></name>, <article-title>On pumps</article-title>. "
        "<year>2017</year>.</mixed-citation></ref><ref><element-citation><person-group><name><surname>"
        "Bo</surname><given-names>X</given-names></name></person-group><source>Journal</source>"
        "</element-citation></ref></ref-list>"
    )
    document = load(tmp_path, article("<p>x</p>", back), "a.jats")
    assert document.text.endswith("1. Pion SD, On pumps. 2017.\n- Bo X. Journal.")
    assert document.sections[-1].heading_path == ("Of Tarn", "References")


def test_an_article_in_the_answer_of_an_archive_is_found(tmp_path):
    inner = article("<p>words &eacute;</p>").split("<article>", 1)[1]
    text = (
        '<!DOCTYPE OAI SYSTEM "x.dtd"><OAI xmlns="urn:o"><metadata>'
        f'<article xmlns="https://jats.nlm.nih.gov/ns/archiving/1.0/">{inner}</metadata></OAI>'
    )
    assert load(tmp_path, text).text == "Of Tarn\n\nwords é"


@pytest.mark.parametrize(
    "declared",
    [
        '<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">',
        '<!ENTITY a SYSTEM "file:///etc/passwd">',
        '<!ENTITY % a SYSTEM "http://127.0.0.1/x">%a;',
    ],
)
def test_entities_are_refused_in_any_encoding(tmp_path, declared):
    text = f"<!DOCTYPE r [{declared}]><r>&a;</r>"
    for data in (text.encode(), text.encode("utf-16")):
        with pytest.raises(UnreadableDocument, match="entities"):
            load(tmp_path, data)


def test_broken_xml_is_read_as_far_as_it_goes_with_a_note(tmp_path):
    document = load(tmp_path, "<list><item>one</item><item>two</wrong><item>three")
    assert "item: one" in document.text
    assert document.notes == ("the file is damaged and read as far as it goes",)


def test_a_picture_of_a_page_in_xml_is_read_as_the_words_that_stand_for_it(tmp_path):
    path = tmp_path / "a.xml"
    path.write_text(
        "<html><body><p>a</p><img alt='the red valve'/><img src='b.png'/></body></html>"
    )
    (document,) = XmlLoader().load(path, "a.xml")
    assert document.text == "a\n\nthe red valve"
    assert document.notes == ("1 picture without text left out",)


def test_a_page_in_xml_is_read_like_html(tmp_path):
    page = '<html xmlns="http://www.w3.org/1999/xhtml"><head><title/></head><body><h1>A</h1><p>b</p></body></html>'
    assert load(tmp_path, page).text == "A\n\nb"


def test_comments_instructions_and_empty_files_say_nothing(tmp_path):
    assert load(tmp_path, "<a><!-- SECRET --><?pi SECRET?><b>x</b></a>").text == "b: x"
    with pytest.raises(UnreadableDocument, match="no text"):
        load(tmp_path, "<a><b/></a>")
