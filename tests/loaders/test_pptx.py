from __future__ import annotations

import zipfile

import pytest

from graft.errors import UnreadableDocument
from graft.loaders.pptx import PptxLoader
from graft.testing.loader_contract import LoaderContract

BASE = "http://schemas.openxmlformats.org"
SPACES = (
    f'xmlns:p="{BASE}/presentationml/2006/main" xmlns:a="{BASE}/drawingml/2006/main"'
    f' xmlns:r="{BASE}/officeDocument/2006/relationships"'
    f' xmlns:c="{BASE}/drawingml/2006/chart" xmlns:dgm="{BASE}/drawingml/2006/diagram"'
    f' xmlns:mc="{BASE}/markup-compatibility/2006"'
    ' xmlns:a14="http://schemas.microsoft.com/office/drawing/2010/main"'
    f' xmlns:m="{BASE}/officeDocument/2006/math"'
)


def text(words, properties=""):
    return f"<a:r><a:rPr{properties}/><a:t>{words}</a:t></a:r>"


def body(*paragraphs):
    inner = "".join(
        item
        if item.startswith("<a:p>")
        else f"<a:p>{item if item[:1] == '<' else text(item)}</a:p>"
        for item in paragraphs
    )
    return f"<a:bodyPr/>{inner}"


def shape(*paragraphs, place=None, hidden=False, at=None):
    placed = f'<p:ph type="{place}"/>' if place else ("<p:ph/>" if place == "" else "")
    spot = f'<a:xfrm><a:off x="{at[0]}" y="{at[1]}"/><a:ext cx="9" cy="9"/></a:xfrm>' if at else ""
    switch = 'hidden="1"' if hidden else ""
    return (
        f'<p:sp><p:nvSpPr><p:cNvPr id="1" name="x" {switch}/>'
        f"<p:nvPr>{placed}</p:nvPr></p:nvSpPr><p:spPr>{spot}</p:spPr>"
        f"<p:txBody>{body(*paragraphs)}</p:txBody></p:sp>"
    )


def part(root, inner, attributes=""):
    return f'<?xml version="1.0"?><p:{root} {SPACES} {attributes}>{inner}</p:{root}>'


def slide(*shapes, attributes=""):
    return part("sld", f"<p:cSld><p:spTree>{''.join(shapes)}</p:spTree></p:cSld>", attributes)


def related(*items):
    inner = "".join(
        f'<Relationship Id="{id_}" Type="{BASE}/officeDocument/2006/relationships/{kind}"'
        f' Target="{target}"/>'
        for id_, kind, target in items
    )
    return f'<Relationships xmlns="{BASE}/package/2006/relationships">{inner}</Relationships>'


def written(path, slides, sides=(), title="", main=None):
    """Write slides; `sides` are (number of the slide, kind of part, XML)."""
    core = f'<x xmlns:dc="urn:d"><dc:title>{title}</dc:title></x>'
    listed = "".join(f'<p:sldId r:id="s{n}"/>' for n in range(1, len(slides) + 1))
    inner = f'<p:sldIdLst>{listed}</p:sldIdLst><p:sldSz cx="1000" cy="500"/>'
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        top = [("r1", "officeDocument", "ppt/p.xml"), ("r2", "core-properties", "core.xml")]
        archive.writestr("_rels/.rels", related(*top))
        archive.writestr("core.xml", core)
        archive.writestr("ppt/p.xml", main or part("presentation", inner))
        # The files are numbered backwards: the order is that of the presentation.
        names = {n: f"slide{len(slides) - n}.xml" for n in range(1, len(slides) + 1)}
        relations = [(f"s{n}", "slide", f"slides/{name}") for n, name in names.items()]
        archive.writestr("ppt/_rels/p.xml.rels", related(*relations))
        for number, data in enumerate(slides, 1):
            own = [side for side in sides if side[0] == number]
            rels = [(f"r{kind}", kind, f"../{kind}{number}.xml") for _, kind, _ in own]
            archive.writestr(f"ppt/slides/_rels/{names[number]}.rels", related(*rels))
            archive.writestr(f"ppt/slides/{names[number]}", data)
            for _, kind, xml in own:
                archive.writestr(f"ppt/{kind}{number}.xml", xml)
    return path


def load(tmp_path, slides, sides=(), title=""):
    path = written(tmp_path / "year-plan.pptx", slides, sides, title)
    (document,) = PptxLoader().load(path, "year-plan.pptx")
    return document


class TestPptx(LoaderContract):
    @pytest.fixture
    def loader(self):
        return PptxLoader()

    @pytest.fixture
    def file(self, tmp_path):
        slides = [slide(shape("Tarn pump", place="title")), slide(shape("ninety bar"))]
        return written(tmp_path / "a.pptx", slides)


def test_each_slide_is_a_section_with_its_title_first(tmp_path):
    document = load(
        tmp_path,
        [
            slide(shape("below"), shape("Plan", "2025", place="ctrTitle")),
            slide(shape("no title")),
            slide(shape("Goals", place="title"), shape("one", "two", place="")),
        ],
    )
    assert document.title == "Plan 2025"
    assert document.text == "Plan 2025\n\nbelow\n\nno title\n\nGoals\n\n- one\n- two"
    assert [(item.heading_path, item.page) for item in document.sections] == [
        (("Plan 2025",), 1),
        ((), 2),
        (("Goals",), 3),
    ]
    pieces = [document.text[item.start : item.end].strip() for item in document.sections]
    assert pieces[1] == "no title"


def test_the_title_is_that_of_the_first_slide_then_of_the_file_then_any(tmp_path):
    titled = slide(shape("Goals", place="title"))
    plain = slide(shape("x"))
    assert load(tmp_path, [titled, plain], title="Old").title == "Goals"
    assert load(tmp_path, [plain, titled], title="The file").title == "The file"
    assert load(tmp_path, [plain, titled], title="PowerPoint Presentation").title == "Goals"
    assert load(tmp_path, [plain]).title == "year plan"


def test_breaks_fields_and_bullets(tmp_path):
    document = load(
        tmp_path,
        [
            slide(
                shape(
                    f"{text('a ')}<a:br/>{text('b_x000B_c')}<a:fld><a:t> 7</a:t></a:fld>",
                    f'<a:p><a:pPr><a:buChar char="•"/></a:pPr>{text("item")}</a:p>',
                ),
                shape(
                    "first", f"<a:p><a:pPr><a:buNone/></a:pPr>{text('plain')}</a:p>", place="body"
                ),
            )
        ],
    )
    assert document.text == "a\nb c 7\n- item\n\n- first\nplain"


def test_numbered_lines_are_counted_by_depth(tmp_path):
    def item(words, depth=0, start=""):
        number = f'<a:buAutoNum type="arabicPeriod" {start}/>'
        return f'<a:p><a:pPr lvl="{depth}">{number}</a:pPr>{text(words)}</a:p>'

    lines = [item("a"), item("b", 1, 'startAt="4"'), item("c", 1), item("d"), "e", item("f")]
    document = load(tmp_path, [slide(shape(*lines))])
    assert document.text == "1. a\n4. b\n5. c\n2. d\ne\n1. f"


def test_groups_are_read_from_within_and_pictures_counted(tmp_path):
    group = (
        f"<p:grpSp><p:nvGrpSpPr/>{shape('in')}<p:grpSp>{shape('deep')}</p:grpSp><p:pic/></p:grpSp>"
    )
    document = load(tmp_path, [slide(group, shape("out"))])
    assert document.text == "in\n\ndeep\n\nout"
    assert document.notes == ("1 picture left out",)


def test_what_is_not_shown_is_left_out_and_counted(tmp_path):
    clear = text("CLEAR").replace("<a:rPr/>", "<a:rPr><a:noFill/></a:rPr>")
    document = load(
        tmp_path,
        [
            slide(
                shape(f"{text('seen')}{text(' TINY', ' sz=' + chr(34) + '100' + chr(34))}{clear}"),
                shape("HIDDEN", hidden=True),
                shape("BESIDE", at=(1000, 0)),
                shape("BESIDE", at=(0, -30)),
                shape("on it", at=(999, 499)),
                shape("7", place="sldNum"),
                "<p:grpSp><p:nvGrpSpPr><p:cNvPr hidden='true'/></p:nvGrpSpPr>"
                f"{shape('NO')}</p:grpSp>",
            ),
            slide(shape("HIDDEN SLIDE"), attributes='show="0"'),
            slide(shape("last")),
        ],
        sides=[
            (1, "comments", part("cmLst", "<p:cm><p:text>NO</p:text></p:cm><p:cm/>")),
            (3, "notesSlide", slide(shape("say this", place="body"), shape("3", place="sldNum"))),
        ],
    )
    assert document.text == "seen\n\non it\n\nlast\n\nSpeaker notes: say this"
    assert [item.page for item in document.sections] == [1, 3]
    assert document.notes == (
        "2 comments left out",
        "4 hidden shapes left out",
        "1 hidden slide left out",
        "1 line of page headers and footers left out",
        "1 piece of hidden text left out",
    )


def test_tables_become_rows_with_merged_cells_once(tmp_path):
    def row(*cells):
        return "<a:tr>" + "".join(cells) + "</a:tr>"

    def cell(words, attributes=""):
        return f"<a:tc {attributes}><a:txBody>{body(*words.split('/'))}</a:txBody></a:tc>"

    rows = row(cell("Part"), cell("Price", 'gridSpan="2"'), cell("NO", 'hMerge="1"'))
    rows += row(cell("Seal/ring", 'rowSpan="2"'), cell("4"), cell("5"))
    rows += row(cell("NO", 'vMerge="1"'), cell("6"), cell("7")) + row(cell(""), cell(""))
    frame = f"<p:graphicFrame><a:graphic><a:tbl>{rows}</a:tbl></a:graphic></p:graphicFrame>"
    document = load(tmp_path, [slide(frame)])
    assert document.text == "Part | Price\nSeal ring | 4 | 5\n | 6 | 7"


def test_charts_and_diagrams_become_lines(tmp_path):
    def points(*values):
        return "".join(f'<c:pt idx="{n}"><c:v>{v}</c:v></c:pt>' for n, v in enumerate(values))

    def series(name, *values):
        return (
            f"<c:ser><c:tx>{points(name)}</c:tx><c:cat>{points('2023', '2024')}</c:cat>"
            f"<c:val>{points(*values)}</c:val></c:ser>"
        )

    def frame(inner):
        return f"<p:graphicFrame><a:graphic>{inner}</a:graphic></p:graphicFrame>"

    titled = f"<c:title><c:tx><c:rich><a:p>{text('Sales')}</a:p></c:rich></c:tx></c:title>"
    plot = f"<c:barChart>{series('East', 5, 7)}{series('West', 6)}</c:barChart>"
    document = load(
        tmp_path,
        [
            slide(
                frame('<c:chart r:id="rchart"/>') * 2,
                frame('<dgm:relIds r:dm="rdiagramData"/>'),
                frame("<p:oleObj/>"),
            )
        ],
        sides=[
            (1, "chart", part("x", f"{titled}<c:plotArea>{plot}</c:plotArea>")),
            (
                1,
                "diagramData",
                part("x", f"<a:p>{text('step 1')}</a:p><a:p>{text('step 2')}</a:p>"),
            ),
        ],
    )
    assert document.text == ("Sales\n| East | West\n2023 | 5 | 6\n2024 | 7 | \n\nstep 1\nstep 2")
    assert document.notes == ("1 embedded object left out",)


def test_malformed_runs_do_not_stop_the_file(tmp_path):
    odd = "<a:p><a:r/><a:r><a:t/></a:r><a:t>bare</a:t><a:pPr/><a:endParaRPr/></a:p>"
    formula = "<m:oMath><m:r><m:t>E=m</m:t></m:r></m:oMath>"
    choice = f'<mc:AlternateContent><mc:Choice Requires="a14"><a14:m>{formula}</a14:m></mc:Choice>'
    document = load(
        tmp_path,
        [
            slide(shape(odd, "good"), "<p:sp/>", "<p:sp><p:txBody/></p:sp>", "<p:graphicFrame/>"),
            slide(shape(f"<a:p>{choice}</mc:AlternateContent></a:p>")),
            slide(shape("t" + chr(1) + "wo")),
            "no XML at all",
        ],
    )
    assert document.text == "good\n\nE=m\n\ntwo"
    assert "slide 4 cannot be read" in document.notes
    assert any("slide1.xml is damaged" in note for note in document.notes)


def test_a_slide_without_text_is_noted(tmp_path):
    document = load(tmp_path, [slide("<p:pic/>"), slide(shape("x"))])
    assert document.notes == ("1 picture left out", "slide 1 has no text")
    assert [item.page for item in document.sections] == [2]


def test_a_slide_that_is_listed_often_is_read_once(tmp_path):
    inner = '<p:sldIdLst><p:sldId r:id="s1"/><p:sldId r:id="s1"/><p:sldId/></p:sldIdLst>'
    main = part("presentation", inner)
    path = written(tmp_path / "a.pptx", [slide(shape("x"))], main=main)
    assert [item.text for item in PptxLoader().load(path, "a")] == ["x"]


@pytest.mark.parametrize("slides", [[], [slide()], [slide(shape("x"), attributes='show="0"')]])
def test_a_show_without_text_is_refused(tmp_path, slides):
    with pytest.raises(UnreadableDocument, match="no text") as caught:
        load(tmp_path, slides)
    assert caught.value.why and caught.value.next_step


def test_another_office_file_is_refused(tmp_path):
    path = written(tmp_path / "a.pptx", [], main=part("workbook", ""))
    with pytest.raises(UnreadableDocument, match="not readable as what its name says"):
        list(PptxLoader().load(path, "a"))


def test_deep_groups_are_read_or_refused(tmp_path):
    for depth in (50, 200, 2_000):
        deep = "<p:grpSp>" * depth + shape("deep") + "</p:grpSp>" * depth
        try:
            assert "deep" in load(tmp_path, [slide(deep)]).text
        except UnreadableDocument:
            assert depth > 200
