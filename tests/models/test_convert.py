from __future__ import annotations

import json

import numpy as np
import pytest

from graft.errors import BadInput
from graft.models.cache import cache_root
from graft.models.convert import checkpoint_from_gguf, permute_rows, unpermute_rows
from graft.models.gguf_export import export_gguf
from tiny_gguf import write_source


def test_the_rows_of_a_head_are_interleaved():
    """Two heads of four rows: Hugging Face has halves (0 1 | 2 3), GGUF pairs (0 2 1 3)."""
    rows = np.arange(8, dtype=np.float32).reshape(8, 1)
    assert permute_rows(rows, 2)[:, 0].tolist() == [0, 2, 1, 3, 4, 6, 5, 7]
    assert unpermute_rows(rows, 2)[:, 0].tolist() == [0, 2, 1, 3, 4, 6, 5, 7]


def test_a_head_of_six_rows_tells_the_two_directions_apart():
    rows = np.arange(6, dtype=np.float32).reshape(6, 1)
    assert permute_rows(rows, 1)[:, 0].tolist() == [0, 3, 1, 4, 2, 5]
    assert unpermute_rows(rows, 1)[:, 0].tolist() == [0, 2, 4, 1, 3, 5]


@pytest.mark.parametrize(("heads", "head_dim"), [(1, 2), (4, 8), (3, 64), (9, 6)])
def test_one_undoes_the_other(heads, head_dim):
    weight = np.random.default_rng(7).normal(size=(heads * head_dim, 5)).astype(np.float32)
    assert np.array_equal(unpermute_rows(permute_rows(weight, heads), heads), weight)
    assert np.array_equal(permute_rows(unpermute_rows(weight, heads), heads), weight)


@pytest.fixture(scope="module")
def exported(checkpoint, tmp_path_factory):
    """The tiny checkpoint as a Q8_0 GGUF file."""
    folder = tmp_path_factory.mktemp("gguf")
    write_source(folder / "source.gguf", checkpoint)
    export_gguf(checkpoint, folder / "source.gguf", folder / "tiny.gguf", {})
    return folder / "tiny.gguf"


def tensors(folder):
    from safetensors.numpy import load_file

    return load_file(folder / "model.safetensors")


def test_an_export_read_back_is_the_checkpoint_up_to_rounding(exported, checkpoint):
    """Q8_0 keeps 127 steps up to the largest of 32 weights: an error of at most 1/254 of it."""
    folder = checkpoint_from_gguf(exported)
    expected, found = tensors(checkpoint), tensors(folder)
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        bound = float(np.abs(values).max()) / 254 * 1.01
        assert float(np.abs(found[name] - values).max()) <= (bound if values.ndim == 2 else 0), name


def test_settings_come_back(exported, checkpoint):
    folder = checkpoint_from_gguf(exported)
    expected = json.loads((checkpoint / "config.json").read_text())
    found = json.loads((folder / "config.json").read_text())
    for name in (
        "hidden_size",
        "intermediate_size",
        "num_hidden_layers",
        "num_attention_heads",
        "num_key_value_heads",
        "max_position_embeddings",
        "vocab_size",
        "eos_token_id",
        "tie_word_embeddings",
    ):
        assert found[name] == expected[name], name
    assert found["rope_theta"] == 10_000.0


def test_tokenizer_and_template_come_back(exported, chat):
    from graft.models.chat import Chat
    from graft.types import Message

    found = Chat(checkpoint_from_gguf(exported))
    turns = [Message("system", "Answer."), Message("user", "Größe 🙂?")]
    assert found.render(turns) == chat.render(turns)
    text = chat.render(turns).replace("Answer", "pump valve")
    assert found.decode(found.encode(text)) == chat.decode(chat.encode(text))
    assert set(found.stop_ids) == {2}


def test_a_file_is_converted_once(exported):
    folder = checkpoint_from_gguf(exported)
    stamp = (folder / "model.safetensors").stat().st_mtime_ns
    assert checkpoint_from_gguf(exported) == folder
    assert (folder / "model.safetensors").stat().st_mtime_ns == stamp
    assert folder.parent == cache_root() / "checkpoints"


def test_an_interrupted_hash_of_the_file_is_made_again(exported):
    folder = checkpoint_from_gguf(exported)
    [marker] = (cache_root() / "gguf-hash").glob("tiny-*.txt")
    marker.write_text("", encoding="utf-8")
    assert checkpoint_from_gguf(exported) == folder


def test_another_architecture_is_refused_and_leaves_nothing(checkpoint, tmp_path):
    path = tmp_path / "strange.gguf"
    write_source(path, checkpoint, architecture="mamba")
    with pytest.raises(BadInput, match="cannot be converted") as caught:
        checkpoint_from_gguf(path)
    assert "'mamba'" in caught.value.why
    assert not list((cache_root() / "checkpoints").glob("*strange*"))


def test_merged_weights_take_the_place_of_the_checkpoints(checkpoint, exported, tmp_path):
    name = "model.layers.0.self_attn.q_proj.weight"
    merged = {name: tensors(checkpoint)[name] * 2}
    target = tmp_path / "merged.gguf"
    export_gguf(checkpoint, exported, target, merged)
    found = tensors(checkpoint_from_gguf(target))[name]
    assert np.allclose(found, merged[name], atol=float(np.abs(merged[name]).max()) / 200)
