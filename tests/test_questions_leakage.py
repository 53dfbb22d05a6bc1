"""What of the test split stands in training: removed, similar, contradicting."""

from __future__ import annotations

import random
import time

import pytest

from graft.leakage import Leakage, Similar, leakage_remarks
from graft.questions import (
    QuestionSet,
    leakage_blockers,
    leakage_of,
    load_leakage,
    load_questions,
    read_questions,
    store_leakage,
    take_questions,
)
from graft.types import Question

PUMP = "What pressure was the Tarn 40 tested at?"
PRESSURE = "塔恩泵的测试压力是多少"
NONE = {"answerable": False}
ABOUT = {"doc_ids": ("d",)}


def question(name, text, answers=("38 bar",), split="test", **more):
    return Question(name, text, tuple(answers), split, name, **more)


def train(name, text, answers=("38 bar",), **more):
    return question(name, text, answers, "train", **more)


def test_a_similar_question_with_the_same_answer_is_named_with_the_nearest():
    found = leakage_of(
        QuestionSet(
            (
                question("a", "What pressure was the Tarn 40 tested at last?"),
                question("b", "Who founded the company?"),
                train("t1", "At what pressure was the Tarn 40 tested?", ["38 BAR."]),
                train("t2", PUMP, ["38", "38 bar"]),
                train("t3", "What pressure was the Tarn 40 tested at last year?", ["40 bar"]),
            )
        )
    )
    assert [(item.test_id, item.train_id) for item in found.similar] == [("a", "t2")]
    assert 0.8 < found.similar[0].similarity < 1


@pytest.mark.parametrize(
    ("test", "near", "is_similar"),
    [
        (question("a", PUMP), train("t", PUMP.replace("40", "50")), True),
        (question("a", PUMP), train("t", PUMP.replace("40", "50"), ["41 bar"]), False),
        (question("a", PUMP), train("t", "How was the Tarn 40 examined?"), False),
        (question("a", PUMP, (), **NONE), train("t", PUMP + " And?", (), **NONE), True),
        (question("a", PUMP, (), **NONE), train("t", PUMP + " And?"), False),
        (question("a", PUMP, (), **ABOUT), train("t", PUMP + " So?", (), **ABOUT), True),
        (question("a", PUMP, (), **ABOUT), train("t", PUMP + " So?", (), doc_ids=("e",)), False),
        (question("a", PRESSURE), train("t", PRESSURE + "呢"), True),
        (question("a", "?"), train("t", "!"), False),
    ],
)  # fmt: skip
def test_similar_needs_the_same_letters_and_the_same_answer(test, near, is_similar):
    found = leakage_of(QuestionSet((test, near))).similar
    assert [item.test_id for item in found] == (["a"] if is_similar else [])


def lines(tmp_path, rows):
    path = tmp_path / "qa.csv"
    text = "".join(",".join(row) + "\n" for row in rows)
    path.write_text("id,question,answers,split\n" + text)
    return path


def test_removed_questions_and_contradictions_are_known_by_both_ids(tmp_path):
    rows = [
        ("a", "What is A?", "x", "test"),
        ("b", "What is B?", "y", "test"),
        ("t1", "what is a", "x", "train"),
        ("t2", "What is B", "no", "train"),
        ("t3", "WHAT IS A?", "z", "train"),
    ]
    report = read_questions(lines(tmp_path, rows))
    found = leakage_of(report.questions)
    assert found.removed == ("t1", "t2", "t3") == report.removed_from_train
    assert found.conflicts == (("b", "t2"), ("a", "t3"))
    said = [text for text in report.problems if "different answers" in text]
    assert (
        said[-1] == "Same question in test and train with different answers, 2: b and t2, a and t3."
    )
    assert leakage_blockers(report.questions) == ("leakage:1.000",)


def test_above_two_percent_of_the_test_split_blocks(tmp_path):
    def blockers(copied, copies=1):
        rows = [(f"q{n}", f"What is {n}?", "x", "test") for n in range(100)]
        rows += [
            (f"t{n}-{copy}", f"What is {n}?", f"x{copy}", "train")
            for n in range(copied)
            for copy in range(copies)
        ]
        return leakage_blockers(read_questions(lines(tmp_path, rows)).questions)

    assert blockers(2) == ()
    assert blockers(2, copies=3) == ()
    assert blockers(3) == ("leakage:0.030",)
    stored_before_twins = QuestionSet((question("a", PUMP),), ("t1",))
    assert leakage_blockers(stored_before_twins) == ("leakage:1.000",)
    assert leakage_blockers(QuestionSet(())) == ()


def test_the_report_is_kept_with_the_questions_and_worked_out_anew_for_others(tmp_path):
    one = QuestionSet((question("a", PUMP), train("t", PUMP + " And?")), ("gone",))
    stored = store_leakage(tmp_path, one)
    assert stored.to_json() == {
        "removed": ["gone"], "similar": ["a"],
        "nearest": [["a", "t", stored.similar[0].similarity]], "conflicts": [],
    }  # fmt: skip
    assert Leakage.from_json(stored.to_json()) == stored
    file = tmp_path / f"leakage-{one.hash}.json"
    file.write_text(file.read_text().replace('"t"', '"kept"'))
    assert load_leakage(tmp_path, one).similar[0].train_id == "kept"
    other = QuestionSet(one.questions[:1])
    assert load_leakage(tmp_path, other) == Leakage()
    file.write_text("{broken")
    assert load_leakage(tmp_path, one) == stored
    file.unlink()
    assert load_leakage(tmp_path, one) == stored
    assert file.exists()


def test_the_remarks_have_counts_and_the_nearest_first():
    items = tuple(question(f"a{n}", f"{n}?") for n in range(4))
    found = Leakage(("t",), (Similar("a0", "t1", 0.61), Similar("a1", "t2", 0.9)), (("a2", "t"),))
    assert leakage_remarks(QuestionSet(items, ("t",)), found) == [
        "Taken out of training at import because they stand in the test split: 1.",
        "Of the test questions 25.0 % stood in training too; above 2 % no arm is recommended. Take"
        " them out of one split in your own file and import it again.",
        "Same question in test and train with different answers, 1: a2 and t.",
        "Test questions much like a training question with the same answer, 2 of 4 (50.0 %):"
        " a1 and t2 (0.90), a0 and t1 (0.61). They stay; scores are given with and without them.",
    ]


def test_an_import_stores_everything_and_says_what_changed_since_a_comparison(tmp_path):
    rows = [(f"q{n}", f"What is {n}?", "x", "test" if n < 2 else "train") for n in range(20)]
    path = lines(tmp_path, rows)
    first = take_questions(tmp_path / "state", path, compared=True)
    assert load_questions(tmp_path / "state") == first.questions
    assert len(first.questions.by_split("dev")) == 2
    assert (tmp_path / "state" / f"leakage-{first.questions.hash}.json").exists()
    assert not any("The set was" in text for text in first.problems)
    again = take_questions(tmp_path / "state", path, compared=True)
    assert again.problems == first.problems
    path = lines(
        tmp_path, [("q0", "What is 0?", "other", "test"), *rows[1:19], ("n", "N?", "x", "test")]
    )
    quiet = take_questions(tmp_path / "other", path, compared=True)
    assert not any("The set was" in text for text in quiet.problems)
    changed = take_questions(tmp_path / "state", path, compared=True)
    said = changed.problems[-1]
    assert said.startswith(
        f"The set was {first.questions.hash} and is now {changed.questions.hash}"
    )
    assert "1 added" in said
    assert "1 gone" in said
    take_questions(tmp_path / "state", lines(tmp_path, rows))
    assert load_questions(tmp_path / "state").hash == first.questions.hash


def test_ten_thousand_by_four_thousand_questions_take_seconds():
    chosen = random.Random(1)
    words = [
        "".join(chosen.choice("etaoinshrdlu") for _ in range(chosen.randint(2, 9)))
        for _ in range(2_000)
    ]

    def made(count, split, one):
        return tuple(
            Question(f"{split}{n}", " ".join(chosen.choices(words, k=9)), one, split, "g")
            for n in range(count)
        )

    many = QuestionSet((*made(10_000, "train", ("yes",)), *made(4_000, "test", ("yes",))))
    started = time.process_time()
    assert leakage_of(many).similar == ()
    assert time.process_time() - started < 5
