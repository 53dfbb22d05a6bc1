from __future__ import annotations

import json
import time

import pytest

from graft.errors import UnreadableDocument
from graft.loaders.json import JsonLoader
from graft.testing.loader_contract import LoaderContract


def load(tmp_path, value, name="file.json"):
    text = value if isinstance(value, str | bytes) else json.dumps(value)
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    (document,) = JsonLoader().load(path, name)
    return document


class TestJson(LoaderContract):
    @pytest.fixture
    def loader(self):
        return JsonLoader()

    @pytest.fixture
    def file(self, tmp_path):
        path = tmp_path / "a.json"
        path.write_text('{"product": "Tarn", "part": {"kind": "pump", "load": "ninety bar"}}')
        return path


class TestJsonLines(LoaderContract):
    @pytest.fixture
    def loader(self):
        return JsonLoader()

    @pytest.fixture
    def file(self, tmp_path):
        path = tmp_path / "a.jsonl"
        path.write_text('{"product": "Tarn", "part": "pump"}\n{"load": "ninety bar"}\n')
        return path


def test_every_value_has_its_path(tmp_path):
    document = load(
        tmp_path,
        {"name": "Acme", "site": {"address": {"city": "Oslo"}, "open": True, "fax": None}},
    )
    assert document.title == "Acme"
    assert document.text == "name: Acme\nsite > address > city: Oslo\nsite > open: true"


def test_lists_are_one_line_where_they_are_short(tmp_path):
    long = "a sentence of the kind that stands by itself, since it is longer than others are"
    document = load(tmp_path, {"tags": ["red", 2, False], "notes": [long, "short"]})
    assert document.text == f"tags: red, 2, false\nnotes: {long}\nnotes: short"


def test_a_list_of_objects_is_a_list_of_records(tmp_path):
    document = load(tmp_path, [{"name": "Ada", "at": {"city": "Oslo"}}, {"name": "Bob"}])
    assert document.text == "name: Ada; at > city: Oslo\nname: Bob"
    document = load(tmp_path, {"orders": [{"id": 1}, {"id": 2, "lines": [{"sku": "A"}]}]})
    assert document.text == "orders 1: id: 1\norders 2: id: 2\norders 2 > lines 1: sku: A"


def test_a_record_with_a_text_reads_as_prose_under_its_title(tmp_path):
    record = {"id": 7, "title": "Tarn pump", "body": "It runs.\n\n\n\nIt stops.", "by": "Ada"}
    expected = "Tarn pump\n\nIt runs.\n\nIt stops.\n\nid: 7; by: Ada"
    document = load(tmp_path, record)
    assert document.text == expected and document.title == "Tarn pump"
    document = load(tmp_path, {"count": 2, "items": [record, {"Text": "Alone."}]})
    assert document.text == f"count: 2\n\n{expected}\n\nAlone."
    assert [item.heading_path for item in document.sections] == [
        (),
        ("items", "Tarn pump"),
        ("items",),
    ]


def test_jsonl_has_one_section_a_record(tmp_path):
    lines = [{"title": "One", "text": "first"}, {"q": "why?", "a": "so"}, ["x", "y"], "plain"]
    document = load(tmp_path, "\n\n".join(map(json.dumps, lines)), "a.jsonl")
    shown = [document.text[item.start : item.end].strip() for item in document.sections]
    assert shown == ["One\n\nfirst", "q: why?; a: so", "x, y", "plain"]
    assert document.sections[0].heading_path == ("One",)


def test_a_broken_line_is_counted_and_named(tmp_path):
    document = load(tmp_path, '{"a": 1}\n{"a": \n\n{"a": 3}\nnonsense\n', "a.ndjson")
    assert document.text == "a: 1\n\na: 3"
    assert document.notes == ("2 lines without readable JSON left out: line 2, 5",)


def test_many_broken_lines_are_not_all_named(tmp_path):
    document = load(tmp_path, '{"a": 1}\n' + "x\n" * 50, "a.jsonl")
    assert document.notes[0].startswith("50 lines") and document.notes[0].endswith("and more")


def test_lines_that_are_all_broken_are_refused(tmp_path):
    with pytest.raises(UnreadableDocument) as caught:
        load(tmp_path, "\nx\ny\n", "a.jsonl")
    assert "line 2, column 1" in caught.value.where


def test_records_a_line_are_read_under_the_other_name_too(tmp_path):
    assert load(tmp_path, '{"a": 1}\n{"a": 2}\n').text == "a: 1\n\na: 2"


def test_a_broken_file_is_refused_with_its_place(tmp_path):
    with pytest.raises(UnreadableDocument, match="not readable JSON") as caught:
        load(tmp_path, '{"a": 1,\n "b" 2}')
    assert "line 2, column 6" in caught.value.where
    with pytest.raises(UnreadableDocument) as caught:
        load(tmp_path, '{"a": 1}\n{"a" 2}\n')
    assert "line 2, column 1" in caught.value.where


@pytest.mark.parametrize("sign", ['["x",', '{"a":'])
def test_deep_nesting_is_refused_and_no_recursion_error(tmp_path, sign):
    with pytest.raises(UnreadableDocument) as caught:
        load(tmp_path, sign * 100_000)
    assert "deeper than 200" in caught.value.why
    assert f"column {200 * len(sign) + 1}" in caught.value.where
    document = load(tmp_path, f'{{"a": 1}}\n{sign * 100_000}\n', "a.jsonl")
    assert document.notes == ("1 line without readable JSON left out: line 2",)


def test_nesting_up_to_the_limit_is_read(tmp_path):
    assert load(tmp_path, '{"a":' * 200 + '"deep [[["' + "}" * 200).text.endswith("> a: deep [[[")
    assert load(tmp_path, "[" * 200 + '"deep"' + "]" * 200).text == "deep"
    load(tmp_path, [{"a": "[" * 500, "b": '"{' * 500}])


def test_numbers_stay_as_they_are_written(tmp_path):
    digits = "7" * 10_000
    document = load(tmp_path, f'{{"price": 1.10, "tiny": 1E-400, "huge": {digits}}}')
    assert document.text == f"price: 1.10\ntiny: 1E-400\nhuge: {digits}"


def test_what_is_not_a_number_is_left_out_and_counted(tmp_path):
    document = load(tmp_path, '{"a": NaN, "b": [Infinity, -Infinity, 1], "c": "x"}')
    assert document.text == "b: 1\nc: x"
    assert document.notes == ("3 values (NaN or infinite) left out",)


def test_the_last_of_repeated_keys_wins_and_they_are_counted(tmp_path):
    document = load(tmp_path, '{"a": 1, "a": 2, "b": {"c": 1, "c": 2, "c": 3}}')
    assert document.text == "a: 2\nb > c: 3"
    assert document.notes == ("3 repetitions of a key, read as its last value",)


def test_vectors_and_encoded_files_are_left_out_and_counted(tmp_path):
    document = load(
        tmp_path,
        {"name": "x", "vector": [0.5] * 400, "picture": "data:image/png;base64," + "iVBO" * 500},
    )
    assert document.text == "name: x"
    assert document.notes == ("1 list of numbers left out", "1 value without words left out")


def test_text_has_no_control_characters_and_no_half_characters(tmp_path):
    document = load(
        tmp_path, r'{"a\u0000b": "x\u0000\u001b[31my\ud800z", "text": "1\u2028\u00852"}'
    )
    assert document.text == "1\n\n2\n\nab: x[31my\ufffdz"
    document.text.encode()


def test_line_signs_of_unicode_end_no_record(tmp_path):
    document = load(tmp_path, '{"a": "x\u2028y"}\n{"a": "z\u0085"}\n', "a.jsonl")
    assert document.text == "a: x y\n\na: z" and document.notes == ()


def test_long_paths_are_cut(tmp_path):
    value: object = [{"x": 1}] * 1_000
    for _ in range(100):
        value = {"k" * 1_000: value}
    document = load(tmp_path, value)
    assert len(document.text) < 1_000 * 300


def test_text_that_grows_without_bound_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("graft.loaders.json.MAX_TEXT", 10_000)
    with pytest.raises(UnreadableDocument, match="too much text"):
        load(tmp_path, {"a long name of a list": [{"x": 1}] * 1_000})


@pytest.mark.parametrize("text", ["null", "{}", "[]", '""', "[[], {}]", '{"a": null}'])
def test_a_file_that_says_nothing_is_refused(tmp_path, text):
    with pytest.raises(UnreadableDocument, match="no text"):
        load(tmp_path, text)


def test_quotes_that_never_close_take_no_time(tmp_path):
    began = time.perf_counter()
    with pytest.raises(UnreadableDocument):
        load(tmp_path, "[" * 300 + r'"\"' + r"\"" * 500_000)
    assert time.perf_counter() - began < 10
