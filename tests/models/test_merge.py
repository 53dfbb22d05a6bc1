from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from graft.errors import BadInput
from graft.models.merge import merged_weights


def test_merged_weights_are_those_of_peft(taught, checkpoint):
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    folder, _ = taught
    base = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32)
    whole = PeftModel.from_pretrained(base, folder).merge_and_unload().state_dict()
    found = merged_weights(checkpoint, folder)
    assert len(found) == 14
    for name, values in found.items():
        assert values.dtype == np.float32
        np.testing.assert_allclose(values, whole[name].numpy(), atol=1e-6)


def test_only_what_the_adapter_changes_is_returned(taught, checkpoint):
    from safetensors.numpy import load_file

    before = load_file(checkpoint / "model.safetensors")
    for name, values in merged_weights(checkpoint, taught[0]).items():
        assert name.endswith("_proj.weight")
        assert float(np.abs(values - before[name]).max()) > 1e-3


def write_adapter(folder, target, down, up, alpha=4, rank=2):
    from safetensors.numpy import save_file

    folder.mkdir()
    parts = {
        f"base_model.model.{target}.lora_A.weight": np.asarray(down, dtype=np.float32),
        f"base_model.model.{target}.lora_B.weight": np.asarray(up, dtype=np.float32),
    }
    save_file(parts, folder / "adapter_model.safetensors")
    settings = {"lora_alpha": alpha, "r": rank, "target_modules": [target.rpartition(".")[2]]}
    (folder / "adapter_config.json").write_text(json.dumps(settings))
    return folder


def test_the_product_is_scaled_by_alpha_over_rank(tmp_path):
    """alpha 4 over rank 2 doubles B A = [[1, 0], [0, 3]]."""
    from safetensors.numpy import save_file

    base = tmp_path / "base"
    base.mkdir()
    save_file({"layer.weight": np.ones((2, 2), np.float32)}, base / "model.safetensors")
    adapter = write_adapter(tmp_path / "a", "layer", [[1, 0], [0, 1]], [[1, 0], [0, 3]])
    assert merged_weights(base, adapter)["layer.weight"].tolist() == [[3, 1], [1, 7]]


@pytest.mark.parametrize(
    ("target", "width"),
    [("model.layers.9.self_attn.q_proj", 32), ("model.layers.0.self_attn.q_proj", 31)],
)
def test_an_adapter_of_another_model_is_refused(checkpoint, tmp_path, target, width):
    adapter = write_adapter(tmp_path / "a", target, np.zeros((2, width)), np.zeros((32, 2)))
    with pytest.raises(BadInput, match="does not fit the base model") as caught:
        merged_weights(checkpoint, adapter)
    assert target in caught.value.why


def test_the_checkpoint_stays_as_it_was(taught, checkpoint, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(checkpoint, copy)
    merged_weights(copy, taught[0])
    before = (checkpoint / "model.safetensors").read_bytes()
    assert (copy / "model.safetensors").read_bytes() == before
