"""The encoder of a sentence-transformers folder as a PyTorch module that ends in unit vectors."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from graft.models.loading import load_encoder

if TYPE_CHECKING:
    import torch

__all__ = ["example_input", "pooled_encoder"]


def pooled_encoder(folder: Path) -> torch.nn.Module:
    """Return encoder, mean over the masked tokens and normalisation as one module, in fp32."""
    import torch

    encoder = load_encoder(folder, dtype=torch.float32, attn_implementation="eager")

    class Pooled(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = encoder

        def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
            states = self.encoder(input_ids=ids, attention_mask=mask).last_hidden_state
            weights = mask.unsqueeze(-1).to(states.dtype)
            mean = (states * weights).sum(1) / weights.sum(1).clamp(min=1e-9)
            return torch.nn.functional.normalize(mean, dim=1)

    return Pooled().eval()


def example_input() -> tuple[torch.Tensor, torch.Tensor]:
    """Return ids and mask of the shape that is traced; both sides are free afterwards."""
    import torch

    ids = torch.ones(2, 8, dtype=torch.int64)
    return ids, ids
