"""The forward pass of a training step, with what never changes computed once.

Where only the upper layers carry an adapter, the states that enter them are the same in every
epoch: they are computed once a tree and kept. A later epoch, and every later look at `dev`, then
costs the upper layers alone. Only for decoders of the Llama layout; any other model takes its own
whole forward pass every time.

Rounding depends on what is computed beside a tree. So the company in which a tree is computed
follows from the plan and not from what happens to be in memory, and a run that was stopped gives
the same bits as one that was not.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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

    `first` is the number of layers at the bottom without an adapter; `groups` are the batches
    that will come, in order: they fix which trees are kept and in whose company each is computed.
    """

    def __init__(
        self,
        model: Any,  # noqa: ANN401
        device: Any,  # noqa: ANN401
        first: int,
        groups: Iterable[Sequence[Tree]] = (),
    ) -> None:
        """Remember the model; `first` is 0 where the layout is not known."""
        self._model, self._device = model, device
        self.first = first
        self._kept: dict[tuple[str, ...], torch.Tensor] = {}
        self._company: dict[tuple[str, ...], tuple[Tree, ...]] = {}
        if first:
            self._plan(groups)

    def _plan(self, groups: Iterable[Sequence[Tree]]) -> None:
        """Choose the trees that are kept, first come first kept, and who is computed with whom."""
        weight = self._model.lm_head.weight
        size = weight.shape[1] * weight.element_size()
        spent, seen = 0, set[tuple[str, ...]]()
        for group in groups:
            fresh = []
            for tree in group:
                if _key(tree) in seen:
                    continue
                seen.add(_key(tree))
                if spent + tree.tokens * size <= CACHE_BYTES:
                    spent += tree.tokens * size
                    fresh.append(tree)
            for tree in fresh:
                self._company[_key(tree)] = tuple(fresh)

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

        alone = [tree for tree in trees if _key(tree) not in self._company]
        fresh = self._computed(alone, batch if len(alone) == len(trees) else None)
        for tree in trees:
            if _key(tree) not in self._kept and _key(tree) not in fresh:
                together = self._company[_key(tree)]
                self._kept |= self._computed(together, None)
        width = batch.ids.shape[1]
        rows = []
        for tree in trees:
            found = self._kept.get(_key(tree))
            known = fresh[_key(tree)] if found is None else found
            rows.append(torch.nn.functional.pad(known, (0, 0, 0, width - known.shape[0])))
        return torch.stack(rows)

    def _computed(
        self, trees: Sequence[Tree], batch: Batch | None
    ) -> dict[tuple[str, ...], torch.Tensor]:
        """Return the states (t, d) of each tree where the adapted layers begin."""
        import torch

        if not trees:
            return {}
        with torch.no_grad():
            computed = self._lower(batch or collate(trees))
        return {
            _key(tree): row[: tree.tokens].clone()
            for row, tree in zip(computed, trees, strict=True)
        }

    def _lower(self, batch: Batch) -> torch.Tensor:
        decoder = self._model.model
        positions = batch.positions.to(self._device)
        states = decoder.embed_tokens(batch.ids.to(self._device))
        rotary = decoder.rotary_emb(states, positions)
        mask = batch.mask.to(self._device)
        return _run(decoder.layers[: self.first], states, mask, positions, rotary)


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
