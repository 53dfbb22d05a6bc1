from __future__ import annotations

import pytest

from graft.train.packing import Tree, collate, encode_rows, group_trees, grow_trees


@pytest.fixture(scope="module")
def model(checkpoint):
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(checkpoint, attn_implementation="sdpa").eval()


@pytest.fixture
def forwards(model):
    """The whole forward pass, and the one that keeps what enters the upper layer."""
    import torch

    from graft.train.forward import Forward

    device = torch.device("cpu")
    return Forward(model, device, 0), Forward(model, device, 1)


def assert_equal(forwards, trees):
    import torch

    whole, kept = forwards
    batch = collate(trees)
    with torch.inference_mode():
        expected, found = whole.logits(trees, batch), kept.logits(trees, batch)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_kept_states_give_the_logits_of_the_whole_pass(forwards, chat, fact_rows):
    trees = grow_trees(encode_rows(fact_rows, chat, 512), 60)
    for batch_tokens in (1, 500, 10_000):
        for _ in range(2):
            for batch in group_trees(trees, batch_tokens):
                assert_equal(forwards, batch)


def test_the_same_rows_under_another_common_beginning_are_computed_anew(forwards, chat, closed):
    """Which tokens rows share depends on the other rows of an epoch."""
    rows = [closed("What colour is the pump?", "blue"), closed("What colour is the oven?", "red")]
    encoded = encode_rows([*rows, closed("Tell me.", "no")], chat, 512)
    [short] = grow_trees(encoded, 10_000)
    [long] = grow_trees(encoded[:2], 10_000)
    assert len(short.prefix) < len(long.prefix)
    assert_equal(forwards, [Tree(short.prefix, encoded[:2])])
    assert_equal(forwards, [long])


def test_only_plain_decoders_are_run_layer_by_layer(model):
    from types import SimpleNamespace

    from graft.train.forward import has_llama_layout

    assert has_llama_layout(model.model)
    strange = SimpleNamespace(
        layers=list(model.model.layers), config=SimpleNamespace(sliding_window=128)
    )
    assert not has_llama_layout(strange)
