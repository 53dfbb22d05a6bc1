from __future__ import annotations

import json
import pickle
import shutil

import numpy as np
import pytest

from graft.errors import BadInput, FingerprintMismatch
from graft.models.adapter_files import check_adapter
from graft.models.merge import merged_weights

FIRST = "base_model.model.model.layers.0.self_attn.q_proj.lora_{}.weight"


@pytest.fixture
def adapter(taught, tmp_path):
    """A copy of a trained adapter that a test may change."""
    copy = tmp_path / "adapter"
    shutil.copytree(taught[0], copy)
    return copy


def change(folder, **settings):
    path = folder / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | settings))


def change_weights(folder, **changes):
    """Put tensors in place by name; None takes one away."""
    from safetensors.numpy import load_file, save_file

    path = folder / "adapter_model.safetensors"
    whole = load_file(path) | changes
    save_file({name: item for name, item in whole.items() if item is not None}, path)


def test_what_training_writes_passes(adapter, checkpoint):
    check_adapter(adapter, checkpoint)


SETTINGS = {
    "code by auto_map": ({"auto_map": {"AutoModel": "evil.Model"}}, "auto_map"),
    "code by auto_mapping": ({"auto_mapping": {"parent_library": "evil"}}, "auto_mapping"),
    "whole modules beside": ({"modules_to_save": ["lm_head"]}, "modules_to_save"),
    "another method": ({"peft_type": "IA3"}, "peft_type"),
    "another task": ({"task_type": "SEQ_CLS"}, "task_type"),
    "dora": ({"use_dora": True}, "use_dora"),
    "another scale": ({"use_rslora": True}, "use_rslora"),
    "ranks by module": ({"rank_pattern": {"q_proj": 64}}, "rank_pattern"),
    "alphas by module": ({"alpha_pattern": {"q_proj": 64}}, "alpha_pattern"),
    "biases": ({"bias": "all"}, "bias"),
    "tokens": ({"trainable_token_indices": [1]}, "trainable_token_indices"),
    "copied layers": ({"layer_replication": [[0, 2]]}, "layer_replication"),
    "transposed": ({"fan_in_fan_out": True}, "fan_in_fan_out"),
    "a changed base": ({"init_lora_weights": "pissa"}, "init_lora_weights"),
    "what nobody knows": ({"hook": "evil.run"}, "hook"),
    "no rank": ({"r": None}, "rank"),
    "a negative rank": ({"r": -8}, "rank"),
    "a huge rank": ({"r": 10**9}, "rank"),
    "a rank as text": ({"r": "8"}, "rank"),
    "no alpha": ({"lora_alpha": 0}, "lora_alpha"),
    "alpha that is no number": ({"lora_alpha": float("nan")}, "lora_alpha"),
    "targets as a pattern": ({"target_modules": ".*"}, "target_modules"),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_case_50_settings_for_more_than_plain_lora_are_refused_by_name(adapter, checkpoint, name):
    settings, named = SETTINGS[name]
    change(adapter, **settings)
    with pytest.raises(BadInput) as caught:
        check_adapter(adapter, checkpoint)
    assert named in caught.value.why
    assert caught.value.where.endswith("adapter_config.json")


def test_case_50_another_rank_is_named_with_both(adapter, checkpoint):
    change(adapter, r=4)
    with pytest.raises(FingerprintMismatch, match="does not fit the base model") as caught:
        check_adapter(adapter, checkpoint)
    assert "rank 4" in caught.value.why
    assert "(8, " in caught.value.why


def test_case_50_an_adapter_of_another_base_is_named_with_both_shapes(adapter, checkpoint):
    change_weights(adapter, **{FIRST.format("A"): np.zeros((8, 48), np.float32)})
    with pytest.raises(FingerprintMismatch) as caught:
        merged_weights(checkpoint, adapter)
    assert "(32, 48)" in caught.value.why
    assert "(32, 32)" in caught.value.why


def test_case_50_a_module_that_is_no_target_is_named(adapter, checkpoint):
    change(adapter, target_modules=["v_proj"])
    with pytest.raises(FingerprintMismatch) as caught:
        check_adapter(adapter, checkpoint)
    assert "none of the target modules" in caught.value.why


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("kind", [np.float32, np.float16])
def test_case_50_weights_that_are_no_numbers_are_refused(adapter, checkpoint, value, kind):
    matrix = np.zeros((8, 32), kind)
    matrix[3, 5] = value
    change_weights(adapter, **{FIRST.format("A"): matrix})
    with pytest.raises(BadInput) as caught:
        check_adapter(adapter, checkpoint)
    assert "not finite" in caught.value.why
    assert "q_proj" in caught.value.why


def test_case_50_bf16_weights_that_are_no_numbers_are_refused(adapter, checkpoint):
    import torch
    from safetensors.torch import load_file, save_file

    path = adapter / "adapter_model.safetensors"
    whole = {name: item.to(torch.bfloat16) for name, item in load_file(path).items()}
    save_file(whole, path)
    check_adapter(adapter, checkpoint)
    whole[FIRST.format("B")][0, 0] = float("nan")
    save_file(whole, path)
    with pytest.raises(BadInput, match="refused"):
        check_adapter(adapter, checkpoint)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("base_model.model.lm_head.weight", "no LoRA matrix"),
        ("base_model.model.model.embed_tokens.lora_embedding_A", "no LoRA matrix"),
        ("base_model.model.model.layers.0.self_attn.q_proj.lora_magnitude_vector", "no LoRA"),
    ],
)
def test_case_50_what_is_trained_beside_the_matrices_is_refused(adapter, checkpoint, name, why):
    change_weights(adapter, **{name: np.zeros((4, 4), np.float32)})
    with pytest.raises(BadInput) as caught:
        check_adapter(adapter, checkpoint)
    assert why in caught.value.why


def test_a_matrix_without_its_partner_is_refused(adapter, checkpoint):
    change_weights(adapter, **{FIRST.format("B"): None})
    with pytest.raises(BadInput) as caught:
        check_adapter(adapter, checkpoint)
    assert "one of its two" in caught.value.why


@pytest.mark.parametrize("name", ["adapter_model.bin", "training_args.bin", "optimizer.pt"])
def test_a_pickle_in_the_folder_of_an_adapter_is_refused(adapter, checkpoint, name):
    (adapter / name).write_bytes(pickle.dumps([1]))
    with pytest.raises(BadInput) as caught:
        check_adapter(adapter, checkpoint)
    assert caught.value.where.endswith(name)


@pytest.mark.parametrize("name", ["adapter_model.safetensors", "adapter_config.json"])
def test_a_folder_that_is_not_whole_is_refused(adapter, checkpoint, name):
    (adapter / name).unlink()
    with pytest.raises(BadInput) as caught:
        check_adapter(adapter, checkpoint)
    assert name in caught.value.why


def test_training_does_not_go_on_from_a_refused_adapter(adapter, checkpoint, chat, fact_rows,
                                                       train_plan, tmp_path):  # fmt: skip
    from graft.train.loop import train_adapter

    change(adapter, auto_map={"AutoModel": "evil.Model"})
    with pytest.raises(BadInput, match="refused"):
        train_adapter(checkpoint, chat, [fact_rows], [], train_plan(), tmp_path / "new",
                      start_from=adapter)  # fmt: skip
    assert not (tmp_path / "new").exists()
