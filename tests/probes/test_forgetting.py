"""General questions, the paired comparison and the loss on the general text."""

from __future__ import annotations

from collections import Counter

import pytest

from graft.generate.fake import FakeGenerator
from graft.metrics import score_record
from graft.probes.forgetting import (
    ALL,
    QUESTIONS,
    ask_general,
    forgetting_of,
    general_key,
    is_asked,
)
from graft.probes.general import general_questions, general_text
from graft.probes.text_loss import text_losses
from graft.prompts import PromptContract
from graft.runs import append_lines, read_records
from graft.types import Question, Record

CONTRACT = PromptContract("Answer.", "The documents do not say.", (("a?", "b"),))
TEN = [
    Question(f"q{number}", f"Q{number}?", ("yes",), "test", f"q{number}") for number in range(10)
]


def test_every_accepted_answer_of_a_general_question_is_right_and_declining_is_wrong():
    questions = general_questions()
    assert len(questions) == len({item.id for item in questions}) == ALL >= 60
    for item in questions:
        for answer in item.answers:
            said = Record("base", item.id, answer, False)
            assert score_record(said, item)["primary"] == 1.0, (item.question, answer)
        declined = Record("base", item.id, CONTRACT.decline, True)
        assert score_record(declined, item)["primary"] == 0.0


def test_the_questions_of_quick_are_a_fair_part_of_all():
    kinds = Counter(item.tags[0] for item in general_questions(QUESTIONS["quick"]))
    assert len(kinds) == 4
    assert len(set(kinds.values())) == 1
    assert QUESTIONS["quick"] <= 50


def test_the_general_text_has_the_length_that_it_says():
    assert 600 <= len(general_text().split()) <= 900


def test_general_questions_are_asked_plainly_and_only_once(tmp_path):
    generator = FakeGenerator({"Q3": "yes"})
    assert ask_general("base", generator, CONTRACT, TEN[:4], tmp_path) == 4
    assert [turn.role for turn in generator.history[0]] == ["system", "user"]
    assert not is_asked(TEN, tmp_path)
    phases = []
    tell = lambda phase, done, total, note="": phases.append((phase, done, total))  # noqa: E731
    assert ask_general("base", generator, CONTRACT, TEN, tmp_path, tell) == 6
    assert is_asked(TEN, tmp_path)
    assert phases == [("ask base general questions", 10, 10)]
    assert [item.question_id for item in read_records(tmp_path / "records.jsonl")].count("q3") == 1


def test_the_key_follows_the_prompt_and_the_model_but_not_the_examples():
    bare = PromptContract("Answer.", CONTRACT.decline)
    assert general_key(CONTRACT, "w", "") == general_key(bare, "w", "")
    assert general_key(CONTRACT, "w", "") != general_key(CONTRACT, "w", "hybrid-1")
    assert general_key(bare, "w") != general_key(PromptContract("Say.", bare.decline), "w")


def write(folder, questions, right):
    append_lines(
        folder / "records.jsonl",
        [
            Record("m", item.id, "", False, scores={"primary": float(place < right)})
            for place, item in enumerate(questions)
        ],
    )
    return folder


@pytest.mark.parametrize(
    ("right", "margin", "state"),
    # nothing lost: Tango's bound is -z^2 / (n + z^2) = -2.706 / 66.706
    [(32, 0.10, "passes"), (32, 0.04, "not shown"), (30, 0.10, "passes"), (27, 0.10, "not shown"),
     (24, 0.10, "not shown"), (16, 0.10, "fails")],
)  # fmt: skip
def test_what_is_lost_is_held_against_the_margin(tmp_path, right, margin, state):
    questions = general_questions()
    base = write(tmp_path / "base", questions, 32)
    found = forgetting_of(base, write(tmp_path / "new", questions, right), questions, margin)
    assert (found.base, found.tuned, found.n) == (0.5, right / 64, 64)
    assert found.difference == pytest.approx((right - 32) / 64)
    assert found.bound < found.difference
    assert found.state == state
    if right == 32:
        assert found.bound == pytest.approx(-2.7055 / 66.7055, abs=1e-4)


def test_a_failed_answer_counts_as_lost(tmp_path):
    base = write(tmp_path / "base", TEN, 10)
    failed = [Record("m", item.id, "", False, error="it broke") for item in TEN]
    append_lines(tmp_path / "new" / "records.jsonl", failed)
    found = forgetting_of(base, tmp_path / "new", TEN, losses=(3.0, None))
    assert (found.tuned, found.state) == (0.0, "fails")
    assert found.difference == pytest.approx(-1.0)
    assert (found.loss_base, found.loss_tuned) == (3.0, None)


def test_the_loss_is_that_of_the_model_and_the_base_is_left_as_it_was(checkpoint, chat, taught):
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    text = general_text()[:700]
    folder, _ = taught
    found = text_losses(checkpoint, chat, text, {"tuned": folder, "base": None}, limit=300)
    ids = torch.tensor([chat.encode(text)[:300]])
    base = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32).eval()

    def reference(model):
        losses = []
        for part in (ids[:, :256], ids[:, 256:]):
            with torch.inference_mode():
                logits = model(input_ids=part).logits[0, :-1]
            losses.append(torch.nn.functional.cross_entropy(logits, part[0, 1:], reduction="none"))
        return float(torch.cat(losses).mean())

    assert found["base"] == pytest.approx(reference(base), abs=0.02)
    tuned = PeftModel.from_pretrained(base, folder).eval()
    assert found["tuned"] == pytest.approx(reference(tuned), abs=0.02)
    assert abs(found["tuned"] - found["base"]) > 0.02  # 0.04 in bf16, more in float32
