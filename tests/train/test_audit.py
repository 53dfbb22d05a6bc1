from __future__ import annotations

import pytest

from graft.errors import TrainingFailed
from graft.train import audit as module
from graft.train.audit import audit_rows
from graft.train.packing import collate, encode_rows, group_trees, grow_trees


def batches(rows, chat):
    return group_trees(grow_trees(encode_rows(rows, chat, 512)), 512)


def test_every_row_is_counted_with_its_learned_tokens(chat, fact_rows):
    groups = batches(fact_rows, chat)
    audit = audit_rows({"train": groups, "dev": groups[:1]}, chat)
    train = audit.splits["train"]
    answers = [len(item.answer) for item in encode_rows(fact_rows, chat, 512)]
    assert train.rows == len(fact_rows)
    assert train.learned_tokens == sum(answers)
    assert (train.least, train.most) == (min(answers), max(answers))
    assert train.learned_tokens < train.read_tokens
    assert set(audit.splits) == {"train", "dev"}


def test_three_rows_are_shown_with_the_learned_part_marked(chat, fact_rows):
    audit = audit_rows({"train": batches(fact_rows, chat)}, chat)
    assert len(audit.shown) == 3
    by_answer = {row.answer: row for row in fact_rows}
    for text in audit.shown:
        prompt, _, learned = text.partition("⟦")
        row = next(row for answer, row in by_answer.items() if learned.startswith(answer))
        assert row.messages[-1].content in prompt
        assert row.answer not in prompt
        assert learned.endswith("⟧")


def test_a_mask_without_a_learned_token_is_refused(chat, fact_rows, monkeypatch):
    """As when a template has no markers and everything is masked: loss 0, nothing learned."""

    def masked(trees):
        batch = collate(trees)
        none = batch.row_numbers == 10**6
        return type(batch)(
            batch.ids,
            batch.positions,
            batch.mask,
            batch.learned_from[none],
            batch.learned_ids[none],
            batch.row_numbers[none],
            batch.rows,
            batch.tokens,
        )

    monkeypatch.setattr(module, "collate", masked)
    with pytest.raises(TrainingFailed, match="would teach nothing") as caught:
        audit_rows({"dev": batches(fact_rows, chat)}, chat)
    assert "no token of it is learned" in caught.value.why


def test_a_mask_that_learns_the_prompt_is_refused(chat, fact_rows, monkeypatch):
    def shifted(trees):
        batch = collate(trees)
        places = batch.learned_from - 3
        return type(batch)(
            batch.ids,
            batch.positions,
            batch.mask,
            places,
            batch.ids.reshape(-1)[places + 1],
            batch.row_numbers,
            batch.rows,
            batch.tokens,
        )

    monkeypatch.setattr(module, "collate", shifted)
    with pytest.raises(TrainingFailed, match="the wrong thing") as caught:
        audit_rows({"train": batches(fact_rows, chat)}, chat)
    assert "is not the answer" in caught.value.why


def test_learned_tokens_that_stand_elsewhere_are_refused(chat, fact_rows, monkeypatch):
    def moved(trees):
        batch = collate(trees)
        return type(batch)(
            batch.ids,
            batch.positions,
            batch.mask,
            batch.learned_from - 1,
            batch.learned_ids,
            batch.row_numbers,
            batch.rows,
            batch.tokens,
        )

    monkeypatch.setattr(module, "collate", moved)
    with pytest.raises(TrainingFailed) as caught:
        audit_rows({"train": batches(fact_rows, chat)}, chat)
    assert "does not stand" in caught.value.why


def test_training_is_audited_before_its_first_step(
    checkpoint, chat, train_plan, fact_rows, tmp_path, monkeypatch
):
    from graft.train import loop

    def refuse(splits, chat):
        raise TrainingFailed("refused")

    monkeypatch.setattr(loop, "audit_rows", refuse)
    monkeypatch.setattr(loop, "adapted_model", pytest.fail)
    with pytest.raises(TrainingFailed, match="refused"):
        loop.train_adapter(checkpoint, chat, [fact_rows], fact_rows, train_plan(), tmp_path)
