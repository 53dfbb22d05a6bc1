"""How well a model still predicts a general text: mean loss in nats a token.

A small model answers few general questions, so there is little for it to forget that those
could show; the loss on running text moves with every weight. Computed from the unquantised
checkpoint with the adapter merged, as both stand before the export.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from graft.errors import GenerationFailed
from graft.models.chat import Chat
from graft.models.device import best_device, best_dtype
from graft.models.loading import load_model
from graft.models.merge import merged_weights

__all__ = ["TEXT_TOKENS", "text_losses"]

WINDOW = 256  # tokens read at once; the first of each has nothing before it and is not counted
# How many tokens of the text an effort reads; None means all (about 1,100), 0 none.
TEXT_TOKENS: dict[str, int | None] = {"quick": 0, "normal": None, "thorough": None}


def text_losses(
    checkpoint: Path,
    chat: Chat,
    text: str,
    adapters: Mapping[str, Path | None],
    limit: int | None = None,
) -> dict[str, float]:
    """Return the mean loss of the base (adapter None) and of adapters, by the given names.

    Empty where torch is not installed: the measure then does not apply.

    Raises:
        GenerationFailed: the model cannot be run (memory, device).
    """
    try:
        import torch
        import transformers  # noqa: F401 - loaded by `load_model`
    except ImportError:
        return {}
    windows = list(_windows(chat.encode(text)[:limit]))
    device = best_device()
    try:
        model = load_model(checkpoint, dtype=torch.float32)
        model = model.to(device=device, dtype=best_dtype(device)).eval()
        losses = {}
        for name, adapter in adapters.items():
            merged = merged_weights(checkpoint, adapter) if adapter else {}
            plain = _exchange(model, {key: torch.from_numpy(own) for key, own in merged.items()})
            losses[name] = _mean_loss(model, windows, device)
            _exchange(model, plain)
    except RuntimeError as error:
        raise GenerationFailed(
            "the loss on the general text could not be computed",
            where=str(checkpoint),
            why=(str(error).splitlines() or [type(error).__name__])[0],
            next_step="graft doctor",
        ) from error
    return losses


def _windows(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(ids), WINDOW):
        if len(part := ids[start : start + WINDOW]) > 1:
            yield part


def _exchange(model: Any, weights: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ANN401 - tensors
    """Put weights into a model by name and return those that were there."""
    import torch

    there = model.state_dict()
    before = {}
    with torch.no_grad():
        for name, values in weights.items():
            before[name] = there[name].clone()
            there[name].copy_(values)
    return before


def _mean_loss(model: Any, windows: Sequence[Sequence[int]], device: str) -> float:  # noqa: ANN401
    """Return the mean of -log p(token | the tokens before it in its window)."""
    import torch

    total, count = 0.0, 0
    with torch.inference_mode():
        for part in windows:
            ids = torch.tensor([list(part)], device=device)
            logits = model(input_ids=ids, use_cache=False).logits[0, :-1].float()
            total += float(torch.nn.functional.cross_entropy(logits, ids[0, 1:], reduction="sum"))
            count += len(part) - 1
    return total / max(1, count)
