from __future__ import annotations

import pytest

from graft.errors import UnreadableDocument
from graft.loaders.html import HtmlLoader


def load(tmp_path, text, name="page.html"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    (document,) = HtmlLoader().load(path, name)
    return document


def test_headings_paragraphs_and_lists_stand_in_reading_order(tmp_path):
    document = load(
        tmp_path,
        "<title>Site</title><h1>Pump</h1>loose <b>bold</b>text<p>Para\n one<br>two</p>"
        "<h2>Oil</h2><ul><li>first<li>sec<i>on</i>d</ul><p>after</p><h1>Valve</h1><p>x</p>",
    )
    assert document.title == "Pump"
    assert document.text == (
        "Pump\n\nloose boldtext\n\nPara one\ntwo\n\nOil\n\n- first\n- second\n\nafter\n\nValve\n\nx"
    )
    assert [item.heading_path for item in document.sections] == [
        ("Pump",),
        ("Pump", "Oil"),
        ("Valve",),
    ]
    pieces = [document.text[item.start : item.end] for item in document.sections]
    assert "".join(pieces) == document.text
    assert pieces[1].startswith("Oil\n\n- first")


def test_tables_become_rows_with_spans_repeated(tmp_path):
    document = load(
        tmp_path,
        "<p>Prices</p><table><caption>In pounds</caption><tr><th>Part</th><th>Price</th></tr>"
        "<tr><td rowspan=2>Seal<br>ring</td><td>4</td></tr><tr><td>5 H<sub>2</sub>O</td></tr>"
        "<tr><td></td></tr></table>tail",
    )
    assert document.text == (
        "Prices\n\nIn pounds\nPart | Price\nSeal ring | 4\nSeal ring | 5 H2O\n\ntail"
    )


def test_a_layout_table_is_read_as_blocks(tmp_path):
    document = load(
        tmp_path,
        "<table><tr><td><h2>A</h2><table><tr><td>x</td><td>y</td></tr></table></td></tr></table>",
    )
    assert document.text == "A\n\nx | y"


def test_preformatted_text_keeps_its_lines(tmp_path):
    assert load(tmp_path, "<pre>\na\n  b\n</pre>").text == "a\n  b"


def test_what_is_not_shown_is_dropped_and_counted(tmp_path):
    document = load(
        tmp_path,
        "<style>.x, .y p {display: none} #gone{visibility:hidden}"
        "@media print {.ok {display:none}}</style>"
        "<nav>menu</nav>a<script>bad()</script>b<span hidden>h1</span>c"
        "<p style='DISPLAY : none'>h2</p><p class='big x'>h3</p><p id=gone>h4</p>"
        "<p class=ok>shown</p><!-- comment --><div role=navigation>menu</div>"
        "<p style='opacity:0.5;font-size:0.9em'>faint</p><button>press</button>",
    )
    assert document.text == "abc\n\nshown\n\nfaint"
    assert document.notes == (
        "dropped elements: 1 form, 4 hidden, 2 navigation, 2 script or style",
    )


def test_the_declared_encoding_is_used(tmp_path):
    data = '<meta charset="iso-8859-2"><p>Łódź</p>'.encode("iso-8859-2")
    document = load(tmp_path, data)
    assert document.text == "Łódź"
    assert document.notes == ("read as iso-8859-2",)


def test_broken_html_is_mended(tmp_path):
    assert load(tmp_path, "<p>one<p>two <b>three</p></div></table>").text == "one\n\ntwo three"


def test_nesting_below_the_limit_is_noted(tmp_path):
    document = load(tmp_path, "top" + "<div>" * 5_000 + "deep" + "</div>" * 5_000)
    assert document.text == "top"
    assert "too deep" in document.notes[0]


def test_no_entity_and_no_file_is_read(tmp_path):
    (tmp_path / "secret").write_text("secret words")
    document = load(
        tmp_path,
        f'<!DOCTYPE h [<!ENTITY x SYSTEM "file://{tmp_path}/secret">]><p>a &x; &amp; b</p>',
    )
    assert "secret words" not in document.text


@pytest.mark.parametrize("text", ["<script>x</script>", "<p hidden>x</p>", "<br>"])
def test_a_page_that_shows_nothing_is_refused(tmp_path, text):
    with pytest.raises(UnreadableDocument, match="shows no text"):
        load(tmp_path, text)


def test_nothing_of_a_page_is_run_fetched_or_read_from_its_attributes(tmp_path):
    document = load(
        tmp_path,
        "<head><base href='http://SECRET/'><meta http-equiv=refresh content='0;url=SECRET'></head>"
        "<body onload='SECRET()'><p onclick='SECRET()' title=SECRET data-x=SECRET>Words</p>"
        "<img src='data:image/png;base64,SECRET'><a href='javascript:SECRET'>link</a>"
        "<noscript>SECRET</noscript><template>SECRET</template><iframe srcdoc=SECRET></iframe>"
        "<dialog>SECRET</dialog><object data=SECRET>SECRET</object></body>",
    )
    assert "SECRET" not in document.text
    assert "Words" in document.text and "link" in document.text


@pytest.mark.parametrize(
    "style",
    [
        "opacity:0",
        "font-size:0px",
        "position:absolute;left:-9999px",
        "text-indent:-5000px",
        "clip: rect(0 0 0 0)",
        "clip-path: inset(100%)",
        "transform: scale(0)",
    ],
)
def test_text_hidden_by_its_style_is_dropped_and_counted(tmp_path, style):
    document = load(tmp_path, f"<p>Words</p><p style='{style}'>SECRET</p>")
    assert document.text == "Words"
    assert document.notes == ("dropped elements: 1 hidden",)


def test_a_picture_is_read_as_the_words_that_stand_for_it(tmp_path):
    document = load(
        tmp_path,
        "<p>Turn <img src=a.png alt='the red valve'> left.</p><img src=b.png><img alt=IMG_1.jpg>"
        "<figure><img alt='Oil pump'><figcaption>Oil pump, from above</figcaption></figure>"
        "<figure><img alt='A crack'><figcaption>Figure 2</figcaption></figure>"
        "<table><tr><th>Part</th></tr><tr><td><img alt='Seal ring'></td></tr></table>",
    )
    assert document.text == (
        "Turn the red valve left.\n\nOil pump, from above\n\nA crack\n\nFigure 2\n\nPart\nSeal ring"
    )
    assert document.notes == ("pictures without text: 2",)


def test_rows_around_a_nested_table_stand_under_their_column_names(tmp_path):
    document = load(
        tmp_path,
        "<table><tr><th>Pump</th><th>Seals</th><th>Price</th></tr><tr><td>Tarn</td><td>two"
        "<table><tr><th>Size</th><th>Bar</th></tr><tr><td>4</td><td>90</td></tr>"
        "<tr><td>6</td><td>70</td></tr></table></td><td>12</td></tr>"
        "<tr><td>Skog</td><td><table><tr><td>8</td><td>red</td></tr></table></td>"
        "<td>15</td></tr></table>",
    )
    assert document.text == (
        "Pump | Seals | Price\nTarn | two Size: 4, Bar: 90; Size: 6, Bar: 70 | 12\n"
        "Skog | 8, red | 15"
    )
