"""The forward pass of a training step, with what never changes computed once.

Where only the upper layers carry an adapter, the states that enter them are the same in every
epoch: they are computed once a tree and kept. A later epoch, and every later look at `dev`, then
costs the upper layers alone. Only for decoders of the Llama layout; any other model takes its own
whole forward pass every time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from graft.train.packing import Batch, Tree, collate

if TYPE_CHECKING:
    import torch

__all__ = ["Forward", "has_llama_layout"]

CACHE_BYTES = 1024**3
_PARTS = ("embed_tokens", "layers", "norm", "rotary_emb")


def has_llama_layout(decoder: Any) -> bool:  # noqa: ANN401 - a decoder of transformers
    """Tell whether a decoder can be run layer by layer from outside."""
    kinds = {getattr(layer, "attention_type", "full_attention") for layer in decoder.layers}
    plain = not getattr(decoder.config, "sliding_window", None)
    return all(hasattr(decoder, part) for part in _PARTS) and kinds == {"full_attention"} and plain


class Forward:
    """Runs a causal model on trees and returns the states that predict learned tokens.

    `first` is the number of layers at the bottom without an adapter.
    """

    def __init__(self, model: Any, device: Any, first: int) -> None:  # noqa: ANN401
        """Remember the model; `first` is 0 where the layout is not known."""
        self._model, self._device = model, device
        self.first = first
        self._kept: dict[tuple[str, ...], torch.Tensor] = {}
        self._bytes = 0

    def logits(self, trees: Sequence[Tree], batch: Batch) -> torch.Tensor:
        """Return float32 logits (learned tokens, vocabulary); the head runs on those alone.

        The picked states are made contiguous first: torch would copy the head's matrix once a
        row for a sliced state.
        """
        states = self._states(trees, batch)
        flat = states.reshape(-1, states.shape[-1])
        picked = flat.index_select(0, batch.learned_from.to(self._device)).contiguous()
        logits: torch.Tensor = self._model.lm_head(picked).float()
        return logits

    def _states(self, trees: Sequence[Tree], batch: Batch) -> torch.Tensor:
        mask, positions = batch.mask.to(self._device), batch.positions.to(self._device)
        decoder = self._model.model
        if not self.first:
            whole: torch.Tensor = decoder(
                input_ids=batch.ids.to(self._device),
                position_ids=positions,
                attention_mask=mask,
                use_cache=False,
            ).last_hidden_state
            return whole
        states = self._entering(trees, batch)
        rotary = decoder.rotary_emb(states, positions)
        states = _run(decoder.layers[self.first :], states, mask, positions, rotary)
        normed: torch.Tensor = decoder.norm(states)
        return normed

    def _entering(self, trees: Sequence[Tree], batch: Batch) -> torch.Tensor:
        """Return the states (b, t, d) that enter the first adapted layer, kept ones first."""
        import torch

        missing = [tree for tree in trees if _key(tree) not in self._kept]
        fresh: dict[tuple[str, ...], torch.Tensor] = {}
        if missing:
            part = batch if len(missing) == len(trees) else collate(missing)
            with torch.no_grad():
                computed = self._lower(part)
            for row, tree in zip(computed, missing, strict=True):
                fresh[_key(tree)] = row[: tree.tokens].clone()
            self._keep(fresh)
        width = batch.ids.shape[1]
        rows = []
        for tree in trees:
            found = self._kept.get(_key(tree))
            known = fresh[_key(tree)] if found is None else found
            rows.append(torch.nn.functional.pad(known, (0, 0, 0, width - known.shape[0])))
        return torch.stack(rows)

    def _lower(self, batch: Batch) -> torch.Tensor:
        decoder = self._model.model
        positions = batch.positions.to(self._device)
        states = decoder.embed_tokens(batch.ids.to(self._device))
        rotary = decoder.rotary_emb(states, positions)
        mask = batch.mask.to(self._device)
        return _run(decoder.layers[: self.first], states, mask, positions, rotary)

    def _keep(self, fresh: dict[tuple[str, ...], torch.Tensor]) -> None:
        for key, states in fresh.items():
            size = states.numel() * states.element_size()
            if self._bytes + size <= CACHE_BYTES:
                self._kept[key] = states
                self._bytes += size


def _key(tree: Tree) -> tuple[str, ...]:
    return (str(len(tree.prefix)), *(item.row.id for item in tree.rows))


def _run(
    layers: Any,  # noqa: ANN401 - a torch.nn.ModuleList
    states: torch.Tensor,
    mask: torch.Tensor,
    positions: torch.Tensor,
    rotary: Any,  # noqa: ANN401
) -> torch.Tensor:
    for layer in layers:
        out = layer(
            states,
            attention_mask=mask,
            position_ids=positions,
            position_embeddings=rotary,
            use_cache=False,
        )
        states = out[0] if isinstance(out, tuple) else out
    return states
