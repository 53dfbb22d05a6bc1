"""What a training run will do, decided before it starts and written into its receipt."""

from __future__ import annotations

import math
from dataclasses import dataclass

from graft.config import TrainConfig

__all__ = ["Curve", "CurvePoint", "TrainPlan", "make_plan"]

LEARNING_RATE = 2e-3  # 135M: 42 % of dev facts after 28,000 tokens, 1e-3 20 % (docs/log.md)
LARGE_MODEL_HIDDEN = 1_024
LARGE_LEARNING_RATE = 2e-4
MIN_WARMUP_STEPS = 5


@dataclass(frozen=True, slots=True)
class TrainPlan:
    """Every number that the loop uses. `tokens` caps the tokens computed in all epochs.

    A step sums the gradients of `accumulate` batches of up to `batch_tokens` each.
    """

    rank: int
    alpha: int
    learning_rate: float
    tokens: int | None
    batch_tokens: int
    dropout: float
    weight_decay: float
    warmup_share: float
    evaluations: int
    patience: int
    seed: int
    targets: str = "all-linear"
    adapted_share: float = 1.0
    accumulate: int = 1

    def schedule(self, step: int, steps: int) -> float:
        """Return the factor on the learning rate: linear warm-up, cosine to 10 %."""
        warmup = min(max(MIN_WARMUP_STEPS, round(steps * self.warmup_share)), max(1, steps // 4))
        if step < warmup:
            return (step + 1) / warmup
        share = (step - warmup) / max(1, steps - warmup)
        return 0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * min(1.0, share)))


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """A look at the model during training; `dev_answers` is the share of dev rows answered.

    An answer counts when greedy decoding would give the reference word for word, which one
    forward pass over prompt and reference tells exactly.
    """

    step: int
    tokens: int
    seconds: float
    train_loss: float
    dev_loss: float
    dev_answers: float


Curve = list[CurvePoint]


def make_plan(
    config: TrainConfig, *, hidden_size: int, tokens: int | None, seed: int, adapted_share: float
) -> TrainPlan:
    """Fill in what the configuration leaves open."""
    small = hidden_size < LARGE_MODEL_HIDDEN
    rate = config.learning_rate or (LEARNING_RATE if small else LARGE_LEARNING_RATE)
    return TrainPlan(
        rank=config.rank,
        alpha=config.alpha,
        learning_rate=rate,
        tokens=tokens,
        batch_tokens=config.batch_tokens,
        dropout=config.dropout,
        weight_decay=config.weight_decay,
        warmup_share=config.warmup_share,
        evaluations=3,
        patience=2,
        seed=seed,
        targets=config.targets,
        adapted_share=config.adapted_share or adapted_share,
        accumulate=config.accumulate,
    )
