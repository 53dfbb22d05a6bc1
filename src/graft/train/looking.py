"""Looking at a model in training: what it gets right on `dev`, and how far it has moved."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graft.train.forward import Forward
from graft.train.packing import Tree, collate

__all__ = ["logits_moved", "score_rows"]


def score_rows(
    model: Any,  # noqa: ANN401 - a PEFT model, put back into training afterwards
    forward: Forward,
    groups: Sequence[Sequence[Tree]],
) -> tuple[float, float]:
    """Return mean loss of a learned token and share of rows that greedy decoding gets."""
    import torch

    model.eval()
    loss, tokens, right, rows = 0.0, 0, 0, 0
    with torch.inference_mode():
        for group in groups:
            batch = collate(group)
            logits = forward.logits(group, batch).cpu()
            loss += float(
                torch.nn.functional.cross_entropy(logits, batch.learned_ids, reduction="sum")
            )
            tokens += len(batch.learned_ids)
            wrong = batch.row_numbers[logits.argmax(1) != batch.learned_ids]
            right += len(batch.rows) - len(set(wrong.tolist()))
            rows += len(batch.rows)
    model.train()
    return loss / max(1, tokens), right / max(1, rows)


def logits_moved(model: Any, forward: Forward, trees: Sequence[Tree]) -> float:  # noqa: ANN401
    """Return how far the trained adapter moves the logits of a few learned tokens."""
    import torch

    group = [min(trees, key=lambda tree: tree.tokens)]
    batch = collate(group)
    model.eval()
    with torch.inference_mode():
        tuned = forward.logits(group, batch)
        with model.disable_adapter():
            plain = forward.logits(group, batch)
    return float((tuned - plain).abs().mean())
