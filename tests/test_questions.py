from __future__ import annotations

import json

import pytest

from graft.errors import BadInput, FingerprintMismatch, QuestionFileError
from graft.questions import (
    QuestionSet,
    check,
    detectable,
    ensure_dev,
    load_questions,
    read_questions,
    store_questions,
)
from graft.types import Document, Question


def write(tmp_path, lines, name="qa.jsonl"):
    path = tmp_path / name
    path.write_text(
        "".join((one if isinstance(one, str) else json.dumps(one)) + "\n" for one in lines),
        encoding="utf-8",
    )
    return path


def line(name, split="test", **more):
    return {"id": name, "question": f"What is {name}?", "answers": ["x"], "split": split, **more}


def read(tmp_path, lines, where=None, name="qa.jsonl"):
    return read_questions(write(tmp_path, lines, name), where or {})


def by_id(report):
    return {item.id: item for item in report.questions.questions}


def test_all_fields_are_read(tmp_path):
    full = line(
        "a",
        "train",
        answers="one",
        doc_ids=["./d\\x.md"],
        group="g",
        tags="t",
        kind="long",
        fact="f",
        answerable=True,
    )
    report = read(tmp_path, [full, line("b"), line("c", answers=[], answerable=False)])
    found = by_id(report)
    assert found["a"] == Question(
        "a", "What is a?", ("one",), "train", "g", ("d/x.md",), True, "long", "f", ("t",)
    )
    assert (found["b"].group, found["b"].kind, found["b"].answerable) == ("b", "short", True)
    assert (found["c"].answers, found["c"].answerable) == ((), False)
    assert report.problems == ()


def test_ids_groups_and_answerability_are_derived(tmp_path):
    lines = [
        {"question": "Who?", "answer": "Ann", "doc_ids": "a.md", "split": "test"},
        {"question": "Why?", "split": "validation", "fact": "f1"},
        {"question": "Where?", "answers": 5, "split": "Test"},
    ]
    first, second, third = read(tmp_path, lines).questions.questions
    assert first.id.startswith("q-")
    assert len({first.id, second.id, third.id}) == 3
    assert (first.group, second.group, third.group) == ("a.md", "f1", third.id)
    assert (second.split, second.answerable) == ("dev", False)
    assert third.answers == ("5",)
    again = read(tmp_path, lines).questions
    assert again.questions == (first, second, third)


def test_every_bad_line_is_named_and_nothing_is_taken(tmp_path):
    lines = [
        line("a"),
        "{broken",
        '["list"]',
        {"answers": ["x"], "split": "test"},
        line("b", split="exam"),
        line("c", answers={"a": 1}),
        line("d", answerable=False),
        line("a", answers=["other"]),
        line("e", answers=["x" * 30_000]),
        "",
        {"question": "", "split": "test", "answerable": "perhaps"},
        "[" * 100_000,
    ]
    with pytest.raises(QuestionFileError) as caught:
        read(tmp_path, lines)
    why = caught.value.why
    assert "10 bad lines" in caught.value.what
    for number, reason in (
        ("2", "not valid JSON"),
        ("3", "not a JSON object"),
        ("4", "no question"),
        ("5", "split is 'exam'"),
        ("6", "answers is not"),
        ("7", "answerable is false, but"),
        ("8", "id a stands for another question"),
        ("9", "longer than"),
        ("11", "answerable is 'perhaps'"),
        ("12", "not valid JSON"),
    ):
        assert any(number in part.split(":")[0] and reason in part for part in why.split("; ")), (
            number
        )
    assert str(tmp_path) in caught.value.where
    assert "graft questions import" in caught.value.next_step


def test_lines_of_one_reason_are_named_as_ranges(tmp_path):
    with pytest.raises(QuestionFileError) as caught:
        read(tmp_path, [line("a"), *[{"id": str(n)} for n in range(40)], line("b"), "{"])
    assert "line 2-41: no question" in caught.value.why


def test_a_line_separator_inside_a_text_is_no_new_line(tmp_path):
    lines = [json.dumps(line(name, answers=["a\u2028b"]), ensure_ascii=False) for name in "ab"]
    report = read(tmp_path, lines)
    assert by_id(report)["a"].answers == ("a\u2028b",)
    store_questions(tmp_path, report.questions)
    assert load_questions(tmp_path) == report.questions


@pytest.mark.parametrize("data", [b'{"question": "\xff"}\n', None])
def test_a_file_that_is_no_text_or_not_there_is_refused(tmp_path, data):
    path = tmp_path / "qa.jsonl"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(QuestionFileError) as caught:
        read_questions(path)
    assert caught.value.next_step


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv_is_read_with_its_line_numbers(tmp_path, delimiter):
    rows = [
        ["id", "Question", "answers", "doc_ids", "split", "answerable"],
        ["a", '"What, or; who?\nreally"', "one | two", "a.md|b.md", "test", ""],
        ["b", "Why?", '"[""x|y""]"', "", "test", "true"],
        ["", "", "", "", "", ""],
        ["c", "Never?", "", "", "train", "no"],
    ]
    text = "\r\n".join(delimiter.join(row) for row in rows)
    path = tmp_path / "qa.csv"
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    found = by_id(read_questions(path))
    assert found["a"].question == "What, or; who?\nreally"
    assert (found["a"].answers, found["a"].doc_ids) == (("one", "two"), ("a.md", "b.md"))
    assert found["b"].answers == ("x|y",)
    assert not found["c"].answerable
    path.write_bytes((text + "\r\nd,,,,,,,,;;;;;;;;\t\t\t\t\t\t\t").encode())
    with pytest.raises(QuestionFileError) as caught:
        read_questions(path)
    assert "line 7: " in caught.value.why


def test_a_table_without_a_question_column_names_the_columns(tmp_path):
    path = tmp_path / "qa.csv"
    path.write_text("Q,A\nWhy?,so\nWho?,me\n")
    with pytest.raises(QuestionFileError) as caught:
        read_questions(path)
    assert caught.value.why == 'line 1: no column "question"; the columns are q, a'


def test_the_filter_narrows_the_test_split_alone(tmp_path):
    lines = [
        line("a", core=True),
        line("b", core=True),
        line("c", core=False),
        line("d"),
        line("e", "train", core=False),
        line("f", "dev"),
    ]
    report = read(tmp_path, lines, {"core": "true"})
    assert set(by_id(report)) == {"a", "b", "e", "f"}
    assert report.filtered == 2
    with pytest.raises(BadInput, match="no line has the field") as caught:
        read(tmp_path, lines, {"cor": "true"})
    assert "did you mean core?" in caught.value.why


def test_fields_that_are_not_used_are_named(tmp_path):
    report = read(tmp_path, [line("a", page=3, level="x"), line("b", level="x")], {"level": "x"})
    assert report.problems == ("Fields that Graft does not use: page.",)


def test_an_unknown_kind_becomes_a_tag(tmp_path):
    found = by_id(read(tmp_path, [line("a", kind="lookup", tags=["t"]), line("b", kind="Long")]))
    assert (found["a"].kind, found["a"].tags) == ("short", ("t", "lookup"))
    assert found["b"].kind == "long"


def test_the_kind_follows_the_length_of_the_shortest_answer(tmp_path):
    lines = [
        line("a", answers=["one two three four five six seven eight"]),
        line("b", answers=["one two three four five six seven eight nine"]),
        line("c", answers=["one two three four five six seven eight nine", "one"]),
        line("d", answers=["1 2 3 4 5 6 7 8 9"]),
        line("e", answers=["1 2 3 4 5 6 7 8 9 0"]),
        line("f", answers=[], answerable=False),
    ]
    kinds = {name: item.kind for name, item in by_id(read(tmp_path, lines)).items()}
    assert kinds == {"a": "short", "b": "long", "c": "short", "d": "long", "e": "long", "f": "long"}


def test_a_small_set_of_repeated_answers_is_a_set_of_labels(tmp_path):
    def lines(repeats, **more):
        train = [
            line(f"t{label}{n}", "train", answers=[label], **more)
            for label in ("card_lost", "refund")
            for n in range(repeats)
        ]
        return [*train, line("a", answers=["refund"]), line("b", answers=["unheard of"])]

    found = by_id(read(tmp_path, lines(5)))
    assert (found["a"].kind, found["b"].kind, found["trefund0"].kind) == ("label", "short", "label")
    assert by_id(read(tmp_path, lines(4)))["a"].kind == "short"
    assert by_id(read(tmp_path, lines(5, doc_ids=["d.md"])))["a"].kind == "short"


def test_without_any_split_whole_groups_are_set_aside(tmp_path):
    lines = [
        {"question": f"What is {n}?", "answers": ["x"], "doc_ids": [f"d{n // 4}.md"]}
        for n in range(40)
    ]
    first = read(tmp_path, lines).questions
    assert len(first.by_split("test")) == 12
    groups = [{item.group for item in first.by_split(split)} for split in ("train", "test")]
    assert not groups[0] & groups[1]
    assert read(tmp_path, lines[::-1]).questions.hash == first.hash


def test_some_lines_without_a_split_are_refused(tmp_path):
    with pytest.raises(QuestionFileError, match="1 questions have no split"):
        read(tmp_path, [line("a"), line("b"), {"question": "Which?", "answers": ["x"]}])


def test_repeated_questions_are_dropped_and_named(tmp_path):
    lines = [
        line("a"),
        line("b", question="what IS  a"),
        line("a"),
        line("c", question="What is a?", answers=["y"]),
    ]
    report = read(tmp_path, lines)
    assert set(by_id(report)) == {"a", "c"}
    assert report.duplicates == ("b", "a")
    assert report.problems == (
        "Same question, different answers in one split, 1: a and c.",
        "Repeated questions dropped, 2: b, a.",
    )


def test_a_test_question_in_training_is_taken_out_and_named(tmp_path):
    lines = [
        line("a"),
        line("b"),
        line("c", "train", question="what is A"),
        line("d", "dev", question="What is b"),
        line("e", "train", question="What is b"),
        line("f", "train"),
        line("g", "dev", question="What is f"),
    ]
    report = read(tmp_path, lines)
    assert set(by_id(report)) == {"a", "b", "g"}
    assert report.removed_from_train == ("c", "e") == report.questions.removed_from_train
    assert any("2: c, e." in text for text in report.problems)
    assert any("kept once, 2: d, f." in text for text in report.problems)


@pytest.mark.parametrize("lines", [[], [line("a", "train")], [line("a"), line("b", "train")]])
def test_fewer_than_two_test_questions_are_refused(tmp_path, lines):
    with pytest.raises(BadInput, match="test question") as caught:
        read(tmp_path, lines)
    assert caught.value.next_step


def test_several_files_make_one_set(tmp_path):
    one = write(tmp_path, [line("a", "train")], "one.jsonl")
    two = write(tmp_path, [line("b"), line("c")], "two.jsonl")
    assert len(read_questions([one, two]).questions.questions) == 3
    three = write(tmp_path, [line("a", "test")], "three.jsonl")
    with pytest.raises(QuestionFileError) as caught:
        read_questions([one, two, three])
    assert "three.jsonl" in caught.value.where


def questions(count, **more):
    return [
        Question(f"t{n:03}", f"What is {n}?", ("x",), "train", more.get("group", f"g{n // 3}"))
        for n in range(count)
    ]


def dev_ids(items, seed=7):
    return {item.id for item in ensure_dev(QuestionSet(tuple(items)), seed).by_split("dev")}


def test_dev_is_one_wording_of_facts_that_have_three(tmp_path):
    items = [
        Question(f"f{fact}-{n}", f"{fact} {n}?", ("x",), "train", "d.md", fact=f"f{fact}")
        for fact in range(20)
        for n in range(4 if fact < 10 else 2)
    ]
    moved = ensure_dev(QuestionSet(tuple(items)), 7).by_split("dev")
    assert len(moved) == 7
    assert len({item.fact for item in moved}) == 7
    assert all(int(item.fact[1:]) < 10 for item in moved)


def test_dev_is_whole_groups_otherwise():
    items = questions(60)
    moved = dev_ids(items)
    assert 6 <= len(moved) <= 10
    groups = {item.group for item in items if item.id in moved}
    assert moved == {item.id for item in items if item.group in groups}
    assert dev_ids(items) == moved != dev_ids(items, 8)


def test_dev_has_at_most_a_hundred_questions():
    assert len(dev_ids(questions(3_000))) <= 100
    large = [*questions(900, group="one"), *questions(0)]
    assert len(dev_ids(large)) == 100


def test_a_dev_split_that_is_there_is_left_alone():
    items = QuestionSet((*questions(5), Question("d", "D?", ("x",), "dev", "d")))
    assert ensure_dev(items, 7) is items
    tiny = QuestionSet(tuple(questions(1)))
    assert ensure_dev(tiny, 7) is tiny


def test_the_hash_follows_the_content_and_not_the_order():
    items = questions(5)
    assert QuestionSet(tuple(items)).hash == QuestionSet(tuple(items[::-1])).hash
    assert QuestionSet(tuple(items)).hash != QuestionSet(tuple(items[1:])).hash
    assert QuestionSet(tuple(items)).clusters("train") == 2
    assert QuestionSet(tuple(items)).clusters() == 0


def test_a_stored_set_is_read_back(tmp_path):
    stored = QuestionSet(tuple(questions(5)), ("gone",))
    path = store_questions(tmp_path, stored)
    assert load_questions(tmp_path) == stored
    lines = path.read_text().split("\n")
    path.write_text("\n".join([lines[0], *lines[2:]]))
    with pytest.raises(FingerprintMismatch, match="changed after their import"):
        load_questions(tmp_path)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (None, "no questions yet"),
        ("", "cannot be read"),
        ("{broken", "cannot be read"),
        ('{"schema": 99, "hash": "", "removed_from_train": []}\n', "newer Graft"),
        ('{"id": 1}\n', "cannot be read"),
    ],
)
def test_a_missing_or_broken_store_is_named(tmp_path, text, what):
    if text is not None:
        (tmp_path / "questions.jsonl").write_text(text)
    with pytest.raises(BadInput, match=what) as caught:
        load_questions(tmp_path)
    assert caught.value.next_step


def test_the_check_says_what_may_spoil_a_comparison():
    documents = [Document("a.md", "a.md", "A", "x", "h", "text")]
    items = (
        Question("a", "A?", ("x",), "test", "g", ("a.md",)),
        Question("b", "B?", (), "test", "g", answerable=False),
        Question("c", "C?", (), "test", "h", ("b.md",)),
    )
    questions = QuestionSet(items, ("t1",))
    assert check(questions, documents) == [
        "3 questions: 0 train, 0 dev, 3 test.",
        "There is no training question: nothing can be fine-tuned on pairs.",
        "1 of 3 test questions (33 %) cannot be answered from the documents; the right answer to"
        " them is to decline.",
        "Without a gold answer, for retrieval only: 1.",
        "Gold documents that the corpus does not have, 1 in 1 questions: b.md."
        " The nearest to b.md is a.md.",
        "Groups among the test questions: 2; under 20 no arm can be recommended.",
        "Taken out of training at import because they stand in the test split: 1.",
        "Of the test questions 33.3 % stood in training too; above 2 % no arm is recommended. Take"
        " them out of one split in your own file and import it again.",
        *detectable(questions),
        f"The set is fixed by its hash: {questions.hash}.",
    ]
