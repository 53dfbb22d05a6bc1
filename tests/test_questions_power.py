"""What a set can show, its `dev` parts, its groups: known before anything is computed."""

from __future__ import annotations

import json

import pytest

from graft.errors import BadInput
from graft.question_set import changes
from graft.questions import (
    QuestionSet,
    check,
    detectable,
    dev_parts,
    ensure_dev,
    power_line,
    read_questions,
)
from graft.stats import detectable_difference
from graft.types import Question


def asked(n, groups=0, **more):
    return QuestionSet(
        tuple(
            Question(f"q{k}", f"{k}?", more.get("answers", ("x",)), "test", f"g{k % (groups or n)}")
            for k in range(n)
        )
    )


def test_independent_questions_show_what_the_table_of_the_formula_says():
    said = detectable(asked(200))
    assert said == [
        "With 200 test questions in 200 groups you can see differences of 8.8 points or more where"
        " arms disagree on 20 % of the questions, 10.8 points or more where arms disagree on 30 %"
        " of the questions (level 5 %, power 80 %).",
        "With three contrasts at once, in points: 10.2 at 20 %, 12.4 at 30 %.",
    ]


def test_questions_of_one_group_count_less_and_the_assumption_is_said():
    said = detectable(asked(200, groups=40))
    effect = 1 + 4 * 0.2
    wanted = detectable_difference(200, 0.2, effect=effect)
    assert f"in 40 groups you can see differences of {100 * wanted:.1f} points" in said[0]
    assert "(correlation 0.2), so that 200 questions count as 111." in said[-1]


def test_twelve_questions_say_plainly_what_they_cannot_and_can_see():
    (said,) = detectable(asked(12))
    assert said == (
        "No difference can be shown with 12 test questions in 12 groups where arms disagree on 20 %"
        " or 30 % of them; it takes arms that disagree on at least 54 %, with the same arm right"
        " each time: a difference of 54 points. To see 10 points at 30 % takes 234 questions (level"
        " 5 %, power 80 %)."
    )
    root = detectable_difference(12, 1.0)
    assert root**2 == pytest.approx(0.535, abs=0.002)
    assert detectable_difference(12, root**2 + 1e-6) == pytest.approx(root**2, abs=1e-3)
    assert detectable_difference(12, root**2 - 1e-3) is None
    assert said in check(asked(12), [])


def test_a_handful_can_show_nothing_at_all_and_no_test_question_says_nothing():
    (said,) = detectable(asked(3))
    assert "not even where one arm is right and the other wrong every time" in said
    assert detectable(QuestionSet(())) == []


def test_a_middling_number_shows_one_and_not_the_other():
    said = detectable(asked(28))
    assert "none where they disagree on 20 %" in said[0]
    assert said[1] == "With three contrasts at once it can show none."


def test_the_line_of_the_plan_follows_the_number_asked():
    whole = asked(600)
    assert power_line(whole, 150) == (
        "150 test questions can show a difference between two arms of 10.1 to 12.4 points or more"
        " (where they disagree on 20 % to 30 %)"
    )
    assert power_line(whole, 1_000) == power_line(whole, 600)
    assert power_line(whole, 12) == (
        "no difference between arms can be shown with 12 test questions; graft questions check"
    )
    assert power_line(whole, 28).endswith("points or more (where they disagree on 30 %)")
    drawn = power_line(asked(600, groups=60), 150)
    assert "of 12.2 to 14.9 points" in drawn
    assert "of 16.7 to 20.5 points" in power_line(asked(150, groups=15), 150)


def test_questions_for_retrieval_alone_count_only_where_there_are_no_others():
    bare = asked(100, answers=()).questions
    assert "With 100 test questions" in detectable(QuestionSet(bare))[0]
    some = QuestionSet(
        (*bare, *(Question(f"a{k}", "?", ("x",), "test", f"a{k}") for k in range(90)))
    )
    assert "With 90 test questions" in detectable(some)[0]


def facts(documents=12, wordings=4):
    return [
        Question(
            f"d{doc}-f{fact}-{n}", f"{doc} {fact} {n}?", (f"{doc}{fact}",),
            "test" if n == 0 and doc % 2 else "train", f"d{doc}.md", (f"d{doc}.md",),
            fact=f"d{doc}-f{fact}",
        )
        for doc in range(documents)
        for fact in range(3)
        for n in range(wordings)
    ]  # fmt: skip


def test_dev_has_further_wordings_and_whole_documents():
    questions = QuestionSet(tuple(facts(documents=20)))
    found = ensure_dev(questions, 7)
    parts = dev_parts(found)
    assert not parts["other"]
    trained = {item.fact for item in found.by_split("train")}
    documents = {name for item in found.by_split("train") for name in item.doc_ids}
    dev = {item.id: item for item in found.by_split("dev")}
    assert len(dev) == pytest.approx(0.12 * 210, abs=2)
    assert all(dev[name].fact in trained for name in parts["wording"])
    assert not any(dev[name].doc_ids[0] in documents for name in parts["document"])
    assert 0 < len(parts["document"]) <= len(dev) * 3 / 4
    assert len(parts["wording"]) == len({dev[name].fact for name in parts["wording"]}) > 0
    assert not {dev[name].doc_ids[0] for name in parts["document"]} & {
        name for item in found.by_split("test") for name in item.doc_ids
    }
    assert ensure_dev(questions, 7) == found != ensure_dev(questions, 8)
    assert any("further wordings" in text and "no training question" in text
               for text in check(found, []))  # fmt: skip


def test_few_documents_are_not_given_away():
    found = ensure_dev(QuestionSet(tuple(facts(documents=4))), 7)
    parts = dev_parts(found)
    assert parts["wording"]
    assert not parts["document"]
    assert any("No dev question is on a document kept out" in text for text in check(found, []))


def test_equal_wordings_go_to_dev_together():
    items = [Question(f"t{n}", f"{n // 2}?", (f"x{n}",), "train", f"g{n}") for n in range(40)]
    found = ensure_dev(QuestionSet(tuple(items)), 7)
    dev = {item.question for item in found.by_split("dev")}
    assert dev
    assert not dev & {item.question for item in found.by_split("train")}


def written(tmp_path, lines):
    path = tmp_path / "qa.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def line(name, **more):
    return {"id": name, "question": f"{name}?", "answers": ["x"], "split": "test", **more}


def test_the_group_comes_from_the_field_named(tmp_path):
    lines = [
        line("a", page=3, group="g"), line("b", page=["p", "q"], doc_ids=["h/x.md"]),
        line("c", page="", group="g"), line("d", doc_ids=["top.md"]), line("e", page={"no": 1}),
    ]  # fmt: skip
    report = read_questions(written(tmp_path, lines), group_from="page")
    assert [item.group for item in report.questions.questions] == ["3", "p", "g", "top.md", "e"]
    assert report.problems == (
        "Without a value of page, grouped by their group, document, fact or question, 3: c, d, e.",
    )


def test_the_group_can_be_the_folder_or_the_first_document(tmp_path):
    lines = [line("a", doc_ids=["h/i/x.md", "y.md"]), line("b", doc_ids=["top.md"], group="g")]
    path = written(tmp_path, lines)
    found = [item.group for item in read_questions(path, group_from="folder").questions.questions]
    assert found == ["h/i", "g"]
    found = [item.group for item in read_questions(path, group_from="doc_ids").questions.questions]
    assert found == ["h/i/x.md", "top.md"]
    path = written(tmp_path, [line("a", folder="own"), line("b", folder="own")])
    assert read_questions(path, group_from="folder").questions.clusters() == 1


@pytest.mark.parametrize(
    ("name", "why"), [("pag", "did you mean page?"), ("zzz", "answers, id, page, question, split")]
)
def test_an_unknown_field_is_refused_with_the_nearest(tmp_path, name, why):
    with pytest.raises(BadInput, match=f"no line has the field {name}") as caught:
        read_questions(written(tmp_path, [line("a", page=1), line("b")]), group_from=name)
    assert why in caught.value.why
    assert caught.value.where == f"--group-from {name}"
    assert caught.value.next_step


def test_the_hash_holds_where_a_later_version_adds_empty_fields():
    plain = Question("a", "A?", ("x",), "test", "g")
    assert QuestionSet((plain,)).hash == "f0dea53e9944d258"
    graded = Question("a", "A?", ("x",), "test", "g", ("d",), grades=(2,))
    assert QuestionSet((graded,)).hash != QuestionSet((plain,)).hash
    assert changes(QuestionSet((plain,)), QuestionSet((graded,))) == "1 changed"
    assert changes(QuestionSet((plain,)), QuestionSet((plain,))) == ""
