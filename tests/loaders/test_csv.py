from __future__ import annotations

import time

import pytest

from graft.errors import UnreadableDocument
from graft.loaders.csv import CsvLoader
from graft.testing.loader_contract import LoaderContract


def load(tmp_path, text, name="table.csv"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    (document,) = CsvLoader().load(path, name)
    return document


class TestCsv(LoaderContract):
    @pytest.fixture
    def loader(self):
        return CsvLoader()

    @pytest.fixture
    def file(self, tmp_path):
        path = tmp_path / "a.csv"
        path.write_text("Product,Part,Pressure\nTarn,pump,ninety bar\nFell,valve,two bar\n")
        return path


def test_each_row_names_its_columns(tmp_path):
    document = load(tmp_path, 'Name,City\nAda,"Oslo, Norway"\nBob,Bergen\n', "the-people.csv")
    assert document.text == "Name: Ada; City: Oslo, Norway\nName: Bob; City: Bergen"
    assert document.title == "the people"
    assert document.notes == ()


@pytest.mark.parametrize("sign", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(tmp_path, sign):
    rows = [["Name", "Price"], ["Ada", "1.5"], ["Bob", "2.5"]]
    text = "\n".join(sign.join(row) for row in rows)
    assert load(tmp_path, text).text == "Name: Ada; Price: 1.5\nName: Bob; Price: 2.5"


def test_decimal_commas_do_not_win_over_semicolons(tmp_path):
    document = load(tmp_path, "Teil;Preis\nA;1,50\nB;2,75\nC;3,00\n")
    assert document.text.startswith("Teil: A; Preis: 1,50\n")
    assert load(tmp_path, "1,5;2,5\n3,5;4,5\n").text == "1,5 | 2,5\n3,5 | 4,5"


def test_delimiters_within_quotes_do_not_count(tmp_path):
    text = 'Name,Tags\nAda,"a;b;c"\nBob,"d;e;f"\n'
    assert load(tmp_path, text).text == "Name: Ada; Tags: a;b;c\nName: Bob; Tags: d;e;f"


def test_a_file_that_declares_its_delimiter_is_believed(tmp_path):
    assert load(tmp_path, "sep=;\nName;Town\na,b;c,d\n").text == "Name: a,b; Town: c,d"
    assert load(tmp_path, "Name\tTown\na,b\tc,d\n", "x.tsv").text == "Name: a,b; Town: c,d"


def test_one_column_is_read_as_lines(tmp_path):
    assert load(tmp_path, "remark\nIt leaks, badly\nIt stopped\n").text == (
        "remark\nIt leaks, badly\nIt stopped"
    )


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_encodings_are_found(tmp_path, encoding):
    document = load(tmp_path, "Käse,Größe\nBrie,groß\n".encode(encoding))
    assert document.text == "Käse: Brie; Größe: groß"


def test_ragged_rows_are_kept_and_counted(tmp_path):
    document = load(tmp_path, "Name,City\nAda\nBob,Bergen,tall,old\n,\nEve,Oslo\n")
    assert document.text == (
        "Name: Ada\nName: Bob; City: Bergen; column 3: tall; column 4: old\nName: Eve; City: Oslo"
    )
    assert document.notes == (
        "1 row with more cells than columns",
        "1 row with missing cells",
    )


def test_a_table_without_a_header_has_no_names(tmp_path):
    assert load(tmp_path, "1,Ada,2024-01-05\n2,Bob,2024-02-05\n").text == (
        "1 | Ada | 2024-01-05\n2 | Bob | 2024-02-05"
    )


def test_years_are_names_of_columns(tmp_path):
    document = load(tmp_path, "Region,2019,2020\nNorth,12,13\nSouth,14,15\n")
    assert document.text.startswith("Region: North; 2019: 12; 2020: 13\n")


def test_lines_above_the_table_are_its_title(tmp_path):
    document = load(tmp_path, "Pump report\nas of May,\n\nName,Bar\nTarn,90\n")
    assert document.title == "Pump report"
    assert document.text == "Pump report\nas of May\nName: Tarn; Bar: 90"


def test_a_quoted_cell_may_have_lines_quotes_and_delimiters(tmp_path):
    document = load(tmp_path, 'Name,Note\nAda,"one\ntwo, ""three"""\nBob, "x"\n')
    assert document.text == 'Name: Ada; Note: one two, "three"\nName: Bob; Note: x'
    assert document.notes == ()


def test_a_quote_that_never_closes_costs_its_own_line_only(tmp_path):
    document = load(tmp_path, 'Name,Size\nAda,"5 inch\nBob,6\nEve,7\n')
    assert document.text == 'Name: Ada; Size: "5 inch\nName: Bob; Size: 6\nName: Eve; Size: 7'
    assert document.notes == ("1 line with quotes that do not close, kept as text",)


def test_two_open_quotes_do_not_swallow_the_rows_between(tmp_path):
    document = load(tmp_path, 'Name,Size,Unit\nAda,"5,cm\nBob,6,cm\nEve,"7,cm\nZoe,8,cm\n')
    assert document.text.count("Name: ") == 4


def test_inch_signs_are_no_quotes(tmp_path):
    document = load(tmp_path, 'Name,Size\npipe,5"\nhose,6"\n')
    assert document.text == 'Name: pipe; Size: 5"\nName: hose; Size: 6"'
    assert document.notes == ()


def test_formulas_stay_text(tmp_path):
    document = load(tmp_path, "Name,Cell\nAda,=1+2\nBob,@SUM(A1)\nEve,-2+3\nZoe,+1\n")
    for cell in ("=1+2", "@SUM(A1)", "-2+3", "+1"):
        assert f"Cell: {cell}" in document.text


def test_long_names_are_cut_in_the_rows_and_stand_in_full_once(tmp_path):
    question = "How content are you with the way in which " + "the pump " * 10 + "runs today?"
    document = load(tmp_path, f"Name,{question}\nAda,very\nBob,not\n")
    assert document.text.count("runs today?") == 1
    assert document.text.startswith(f"Name | {question}\nName: Ada; How content are you")


def test_rows_are_grouped_into_sections(tmp_path):
    rows = "".join(f"part {number},{number}\n" for number in range(250))
    document = load(tmp_path, "Name,Price\n" + rows)
    assert [item.start for item in document.sections][0] == 0
    assert len(document.sections) == 3
    for item in document.sections:
        assert document.text[item.start : item.end].startswith("Name: part")


def test_too_many_columns_are_refused(tmp_path):
    with pytest.raises(UnreadableDocument, match="too many columns") as caught:
        load(tmp_path, ",".join(["x"] * 1_000_000) + "\na,b\n")
    assert "1,000,000" in caught.value.why and "10,000" in caught.value.why
    load(tmp_path, ",".join(["x"] * 10_000) + "\na,b\n")


def test_a_table_of_empty_cells_is_refused(tmp_path):
    with pytest.raises(UnreadableDocument, match="no text"):
        load(tmp_path, ",,\n,,\n")


@pytest.mark.parametrize(
    "line", ['a,"b","c', '"', 'a,"b""', '""","', '"a" "b', "a,b;c|d\t", '"a"b,"c"d,"', ' "x'],
)  # fmt: skip
def test_time_grows_with_the_file_and_not_faster(tmp_path, line):
    began = time.perf_counter()
    load(tmp_path, f"{line}\n" * 20_000)
    assert time.perf_counter() - began < 20


def test_text_that_grows_without_bound_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("graft.loaders.csv.MAX_TEXT", 10_000)
    with pytest.raises(UnreadableDocument, match="too much text"):
        load(tmp_path, "a long name of a column,another\n" + "x,y\n" * 1_000)
