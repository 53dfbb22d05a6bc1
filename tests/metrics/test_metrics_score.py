from __future__ import annotations

import importlib
import random
from dataclasses import replace

import pytest

from graft.metrics import GROUNDED, METRICS, judge, kind_of, score_record
from graft.metrics.f1 import overlap_f1
from graft.metrics.primary import MAX_EXTRA_WORDS
from graft.protocols import Metric
from graft.types import AnswerKind, Question, Record, Score


def question(*answers: str, kind: AnswerKind = "short", **other: object) -> Question:
    item = Question("q", "What?", answers, "test", "g", ("d.md",), bool(answers), kind)
    return replace(item, **other)  # type: ignore[arg-type]


def record(answer: str, *, declined: bool = False, **other: object) -> Record:
    return replace(Record("rag", "q", answer, declined), **other)  # type: ignore[arg-type]


def primary(answer: str, asked: Question, *, declined: bool = False) -> float | None:
    return score_record(record(answer, declined=declined), asked)["primary"]


def explain(made: Record, asked: Question) -> str:
    return judge(made, asked).reason


def test_every_metric_stands_in_the_file_of_its_name() -> None:
    for name, metric in [*METRICS.items(), *GROUNDED.items()]:
        module = importlib.import_module(f"graft.metrics.{name}")
        assert type(metric).__name__ in module.__all__
        checked: Metric = metric
        assert checked.direction == "higher"


WORKED = [
    # kind, gold, answer, primary, exact, contains, f1
    ("short", "90 seconds", "90 seconds", 1.0, 1.0, 1.0, 1.0),
    ("short", "90 seconds", "Ninety seconds.", 1.0, 1.0, 1.0, 1.0),
    ("short", "90 seconds", "It may run for 90 seconds.", 1.0, 0.0, 1.0, 2 * 2 / (6 + 2)),
    ("short", "90 seconds", "190 seconds", 0.0, 0.0, 0.0, 0.5),
    ("short", "1.5 bar", "15 bar", 0.0, 0.0, 0.0, 0.5),
    ("short", "-5", "5", 0.0, 0.0, 0.0, 0.0),
    ("label", "lost_card", "Lost card", 1.0, 1.0, 1.0, 1.0),
    ("label", "lost_card", "lost card or stolen", 0.0, 0.0, 1.0, 2 * 2 / (4 + 2)),
    ("label", "C++", "C", 0.0, 0.0, 0.0, 0.0),
    ("long", "drain oil and close valve", "close valve", 4 / 7, 0.0, 0.0, 4 / 7),
]


@pytest.mark.parametrize(("kind", "gold", "answer", "first", "exact", "contains", "f1"), WORKED)
def test_worked_scores(
    kind: AnswerKind,
    gold: str,
    answer: str,
    first: float,
    exact: float,
    contains: float,
    f1: float,
) -> None:
    scores = score_record(record(answer), question(gold, kind=kind))
    found = [scores[name] for name in ("primary", "exact", "contains", "f1")]
    assert found == pytest.approx([first, exact, contains, f1])


def test_the_best_gold_answer_counts() -> None:
    assert primary("Ellerin", question("Maud Ellerin", "Ellerin")) == 1.0


def test_a_passage_that_holds_the_gold_somewhere_is_no_short_answer() -> None:
    asked = question("90 seconds")
    fits = "x " * MAX_EXTRA_WORDS + "90 seconds"
    assert primary(fits, asked) == 1.0
    assert primary("x " + fits, asked) == 0.0
    assert "much longer" in explain(record("x " + fits), asked)
    assert score_record(record("x " + fits), asked)["contains"] == 1.0


def test_declining_is_right_only_without_an_answer() -> None:
    nothing, something = question(), question("42")
    assert primary("The documents do not say.", nothing, declined=True) == 1.0
    assert primary("42", nothing) == 0.0
    assert primary("The documents do not say.", something, declined=True) == 0.0
    for asked, declined, right in (
        (nothing, True, 1.0),
        (nothing, False, 0.0),
        (something, True, 0.0),
        (something, False, 1.0),
    ):
        scores = score_record(record("42", declined=declined), asked)
        assert scores["declined_rightly"] == right


def test_a_question_marked_unanswerable_expects_declining_whatever_answers_it_lists() -> None:
    trap = question("plausible", answerable=False)
    assert primary("plausible", trap) == 0.0
    assert primary("", trap, declined=True) == 1.0


def test_a_failed_record_scores_nothing_and_says_why() -> None:
    failed = record("42", error="GenerationFailed: out of memory")
    for asked in (question("42"), question()):
        scores = score_record(failed, asked)
        assert scores["primary"] == 0.0
        assert scores["declined_rightly"] == 0.0
        assert "out of memory" in explain(failed, asked)


def test_without_a_gold_answer_the_text_measures_do_not_apply() -> None:
    scores = score_record(record("x"), question())
    assert [scores[name] for name in ("exact", "contains", "f1", "retrieval_hit")] == [None] * 4


def test_retrieval_counts_gold_documents_among_the_passages() -> None:
    asked = question("42", doc_ids=("a.md", "b.md"))
    found = record("42", passages=("1", "2"), passage_doc_ids=("b.md", "z.md"))
    scores = score_record(found, asked)
    assert (scores["retrieval_hit"], scores["retrieval_recall"]) == (1.0, 0.5)
    missed = score_record(record("42", passages=("1",), passage_doc_ids=("z.md",)), asked)
    assert (missed["retrieval_hit"], missed["retrieval_recall"]) == (0.0, 0.0)


def test_retrieval_does_not_apply_to_an_arm_that_retrieves_nothing() -> None:
    scores = score_record(record("42"), question("42"))
    assert (scores["retrieval_hit"], scores["retrieval_recall"]) == (None, None)
    cut = score_record(record("42", shortened=2), question("42"))
    assert (cut["retrieval_hit"], cut["retrieval_recall"]) == (0.0, 0.0)


def test_f1_of_nothing_and_nothing_is_one() -> None:
    assert overlap_f1((), ()) == 1.0
    assert overlap_f1(("x",), ()) == 0.0


def test_the_kind_of_answers_follows_their_form_and_length() -> None:
    assert kind_of(["90 seconds", "ninety seconds"]) == "short"
    assert kind_of(["one two three four five six seven eight"]) == "short"
    assert kind_of(["one two three four five six seven eight nine"]) == "long"
    assert kind_of(["refund_not_showing_up"]) == "label"
    assert kind_of([]) == "short"


def test_reasons_name_what_was_compared() -> None:
    asked = question("90 seconds")
    assert explain(record("90 s"), asked) == "matches '90 seconds'"
    assert explain(record("for 90 s"), asked) == "contains '90 seconds'"
    assert explain(record("one hour"), asked) == "does not contain '90 seconds'"
    assert explain(record("", declined=True), asked) == "declined an answerable question"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -0.1, 1.5])
@pytest.mark.parametrize("name", ["primary", "f1", "support"])
def test_what_is_no_score_is_none_and_said(
    monkeypatch: pytest.MonkeyPatch, name: str, value: float
) -> None:
    class Broken:
        direction = "higher"

        def score(self, *_: object) -> Score:
            return Score(value)

    table = GROUNDED if name in GROUNDED else METRICS
    monkeypatch.setitem(table, name, Broken())  # type: ignore[misc]
    found = judge(record("42"), question("42"))
    assert found.scores[name] is None
    assert f"{name} gave {value}" in found.reason
    assert found.scores["exact"] == 1.0


def test_a_metric_that_fails_sinks_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    class Failing:
        def score(self, *_: object) -> Score:
            raise ZeroDivisionError("no words")

    monkeypatch.setitem(METRICS, "f1", Failing())  # type: ignore[misc]
    found = judge(record("42"), question("42"))
    assert (found.scores["f1"], found.scores["primary"]) == (None, 1.0)
    assert found.reason == "matches '42'; f1 failed: ZeroDivisionError: no words"


def test_worked_scores_hold_in_any_order_of_the_questions() -> None:
    """A metric that remembered something of another answer would be found out."""
    rng = random.Random(7)
    for _ in range(20):
        for kind, gold, answer, *expected in rng.sample(WORKED, len(WORKED)):
            golds = [gold, "zzz yyy"] if kind != "long" else [gold]
            rng.shuffle(golds)
            scores = score_record(record(answer), question(*golds, kind=kind))
            found = [scores[name] for name in ("primary", "exact", "contains", "f1")]
            assert found == pytest.approx(expected)
