"""The forecast: what is said before a comparison starts, with numbers to work out by eye."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from graft import estimate as forecast
from graft.comparing import AnswerTokens, Comparing, allotted
from graft.config import effort_plan
from graft.estimate import estimate
from graft.types import Question


class Base:
    """A tokenizer that counts words."""

    chat = SimpleNamespace(encode=lambda text: text.split())


def comparing_of(effort, words, *, api_only=False, arms=("base", "rag"), built=True):
    split = {
        "dev": [None] * 36,
        "train": [SimpleNamespace(answers=(" ".join(["word"] * words),))] * 4,
        "test": [Question(str(n), "?", ("a",), "test", str(n)) for n in range(100)],
    }
    training = SimpleNamespace(
        questions=SimpleNamespace(by_split=split.__getitem__),
        is_built=lambda name: built,
        budget=lambda name: 10**6,
        kept_out=frozenset(),
        usable=[True],
        pilots=False,
    )
    assembly = SimpleNamespace(
        api_only=api_only,
        engine="openvino",
        state=Path("/nowhere"),
        base=Base(),
        config=SimpleNamespace(retrieval=SimpleNamespace(passage_tokens=128), references=()),
    )
    plan = effort_plan(effort, fast_device=False, passages=3)
    return Comparing(assembly, None, training, plan, arms, None, [], [], 0.0)


@pytest.fixture(autouse=True)
def _slow(monkeypatch):
    monkeypatch.setattr(forecast, "is_fast", lambda: False)


def seconds_of(plan, start):
    return sum(seconds for text, seconds in plan.steps if text.startswith(start))


def test_long_answers_are_forecast_by_their_length():
    short = estimate(comparing_of("normal", 6))
    long = estimate(comparing_of("normal", 300))
    # 300 of 320 tokens, 8 of which a short answer has too; 100 questions, two arms
    assert long.settings["new_tokens"] == 320
    assert seconds_of(long, "ask base 1") == pytest.approx(100 * (60 / 400 + 292 / 25))
    grown = seconds_of(long, "time") - seconds_of(short, "time")
    assert grown == pytest.approx(2 * 60 * 292 / 30)
    assert seconds_of(short, "ask base 1") == pytest.approx(100 * 60 / 400)


def test_the_limit_of_new_tokens_bounds_the_forecast():
    assert comparing_of("quick", 300).answer_tokens() == AnswerTokens(48, 300.0, 48.0)
    assert seconds_of(estimate(comparing_of("quick", 300)), "ask base 1") == pytest.approx(
        100 * (60 / 400 + 40 / 25)
    )


def test_training_on_long_answers_costs_their_length():
    arms = ("finetuned",)
    plan = estimate(comparing_of("normal", 300, arms=arms, built=False))
    # adapters on the upper half of the layers: three quarters of the work
    assert seconds_of(plan, "train finetuned") == pytest.approx(4 * 6 * 324 * 0.75 / 140 + 20)


def test_quick_asks_general_questions_alone_and_within_half_a_minute():
    arms = ("base", "finetuned", "rag", "hybrid")
    plan = estimate(comparing_of("quick", 6, arms=arms))
    assert 0 < seconds_of(plan, "ask 3 models 40 general") <= 30
    assert seconds_of(plan, "put") == seconds_of(plan, "start") == 0


def test_normal_says_what_all_probes_take():
    plan = estimate(comparing_of("normal", 6, arms=("base", "finetuned", "rag", "hybrid")))
    assert seconds_of(plan, "start 4 arms") > 40
    # 1, 3, 5 and 3 passages fit into 1,024 tokens, 9 do not
    tokens = 4 * 60 + 12 * 128
    put = seconds_of(plan, "put 8 questions")
    assert put == pytest.approx(2 * 8 * tokens / 400)
    remote = estimate(comparing_of("normal", 6, api_only=True))
    assert seconds_of(remote, "ask 1 models") == 0


@pytest.mark.parametrize(
    ("sizes", "cap", "shares"),
    [
        ({"fact": 90, "new": 10}, 1, {"fact": 1, "new": 0}),
        ({"a": 5, "b": 5}, 1, {"a": 1, "b": 0}),
        ({"a": 98, "b": 1, "c": 1}, 3, {"a": 1, "b": 1, "c": 1}),
        ({"a": 98, "b": 1, "c": 1}, 10, {"a": 8, "b": 1, "c": 1}),
        ({"a": 50, "b": 30, "c": 20}, 7, {"a": 4, "b": 2, "c": 1}),
        ({"a": 2, "b": 3}, 9, {"a": 2, "b": 3}),
    ],
)
def test_a_limit_is_shared_out_over_the_strata_to_the_question(sizes, cap, shares):
    assert allotted(sizes, cap) == shares
    assert allotted(dict(reversed(sizes.items())), cap) == shares


def test_one_of_a_thing_is_said_in_the_singular():
    comparing = comparing_of("quick", 6, arms=("base",))
    comparing.limit = 1
    texts = [text for text, _ in estimate(comparing).steps]
    assert texts[:3] == ["load 1 arm", "time 1 question an arm, one by one", "ask base 1 question"]
