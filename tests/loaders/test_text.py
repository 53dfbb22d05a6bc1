from __future__ import annotations

from pathlib import Path

import pytest

from graft.errors import UnreadableDocument
from graft.loaders.text import TextLoader, title_from_name


def load(tmp_path, data, name="note.txt"):
    path = tmp_path / name
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    (document,) = TextLoader().load(path, name)
    return document


@pytest.mark.parametrize(
    ("data", "note"),
    [
        ("Größe 5 €\n".encode(), ()),
        ("Größe 5 €\n".encode("utf-8-sig"), ()),
        ("Größe 5 €\n".encode("utf-16"), ("read as utf-16",)),
        ("Größe 5 €\n".encode("utf-16-le"), ("read as utf-16-le",)),
        ("Größe 5 €\n".encode("utf-16-be"), ("read as utf-16-be",)),
        ("Größe 5 €\n".encode("cp1252"), ("read as cp1252",)),
    ],
)
def test_common_encodings_are_read(tmp_path, data, note):
    document = load(tmp_path, data)
    assert document.text == "Größe 5 €\n"
    assert document.notes == note


def test_control_characters_and_escapes_are_removed_and_counted(tmp_path):
    document = load(tmp_path, "one\r\n\x1b[31mred\x1b[0m \x07bell\ftwo\n")
    assert document.text == "one\nred bell\ntwo\n"
    assert document.notes == ("3 control characters removed",)


def test_capitals_and_underlines_are_headings(tmp_path):
    document = load(
        tmp_path, "Gate card\n\nBEFORE THEY COME\nAsk.\n\nAt the desk\n-----------\nSign.\n"
    )
    assert document.title == "Gate card"
    assert [item.heading_path for item in document.sections] == [
        (),
        ("BEFORE THEY COME",),
        ("At the desk",),
    ]
    assert document.sections[0].start == 0
    assert document.sections[-1].end == len(document.text)


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("A running sentence that ends here.\nMore.\n", "note"),
        ("A line that is wrapped in the middle of\na sentence\n", "note"),
        ("- item\n- item\n", "note"),
        ("To: all fitters\n\ntext\n", "note"),
        ("Minutes of May\n\ntext\n", "Minutes of May"),
    ],
)
def test_the_first_line_is_the_title_where_it_reads_like_one(tmp_path, text, title):
    assert load(tmp_path, text).title == title


def test_a_log_is_one_section_named_by_its_file(tmp_path):
    document = load(tmp_path, "START\n\nALARM\nx\n", "boiler-2.log")
    assert document.title == "boiler 2"
    assert len(document.sections) == 1


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "0 bytes"),
        (b" \n\t\n", "nothing to read"),
        (b"%PDF-1.7 rest", "PDF"),
        (b"PK\x03\x04rest", "zip"),
        (b"abc\x00\x00\x00def\x00" * 50, "zero bytes"),
    ],
)
def test_what_is_no_text_is_refused_with_the_reason(tmp_path, data, why):
    with pytest.raises(UnreadableDocument) as caught:
        load(tmp_path, data)
    assert why in caught.value.why
    assert caught.value.next_step


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(UnreadableDocument, match="cannot be opened"):
        list(TextLoader().load(tmp_path / "none.txt", "none.txt"))


@pytest.mark.parametrize(
    ("data", "text", "notes"),
    [
        (b"caf\xe9 \xc3\xa9\n", "caf\xe9 \xc3\xa9\n", ("read as cp1252",)),
        (b"\xef\xbb\xbfa\xffb\n", "a\ufffdb\n", ("1 characters could not be decoded",)),
        (
            b"\xff\xfea\x00b\x00c",
            "ab\ufffd",
            ("read as utf-16", "1 characters could not be decoded"),
        ),
    ],
)
def test_broken_encodings_are_read_the_same_way_each_time(tmp_path, data, text, notes):
    document = load(tmp_path, data)
    assert (document.text, document.notes) == (text, notes)


def test_a_title_from_a_name_has_nothing_that_acts_on_a_terminal():
    name = "\x1b[31mpump\nplan\u202egnp.txt"
    assert title_from_name(Path(name)) == "[31mpump plangnp"
