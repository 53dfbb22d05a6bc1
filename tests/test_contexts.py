from __future__ import annotations

from dataclasses import replace

import pytest

from corpus_bench import DECLINE, Bench, answer_of, mark, text_of
from graft.contexts import decline_share
from graft.types import Question


def made(bench, budget=None, max_tokens=10_000, questions=None):
    """The rows of the first pass and the number of questions left out."""
    usable = bench.train if questions is None else questions
    found = bench.contexts.rows(usable, budget, bench.count, max_tokens)
    return list(found.passes[0]) if found.passes else [], found.unused


def own(rows, bench):
    """Rows of questions on the documents that stand in their context."""
    by_id = {item.id: item for item in bench.train}
    return [(row, by_id[row.question_id]) for row in rows]


@pytest.fixture
def bench():
    return Bench()


def user(row):
    return row.messages[-1].content


def test_every_question_is_asked_once_as_its_own_and_none_is_left_out(bench):
    rows, unused = made(bench)
    assert unused == 0
    assert {row.question_id for row in rows} == {item.id for item in bench.train}


def test_an_answer_that_stands_in_the_context_is_the_answer(bench):
    rows, _ = made(bench)
    answered = [(row, item) for row, item in own(rows, bench) if row.kind == "context"]
    assert len(answered) == 24
    for row, item in answered:
        assert row.answer == item.answers[0]
        assert row.answer in user(row)
        assert row.gold_doc_ids == item.doc_ids


def test_an_answer_that_does_not_stand_in_the_context_is_declined(bench):
    rows, _ = made(bench)
    declined = [(row, item) for row, item in own(rows, bench) if row.kind == "no_gold"]
    assert declined
    for row, item in declined:
        assert (row.answer, row.gold_doc_ids) == (DECLINE, ())
        assert not any(answer in user(row) for answer in item.answers)


def test_about_three_in_ten_rows_decline():
    rows, _ = made(Bench(("pump", "valve", "oven", "crane", "boiler", "winch", "lathe", "drill")))
    share = sum(row.kind == "no_gold" for row in rows) / len(rows)
    assert 0.2 <= share <= 0.4


def test_an_unanswerable_question_is_always_declined(bench):
    rows, _ = made(bench)
    kinds = {row.kind for row, item in own(rows, bench) if not item.answerable}
    assert kinds == {"no_gold"}


def test_the_pair_of_the_question_itself_never_stands_in_its_own_context(bench):
    pairs = {item.pair_id: item.text for item in bench.pairs}
    for row in made(bench)[0]:
        assert pairs[row.question_id] not in user(row)


def with_a_long_one(bench):
    answer = "It turns at full speed, always, unless somebody told it otherwise."
    bench.train.append(
        Question("long", "What speed has the pump?", (answer,), "train", "", kind="long")
    )
    return [row for row in made(bench)[0] if row.question_id == "long"]


def test_a_declined_question_never_has_its_own_pair_in_the_context():
    """A long answer without gold documents is asked of foreign contexts, pair and all."""
    for row in with_a_long_one(Bench(("pump",), pairs_shown=3)):
        assert "It turns at full speed" not in user(row)


def test_half_of_the_contexts_show_no_wording_of_the_fact_at_all(bench):
    rows, _ = made(bench)
    by_fact = {}
    for item in bench.pairs:
        by_fact.setdefault(item.answer, []).append(item.text)
    shown = {user(row).rpartition("\n\nQuestion:")[0]: row for row in rows if row.kind == "context"}
    without = [
        context
        for context, row in shown.items()
        if not any(text in context for text in by_fact[row.answer])
    ]
    assert len(without) >= len(shown) / 2 - 1


@pytest.mark.parametrize("kept_out", [{"pump.md"}, {"pump.md", "oven.md", "winch.md"}])
def test_nothing_of_a_kept_out_document_stands_in_any_row(kept_out):
    bench = Bench(kept_out=frozenset(kept_out), passages_shown=6, pairs_shown=6)
    usable = [item for item in bench.train if not set(item.doc_ids) & kept_out]
    rows, _ = made(bench, questions=usable)
    assert rows
    for row in rows:
        assert not [doc_id for doc_id in kept_out if mark(doc_id) in text_of(row)]
        assert not kept_out & {*row.gold_doc_ids, *row.doc_ids}


def test_a_row_names_the_documents_in_its_context(bench):
    for row in made(bench)[0]:
        shown = {f"{name}.md" for name in bench.names if f"{name} > " in user(row)}
        assert shown <= set(row.doc_ids)
        assert list(row.doc_ids) == sorted(set(row.doc_ids))


def test_special_tokens_of_answers_and_passages_are_broken_apart(bench):
    bench.train = [
        replace(item, answers=tuple(f"{answer} <|im_end|>" for answer in item.answers))
        for item in bench.train
    ]
    bench.passages = [
        replace(item, text=f"{item.text[:-1]} <|im_end|>.") for item in bench.passages
    ]
    rows, _ = made(bench)
    assert any("< |im_end| >" in row.answer for row in rows)
    assert not [row for row in rows if "<|im_end|>" in text_of(row)]


def test_prompts_stay_within_the_token_limit(bench):
    bench.prompt_tokens = 60
    rows, _ = made(bench)
    assert {bench.count(row.messages) <= 60 for row in rows} == {True}
    assert any(user(row).startswith("Documents:\n\n[1]") for row in rows)


def test_a_row_that_is_too_long_is_not_made_and_its_question_is_counted(bench):
    rows, unused = made(bench, max_tokens=10)
    assert rows == []
    assert unused == len(bench.train)


def test_a_question_over_the_budget_is_counted(bench):
    rows, unused = made(bench, budget=150)
    asked = {row.question_id for row in rows}
    assert 0 < unused < len(bench.train)
    assert len(asked) >= len(bench.train) - unused


def test_no_budget_makes_no_row(bench):
    assert made(bench, budget=0) == ([], len(bench.train))


def test_the_same_seed_gives_the_same_rows(bench):
    assert made(bench) == made(Bench())
    assert made(bench) != made(Bench(seed=8))


def test_dev_rows_show_what_serving_would_find(bench):
    rows = bench.contexts.dev_rows(bench.dev, bench.count, 10_000)
    assert [row.question_id for row in rows] == [item.id for item in bench.dev]
    for row, item in zip(rows, bench.dev, strict=True):
        found = bench.retriever.find(item.question, 2, 1).hits
        assert all(hit.passage.text in user(row) for hit in found)
        assert row.answer == item.answers[0]


def test_a_dev_question_whose_passage_is_not_found_is_declined(bench):
    lost = Question("lost", "zzz", ("no such answer",), "dev", "g", ("pump.md",))
    [row] = bench.contexts.dev_rows([lost], bench.count, 10_000)
    assert (row.kind, row.answer) == ("no_gold", DECLINE)


def test_a_dev_row_that_is_too_long_is_left_out(bench):
    assert bench.contexts.dev_rows(bench.dev, bench.count, 10) == []


def test_answers_are_told_apart_by_whole_words(bench):
    number = replace(bench.train[0], answers=("3",))
    bench.train = [number]
    bench.passages = [
        replace(item, text="It is 13 or 30.", heading_path=()) for item in bench.passages
    ]
    [row] = made(bench)[0]
    assert (row.kind, row.answer) == ("no_gold", DECLINE)


def test_the_bench_has_an_answer_of_its_own_for_every_fact():
    assert answer_of("pump", "speed") == "pumpmark speed 4"


def of_kind(kind, *, split="train", answers=("a",)):
    return Question("q", "?", answers, split, "g", answerable=bool(answers), kind=kind)


def test_the_share_of_declined_rows_follows_what_the_questions_ask_for():
    answered, declined = of_kind("short"), of_kind("short", answers=())
    long = of_kind("long")
    assert decline_share([answered, declined]) == pytest.approx(0.3)
    assert decline_share([answered, answered]) == pytest.approx(0.1)
    assert decline_share([long, long, answered, declined]) == pytest.approx(0.1)
    assert decline_share([long]) == pytest.approx(1 / 30)
    # what the test questions ask for is not looked at
    assert decline_share([answered, of_kind("short", split="test", answers=())]) == 0.1


def test_declined_rows_stay_within_their_share(bench):
    few = replace(bench.contexts, declined=0.05)
    found = few.rows(bench.train, None, bench.count, 10_000)
    for rows in found.passes:
        assert sum(row.kind == "no_gold" for row in rows) <= max(1, 0.07 * len(rows))
    assert found.declined_over > 0


def test_true_questions_without_an_answer_come_before_made_up_ones():
    bench = Bench(("pump", "valve", "oven", "crane", "boiler", "winch", "lathe", "drill"))
    empty = {item.id for item in bench.train if not item.answers}
    for share in (0.05, 0.2, 0.4):
        [rows, *_] = (
            replace(bench.contexts, declined=share)
            .rows(bench.train, None, bench.count, 10_000)
            .passes
        )
        declined = [row.question_id in empty for row in rows if row.kind == "no_gold"]
        answered = len(rows) - len(declined)
        most = max(1, round(len([q for q in bench.train if q.answers]) * share / (1 - share)))
        assert sum(declined) == min(len(empty), most)
        assert len(declined) <= max(1, 1.25 * answered * share / (1 - share)) + 1


def test_a_budget_that_is_left_buys_further_passes_with_other_contexts(bench):
    whole = bench.contexts.rows(bench.train, None, bench.count, 10_000).passes
    assert len(whole) == 3
    first, second = ({row.id for row in rows} for rows in whole[:2])
    assert first != second
    assert len(bench.contexts.rows(bench.train, 10, bench.count, 10_000).passes) == 1
