"""The one dial: what each setting of `--effort` stands for.

It knows neither configuration nor machine; `config` passes it on to everyone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Effort", "EffortPlan", "effort_plan"]

Effort = Literal["quick", "normal", "thorough"]


@dataclass(frozen=True, slots=True)
class EffortPlan:
    """What one setting of the dial stands for; caps of None mean "no cap"."""

    effort: Effort
    train_tokens: int | None
    test_questions: int | None
    prompt_tokens: int
    passages: int
    latency_questions: int
    pilot: bool
    adapted_share: float


def effort_plan(effort: Effort, *, fast_device: bool, passages: int) -> EffortPlan:
    """Return the plan of an effort.

    `train_tokens` is the cap in all for `quick` and per adapter for `normal`. Two cores
    without bf16 in hardware train 170 tokens a second where those of the design page train
    400 (docs/log.md), so caps are lower there and only the upper half of the layers is adapted
    (`adapted_share`): later passes then cost half. Ten minutes and half an hour are the promise;
    `thorough` adapts all layers everywhere.
    """
    if effort == "quick":
        cap, share, timed = (90_000, 1.0, 20) if fast_device else (40_000, 0.5, 8)
        return EffortPlan("quick", cap, 125, 400, min(2, passages), timed, False, share)
    if effort == "normal":
        cap, share = (250_000, 1.0) if fast_device else (54_000, 0.5)
        return EffortPlan("normal", cap, 300, 1_024, passages, 60, True, share)
    return EffortPlan("thorough", None, None, 2_048, passages, 100, True, 1.0)
