from __future__ import annotations

import datetime
import time
import zipfile

import openpyxl
import pytest
from openpyxl.chart import BarChart, Reference
from openpyxl.comments import Comment
from openpyxl.styles import Font, PatternFill
from openpyxl.worksheet.table import Table

from graft.errors import UnreadableDocument
from graft.loaders import tables, xlsx
from graft.loaders.xlsx import XlsxLoader
from graft.loaders.xlsx_values import shown_number
from graft.testing.loader_contract import LoaderContract

SPACE = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
PEOPLE = [("Name", "City", "Age"), ("Ada", "Oslo", 36), ("Bob", "Bergen", 41)]
SHEET = "xl/worksheets/sheet1.xml"


def saved(tmp_path, book, name="book.xlsx"):
    path = tmp_path / name
    book.save(path)
    return path


def read(path):
    (document,) = XlsxLoader().load(path, path.name)
    return document


def load(tmp_path, rows, change=None):
    """Read a workbook of one sheet; `change` may alter the sheet before it is saved."""
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Data"
    for row in rows:
        sheet.append(row)
    if change:
        change(sheet)
    return read(saved(tmp_path, book))


def replaced(tmp_path, part, data, rows=(("Tarn",),)):
    """Return a workbook in which one part is another."""
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    path = saved(tmp_path, book, "plain.xlsx")
    other = tmp_path / "other.xlsx"
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(other, "w", zipfile.ZIP_DEFLATED) as new:
        for name in dict.fromkeys([*old.namelist(), part]):
            new.writestr(name, data if name == part else old.read(name))
    return other


def sheet_xml(rows, before="", after=""):
    return (
        f'<worksheet xmlns="{SPACE}">{before}<sheetData>{rows}</sheetData>{after}</worksheet>'
    ).encode()


def body(document):
    return document.text.partition("\n\n")[2]


class TestXlsx(LoaderContract):
    @pytest.fixture
    def loader(self):
        return XlsxLoader()

    @pytest.fixture
    def file(self, tmp_path):
        book = openpyxl.Workbook()
        book.active.append(["Product", "Part", "Pressure"])
        book.active.append(["Tarn", "pump", "ninety bar"])
        return saved(tmp_path, book)


def test_each_sheet_is_a_section_under_its_name(tmp_path):
    book = openpyxl.Workbook()
    book.active.title = "People"
    for row in PEOPLE:
        book.active.append(row)
    book.create_sheet("Empty")
    other = book.create_sheet("Parts")
    other["B3"] = "no table"
    document = read(saved(tmp_path, book, "the_team.xlsx"))
    assert document.title == "the team" and document.loader == "xlsx"
    assert document.text == (
        "People\n\nName | City | Age\nAda | Oslo | 36\nBob | Bergen | 41\n\nParts\n\nno table"
    )
    assert [item.heading_path for item in document.sections] == [("People",), ("Parts",)]
    assert document.text[document.sections[1].start :].startswith("Parts")


def test_the_title_of_the_file_is_the_one_in_its_properties(tmp_path):
    book = openpyxl.Workbook()
    book.active["A1"] = "x"
    book.properties.title = "Pumps of the year"
    assert read(saved(tmp_path, book)).title == "Pumps of the year"


def test_rows_of_a_long_table_repeat_the_names_of_the_columns(tmp_path):
    rows = [("Name", "City"), *((f"person {number}", "Oslo") for number in range(60))]
    document = load(tmp_path, rows)
    lines = body(document).split("\n")
    assert lines[0] == "Name: person 0; City: Oslo" and len(lines) == 60
    assert lines[59] == "Name: person 59; City: Oslo"


def test_an_empty_cell_is_passed_over_and_one_without_a_name_stands_bare(tmp_path):
    rows = [(None, "City", "Note"), *((f"p{n}", None, "a note of some words") for n in range(30))]
    assert body(load(tmp_path, rows)).startswith("p0; Note: a note of some words\n")


def test_a_table_without_a_header_is_not_given_one(tmp_path):
    assert (
        body(load(tmp_path, [(1, "Ada", 3.5), (2, "Bob", 4.5)])) == "1 | Ada | 3.5\n2 | Bob | 4.5"
    )


def test_tables_parted_by_empty_rows_or_columns_are_told_apart(tmp_path):
    def change(sheet):
        for at, row in enumerate([("Part", "Bar"), ("pump", 90), ("seal", 2), ("rod", 1)]):
            for place, value in enumerate(row):
                sheet.cell(1 + at, 6 + place, value)
        for at, row in enumerate([("Town", "Rain"), ("Oslo", 5)]):
            for place, value in enumerate(row):
                sheet.cell(7 + at, 2 + place, value)

    assert body(load(tmp_path, PEOPLE, change)) == (
        "Name | City | Age\nAda | Oslo | 36\nBob | Bergen | 41\n\n"
        "Part | Bar\npump | 90\nseal | 2\nrod | 1\n\nTown | Rain\nOslo | 5"
    )


def test_an_empty_column_within_a_table_parts_nothing(tmp_path):
    rows = [("Name", None, "Q1", "Q2"), ("Ada", None, 1, 2), ("Bob", None, 3, 4)]
    assert body(load(tmp_path, rows)) == "Name | Q1 | Q2\nAda | 1 | 2\nBob | 3 | 4"


def test_a_step_aside_begins_a_new_table(tmp_path):
    rows = [*PEOPLE, (None, None, None, "Part", "Bar"), (None, None, None, "pump", 90)]
    assert body(load(tmp_path, rows)).endswith("Bob | Bergen | 41\n\nPart | Bar\npump | 90")


def test_rows_behind_a_gap_keep_the_names_of_their_columns(tmp_path):
    rows = [*PEOPLE, (), ("Eve", "Bodo", 50), ("Zoe", "Moss", 51)]
    assert body(load(tmp_path, rows)).endswith(
        "\n\nName: Eve; City: Bodo; Age: 50\nName: Zoe; City: Moss; Age: 51"
    )


@pytest.mark.parametrize("gap", [0, 1])
def test_a_title_above_a_table_is_its_heading(tmp_path, gap):
    rows = [("People we know",), *[()] * gap, *PEOPLE, (), (), ("a closing remark",)]
    document = load(tmp_path, rows)
    assert [item.heading_path for item in document.sections] == [
        ("Data",),
        ("Data", "People we know"),
        ("Data",),
    ]
    assert body(document).startswith("People we know\n\nName | City | Age\nAda")
    assert document.text.endswith("\n\na closing remark")


def test_a_merged_cell_stands_once(tmp_path):
    def change(sheet):
        sheet.merge_cells("A1:C1")
        sheet.merge_cells("A3:A4")

    rows = [("All people",), *PEOPLE[:2], (None, "Bergen", 36)]
    document = load(tmp_path, rows, change)
    assert document.text.count("All people") == 1 and document.text.count("Ada") == 1
    assert document.sections[1].heading_path == ("Data", "All people")


def test_what_is_merged_over_rows_of_a_long_table_belongs_to_each(tmp_path):
    def change(sheet):
        sheet.merge_cells("A2:A31")

    rows = [("Region", "Town", "Rain")]
    rows += [("North" if n == 0 else None, f"town {n}", n) for n in range(30)]
    lines = body(load(tmp_path, rows, change)).split("\n")
    assert lines[29] == "Region: North; Town: town 29; Rain: 29"


def test_a_header_over_two_rows_is_joined(tmp_path):
    def change(sheet):
        sheet.merge_cells("A1:A2")
        sheet.merge_cells("B1:C1")

    rows = [("Town", "Rain", None), (None, "May", "June"), ("Oslo", 5, 6), ("Moss", 7, 8)]
    assert body(load(tmp_path, rows, change)).startswith(
        "Town | Rain May | Rain June\nOslo | 5 | 6"
    )


def test_a_bold_row_and_a_declared_table_have_headers(tmp_path):
    def bold(sheet):
        for cell in sheet[1]:
            cell.font = Font(bold=True)

    def declare(sheet):
        sheet.add_table(Table(displayName="T", ref="A1:B21"))

    rows = [("first.", "second."), *(("alike and long", "alike and long") for _ in range(20))]
    assert "first.: alike" not in load(tmp_path, rows).text
    for change in (bold, declare):
        assert "first.: alike and long; second.: alike" in load(tmp_path, rows, change).text


def test_hidden_sheets_rows_and_columns_are_left_out_and_counted(tmp_path):
    book = openpyxl.Workbook()
    sheet = book.active
    for row in [("Name", "Secret", "City"), ("Ada", "s1", "Oslo"), ("Bob", "s2", "Moss"),
                ("Eve", "s3", "Bodo")]:  # fmt: skip
        sheet.append(row)
    sheet.column_dimensions["B"].hidden = True
    sheet.row_dimensions[3].hidden = True
    sheet.row_dimensions[40].hidden = True
    book.create_sheet("Kept")["A1"] = "s4"
    book["Kept"].sheet_state = "hidden"
    book.create_sheet("Deep")["A1"] = "s5"
    book["Deep"].sheet_state = "veryHidden"
    document = read(saved(tmp_path, book))
    assert body(document) == "Name | City\nAda | Oslo\nEve | Bodo"
    assert document.notes == (
        "1 hidden column left out",
        "1 hidden row left out",
        "2 hidden sheets left out",
    )


def test_cells_that_no_one_sees_are_left_out_and_counted(tmp_path):
    def change(sheet):
        sheet["A4"], sheet["A4"].font = "white", Font(color="FFFFFFFF")
        sheet["B4"], sheet["B4"].number_format = "format", ";;;"
        sheet["C4"], sheet["C4"].font = "tiny", Font(size=1)
        sheet["A5"], sheet["A5"].font = "on black", Font(color="FFFFFFFF")
        sheet["A5"].fill = PatternFill("solid", fgColor="FF000000")

    document = load(tmp_path, PEOPLE, change)
    assert document.text.endswith("Bob | Bergen | 41\n\non black")
    assert document.notes == ("3 hidden cells left out",)


def test_comments_are_counted(tmp_path):
    def change(sheet):
        sheet["A1"].comment = Comment("a remark", "Ada")

    document = load(tmp_path, PEOPLE, change)
    assert "remark" not in document.text and document.notes == ("1 comment left out",)


def test_of_a_chart_the_titles_stay(tmp_path):
    def change(sheet):
        chart = BarChart()
        chart.title = "Ages of people"
        chart.add_data(Reference(sheet, min_col=3, min_row=1, max_row=3), titles_from_data=True)
        sheet.add_chart(chart, "F2")

    document = load(tmp_path, PEOPLE, change)
    assert document.text.endswith("\n\nBar chart: Ages of people")
    assert document.notes == ("1 chart left out",)


def test_formulas_are_never_worked_out(tmp_path):
    rows = (
        '<row r="1"><c r="A1" t="inlineStr"><is><t>sum</t></is></c><c r="B1"><f>1+1</f></c></row>'
        '<row r="2"><c r="A2"><f>2+2</f><v>5</v></c><c r="B2" t="str"><f>""</f><v></v></c></row>'
        '<row r="3"><c r="A3" t="e"><f>1/0</f><v>#DIV/0!</v></c>'
        '<c r="B3" t="str"><f>A1</f><v>stored</v></c></row>'
    )
    document = read(replaced(tmp_path, SHEET, sheet_xml(rows)))
    assert body(document).split() == ["sum", "5", "stored"]
    assert document.notes == ("1 error value left out", "1 formula of no stored value left out")


@pytest.mark.parametrize(
    ("value", "number_format", "shown"),
    [
        ("5.0", "General", "5"),
        ("0.30000000000000004", "General", "0.3"),
        ("0.125", "0.0%", "12.5%"),
        ("1234.5", '#,##0.00 "€"', "1234.50 €"),
        ("1234.5", "[$$-409]#,##0.00", "$1234.50"),
        ("-5", '"$"#,##0.00_);[Red]("$"#,##0.00)', "($5.00)"),
        ("7", "00000", "00007"),
        ("5", '0 "kg"', "5 kg"),
        ("2.345", "0.##", "2.35"),
        ("0.5", "# ?/?", "0.5"),
        ("45413", "dd/mm/yyyy", "2024-05-01"),
        ("45413.5", "m/d/yy h:mm", "2024-05-01 12:00"),
        ("45413", "mmm yyyy", "May 2024"),
        ("45413", "yyyy", "2024"),
        ("0.75", "h:mm", "18:00"),
        ("1.5", "[h]:mm", "36:00"),
        ("-3", "yyyy-mm-dd", "-3"),
        ("1e300", "yyyy-mm-dd", "1e300"),
        ("1e400", "0.00", "1e400"),
        ("9" * 5_000, "0", "9" * 5_000),
        ("3", ";;;", ""),
        ("no number", "0", "no number"),
    ],
)
def test_numbers_and_dates_are_shown_by_their_format(value, number_format, shown):
    assert shown_number(value, number_format) == shown


def test_dates_shares_and_truths_come_out_of_a_file(tmp_path):
    def change(sheet):
        sheet["B2"].number_format = "0%"

    rows = [("Day", "Share", "Sure"), (datetime.date(2024, 5, 1), 0.25, True)]
    assert body(load(tmp_path, rows, change)) == "Day | Share | Sure\n2024-05-01 | 25% | TRUE"


def test_the_calendar_of_old_macs_is_known():
    assert shown_number("0", "yyyy-mm-dd") != shown_number("1", "yyyy-mm-dd", True) == "1904-01-02"


@pytest.mark.parametrize(
    "row",
    [
        '<row r="{}"/>',
        '<row r="{}" ht="15" customHeight="1"/>',
        '<row r="{0}"><c r="A{0}" s="1"/></row>',
    ],
)
def test_a_million_empty_rows_take_no_time(tmp_path, row):
    last = '<row r="1048576"><c r="XFD1048576"><v>90</v></c></row>'
    empty = "".join(row.format(number) for number in range(2, 200_000))
    first = '<row r="1"><c r="A1" t="inlineStr"><is><t>Tarn</t></is></c></row>'
    path = replaced(
        tmp_path, SHEET, sheet_xml(first + empty + last, '<dimension ref="A1:XFD1048576"/>')
    )
    began = time.perf_counter()
    assert body(read(path)) == "Tarn\n\n90"
    assert time.perf_counter() - began < 10


def test_a_merged_area_of_the_whole_sheet_takes_no_time(tmp_path):
    after = '<mergeCells count="1"><mergeCell ref="A1:XFD1048576"/></mergeCells>'
    rows = (
        '<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="C1048576"><v>2</v></c></row>'
    )
    began = time.perf_counter()
    assert "1" in body(read(replaced(tmp_path, SHEET, sheet_xml(rows, after=after))))
    assert time.perf_counter() - began < 10


def test_the_limit_of_cells_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr("graft.loaders.xlsx_sheet._MAX_CELLS", 5)
    book = openpyxl.Workbook()
    for row in PEOPLE:
        book.active.append(row)
    book.create_sheet("Next")["A1"] = "more"
    document = read(saved(tmp_path, book))
    assert "Oslo" in document.text and "Bergen" not in document.text
    assert document.notes == (
        "1 sheet of the rest beyond the limit left out",
        "the sheet Sheet is read up to the limit of cells",
    )


def test_a_long_string_in_many_cells_does_not_fill_memory(tmp_path, monkeypatch):
    monkeypatch.setattr("graft.loaders.xlsx_sheet._MAX_CHARACTERS", 10_000)
    document = load(tmp_path, [("word " * 100,) * 10] * 10)
    assert len(document.text) < 12_000 and "up to the limit" in document.notes[-1]


def test_cells_and_rows_without_a_place_follow_each_other(tmp_path):
    rows = "<row><c/><c><v>1</v></c></row><row/><row><c><v>2</v></c><c><v>3</v></c></row>"
    assert body(read(replaced(tmp_path, SHEET, sheet_xml(rows)))) == "1\n\n2 | 3"


def test_a_sheet_cut_short_is_read_as_far_as_it_goes(tmp_path):
    rows = '<row r="1"><c r="A1"><v>1</v></c></row><row r="2"><c r="A2"><v>2</v></c></row>'
    data = sheet_xml(rows).partition(b"</sheetData>")[0] + b'<row r="3"><c r'
    document = read(replaced(tmp_path, SHEET, data))
    assert body(document) == "1\n2"
    assert document.notes == (f"{SHEET} is damaged and read as far as it goes",)


def test_other_workbooks_are_never_opened(tmp_path):
    (tmp_path / "other.xlsx").write_bytes(b"SECRET")
    formula = "<f>'[1]Sheet1'!A1+WEBSERVICE(&quot;http://127.0.0.1/&quot;)</f>"
    rows = (
        '<row r="1"><c r="A1" t="inlineStr"><is><t>Tarn</t></is></c>'
        f'<c r="B1" t="str">{formula}<v>stored</v></c><c r="C1">{formula}</c></row>'
    )
    path = replaced(tmp_path, SHEET, sheet_xml(rows))
    link = (
        '<externalLink xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
        ' xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships">'
        '<externalBook r:id="rId1"><sheetDataSet><sheetData sheetId="0"><row r="1">'
        "<cell><v>SECRET</v></cell></row></sheetData></sheetDataSet></externalBook></externalLink>"
    )
    target = (
        '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        '<Relationship Id="rId1" Target="other.xlsx" TargetMode="External" Type="x"/>'
        "</Relationships>"
    )
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("xl/externalLinks/externalLink1.xml", link)
        archive.writestr("xl/externalLinks/_rels/externalLink1.xml.rels", target)
    document = read(path)
    assert body(document).split() == ["Tarn", "stored"] or body(document) == "Tarn | stored"
    assert document.notes == ("1 formula of no stored value left out",)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_entities_are_never_expanded(tmp_path, encoding):
    row = '<row r="1"><c r="A1" t="inlineStr"><is><t>&x;</t></is></c></row>'
    text = f'<!DOCTYPE w [<!ENTITY x SYSTEM "file:///etc/passwd">]>{sheet_xml(row).decode()}'
    with pytest.raises(UnreadableDocument) as caught:
        read(replaced(tmp_path, SHEET, text.encode(encoding)))
    assert "entities" in caught.value.why


def test_the_strict_form_of_the_standard_is_read(tmp_path):
    strict = "http://purl.oclc.org/ooxml/spreadsheetml/main"
    row = '<row r="1"><c r="A1" t="d"><v>2024-05-01T00:00:00</v></c></row>'
    data = sheet_xml(row).replace(SPACE.encode(), strict.encode())
    assert body(read(replaced(tmp_path, SHEET, data))) == "2024-05-01"


def test_a_workbook_without_text_is_refused(tmp_path):
    with pytest.raises(UnreadableDocument, match="no text"):
        load(tmp_path, [])


def test_other_files_under_the_name_are_refused(tmp_path):
    path = tmp_path / "a.xlsx"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("word/document.xml", "<a/>")
    with pytest.raises(UnreadableDocument, match="not readable as what"):
        read(path)


def test_a_header_names_and_does_not_value():
    def row(*texts):
        return [tables.cell_of(text) for text in texts]

    assert tables.header_strength(row("Name", "Age"), [row("Ada", "36")]) == tables.SURE
    assert tables.header_strength(row("Name", "City"), [row("Ada", "Oslo")]) == tables.MAYBE
    assert tables.header_strength(row("Town", "2019"), [row("Oslo", "7")]) == tables.SURE
    assert tables.header_strength(row("Ada", "2019"), [row("Bob", "2020")]) == tables.NO
    assert tables.header_strength(row("Ada", "36"), [row("Bob", "41")]) == tables.NO
    assert tables.header_strength(row("a", "a"), [row("x", "y")]) == tables.NO
    assert tables.header_strength(row("System", ":"), [row("Earth", ":")]) == tables.NO
    assert tables.header_strength(row("Name", "Age"), []) == tables.NO


def test_hidden_boxes_are_left_out_and_very_long_ones_cut_and_both_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(xlsx, "_MAX_PARAGRAPHS", 2)

    def box(words, hidden=""):
        lines = "".join(f"<a:p><a:r><a:t>{word}</a:t></a:r></a:p>" for word in words.split())
        return (
            f'<d:twoCellAnchor><d:sp><d:nvSpPr><d:cNvPr id="2" name="b"{hidden}/></d:nvSpPr>'
            f"<d:txBody>{lines}</d:txBody></d:sp></d:twoCellAnchor>"
        )

    hidden = box("SECRET", ' hidden="1"')
    drawing = (
        '<d:wsDr xmlns:d="http://schemas.openxmlformats.org/drawingml/2006/spreadsheetDrawing"'
        ' xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main">'
        f"{box('one two three four')}{hidden}</d:wsDr>"
    )

    def change(sheet):
        sheet.add_chart(BarChart(), "F2")

    path = tmp_path / "changed.xlsx"
    load(tmp_path, PEOPLE, change)
    with zipfile.ZipFile(tmp_path / "book.xlsx") as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            is_drawing = name == "xl/drawings/drawing1.xml"
            new.writestr(name, drawing if is_drawing else old.read(name))
    document = read(path)
    assert document.text.endswith("one\ntwo")
    assert document.notes == (
        "1 hidden shape left out",
        "2 paragraphs of very long boxes left out",
    )
