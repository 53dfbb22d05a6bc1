from __future__ import annotations

import pytest

from graft.errors import TrainingFailed
from graft.train.packing import collate, encode_rows, group_trees, grow_trees
from graft.types import Message, TrainingRow

SYSTEM = Message("system", "Answer the question briefly.")


def with_passages(context, question, answer):
    user = f"Documents:\n\n[1] {context}\n\nQuestion: {question}"
    name = f"{context} {question}"
    return TrainingRow(name, "context", (SYSTEM, Message("user", user)), answer, question)


CONTEXT_ROWS = [
    with_passages("The pump is blue.", "What colour is the pump?", "blue"),
    with_passages("The pump is blue.", "How long may it run dry?", "The documents do not say."),
    with_passages("The pump is blue.", "What?", "blue it is"),
    with_passages("Grease it with ISO 220 every month.", "Which grease?", "ISO 220"),
    with_passages("Grease it with ISO 220 every month.", "When?", "every month"),
]


@pytest.fixture(scope="module")
def model(checkpoint):
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(checkpoint, attn_implementation="sdpa").eval()


@pytest.fixture(scope="module")
def encoded(chat, fact_rows):
    return encode_rows([*fact_rows, *CONTEXT_ROWS], chat, 512)


def logits_of(model, batch):
    """Logits of the learned tokens, as the loop computes them."""
    import torch

    with torch.inference_mode():
        out = model(
            input_ids=batch.ids,
            position_ids=batch.positions,
            attention_mask=batch.mask,
            use_cache=False,
        ).logits
    return out.reshape(-1, out.shape[-1])[batch.learned_from]


def logits_alone(model, item):
    """Logits of the learned tokens of one row, without any packing."""
    import torch

    ids = torch.tensor([item.prompt + item.answer])
    with torch.inference_mode():
        out = model(input_ids=ids).logits[0]
    return out[len(item.prompt) - 1 : -1]


def loss(logits, ids):
    import torch

    return torch.nn.functional.cross_entropy(logits, torch.tensor(ids))


@pytest.mark.parametrize("tree_tokens", [60, 256, 10_000])
@pytest.mark.parametrize("batch_tokens", [1, 400, 10_000])
def test_every_row_of_a_tree_is_what_it_would_be_alone(model, encoded, tree_tokens, batch_tokens):
    import torch

    alone = {item.row.id: item for item in encoded}
    compared = 0
    for trees in group_trees(grow_trees(encoded, tree_tokens), batch_tokens):
        batch = collate(trees)
        packed = logits_of(model, batch)
        for number, row in enumerate(batch.rows):
            own = packed[batch.row_numbers == number]
            item = alone[row.id]
            expected = logits_alone(model, item)
            assert batch.learned_ids[batch.row_numbers == number].tolist() == list(item.answer)
            torch.testing.assert_close(own, expected, atol=1e-5, rtol=0)
            assert float(loss(own, item.answer)) == pytest.approx(
                float(loss(expected, item.answer)), abs=1e-5
            )
            compared += 1
    assert compared == len(encoded) == 13


def test_the_comparison_would_see_a_wrong_position_or_mask(model, encoded):
    """The figures above mean something: with either broken they differ a thousandfold."""
    from dataclasses import replace

    import torch

    batch = collate(grow_trees(encoded, 10_000)[:1])
    right = logits_of(model, batch)
    causal = torch.ones_like(batch.mask).tril()
    straight = torch.arange(batch.ids.shape[1])[None]
    for broken in (replace(batch, mask=causal), replace(batch, positions=straight)):
        assert float((logits_of(model, broken) - right).abs().max()) > 1e-2


def test_gradients_of_a_tree_are_the_sum_of_those_of_its_rows(model, encoded):
    import torch

    def gradient(batches):
        model.zero_grad()
        for batch in batches:
            out = model(
                input_ids=batch.ids, position_ids=batch.positions, attention_mask=batch.mask
            ).logits
            picked = out.reshape(-1, out.shape[-1])[batch.learned_from]
            torch.nn.functional.cross_entropy(picked, batch.learned_ids, reduction="sum").backward()
        return model.model.layers[0].self_attn.q_proj.weight.grad.clone()

    together = gradient([collate(grow_trees(encoded[:4], 10_000))])
    apart = gradient([collate(grow_trees([item])) for item in encoded[:4]])
    model.zero_grad()
    torch.testing.assert_close(together, apart, atol=1e-4, rtol=1e-4)


def test_padding_is_never_nan(model, encoded):
    import torch

    trees = grow_trees(encoded, 60)
    short, long = min(trees, key=lambda tree: tree.tokens), max(trees, key=lambda tree: tree.tokens)
    assert short.tokens < long.tokens
    batch = collate([short, long])
    with torch.inference_mode():
        out = model(
            input_ids=batch.ids, position_ids=batch.positions, attention_mask=batch.mask
        ).logits
    assert bool(torch.isfinite(out).all())


def test_learned_tokens_are_exactly_the_answer_and_the_end_of_the_turn(chat, encoded):
    for item in encoded:
        assert chat.encode(f"{item.row.answer}<|im_end|>") == list(item.answer)
        batch = collate(grow_trees([item]))
        assert batch.learned_ids.tolist() == list(item.answer)
        assert batch.learned_from.tolist() == [
            len(item.prompt) - 1 + number for number in range(len(item.answer))
        ]


def test_a_row_is_its_rendered_prompt(chat, fact_rows):
    [item] = encode_rows(fact_rows[:1], chat, 512)
    assert list(item.prompt) == chat.encode(chat.render(fact_rows[0].messages))
    assert item.tokens == len(item.prompt) + len(item.answer)


@pytest.mark.parametrize("answer", ["", "  \n"])
def test_a_row_without_an_answer_is_refused(chat, closed, answer):
    with pytest.raises(TrainingFailed, match="has no answer"):
        encode_rows([closed("What?", answer)], chat, 512)


def test_a_row_that_is_too_long_is_refused_by_name(chat, closed):
    with pytest.raises(TrainingFailed, match="is over 20 tokens") as caught:
        encode_rows([closed("What?" * 30, "blue")], chat, 20)
    assert "What?" in caught.value.where


def test_rows_share_what_stands_before_the_question(encoded):
    trees = grow_trees(encoded, 10_000)
    assert sorted(len(tree.rows) for tree in trees) == [2, 3, 8]
    for tree in trees:
        for item in tree.rows:
            assert item.prompt[: len(tree.prefix)] == tree.prefix
            assert len(item.prompt) > len(tree.prefix)


def test_a_tree_computes_the_common_beginning_once(encoded):
    [tree] = grow_trees(encoded[:2], 10_000)
    alone = sum(item.tokens for item in encoded[:2])
    assert tree.tokens == alone - len(tree.prefix)
    assert tree.tokens == int((collate([tree]).ids != -1).sum())


def test_equal_prompts_still_leave_each_row_a_token_to_predict_from(chat, closed):
    twins = encode_rows([closed("What?", "blue"), closed("What?", "red")], chat, 512)
    [tree] = grow_trees(twins)
    assert len(tree.prefix) == len(twins[0].prompt) - 1


def test_trees_are_cut_near_their_limit(encoded):
    trees = grow_trees(encoded[:8], 60)
    assert sum(len(tree.rows) for tree in trees) == 8
    for tree in trees:
        assert len(tree.rows) == 1 or tree.tokens <= max(60, len(tree.prefix) + 192)


@pytest.mark.parametrize("limit", [200, 400, 800])
def test_batches_stay_within_the_token_limit(encoded, limit):
    trees = grow_trees(encoded, 60)
    batches = group_trees(trees, limit)
    assert sum(len(batch) for batch in batches) == len(trees)
    for trees_of_batch in batches:
        padded = collate(trees_of_batch).ids.numel()
        assert padded <= limit or len(trees_of_batch) == 1


def test_a_batch_holds_trees_of_like_length(encoded):
    batches = group_trees(grow_trees(encoded, 60), 800)
    longest = [max(tree.tokens for tree in batch) for batch in batches]
    assert longest == sorted(longest)


def test_no_rows_make_no_trees_and_no_batches():
    assert grow_trees([]) == []
    assert group_trees([], 100) == []
