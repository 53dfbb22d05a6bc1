from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace
from types import SimpleNamespace

import pytest

from graft.errors import TrainingFailed
from graft.train.loop import _Run, train_adapter


@pytest.fixture(scope="module")
def train(checkpoint, chat, train_plan, tmp_path_factory):
    """Train on the tiny model: `train(epochs, dev, learning_rate=1.0)` -> (folder, Trained)."""

    def run(epochs, dev, *, start_from=None, on_progress=None, base=None, **changes):
        folder = tmp_path_factory.mktemp("adapter")
        trained = train_adapter(
            base or checkpoint,
            chat,
            epochs,
            dev,
            train_plan(**changes),
            folder,
            start_from=start_from,
            on_progress=on_progress,
        )
        return folder, trained

    return run


def weights(folder):
    from safetensors.numpy import load_file

    return load_file(folder / "adapter_model.safetensors")


def loss_of(checkpoint, folder, chat, rows):
    """Mean loss of a learned token, by PEFT itself and one row at a time."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    from graft.train.packing import encode_rows

    base = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32)
    model = PeftModel.from_pretrained(base, folder).eval()
    losses = []
    for item in encode_rows(rows, chat, 512):
        ids = torch.tensor([item.prompt + item.answer])
        with torch.inference_mode():
            out = model(input_ids=ids).logits[0, len(item.prompt) - 1 : -1]
        losses += torch.nn.functional.cross_entropy(
            out, torch.tensor(item.answer), reduction="none"
        ).tolist()
    return sum(losses) / len(losses)


def test_eight_facts_are_learned_by_heart(taught):
    _, trained = taught
    assert trained.curve[0].train_loss > 1.5
    assert trained.curve[-1].train_loss < 1.0
    assert trained.curve[-1].dev_loss < 1.0
    assert trained.curve[-1].dev_answers == 1.0
    assert trained.changed > 0.1


def test_the_folder_loads_in_peft_and_gives_the_measured_loss(taught, checkpoint, chat, fact_rows):
    folder, trained = taught
    kept = next(point for point in trained.curve if point.step == trained.kept_step)
    found = loss_of(checkpoint, folder, chat, fact_rows)
    assert found == pytest.approx(kept.dev_loss, abs=0.02)  # bf16 where the processor has it


def test_the_folder_is_a_plain_peft_folder_with_fp32_weights(taught):
    folder, _ = taught
    settings = json.loads((folder / "adapter_config.json").read_text())
    assert (settings["peft_type"], settings["r"], settings["lora_alpha"]) == ("LORA", 8, 16)
    found = weights(folder)
    assert {str(item.dtype) for item in found.values()} == {"float32"}
    assert len(found) == 2 * 14


def test_counts_are_of_what_was_computed(taught, chat, fact_rows):
    from graft.train.packing import encode_rows, grow_trees

    _, trained = taught
    encoded = encode_rows(fact_rows, chat, 512)
    passes = trained.steps / len(grow_trees(encoded))
    assert trained.tokens == trained.curve[-1].tokens
    assert trained.tokens < passes * sum(item.tokens for item in encoded)
    assert trained.learned_tokens == sum(len(item.answer) for item in encoded) * trained.steps


def test_the_best_checkpoint_is_kept_and_not_the_last(train, closed, fact_rows):
    """First the facts, then the same questions with one wrong answer for all."""
    wrong = [closed(row.question_id, "wrong") for row in fact_rows]
    folder, trained = train([fact_rows] * 30 + [wrong] * 30, fact_rows)
    best = max(trained.curve, key=lambda point: (point.dev_answers, -point.dev_loss))
    assert trained.kept_step == best.step == 30
    assert trained.curve[-1].step == 60
    assert best.dev_answers >= 0.75 > 0.25 >= trained.curve[-1].dev_answers
    assert trained.curve[-1].train_loss < best.train_loss
    assert (folder / "adapter_model.safetensors").is_file()


def test_a_later_step_that_luck_may_have_made_worse_is_kept():
    run = object.__new__(_Run)
    tree = SimpleNamespace(rows=range(10))
    run.dev = [[tree]]
    run.best = (0.4, 1.0)
    assert run._is_good_enough(0.3, 9.0)  # one row of ten
    assert not run._is_good_enough(0.2, 0.1)
    run.dev = [[tree] * 10]
    assert not run._is_good_enough(0.3, 0.1)  # ten rows of a hundred
    run.best = (0.0, 1.0)
    assert run._is_good_enough(0.0, 0.9)
    assert not run._is_good_enough(0.0, 1.1)


def test_what_is_kept_is_what_was_measured(train, closed, checkpoint, chat, fact_rows):
    wrong = [closed(row.question_id, "wrong") for row in fact_rows]
    folder, trained = train([fact_rows] * 20 + [wrong] * 20, fact_rows, evaluations=2)
    kept, last = trained.curve
    assert trained.kept_step == kept.step
    found = loss_of(checkpoint, folder, chat, fact_rows)
    assert abs(found - kept.dev_loss) < 0.02 < last.dev_loss - kept.dev_loss


def test_training_stops_when_dev_gets_no_better(train, closed, fact_rows):
    wrong = [closed(row.question_id, "wrong") for row in fact_rows]
    _, trained = train([fact_rows] * 20 + [wrong] * 60, fact_rows, evaluations=8, patience=2)
    assert trained.steps < 80
    assert trained.kept_step == trained.curve[-3].step


def test_without_dev_rows_the_last_step_is_kept(train, fact_rows):
    folder, trained = train([fact_rows] * 3, [])
    assert trained.curve == []
    assert trained.kept_step == trained.steps == 3
    assert weights(folder)


def test_a_loss_that_is_not_a_number_ends_the_run(train, fact_rows, checkpoint, tmp_path):
    from safetensors.numpy import load_file, save_file

    broken = tmp_path / "broken"
    shutil.copytree(checkpoint, broken)
    tensors = load_file(broken / "model.safetensors")
    tensors["lm_head.weight"][0, 0] = math.nan
    save_file(tensors, broken / "model.safetensors", {"format": "pt"})
    with pytest.raises(TrainingFailed, match="the loss is not a number") as caught:
        train([fact_rows], [], base=broken)
    assert caught.value.where == "step 1"
    assert "learning_rate" in caught.value.next_step


def test_a_learning_rate_far_too_high_is_named(train, fact_rows):
    with pytest.raises(TrainingFailed, match="the loss is not a number") as caught:
        train([fact_rows] * 20, fact_rows, learning_rate=1e30)
    assert "1e+30" in caught.value.why


@pytest.mark.parametrize("epochs", [[], [[]], [[], []]])
def test_nothing_to_train_on_is_an_error(train, epochs):
    with pytest.raises(TrainingFailed, match="nothing to train on"):
        train(epochs, [])


def test_the_same_seed_gives_the_same_bytes(train, fact_rows):
    def written(**changes):
        folder, _ = train([fact_rows] * 4, fact_rows[:2], evaluations=2, **changes)
        return (folder / "adapter_model.safetensors").read_bytes()

    assert written() == written()
    assert written() != written(seed=8)


def test_training_goes_on_from_an_adapter(train, taught, checkpoint, chat, fact_rows):
    before, _ = taught
    folder, trained = train([fact_rows] * 4, fact_rows, start_from=before, learning_rate=1e-4)
    assert trained.curve[0].train_loss < 1.0
    assert trained.curve[0].dev_answers == 1.0
    one, other = weights(before), weights(folder)
    assert one.keys() == other.keys()
    assert max(float(abs(one[name] - other[name]).max()) for name in one) > 0
    assert max(float(abs(one[name] - other[name]).max()) for name in one) < 0.01


def test_the_adapter_that_was_started_from_stays_as_it_was(train, taught, fact_rows):
    before, _ = taught
    content = (before / "adapter_model.safetensors").read_bytes()
    train([fact_rows], [], start_from=before)
    assert (before / "adapter_model.safetensors").read_bytes() == content


def test_a_token_cap_ends_the_run(train, fact_rows):
    _, whole = train([fact_rows] * 6, [])
    _, capped = train([fact_rows] * 6, [], tokens=whole.tokens // 2)
    assert capped.steps == 3
    assert capped.tokens == whole.tokens // 2


def test_dropout_still_trains(train, fact_rows):
    _, trained = train([fact_rows] * 10, fact_rows, dropout=0.1)
    assert trained.curve[-1].dev_loss < trained.curve[0].dev_loss


def test_single_matrices_can_be_named(train, fact_rows):
    folder, _ = train([fact_rows], [], targets="q_proj,v_proj")
    assert {name.split(".")[-3] for name in weights(folder)} == {"q_proj", "v_proj"}


def test_progress_is_told_every_step_with_the_loss(train, fact_rows):
    told = []
    train([fact_rows] * 4, fact_rows, on_progress=lambda *args: told.append(args))
    assert [(phase, done, total) for phase, done, total, _ in told] == [
        ("train", step, 4) for step in (1, 2, 3, 4)
    ]
    assert told[0][3].startswith("loss ")
    assert "dev " in told[-1][3]


def test_the_schedule_warms_up_and_falls_to_a_tenth(train_plan):
    plan = replace(train_plan(), warmup_share=0.1)
    factors = [plan.schedule(step, 100) for step in range(100)]
    assert factors[0] == pytest.approx(0.1)
    assert max(factors) == factors[9] == 1.0
    assert factors[10:] == sorted(factors[10:], reverse=True)
    assert factors[-1] == pytest.approx(0.1, abs=0.01)
    assert all(0 < plan.schedule(0, steps) <= 1 for steps in (1, 2, 3))
