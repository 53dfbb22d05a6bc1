from __future__ import annotations

import pytest

from graft.errors import UnreadableDocument
from graft.loaders.pdf import PdfLoader


def make_pdf(pages, title="", encrypted=False):
    """Return the bytes of a PDF with one line of Helvetica for each line of text."""
    count = len(pages)
    kids = " ".join(f"{4 + 2 * n} 0 R" for n in range(count))
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {count} >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    ]
    for number, lines in enumerate(pages):
        shown = " ".join(
            f"1 0 0 1 50 {780 - 14 * at} Tm ({line}) Tj" for at, line in enumerate(lines)
        )
        stream = f"BT /F1 10 Tf {shown} ET"
        objects.append(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842]"
            f" /Resources << /Font << /F1 3 0 R >> >> /Contents {5 + 2 * number} 0 R >>"
        )
        objects.append(f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream")
    extra = ""
    if title:
        objects.append(f"<< /Title ({title}) >>")
        extra += f" /Info {len(objects)} 0 R"
    if encrypted:
        key = "00" * 32
        objects.append(f"<< /Filter /Standard /V 2 /R 3 /Length 128 /P -1 /O <{key}> /U <{key}> >>")
        extra += f" /Encrypt {len(objects)} 0 R /ID [<00> <00>]"
    data, offsets = "%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        offsets.append(len(data))
        data += f"{number} 0 obj\n{body}\nendobj\n"
    table = "".join(f"{offset:010} 00000 n \n" for offset in offsets)
    size = len(objects) + 1
    start = len(data)
    data += f"xref\n0 {size}\n0000000000 65535 f \n{table}"
    data += f"trailer\n<< /Size {size} /Root 1 0 R{extra} >>\nstartxref\n{start}\n%%EOF\n"
    return data.encode("latin-1")


def load(tmp_path, data, name="sheet.pdf"):
    path = tmp_path / name
    path.write_bytes(data)
    (document,) = PdfLoader().load(path, name)
    return document


def test_each_page_is_a_section_with_its_number(tmp_path):
    document = load(tmp_path, make_pdf([["First page words."], [], ["Third page words."]]))
    assert document.text == "First page words.\n\nThird page words."
    assert [(item.page, item.start, item.end) for item in document.sections] == [
        (1, 0, 19),
        (3, 19, 36),
    ]
    assert document.notes == ("page 2 has no text",)


def test_cut_words_are_joined_and_real_hyphens_stay(tmp_path):
    lines = [
        "The water-wash booth needs a foun-",
        "dation of concrete, and its water-",
        "wash pit must be dry before work.",
    ]
    document = load(tmp_path, make_pdf([lines]))
    assert "a foundation of concrete" in document.text
    assert "its water-wash pit" in document.text


def test_lines_that_run_on_are_joined_and_bullets_are_not(tmp_path):
    lines = [
        "Concrete at least two hundred millimetres thick is",
        "needed below the booth.",
        "- a crane",
        "- a ladder",
    ]
    document = load(tmp_path, make_pdf([lines]))
    assert document.text == (
        "Concrete at least two hundred millimetres thick is needed below the booth."
        "\n- a crane\n- a ladder"
    )


def test_lines_that_all_pages_share_are_dropped_and_counted(tmp_path):
    pages = [["Norrvik manual", f"Words of page {n}.", f"Page {n} of 4"] for n in range(1, 5)]
    document = load(tmp_path, make_pdf(pages))
    assert "Norrvik manual" not in document.text
    assert document.text.startswith("Words of page 1.")
    assert document.notes == ("8 page headers and footers dropped",)


@pytest.mark.parametrize(
    ("pages", "meta", "title"),
    [
        ([["Line.", "x"]], "Fan hub report", "Fan hub report"),
        ([["Fan hub report", "Text follows."]], "Microsoft Word - x.docx", "Fan hub report"),
        ([["Norrvik", "Fan hub report"], ["Text."]], "", "Norrvik Fan hub report"),
        ([["Running text that ends.", "More."]], "", "sheet"),
    ],
)
def test_the_title_is_that_of_the_file_the_cover_or_the_first_line(tmp_path, pages, meta, title):
    assert load(tmp_path, make_pdf(pages, meta)).title == title


def test_a_scan_is_refused(tmp_path):
    with pytest.raises(UnreadableDocument, match="scanned, needs OCR") as caught:
        load(tmp_path, make_pdf([[], []]))
    assert "2 pages" in caught.value.why
    assert "ocrmypdf" in caught.value.next_step


def test_an_encrypted_file_is_refused(tmp_path):
    with pytest.raises(UnreadableDocument, match="encrypted"):
        load(tmp_path, make_pdf([["secret"]], encrypted=True))


@pytest.mark.parametrize("data", [b"", b"%PDF-1.7\nnothing", b"no pdf at all"])
def test_a_broken_file_is_refused(tmp_path, data):
    with pytest.raises(UnreadableDocument, match="cannot be read"):
        load(tmp_path, data)
