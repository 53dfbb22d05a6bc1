"""The base with an adapter on it, ready to be trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from graft.models.device import best_device, best_dtype
from graft.models.loading import load_adapter, load_model
from graft.train.forward import has_llama_layout
from graft.train.plan import TrainPlan

__all__ = ["adapted_model", "frozen_layers"]


def adapted_model(checkpoint: Path, plan: TrainPlan, start_from: Path | None) -> Any:  # noqa: ANN401
    """Load the base and put a new adapter on it, or the one to start from."""
    import torch
    from peft import LoraConfig, get_peft_model

    from graft.train.fold import fold_adapters

    base = load_model(checkpoint, dtype=best_dtype(best_device()), attn_implementation="sdpa")
    if start_from is not None:
        model = load_adapter(base, start_from, checkpoint, trainable=True)
        fold_adapters(model)
        return model
    torch.manual_seed(plan.seed)
    config = LoraConfig(
        r=plan.rank,
        lora_alpha=plan.alpha,
        lora_dropout=plan.dropout,
        target_modules=_targets(base, plan),
        task_type="CAUSAL_LM",
        layers_to_transform=_adapted_layers(base, plan),
    )
    model = get_peft_model(base, config)
    fold_adapters(model)
    return model


def _targets(base: Any, plan: TrainPlan) -> list[str]:  # noqa: ANN401
    """Return the names of the matrices that get an adapter: all linear ones but the head."""
    import torch

    if plan.targets != "all-linear":
        return plan.targets.split(",")
    linear = (name for name, part in base.named_modules() if isinstance(part, torch.nn.Linear))
    return sorted({name.rpartition(".")[2] for name in linear} - {"lm_head"})


def frozen_layers(base: Any, plan: TrainPlan) -> int:  # noqa: ANN401
    """Return how many layers at the bottom carry no adapter."""
    decoder = getattr(base, "model", None)
    if plan.adapted_share >= 1.0 or decoder is None or not hasattr(decoder, "layers"):
        return 0
    if not has_llama_layout(decoder):
        return 0
    count = len(decoder.layers)
    return count - max(1, round(count * plan.adapted_share))


def _adapted_layers(base: Any, plan: TrainPlan) -> list[int] | None:  # noqa: ANN401
    frozen = frozen_layers(base, plan)
    return list(range(frozen, len(base.model.layers))) if frozen else None
