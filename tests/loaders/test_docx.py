from __future__ import annotations

import zipfile

import pytest

from graft.errors import UnreadableDocument
from graft.loaders.docx import DocxLoader
from graft.testing.loader_contract import LoaderContract

W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
SPACES = (
    f'xmlns:w="{W}" xmlns:w14="http://schemas.microsoft.com/office/word/2010/wordml"'
    ' xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"'
    ' xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"'
    ' xmlns:wps="http://schemas.microsoft.com/office/word/2010/wordprocessingShape"'
    ' xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math"'
    ' xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"'
    ' xmlns:c="http://schemas.openxmlformats.org/drawingml/2006/chart"'
)
RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
STYLES = "".join(
    f'<w:style w:type="paragraph" w:styleId="{id_}"><w:name w:val="{name}"/>{rest}</w:style>'
    for id_, name, rest in [
        ("T", "Title", ""),
        ("H1", "heading 1", '<w:pPr><w:outlineLvl w:val="0"/></w:pPr>'),
        ("H2", "heading 2", ""),
        ("Mine", "My heading", '<w:basedOn w:val="H2"/>'),
        ("L", "List Bullet", '<w:pPr><w:numPr><w:numId w:val="1"/></w:numPr></w:pPr>'),
        ("Code", "Source Code", ""),
        ("Toc", "toc 1", ""),
        ("Ghost", "Ghost", "<w:rPr><w:vanish/></w:rPr>"),
        ("Dark", "Dark", '<w:pPr><w:shd w:fill="000000"/></w:pPr>'),
    ]
)


def run(text, properties=""):
    return f'<w:r><w:rPr>{properties}</w:rPr><w:t xml:space="preserve">{text}</w:t></w:r>'


def paragraph(inner, style="", properties=""):
    inner = inner if inner.startswith("<") else run(inner)
    named = f'<w:pStyle w:val="{style}"/>' if style else ""
    return f"<w:p><w:pPr>{named}{properties}</w:pPr>{inner}</w:p>"


def row(*cells, properties=""):
    inner = "".join(
        cell if cell.startswith("<w:tc>") else f"<w:tc>{cell or '<w:p/>'}</w:tc>" for cell in cells
    )
    return f"<w:tr>{properties}{inner}</w:tr>"


def cell(text):
    return f"<w:tc>{paragraph(text)}</w:tc>"


def merged(text, kind):
    return f"<w:tc><w:tcPr><w:vMerge{kind}/></w:tcPr>{paragraph(text)}</w:tc>"


def table(*rows):
    return f"<w:tbl><w:tblPr/>{''.join(rows)}</w:tbl>"


def part(root, inner):
    return f'<?xml version="1.0"?><w:{root} {SPACES}>{inner}</w:{root}>'


def related(*items):
    inner = "".join(
        f'<Relationship Id="{id_}" Type="{RELATIONS}/{kind}" Target="{target}"/>'
        for id_, kind, target in items
    )
    return (
        '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        f"{inner}</Relationships>"
    )


def written(path, body, parts=(), title=""):
    """Write a Word file; `parts` are pairs of a kind of part and its XML."""
    core = (
        '<cp:p xmlns:cp="http://schemas.openxmlformats.org/package/2006/metadata/core-properties"'
        f' xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>{title}</dc:title></cp:p>'
    )
    parts = {"styles": part("styles", STYLES), **dict(parts)}
    relations = [(f"r{kind}", kind.rstrip("0123456789"), f"{kind}.xml") for kind in parts]
    document = body if body.startswith("<?xml") else part("document", f"<w:body>{body}</w:body>")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        top = [
            ("r1", "officeDocument", "word/document.xml"),
            ("r2", "core-properties", "/core.xml"),
        ]
        archive.writestr("_rels/.rels", related(*top))
        archive.writestr("core.xml", core)
        archive.writestr("word/document.xml", document)
        archive.writestr("word/_rels/document.xml.rels", related(*relations))
        for kind, data in parts.items():
            archive.writestr(f"word/{kind}.xml", data)
    return path


def load(tmp_path, body, parts=(), title=""):
    path = written(tmp_path / "boiler-house.docx", body, parts, title)
    (document,) = DocxLoader().load(path, "boiler-house.docx")
    return document


class TestDocx(LoaderContract):
    @pytest.fixture
    def loader(self):
        return DocxLoader()

    @pytest.fixture
    def file(self, tmp_path):
        body = paragraph("Tarn works", "H1") + paragraph("The pump holds ninety.")
        return written(tmp_path / "a.docx", body + table(row(cell("bar"), cell("x"))))


def test_headings_become_paths_and_lists_keep_their_lines(tmp_path):
    document = load(
        tmp_path,
        paragraph("Manual", "T")
        + paragraph("Pump", "H1")
        + paragraph("one  two")
        + paragraph("Oil", "Mine")
        + paragraph("first", "L")
        + paragraph("second", properties='<w:numPr><w:numId w:val="3"/></w:numPr>')
        + paragraph("no item", "L", '<w:numPr><w:numId w:val="0"/></w:numPr>')
        + paragraph("Valve", properties='<w:outlineLvl w:val="0"/>')
        + paragraph("end", properties='<w:outlineLvl w:val="9"/>'),
    )
    assert document.title == "Manual"
    assert document.text == (
        "Manual\n\nPump\n\none two\n\nOil\n\n- first\n- second\n\nno item\n\nValve\n\nend"
    )
    assert [item.heading_path for item in document.sections] == [
        ("Manual",),
        ("Manual", "Pump"),
        ("Manual", "Pump", "Oil"),
        ("Manual", "Valve"),
    ]


def test_numbers_that_are_counted_by_the_program_are_written(tmp_path):
    def level(place, kind, text, more=""):
        inner = f'<w:numFmt w:val="{kind}"/><w:lvlText w:val="{text}"/>{more}'
        return f'<w:lvl w:ilvl="{place}">{inner}</w:lvl>'

    def item(text, list_id, place=0, style=""):
        number = f'<w:numPr><w:ilvl w:val="{place}"/><w:numId w:val="{list_id}"/></w:numPr>'
        return paragraph(text, style, number)

    lists = (
        level(0, "decimal", "%1.") + level(1, "decimal", "%1.%2"),
        level(0, "upperRoman", "%1)", '<w:start w:val="4"/>') + level(1, "lowerLetter", "(%2)"),
        level(0, "bullet", "•"),
    )
    numbering = "".join(
        f'<w:abstractNum w:abstractNumId="{n}">{inner}</w:abstractNum>'
        for n, inner in enumerate(lists)
    )
    override = '<w:lvlOverride w:ilvl="0"><w:startOverride w:val="1"/></w:lvlOverride>'
    uses = {"5": (0, ""), "6": (1, ""), "7": (2, ""), "8": (0, override)}
    numbering += "".join(
        f'<w:num w:numId="{n}"><w:abstractNumId w:val="{of}"/>{more}</w:num>'
        for n, (of, more) in uses.items()
    )
    document = load(
        tmp_path,
        item("Scope", 5, style="H1")
        + item("Term", 5, style="H1")
        + item("Notice", 5, 1, style="H2")
        + item("one", 6)
        + item("two", 6, 1)
        + item("three", 6, 1)
        + item("four", 6)
        + item("dot", 7)
        + item("new", 8)
        + item("unknown", 99),
        parts=[("numbering", part("numbering", numbering))],
    )
    assert document.text == (
        "1. Scope\n\n2. Term\n\n2.1 Notice\n\n"
        "IV) one\n(a) two\n(b) three\nV) four\n- dot\n1. new\n- unknown"
    )
    assert document.sections[2].heading_path == ("2. Term", "2.1 Notice")


def test_the_title_is_that_of_the_page_then_of_the_file_then_a_heading(tmp_path):
    body = paragraph("Pump", "H1") + paragraph("x")
    assert load(tmp_path, paragraph("Page", "T") + body, title="File").title == "Page"
    assert load(tmp_path, body, title="The  file").title == "The file"
    assert load(tmp_path, body, title="Microsoft Word - a.doc").title == "Pump"
    assert load(tmp_path, paragraph("x")).title == "boiler house"


def test_breaks_tabs_links_and_tracked_insertions_are_text(tmp_path):
    document = load(
        tmp_path,
        "<w:p><w:r><w:t>a</w:t><w:tab/><w:t>b</w:t><w:br/><w:t>c</w:t><w:noBreakHyphen/></w:r>"
        f'<w:hyperlink r:id="x">{run("link")}</w:hyperlink>'
        f'<w:ins w:author="x">{run(" new")}</w:ins><w:smartTag>{run(" tag")}</w:smartTag>'
        f'<w:fldSimple w:instr="REF">{run(" field")}</w:fldSimple></w:p>',
    )
    assert document.text == "a b\nc-link new tag field"
    assert document.notes == ()


def test_what_is_not_shown_is_left_out_and_counted(tmp_path):
    gone = '<w:del w:author="x"><w:r><w:delText>DELETED</w:delText></w:r></w:del>'
    document = load(
        tmp_path,
        f"<w:p>{run('shown ')}{gone}"
        f"<w:moveFrom>{run('MOVED')}</w:moveFrom><w:moveTo>{run('moved')}</w:moveTo>"
        f"{run('SECRET', '<w:vanish/>')}{run('SECRET', '<w:vanish/>')}"
        f"{run(' seen', '<w:vanish w:val=&quot;0&quot;/>'.replace('&quot;', chr(34)))}</w:p>"
        + paragraph("GHOST", "Ghost")
        + paragraph("Contents 3", "Toc")
        + table(
            row(cell("a"), cell("b")),
            row(cell("X"), cell("X"), properties="<w:trPr><w:del/></w:trPr>"),
            row(cell("X"), cell("X"), properties="<w:trPr><w:hidden/></w:trPr>"),
        ),
        parts=[
            ("comments", part("comments", f"<w:comment>{paragraph('NO')}</w:comment>" * 3)),
            ("header1", part("hdr", paragraph("HEAD"))),
            ("header2", part("hdr", "<w:p/>")),
            ("footer1", part("ftr", paragraph("FOOT"))),
            ("vbaProject", "x"),
        ],
    )
    assert document.text == "shown moved seen\n\na | b"
    assert document.notes == (
        "3 comments left out",
        "1 line of the table of contents left out",
        "1 macro project left out",
        "1 page footer left out",
        "1 page header left out",
        "3 pieces of hidden text left out",
        "3 tracked deletions left out",
    )


def test_text_without_size_or_colour_is_hidden_unless_something_dark_is_behind(tmp_path):
    white = '<w:color w:val="FFFFFF"/>'
    dark = '<w:tc><w:tcPr><w:shd w:fill="1F3864"/></w:tcPr>'
    document = load(
        tmp_path,
        paragraph(run("TINY", '<w:sz w:val="2"/>'))
        + paragraph(run("WHITE", white))
        + paragraph(run("WHITE", white), properties='<w:shd w:fill="FFFFFF"/>')
        + paragraph(run("shaded", white + '<w:shd w:fill="000000"/>'))
        + paragraph(run("styled", white), "Dark")
        + table(
            row(f"{dark}{paragraph(run('head', white))}</w:tc>", cell(run("WHITE", white))),
            row(cell("a"), cell("b")),
        ),
    )
    assert document.text == "shaded\n\nstyled\n\nhead | \na | b"
    assert document.notes == ("4 pieces of hidden text left out",)


def mark(kind):
    return f'<w:r><w:fldChar w:fldCharType="{kind}"/></w:r>'


def test_the_code_of_a_field_is_hidden_and_its_result_is_not(tmp_path):
    document = load(
        tmp_path,
        f"<w:p>{run('a ')}{mark('begin')}<w:r><w:instrText>IF 1</w:instrText></w:r>{run('CODE')}"
        f"{mark('begin')}{mark('separate')}{run('INNER')}{mark('end')}"
        f"{mark('separate')}{run('result')}{mark('end')}{run(' b')}</w:p>"
        f"<w:p>{mark('begin')}{run('never closed')}</w:p>",
    )
    assert document.text == "a result b\n\nnever closed"


def test_tables_become_rows_with_merged_cells_once(tmp_path):
    document = load(
        tmp_path,
        paragraph("Prices")
        + table(
            row(cell("Part"), cell("Price")),
            row(merged("Seal", ' w:val="restart"'), cell("4")),
            row(merged("UNSEEN", ""), f"<w:tc>{paragraph('5')}{paragraph('H2O', 'L')}</w:tc>"),
            row("<w:tc><w:p/></w:tc>", "<w:tc><w:p/></w:tc>"),
            '<w:tr><w:tc><w:tcPr><w:gridSpan w:val="2"/></w:tcPr>'
            + paragraph("wide")
            + "</w:tc></w:tr>",
        )
        + paragraph("after"),
    )
    assert document.text == "Prices\n\nPart | Price\nSeal | 4\n | 5 - H2O\nwide\n\nafter"


def test_a_table_in_a_cell_stays_in_its_row(tmp_path):
    inner = table(row(cell("x"), cell("y")), row(cell("1"), cell("2")))
    document = load(
        tmp_path, table(row(cell("a"), f"<w:tc>{paragraph('in:')}{inner}<w:p/></w:tc>"))
    )
    assert document.text == "a | in: x, y; 1, 2"


def test_a_table_that_lays_out_the_page_is_read_as_blocks(tmp_path):
    boxed = f"<w:tc>{paragraph('one', 'L')}{paragraph('two', 'L')}</w:tc>"
    titled = f"<w:tc>{paragraph('Pump', 'H1')}{paragraph('text')}</w:tc>"
    assert load(tmp_path, table(row(boxed))).text == "- one\n- two"
    document = load(tmp_path, table(row(titled, cell("side"))))
    assert document.text == "Pump\n\ntext\n\nside"
    assert document.sections[0].heading_path == ("Pump",)


def box(text):
    return f"<w:txbxContent>{paragraph(text)}</w:txbxContent>"


def test_text_boxes_stand_under_their_paragraph_once(tmp_path):
    both = (
        '<w:r><mc:AlternateContent><mc:Choice Requires="wps"><w:drawing><wps:wsp><wps:txbx>'
        f"{box('boxed')}</wps:txbx></wps:wsp></w:drawing></mc:Choice><mc:Fallback><w:pict>"
        f"{box('boxed')}</w:pict></mc:Fallback></mc:AlternateContent></w:r>"
    )
    document = load(tmp_path, f"<w:p>{run('a ')}{both}{run('b')}</w:p>" + paragraph("c"))
    assert document.text == "a b\n\nboxed\n\nc"


def test_a_choice_that_no_program_knows_is_not_read(tmp_path):
    both = (
        '<w:r><mc:AlternateContent><mc:Choice xmlns:q="urn:x" Requires="q"><w:t>NO</w:t>'
        "</mc:Choice><mc:Fallback><w:t>yes</w:t></mc:Fallback></mc:AlternateContent></w:r>"
    )
    assert load(tmp_path, f"<w:p>{both}</w:p>").text == "yes"


def test_pictures_and_objects_are_counted(tmp_path):
    document = load(
        tmp_path,
        "<w:p><w:r><w:t>a</w:t><w:drawing><x:pic xmlns:x='urn:p'/></w:drawing>"
        "<w:object><o:OLEObject xmlns:o='urn:o'/></w:object><w:drawing>"
        f"<x:docPr xmlns:x='urn:p' hidden='1'/>{box('NO')}</w:drawing></w:r></w:p><w:altChunk/>",
    )
    assert document.text == "a"
    assert document.notes == (
        "1 embedded document left out",
        "1 embedded object left out",
        "1 hidden drawing left out",
        "1 picture left out",
    )


def test_footnotes_stand_under_their_paragraph_once(tmp_path):
    notes = f'<w:footnote w:id="0" w:type="separator">{paragraph("NO")}</w:footnote>'
    notes += f'<w:footnote w:id="2">{paragraph("the note")}</w:footnote>'
    reference = '<w:r><w:footnoteReference w:id="2"/></w:r>'
    document = load(
        tmp_path,
        f"<w:p>{run('one')}{reference}{reference}{run(' two')}</w:p>" + paragraph("three"),
        parts=[("footnotes", part("footnotes", notes))],
    )
    assert document.text == "one two\n\nFootnote: the note\n\nthree"


def check_box(state):
    return (
        f'<w:sdt><w:sdtPr><w14:checkbox><w14:checked w14:val="{state}"/></w14:checkbox></w:sdtPr>'
        f"<w:sdtContent>{run('☒')}</w:sdtContent></w:sdt>"
    )


def test_content_controls_are_read_and_prompts_are_not(tmp_path):
    prompt = "<w:sdt><w:sdtPr><w:showingPlcHdr/></w:sdtPr><w:sdtContent>{}</w:sdtContent></w:sdt>"
    legacy = (
        '<w:r><w:fldChar w:fldCharType="begin"><w:ffData><w:checkBox><w:checked/></w:checkBox>'
        f"</w:ffData></w:fldChar></w:r>{mark('separate')}{mark('end')}"
    )
    document = load(
        tmp_path,
        f"<w:p>{check_box(1)}{run('done')}</w:p><w:p>{check_box(0)}{run('open')}</w:p>"
        f"<w:p>{legacy}{run('old')}</w:p>"
        f"<w:sdt><w:sdtContent>{paragraph('held')}</w:sdtContent></w:sdt>"
        + prompt.format(paragraph("Click here"))
        + f"<w:p>{run('x')}{prompt.format(run('Click here'))}</w:p>",
    )
    assert document.text == "[x] done\n[ ] open\n[x] old\n\nheld\n\nx"
    assert document.notes == ("2 prompts of an empty field left out",)


def test_code_keeps_its_indents_by_style_or_by_font(tmp_path):
    font = '<w:rFonts w:ascii="Courier New"/>'
    document = load(
        tmp_path,
        paragraph("def f():", "Code")
        + paragraph("    return 1", "Code")
        + paragraph("then")
        + f"<w:p><w:r><w:rPr>{font}</w:rPr><w:t>a</w:t><w:br/><w:t>  b</w:t></w:r></w:p>"
        + f"<w:p>{run('  call ')}{run('f', font)}</w:p>",
    )
    assert document.text == "def f():\n    return 1\n\nthen\n\na\n  b\n\ncall f"


def test_formulas_become_plain_characters(tmp_path):
    def text(value):
        return f"<m:r><m:t>{value}</m:t></m:r>"

    power = f"<m:sSup><m:sSupPr/><m:e>{text('r')}</m:e><m:sup>{text('2')}</m:sup></m:sSup>"
    ratio = f"<m:f><m:num>{text('a+b')}</m:num><m:den>{text('c')}</m:den></m:f>"
    document = load(
        tmp_path,
        f"<w:p>{run('Area')}<m:oMath>{text('A=π')}{power}</m:oMath></w:p>"
        f"<w:p><m:oMathPara><m:oMath>{ratio}</m:oMath></m:oMathPara></w:p>",
    )
    assert document.text == "Area A=πr^2\n\n(a+b)/c"


def test_charts_become_rows(tmp_path):
    def points(*values):
        inner = "".join(f'<c:pt idx="{n}"><c:v>{v}</c:v></c:pt>' for n, v in enumerate(values))
        return f"<c:strRef><c:strCache>{inner}</c:strCache></c:strRef>"

    series = (
        f"<c:ser><c:tx>{points('Sales')}</c:tx><c:cat>{points('2023', '2024')}</c:cat>"
        f"<c:val>{points('5', '7')}</c:val></c:ser>"
    )
    title = (
        "<c:title><c:tx><c:rich><a:p><a:r><a:t>Growth</a:t></a:r></a:p></c:rich></c:tx></c:title>"
    )
    chart = f"<c:chart>{title}<c:plotArea><c:barChart>{series}</c:barChart></c:plotArea></c:chart>"
    document = load(
        tmp_path,
        '<w:p><w:r><w:t>See</w:t><w:drawing><c:chart r:id="rchart"/></w:drawing></w:r></w:p>',
        parts=[("chart", part("x", chart))],
    )
    assert document.text == "See\n\nGrowth\n| Sales\n2023 | 5\n2024 | 7"


def test_the_strict_form_is_read(tmp_path):
    body = part("document", f"<w:body>{paragraph('Pump', 'H1')}</w:body>")
    strict = body.replace(W, "http://purl.oclc.org/ooxml/wordprocessingml/main")
    document = load(tmp_path, strict)
    assert document.text == "Pump" and document.sections[0].heading_path == ("Pump",)


def test_broken_xml_is_read_as_far_as_it_goes_and_noted(tmp_path):
    broken = part(
        "document", f"<w:body>{paragraph('one')}{paragraph('t' + chr(1) + 'wo')}</w:body>"
    )
    document = load(tmp_path, broken)
    assert document.text == "one\n\ntwo"
    assert document.notes == ("word/document.xml is damaged and read as far as it goes",)


def test_a_broken_side_part_does_not_stop_the_file(tmp_path):
    document = load(tmp_path, paragraph("one"), parts=[("footnotes", ""), ("styles", "<")])
    assert document.text == "one" and len(document.notes) == 2


def test_deep_nesting_is_read_or_refused(tmp_path):
    for depth in (20, 60, 400):
        body = paragraph("deep")
        for _ in range(depth):
            body = table(row(f"<w:tc>{body}</w:tc>", cell("x")))
        try:
            assert "deep" in load(tmp_path, body).text
        except UnreadableDocument:
            assert depth > 60


@pytest.mark.parametrize(
    ("body", "what"),
    [
        ("<w:p/>", "has no text"),
        (paragraph(run("SECRET", "<w:vanish/>")), "has no text"),
        (part("x", ""), "not readable as what its name says"),
        ('<?xml version="1.0"?><!DOCTYPE w [<!ENTITY a "b">]><w/>', "not readable as"),
    ],
)
def test_a_file_without_text_is_refused(tmp_path, body, what):
    with pytest.raises(UnreadableDocument, match=what) as caught:
        load(tmp_path, body)
    assert caught.value.why and caught.value.next_step


def test_nothing_outside_the_package_is_opened(tmp_path):
    (tmp_path / "secret.xml").write_text(part("footnotes", "secret"))
    path = written(tmp_path / "a.docx", paragraph("one"), [("../../secret", part("x", ""))])
    with pytest.raises(UnreadableDocument, match="unsafe name"):
        list(DocxLoader().load(path, "a"))


def test_a_chart_of_very_many_series_does_not_fill_memory(tmp_path):
    series = '<c:ser><c:val><c:pt idx="{}"><c:v>7</c:v></c:pt></c:val></c:ser>'
    plot = "".join(series.format(number) for number in range(1_000))
    document = load(
        tmp_path,
        '<w:p><w:r><w:drawing><c:chart r:id="rchart"/></w:drawing></w:r></w:p>',
        parts=[("chart", part("x", f"<c:plotArea><c:barChart>{plot}</c:barChart></c:plotArea>"))],
    )
    assert len(document.text) < 100_000
    assert document.notes == ("981 rows of a chart left out",)


def test_foreign_content_embedded_files_and_data_of_programs_stay_closed(tmp_path):
    path = written(
        tmp_path / "a.docx",
        paragraph("shown") + '<w:altChunk r:id="rforeign"/>',
        [("foreign", "<p>SECRET of another format</p>"), ("embedded", "x")],
    )
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("customXml/item1.xml", "<data>SECRET data</data>")
        archive.writestr("word/embeddings/inner.docx", path.read_bytes())
    (document,) = DocxLoader().load(path, "a.docx")
    assert document.text == "shown"
    assert "1 embedded document left out" in document.notes


@pytest.mark.parametrize(
    "declared",
    [
        '<!ENTITY a "xxxxxxxxxx"><!ENTITY b "&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;">',
        '<!ENTITY c SYSTEM "file:///etc/passwd">',
    ],
)
def test_entities_are_refused_before_they_are_unfolded(tmp_path, declared):
    inner = part("document", f"<w:body>{paragraph('&c;')}</w:body>").partition("?>")[2]
    text = f'<?xml version="1.0"?><!DOCTYPE d [{declared}]>{inner}'
    with pytest.raises(UnreadableDocument, match="entities"):
        load(tmp_path, text)
