from __future__ import annotations

import zipfile

import pytest

from graft.errors import UnreadableDocument
from graft.loaders.odf import OdfLoader
from graft.testing.loader_contract import LoaderContract

BASE = "urn:oasis:names:tc:opendocument:xmlns"
SPACES = " ".join(
    f'xmlns:{prefix}="{BASE}:{name}:1.0"'
    for prefix, name in {
        "office": "office",
        "text": "text",
        "table": "table",
        "style": "style",
        "draw": "drawing",
        "fo": "xsl-fo-compatible",
        "presentation": "presentation",
        "svg": "svg-compatible",
    }.items()
) + (
    ' xmlns:xlink="http://www.w3.org/1999/xlink" xmlns:dc="http://purl.org/dc/elements/1.1/"'
    ' xmlns:math="http://www.w3.org/1998/Math/MathML"'
)
KINDS = {".odt": "text", ".ods": "spreadsheet", ".odp": "presentation"}


def part(root, inner):
    return f'<?xml version="1.0"?><office:{root} {SPACES}>{inner}</office:{root}>'


def written(path, inner, styles="", named="", title="", others=()):
    kind = KINDS[path.suffix]
    content = (
        f"<office:automatic-styles>{styles}</office:automatic-styles>"
        f"<office:body><office:{kind}>{inner}</office:{kind}></office:body>"
    )
    meta = f"<office:meta><dc:title>{title}</dc:title></office:meta>"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mimetype", f"application/vnd.oasis.opendocument.{kind}")
        archive.writestr("content.xml", part("document-content", content))
        archive.writestr("styles.xml", part("document-styles", named))
        archive.writestr("meta.xml", part("document-meta", meta))
        for name, data in others:
            archive.writestr(name, data)
    return path


def load(tmp_path, inner, suffix=".odt", **more):
    path = written(tmp_path / f"year-plan{suffix}", inner, **more)
    (document,) = OdfLoader().load(path, path.name)
    return document


def style(name, properties, family="text", parent=""):
    above = f'style:parent-style-name="{parent}"' if parent else ""
    named = f'style:name="{name}" style:family="{family}" {above}'
    return f"<style:style {named}>{properties}</style:style>"


def p(text, name=""):
    return f'<text:p text:style-name="{name}">{text}</text:p>'


def cell(text, attributes=""):
    return f"<table:table-cell {attributes}>{p(text)}</table:table-cell>"


def row(*texts, attributes=""):
    cells = "".join(item if item.startswith("<table:") else cell(item) for item in texts)
    return f"<table:table-row {attributes}>{cells}</table:table-row>"


def sheet(name, *rows, attributes=""):
    return f'<table:table table:name="{name}" {attributes}>{"".join(rows)}</table:table>'


def frame(inner, kind="", attributes=""):
    of = f'presentation:class="{kind}"' if kind else ""
    return f"<draw:frame {of} {attributes}><draw:text-box>{inner}</draw:text-box></draw:frame>"


def slide(*shapes, attributes=""):
    return f"<draw:page {attributes}>{''.join(shapes)}</draw:page>"


class TestOdf(LoaderContract):
    @pytest.fixture(params=[".odt", ".ods", ".odp"])
    def suffix(self, request):
        return request.param

    @pytest.fixture
    def loader(self):
        return OdfLoader()

    @pytest.fixture
    def file(self, tmp_path, suffix):
        inner = {
            ".odt": p("Tarn pump ninety bar"),
            ".ods": sheet("Pumps", row("Tarn pump", "ninety bar")),
            ".odp": slide(frame(p("Tarn pump"), "title"), frame(p("ninety bar"))),
        }[suffix]
        return written(tmp_path / f"a{suffix}", inner)


def test_headings_become_paths_and_the_title_stands_above_them(tmp_path):
    document = load(
        tmp_path,
        p("Year plan", "P1")
        + '<text:h text:outline-level="1">Pumps</text:h>'
        + p("one")
        + '<text:h text:outline-level="2">Tarn</text:h>'
        + p("two")
        + '<text:h text:outline-level="1">Oil</text:h>',
        styles=style("P1", "", "paragraph", "Title"),
    )
    assert document.title == "Year plan"
    assert [item.heading_path for item in document.sections] == [
        ("Year plan",),
        ("Year plan", "Pumps"),
        ("Year plan", "Pumps", "Tarn"),
        ("Year plan", "Oil"),
    ]
    assert document.text == "Year plan\n\nPumps\n\none\n\nTarn\n\ntwo\n\nOil"


def test_spaces_tabs_and_breaks_are_elements_and_layout_is_not(tmp_path):
    inner = (
        'a\n   b<text:s text:c="3"/>c<text:tab/>d<text:line-break/>e<text:s text:c="999999999"/>'
    )
    assert load(tmp_path, p(inner)).text == "a b c d\ne"
    code = load(
        tmp_path,
        p('if x:<text:line-break/><text:s text:c="4"/>y()', "Preformatted_20_Text"),
        named=style("Preformatted_20_Text", "", "paragraph"),
    )
    assert code.text == "if x:\n    y()"


def items(*texts, attributes=""):
    inner = "".join(f"<text:list-item>{item}</text:list-item>" for item in texts)
    return f"<text:list {attributes}>{inner}</text:list>"


def test_lists_keep_their_lines_bullets_and_numbers(tmp_path):
    numbers = (
        '<text:list-style style:name="L1"><text:list-level-style-number text:level="1"'
        ' style:num-format="1" text:start-value="4"/><text:list-level-style-bullet text:level="2"/>'
        "</text:list-style>"
    )
    inside = items(p("in"))
    document = load(
        tmp_path,
        items(p("one"), p("two") + p("more") + inside, attributes='text:style-name="L1"')
        + items(p("three"), attributes='text:style-name="L1" text:continue-numbering="true"'),
        styles=numbers,
    )
    assert document.text == "4. one\n5. two\nmore\n- in\n6. three"


def test_tables_become_rows_and_merged_cells_stand_once(tmp_path):
    document = load(
        tmp_path,
        p("Prices")
        + sheet(
            "T",
            f"<table:table-header-rows>{row('Part', 'Price')}</table:table-header-rows>",
            row(cell("Seal", 'table:number-columns-spanned="2"'), "<table:covered-table-cell/>"),
            row("Ring", f"<table:table-cell>{p('4')}{p('pounds')}</table:table-cell>"),
        )
        + sheet("one column", row("alone"), row("again")),
    )
    assert document.text == "Prices\n\nPart | Price\nSeal\nRing | 4 pounds\n\nalone\n\nagain"


def test_deletions_comments_and_hidden_text_are_left_out_and_counted(tmp_path):
    deletion = (
        '<text:tracked-changes><text:changed-region text:id="c"><text:deletion>'
        f"{p('SECRET gone')}</text:deletion></text:changed-region></text:tracked-changes>"
    )
    inner = (
        deletion
        + p(
            "seen<text:change text:change-id='c'/><office:annotation><dc:creator>Eve</dc:creator>"
            "<text:p>SECRET remark</text:p></office:annotation> words"
            "<text:span text:style-name='T1'>SECRET "
            "<text:span text:style-name='T2'>SECRET</text:span>"
            "</text:span><text:span text:style-name='T3'>SECRET small</text:span>"
            "<text:hidden-text text:string-value='SECRET'>SECRET</text:hidden-text>"
        )
        + f'<text:section text:display="none">{p("SECRET section")}</text:section>'
        + f'<text:section text:name="s">{p("open section")}</text:section>'
        + p("SECRET <text:hidden-paragraph text:is-hidden='true'/>")
        + p("SECRET by style", "P9")
        + p("<text:placeholder>SECRET click here</text:placeholder>")
    )
    styles = (
        style("T1", '<style:text-properties text:display="none"/>')
        + style("T3", '<style:text-properties fo:font-size="1pt"/>')
        + style("P8", '<style:text-properties text:display="none"/>', "paragraph")
        + style("P9", "", "paragraph", "P8")
    )
    document = load(tmp_path, inner, styles=styles)
    assert document.text == "seen words\n\nopen section"
    assert document.notes == (
        "1 comment left out",
        "1 hidden section left out",
        "4 pieces of hidden text left out",
        "1 prompt of an empty field left out",
        "1 tracked deletion left out",
    )


def test_notes_and_text_boxes_stand_under_their_paragraph(tmp_path):
    note = (
        '<text:note text:note-class="footnote"><text:note-citation>1</text:note-citation>'
        f"<text:note-body>{p('see there')}</text:note-body></text:note>"
    )
    picture = '<draw:frame><draw:image xlink:href="Pictures/1.png"/></draw:frame>'
    document = load(tmp_path, p(f"line{note} on{frame(p('in the box'))}{picture}") + p("next"))
    assert document.text == "line on\n\nFootnote: see there\n\nin the box\n\nnext"
    assert document.notes == ("1 picture left out",)


def test_a_formula_and_the_values_of_a_chart_are_read_and_other_objects_counted(tmp_path):
    math = (
        '<math xmlns="http://www.w3.org/1998/Math/MathML"><msup><mi>x</mi><mn>2</mn></msup>'
        "<annotation>x^2 SECRET</annotation></math>"
    )
    chart = part(
        "document-content",
        "<office:body><office:chart>"
        + sheet("local", row("Year", "Sold"), row("2024", "7"))
        + "</office:chart></office:body>",
    )
    objects = "".join(
        f'<draw:frame><draw:object xlink:href="./{name}"/></draw:frame>'
        for name in ("O1", "O2", "O3", "../O1")
    )
    document = load(
        tmp_path, p(objects), others=[("O1/content.xml", math), ("O2/content.xml", chart)]
    )
    assert document.text == "x^2\n\nYear | Sold\n2024 | 7"
    assert document.notes == ("2 embedded objects left out",)


def test_contents_headers_and_macros_are_counted(tmp_path):
    contents = f"<text:index-body>{p('Pumps 3')}</text:index-body>"
    contents = f"<text:table-of-content>{contents}</text:table-of-content>"
    header = f"<style:header>{p('SECRET head')}</style:header><style:footer/>"
    master = f"<style:master-page>{header}</style:master-page>"
    document = load(
        tmp_path, contents + p("body"), named=master, others=[("Basic/Standard/M.xml", "<a/>")]
    )
    assert document.text == "body"
    assert document.notes == (
        "1 line of page headers and footers left out",
        "1 line of the table of contents left out",
        "1 macro project left out",
    )


def test_the_rows_of_a_sheet_repeat_the_names_of_the_columns(tmp_path):
    number = 'office:value-type="float" office:value="3"'
    document = load(
        tmp_path,
        sheet(
            "Sales",
            row("Sales of pumps"),
            row("Name", "City", "Sold"),
            row("Ada", "Oslo", cell("3", number + ' table:formula="of:=1+2"')),
            row("Bo", "<table:table-cell/>", f"<table:table-cell {number}/>"),
            row("<table:table-cell/>", attributes='table:number-rows-repeated="1048000"'),
            row("a note below"),
        ),
        suffix=".ods",
        title="Book of sales",
    )
    assert document.title == "Book of sales"
    assert document.text == (
        "Sales\n\nSales of pumps\nName | City | Sold\nName: Ada; City: Oslo; Sold: 3\n"
        "Name: Bo; Sold: 3\n\na note below"
    )
    assert document.sections[0].heading_path == ("Sales",)
    assert document.notes == ("1 formula left out",)


def test_a_million_repeats_stay_small(tmp_path):
    wide = cell("x", 'table:number-columns-repeated="16384" office:value-type="string"')
    document = load(
        tmp_path,
        sheet("S", row(wide, attributes='table:number-rows-repeated="1000000"')),
        suffix=".ods",
    )
    assert len(document.text) < 20_000
    assert document.notes == (
        "16334 repeated cells left out",
        "999950 repeated rows left out",
    )


def test_hidden_sheets_rows_and_columns_are_left_out_and_counted(tmp_path):
    columns = '<table:table-column/><table:table-column table:visibility="collapse"/>'
    document = load(
        tmp_path,
        sheet("Hidden", row("SECRET"), attributes='table:style-name="ta1"')
        + sheet(
            "Shown",
            columns,
            row("seen", "SECRET", "too"),
            row("SECRET", attributes='table:visibility="collapse"'),
            row("SECRET", attributes='table:visibility="filter"'),
            f'<table:table-row-group table:display="false">{row("SECRET")}</table:table-row-group>',
            row(
                f"<table:table-cell><office:annotation>{p('SECRET')}</office:annotation>{p('end')}</table:table-cell>"
            ),
        ),
        suffix=".ods",
        styles=style("ta1", '<style:table-properties table:display="false"/>', "table"),
    )
    assert "SECRET" not in document.text
    assert document.text == "Shown\n\nseen | too\n\nend"
    assert document.notes == (
        "1 cell of a hidden column left out",
        "1 comment left out",
        "3 hidden rows left out",
        "1 hidden sheet left out",
    )


def test_each_slide_is_a_section_with_its_number_and_notes(tmp_path):
    notes = f"<presentation:notes>{frame(p('say it'), 'notes')}</presentation:notes>"
    prompt = frame(p("SECRET click"), "outline", 'presentation:placeholder="true"')
    document = load(
        tmp_path,
        f"<draw:page>{frame(p('below'))}{frame(p('Plan'), 'title')}{notes}{prompt}</draw:page>"
        f'<draw:page draw:style-name="dp2">{frame(p("SECRET"), "title")}</draw:page>'
        f"<draw:page><draw:g><draw:rect>{p('in a shape')}</draw:rect></draw:g>"
        f"{frame(p('3 May'), 'date-time')}</draw:page>",
        suffix=".odp",
        styles=style(
            "dp2",
            '<style:drawing-page-properties presentation:visibility="hidden"/>',
            "drawing-page",
        ),
    )
    assert document.title == "Plan"
    assert document.text == "Plan\n\nbelow\n\nSpeaker notes: say it\n\nin a shape"
    assert [(item.heading_path, item.page) for item in document.sections] == [
        (("Plan",), 1),
        ((), 3),
    ]
    assert document.notes == (
        "1 hidden slide left out",
        "1 line of page headers and footers left out",
    )


def test_a_file_under_a_password_is_refused(tmp_path):
    manifest = '<m:manifest xmlns:m="x"><m:encryption-data/></m:manifest>'
    path = written(tmp_path / "a.odt", p("noise"), others=[("META-INF/manifest.xml", manifest)])
    with pytest.raises(UnreadableDocument, match="encrypted"):
        list(OdfLoader().load(path, "a"))


def test_entities_are_refused(tmp_path):
    path = tmp_path / "a.odt"
    bomb = '<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]>' + part(
        "document-content", p("&e;")
    )
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("content.xml", bomb)
    with pytest.raises(UnreadableDocument) as caught:
        list(OdfLoader().load(path, "a"))
    assert "entities" in caught.value.why


def test_frames_within_frames_without_end_are_refused_or_read(tmp_path):
    inner = p("deep")
    for _ in range(60):
        inner = p(frame(inner))
    path = written(tmp_path / "a.odt", inner)
    TestOdf().reads_or_refuses(OdfLoader(), path)


def test_a_style_that_stands_on_itself_ends(tmp_path):
    loop = style("A", "", "paragraph", "B") + style("B", "", "paragraph", "A")
    assert load(tmp_path, p("text", "A"), styles=loop).text == "text"
