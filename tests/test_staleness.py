from __future__ import annotations

import json
import math

import pytest

from graft.checking import ask_changes, kind_of_answer
from graft.errors import BadInput
from graft.staleness import (
    SECONDS_A_MONTH,
    Change,
    Staleness,
    advise,
    changed_pairs,
    read_changes,
    staleness_of,
)
from graft.types import Question

RECEIPT = {
    "documents": {"a.md": "1", "b.md": "2", "c.md": "3", "d.md": "4"},
    "kept_out": ["k.md"],
    "created": 0.0,
    "pairs": {"q1": "90 seconds", "q2": "blue", "q3": "red"},
}


def test_changed_and_removed_documents_are_told():
    receipt = RECEIPT | {"created": 1000.0}
    today = {"a.md": "1", "b.md": "changed", "d.md": "4", "k.md": "9", "new.md": "5"}
    found = staleness_of(receipt, today, now=1000.0 + 2 * SECONDS_A_MONTH)
    assert (found.trained, found.changed, found.removed) == (4, ("b.md",), ("c.md",))
    assert found.share == 0.5
    assert found.months == pytest.approx(2)


def test_a_receipt_from_before_hashes_were_kept_knows_of_nothing():
    found = staleness_of({}, {"a.md": "1"})
    assert (found.trained, found.share, found.months) == (0, 0.0, 0.0)


def test_pairs_whose_answer_is_another_now_are_changes():
    questions = [
        Question("q1", "How long?", ("110 seconds",), "train", "g"),
        Question("q2", "Colour?", ("Blue", "blue"), "train", "g"),
        Question("q3", "Badge?", (), "train", "g", answerable=False),
        Question("q9", "New?", ("x",), "train", "g"),
    ]
    assert changed_pairs(RECEIPT, questions) == [
        Change("How long?", ("90 seconds",), ("110 seconds",)),
        Change("Badge?", ("red",), ()),
    ]


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ("110 seconds", "new"),
        ("It may run for 110 seconds.", "new"),
        ("90 seconds", "old"),
        ("190 seconds", "other"),
        ("90 seconds, now 110 seconds", "other"),
        ("two minutes", "other"),
    ],
)
def test_an_answer_gives_the_new_state_the_old_one_or_neither(answer, kind):
    change = Change("How long?", ("90 seconds",), ("110 seconds",))
    assert kind_of_answer(answer, change, declined=False) == kind


def test_declining_is_new_where_nothing_answers_any_more():
    gone = Change("Badge?", ("red",), ())
    assert kind_of_answer("I do not know.", gone, declined=True) == "new"
    assert kind_of_answer("I do not know.", Change("?", ("a",), ("b",)), declined=True) == (
        "declined"
    )


def test_every_change_is_asked_and_counted():
    class Arm:
        def answer(self, question):
            texts = {"one": "old value", "two": "new value", "three": "I do not know."}
            return type("Answer", (), {"text": texts[question]})

    changes = [Change(name, ("old value",), ("new value",)) for name in ("one", "two", "three")]
    counts, answers = ask_changes(Arm(), changes, lambda text: "not know" in text)
    assert counts == {"new": 1, "old": 1, "other": 0, "declined": 1}
    assert [item["kind"] for item in answers] == ["old", "new", "declined"]


class TestAdvice:
    STALE = Staleness(100, tuple(f"{n}.md" for n in range(10)), (), 1.0)

    def test_it_is_the_square_root_rule_where_little_changes(self):
        stale = Staleness(10_000, tuple(f"{n}.md" for n in range(10)), (), 1.0)
        advice = advise(stale, questions_a_month=1000, error_cost=2.0, train_cost=50.0)
        lam, phi, loss = 10.0, 1 / 10_000, 2000.0
        assert advice.retrain_every == pytest.approx(
            math.sqrt(2 * 50.0 / (loss * lam * phi)), rel=0.02
        )
        assert advice.cost_a_month == pytest.approx(
            math.sqrt(2 * 50.0 * loss * lam * phi), rel=0.02
        )
        assert not advice.due
        assert "Retrain in" in advice.sentence

    def test_dear_errors_make_it_due(self):
        advice = advise(self.STALE, questions_a_month=10_000, error_cost=5.0, train_cost=10.0)
        assert advice.due
        assert advice.sentence.startswith("Retrain now: 10 of 100 documents")

    def test_where_stale_answers_cost_less_than_training_it_says_so(self):
        advice = advise(self.STALE, questions_a_month=1, error_cost=0.01, train_cost=10_000.0)
        assert not advice.due
        assert advice.sentence.startswith("Do not retrain")

    def test_the_cycle_is_the_cheapest_of_all(self):
        money = {"questions_a_month": 500, "error_cost": 1.0, "train_cost": 120.0}
        advice = advise(self.STALE, **money)

        def cost(months):
            x = 0.1 * months
            return 120 / months + 500 * (1 - (1 - math.exp(-x)) / x)

        assert advice.cost_a_month == pytest.approx(cost(advice.retrain_every))
        assert all(
            cost(advice.retrain_every) <= cost(advice.retrain_every * factor) + 1e-6
            for factor in (0.5, 0.9, 1.1, 2)
        )

    def test_without_money_it_asks_for_it_and_without_changes_it_is_quiet(self):
        assert "--error-cost" in advise(self.STALE).sentence
        assert "has changed" in advise(Staleness(5)).sentence


def test_a_file_of_changes_gives_one_change_a_question(tmp_path):
    path = tmp_path / "changes.jsonl"
    path.write_text(
        json.dumps(
            {"questions": ["One?", "Two?"], "old": "a", "old_answers": ["a", "A"], "new": "b"}
        )
        + "\n\n"
        + json.dumps({"question": "Three?", "old": ["c"], "new": []})
    )
    assert read_changes(path) == [
        Change("One?", ("a", "A"), ("b",)),
        Change("Two?", ("a", "A"), ("b",)),
        Change("Three?", ("c",), ()),
    ]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "line 1 is no JSON"),
        ("[1]", "line 1 is no object"),
        ('{"old": "a"}', "line 1 has no question"),
        ('{"question": "a"}', "line 1 has no old"),
        ("", "it has no line"),
        ("[" * 100_000, "line 1 is no JSON"),
    ],
)
def test_a_file_that_cannot_be_used_says_which_lines(tmp_path, text, why):
    path = tmp_path / "changes.jsonl"
    path.write_text(text)
    with pytest.raises(BadInput) as caught:
        read_changes(path)
    assert why in caught.value.why


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(BadInput, match="file of changes"):
        read_changes(tmp_path / "none.jsonl")
