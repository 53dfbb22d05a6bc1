from __future__ import annotations

import pytest

from graft.databases.schema import Column, ForeignKey, Schema, Table, naming_columns
from graft.databases.values import plural, shown, words


@pytest.mark.parametrize(
    ("columns", "table", "expected"),
    [
        ("ArtistId Name", "Artist", "Name"),
        ("id title name", "book", "name"),
        ("EmployeeId LastName FirstName Title", "Employee", "FirstName LastName"),
        ("id surname email", "person", "surname"),
        ("album_id album_title", "albums", "album_title"),
        ("CustomerID CompanyName ContactName", "Customers", "CompanyName"),
        ("id label notes", "tag", "label"),
        ("id username email", "account", "username"),
        ("code symbol", "unit", "code"),
        ("id bezeichnung", "teil", "bezeichnung"),
        ("id colour", "paint", "colour"),
        ("id body", "remark", ""),
        ("id colour shape", "paint", ""),
    ],
)
def test_the_column_that_names_a_row_is_chosen_by_rule(columns, table, expected):
    found = [
        Column(name, "number" if name.lower().endswith("id") else "text")
        for name in columns.split()
    ]
    assert " ".join(naming_columns(found, table, ("id",))) == expected


def test_a_name_of_numbers_or_bytes_names_nothing():
    assert naming_columns([Column("name", "number"), Column("title", "binary")]) == ()


def test_link_tables_have_two_foreign_keys_and_little_else():
    one, two = (ForeignKey((f"{name}_id",), name, ("id",)) for name in ("a", "b"))
    columns = (Column("a_id"), Column("b_id"), Column("position", "number"))
    link = Table("ab", columns, ("a_id", "b_id"), (one, two))
    fuller = Table("ab", (*columns, Column("colour")), ("a_id", "b_id"), (one, two))
    assert Schema({"ab": link}).is_link(link)
    assert not Schema({"ab": fuller}).is_link(fuller)


@pytest.mark.parametrize(
    ("column", "label"),
    [("SupportRepId", "Support Rep"), ("artist_id", "Artist"), ("ReportsTo", "Reports To"),
     ("country_code", "Country"), ("albumid", "Album"), ("id", "Thing")],
)  # fmt: skip
def test_a_reference_is_labelled_by_its_column(column, label):
    assert ForeignKey((column,), "thing", ("id",)).label == label


def test_names_become_words_and_plurals():
    assert [words(name) for name in ("HTTPServer", "größe_mm", "a-b", "___")] == [
        "HTTP Server", "Größe Mm", "A B", "___",
    ]  # fmt: skip
    assert [plural(name) for name in ("Box", "Day", "Status", "Glass", "News")] == [
        "Boxes", "Days", "Statuses", "Glasses", "News",
    ]  # fmt: skip


def test_values_keep_what_was_written():
    assert shown({"a": [1, "ü"]}) == '{"a": [1, "ü"]}'
    assert shown(False) == "no" and shown(0) == "0" and shown("") == ""
    assert shown("2026-03-01 00:00:00") == "2026-03-01 00:00:00"
    assert shown("2026-03-01 00:00:00", "date") == "2026-03-01"
