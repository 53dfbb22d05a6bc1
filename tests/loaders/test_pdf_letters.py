from __future__ import annotations

import pytest

from graft.loaders.pdf import PdfLoader


def make_pdf(*contents, meanings, font="Helvetica"):
    """Return a PDF with a font that has ligatures at 128 and 129, told by its own meanings."""
    lines = "\n".join(f"<{code:02x}> <{meaning:04x}>" for code, meaning in meanings.items())
    cmap = (
        "/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /M def\n"
        "1 begincodespacerange <00> <ff> endcodespacerange\n"
        f"{len(meanings)} beginbfchar\n{lines}\nendbfchar endcmap end end"
    )
    kids = " ".join(f"{6 + 2 * number} 0 R" for number in range(len(contents)))
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(contents)} >>",
        f"<< /Type /Font /Subtype /Type1 /BaseFont /{font} /Encoding 4 0 R /ToUnicode 5 0 R >>",
        "<< /BaseEncoding /WinAnsiEncoding /Differences [128 /fi /fl] >>",
        f"<< /Length {len(cmap)} >>\nstream\n{cmap}\nendstream",
    ]
    for number, content in enumerate(contents):
        objects.append(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842]"
            f" /Resources << /Font << /F1 3 0 R >> >> /Contents {7 + 2 * number} 0 R >>"
        )
        objects.append(f"<< /Length {len(content)} >>\nstream\n{content}\nendstream")
    data, offsets = "%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        offsets.append(len(data))
        data += f"{number} 0 obj\n{body}\nendobj\n"
    start = len(data)
    data += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n"
    data += "".join(f"{offset:010} 00000 n \n" for offset in offsets)
    data += f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n"
    return data.encode("latin-1")


def show(*lines, size=10):
    places = " ".join(f"1 0 0 1 50 {780 - 14 * at} Tm ({line}) Tj" for at, line in enumerate(lines))
    return f"BT /F1 {size} Tf {places} ET "


def load(tmp_path, *contents, meanings=None, font="Helvetica"):
    path = tmp_path / "sheet.pdf"
    path.write_bytes(make_pdf(*contents, meanings=meanings or {}, font=font))
    (document,) = PdfLoader().load(path, "sheet.pdf")
    return document


@pytest.mark.parametrize("font", ["Helvetica", "Times-Roman"])
def test_ligatures_that_the_font_gives_as_f_are_read_from_their_drawing(tmp_path, font):
    line = "The \\200rst \\201oor of the o\\200ce re\\201ects half of it."
    document = load(tmp_path, show(line), meanings={128: 0x66, 129: 0x66}, font=font)
    assert document.text == "The first floor of the ofice reflects half of it."
    assert document.notes == ("ligatures that the font gives as f, read from their drawing: 4",)


def test_a_font_that_tells_its_ligatures_rightly_is_believed(tmp_path):
    document = load(tmp_path, show("of \\200 \\201"), meanings={128: 0xFB01, 129: 0xFB02})
    assert document.text == "of fi fl"
    assert document.notes == ()


def test_letters_drawn_wider_by_the_page_are_no_ligatures(tmp_path):
    page = show("of half of it") + "BT /F1 10 Tf 150 Tz 50 700 Td (off half a staff) Tj ET"
    document = load(tmp_path, page)
    assert "off half a staff" in document.text
    assert document.notes == ()


def test_a_page_garbled_by_its_font_is_named_with_what_helps(tmp_path):
    nonsense = {code: 0xE000 + code for code in range(97, 110)}
    pages = [show("ABC DEF GHI"), show("jam eagle black")]
    document = load(tmp_path, *pages, meanings=nonsense)
    assert document.notes == (
        "page 2 garbled by the font, OCR would help: ocrmypdf --force-ocr IN.pdf OUT.pdf",
    )


def test_single_characters_without_a_meaning_are_counted(tmp_path):
    document = load(tmp_path, show("A jug with plenty of water in it"), meanings={106: 0xE000})
    assert document.notes == ("characters that the font gives no meaning: 1",)


def test_headers_of_left_and_right_pages_and_chapters_are_dropped(tmp_path):
    pages = []
    for number in range(1, 13):
        book = f"{number} Norrvik manual" if number % 2 else f"The pumps {number}"
        chapter = "Oil" if number < 7 else "Water"
        pages.append(show(book, chapter, f"Words of page {number}.", "x" * number))
    document = load(tmp_path, *pages)
    assert "Norrvik" not in document.text and "The pumps" not in document.text
    assert document.text.count("Oil") == document.text.count("Water") == 1
    assert all(f"Words of page {number}." in document.text for number in range(1, 13))
    assert document.notes[0] == "22 page headers and footers dropped"


def test_values_under_a_header_stay_on_every_page(tmp_path):
    pages = [show("Norrvik", f"Serial number: {n}", "State: good.") for n in range(1, 6)]
    document = load(tmp_path, *pages)
    assert all(f"Serial number: {n}" in document.text for n in range(1, 6))


def test_a_stamp_across_the_lines_of_all_pages_is_dropped(tmp_path):
    stamp = "BT /F1 24 Tf 50 740 Td (Not yet approved) Tj ET "
    slanted = "BT /F1 24 Tf 0.7 0.7 -0.7 0.7 200 400 Tm (DRAFT) Tj ET "
    for mark, word in ((stamp, "approved"), (slanted, "DRAFT")):
        pages = [
            show(f"Line 1 of page {p} is {'a' * p} long.")
            + mark
            + show("", *(f"Line {n} of page {p} is here." for n in (2, 3, 4)))
            + show(*[""] * 5, f"The end, with {'z' * p} as a last word.")
            for p in range(1, 5)
        ]
        document = load(tmp_path, *pages)
        assert word not in document.text
        assert "Line 2 of page 3" in document.text
