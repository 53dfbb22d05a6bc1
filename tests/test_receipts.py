"""The receipt of an adapter: compared at each load, its probes asked again of what was made."""

from __future__ import annotations

import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest

from graft.errors import FingerprintMismatch
from graft.models.cache import weights_hash
from graft.prompts import PromptContract
from graft.receipts import (
    ask_again,
    check_prompt,
    check_stamps,
    choose_probes,
    judged,
    probe_answers,
    probe_options,
    recorded,
    stamps,
)
from graft.types import Answer, Message, TrainingRow

CONTRACT = PromptContract("Answer.", "The documents do not say.", (("Who?", "Nobody"),))


@pytest.fixture(scope="module")
def generator(checkpoint, chat):
    """Make a generator: `generator(adapter=folder)` or `generator(merged)`."""
    from graft.generate.transformers import TransformersGenerator

    def make(merged=None, **settings):
        return TransformersGenerator(
            checkpoint, chat, "tiny", merged, "cpu", exact=True, **settings
        )

    return make


@pytest.fixture(scope="module")
def probes(taught, generator, fact_rows):
    """What the receipt keeps: the answers of the adapter before it is merged."""
    rows = choose_probes(fact_rows[:4], fact_rows[4:])
    prompts = [row.messages for row in rows]
    model = generator(adapter=taught[0])
    tuned = [item.text for item in model.generate_many(prompts, probe_options())]
    with model.without_adapter():
        base = [item.text for item in model.generate_many(prompts, probe_options())]
    return probe_answers(rows, tuned, base)


@pytest.fixture
def made(taught, checkpoint, chat, probes, tmp_path):
    """An adapter with its receipt, and a base of another name; a test may change both."""
    folder, base = tmp_path / "finetuned-1", tmp_path / "base"
    shutil.copytree(taught[0], folder)
    shutil.copytree(checkpoint, base)
    receipt = {"schema": 1, "contract": CONTRACT.hash, "probe_answers": probes}
    receipt |= stamps(folder, base, chat.hash, CONTRACT)
    (folder / "receipt.json").write_text(json.dumps(receipt))
    return SimpleNamespace(folder=folder, base=base, receipt=receipt)


def test_an_adapter_that_nobody_touched_passes(made, chat):
    assert check_stamps(made.folder, made.base, chat.hash) == made.receipt
    check_prompt(made.folder, CONTRACT)


def touch_weights(made):
    path = made.folder / "adapter_model.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def touch_settings(made):
    path = made.folder / "adapter_config.json"
    path.write_text(path.read_text().replace('"lora_alpha": 16', '"lora_alpha": 32'))


def touch_base(made):
    path = made.base / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("touch", "named"),
    [
        (touch_weights, "the weights of the adapter"),
        (touch_settings, "the settings of the adapter"),
        (touch_base, "the weights of the base model"),
    ],
)
def test_what_is_not_what_was_trained_is_refused_and_named(made, chat, touch, named):
    touch(made)
    with pytest.raises(FingerprintMismatch, match=named) as caught:
        check_stamps(made.folder, made.base, chat.hash)
    assert "the receipt says" in caught.value.why
    assert caught.value.where == str(made.folder)


def test_another_chat_template_is_refused(made):
    with pytest.raises(FingerprintMismatch, match="the chat template of the base model"):
        check_stamps(made.folder, made.base, "another")


def test_another_system_text_is_refused_and_other_examples_are_not(made):
    check_prompt(made.folder, PromptContract(CONTRACT.system, CONTRACT.decline))
    with pytest.raises(FingerprintMismatch, match="the prompt"):
        check_prompt(made.folder, PromptContract("Be rude.", CONTRACT.decline))


def test_a_receipt_older_than_the_hashes_is_not_compared(made, chat):
    (made.folder / "receipt.json").write_text('{"schema": 1}')
    touch_weights(made)
    assert check_stamps(made.folder, made.base, chat.hash) == {"schema": 1}
    check_prompt(made.folder, PromptContract("Be rude.", ""))


def test_the_hash_of_a_base_follows_its_weights_and_not_its_name(made, checkpoint):
    assert weights_hash(made.base) == weights_hash(checkpoint)
    config = made.base / "config.json"
    config.write_text(config.read_text().replace('"rope_theta": 10000', '"rope_theta": 20000'))
    assert weights_hash(made.base) != weights_hash(checkpoint)


def test_probes_are_short_questions_of_both_splits_once_each():
    def row(name, length, kind="closed"):
        return TrainingRow(name, kind, (Message("user", "x" * length),), "a", name)

    learned = [row(f"l{number}", 90 - number) for number in range(9)]
    plain = [TrainingRow("s", "section", (Message("user", "x"),), "text")]
    chosen = choose_probes([*plain, *learned, *learned], [row("d1", 5), row("d2", 4)])
    assert [item.question_id for item in chosen] == ["l8", "l7", "l6", "d2", "d1"]
    assert choose_probes([], []) == []


def test_merged_weights_answer_as_the_adapter_beside_the_weights(made, generator):
    from graft.models.merge import merged_weights

    model = generator(merged_weights(made.base, made.folder))
    asked = ask_again(model, made.receipt, "the merged model", made.folder)
    assert (asked.asked, asked.changed, asked.as_base) == (6, (), 0)
    assert asked.could_differ == 6


def test_a_model_without_its_adapter_is_refused_and_told(made, generator):
    with pytest.raises(FingerprintMismatch, match="the served model does not answer") as caught:
        ask_again(generator(), made.receipt, "the served model", made.folder)
    assert "6 of 6 probes changed" in caught.value.why
    assert "as the base without its adapter does" in caught.value.why


def test_a_merge_with_the_wrong_scale_is_refused(made, generator, checkpoint):
    from graft.models.merge import merged_weights
    from graft.models.tensors import Tensors

    base = Tensors(checkpoint)
    merged = merged_weights(checkpoint, made.folder)
    wrong = {name: base.get(name) - 2 * (item - base.get(name)) for name, item in merged.items()}
    with pytest.raises(FingerprintMismatch, match="does not answer"):
        ask_again(generator(wrong), made.receipt, "the merged model", made.folder)


def probe(answer, base="?"):
    return {"messages": [{"role": "user", "content": "Q"}], "answer": answer, "base": base}


@pytest.mark.parametrize(
    ("answers", "exact", "refused"),
    [
        ("a b c d", True, False),
        ("a b c x", True, False),
        ("a b x x", True, True),
        ("a b x x", False, False),
        ("a x x x", False, True),
    ],
)
def test_how_many_answers_may_change_is_stated(answers, exact, refused):
    found = judged([probe(item) for item in "abcd"], answers.split(), exact=exact)
    assert found.is_refused == refused
    assert len(found.changed) == answers.count("x")


def test_answers_of_the_base_are_refused_even_where_few_could_differ():
    probes = [probe("a", "a"), probe("b", "b"), probe("c", "1"), probe("d", "2")]
    assert not judged(probes, ["a", "b", "c", "2"], exact=False).is_refused
    assert judged(probes, ["a", "b", "1", "2"], exact=False).is_refused


class Counting:
    """Answers from a list and counts how often it is asked."""

    identity = "counting"

    def __init__(self, answers):
        self.answers, self.calls = answers, 0

    def generate_many(self, prompts, options):
        self.calls += 1
        return [Answer(text) for text in self.answers]


def test_probes_are_asked_once_a_made_model_and_recorded_beside_it(tmp_path):
    path = tmp_path / "models" / "probes.json"
    receipt = {"weights": "w", "probe_answers": [probe(item) for item in "abcd"]}
    model = Counting("abcd")
    for _ in range(3):
        recorded(path, model, receipt, "the model")
    assert model.calls == 1
    assert json.loads(path.read_text())["asked"] == 4
    recorded(path, model, receipt | {"weights": "other"}, "the model")
    assert model.calls == 2
    path.write_text('{"torn')
    recorded(path, model, receipt, "the model")
    assert model.calls == 3


def test_a_refusal_leaves_no_record(tmp_path):
    path = tmp_path / "probes.json"
    receipt = {"weights": "w", "probe_answers": [probe(item) for item in "abcd"]}
    with pytest.raises(FingerprintMismatch):
        recorded(path, Counting("xxxx"), receipt, "the model")
    assert not path.exists()
    recorded(path, Counting("abcd"), {"weights": "w"}, "the model")
    assert not path.exists()


def test_bf16_is_exact_enough_for_what_was_learned(made, checkpoint, chat, taught):
    import torch

    from graft.generate.transformers import TransformersGenerator
    from graft.models.merge import merged_weights

    merged = {
        name: torch.from_numpy(np.ascontiguousarray(item)).bfloat16().float().numpy()
        for name, item in merged_weights(checkpoint, made.folder).items()
    }
    model = TransformersGenerator(checkpoint, chat, "tiny", merged, "cpu", exact=True)
    assert not ask_again(model, made.receipt, "the rounded model", made.folder).is_refused
