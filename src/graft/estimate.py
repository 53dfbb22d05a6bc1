"""How long a comparison will take, said before it starts. A forecast, not a promise.

Tokens a second with the embedded model: for two cores without bf16 in hardware measured
(docs/log.md), with it scaled from matrix speed and not yet measured. On a GPU the forecast errs
on the long side.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from graft.arms import RETRIEVING, TUNED
from graft.comparing import Comparing
from graft.models.device import is_fast

__all__ = ["ComparePlan", "estimate"]

TRAIN_RATE = {False: 140.0, True: 400.0}
READ_RATE = {False: 400.0, True: 1_200.0}
PROMPT_TOKENS = {True: 190, False: 60}  # computed per question: with passages, without
LOAD_SECONDS = 17.0
LOOK_SECONDS = 20.0  # at the dev rows, and importing torch
SECONDS_PER_TIMED = {True: 0.9, False: 0.3}


@dataclass(frozen=True, slots=True)
class ComparePlan:
    """What will be done: (text, seconds) in order, the sum, and every derived value."""

    steps: tuple[tuple[str, float], ...]
    seconds: float
    settings: Mapping[str, Any]


def estimate(comparing: Comparing) -> ComparePlan:
    """Forecast a comparison; what is on disk already costs nothing."""
    fast = is_fast()
    steps: list[tuple[str, float]] = []
    training = comparing.training
    test = training.questions.by_split("test")
    asked = min(len(test), comparing.limit or comparing.plan.test_questions or len(test))
    for name in comparing.adapters:
        if not training.is_built(name):
            budget = training.budget(name) or 500_000
            rows = len(training.questions.by_split("train"))
            tokens = min(budget, rows * (6 * 30 if name == "finetuned" else 160))
            share = (1 + comparing.plan.adapted_share) / 2
            text = f"train {name} (at most {budget:,} tokens)"
            steps.append((text, tokens * share / TRAIN_RATE[fast] + LOOK_SECONDS))
    arms = [name for name in comparing.wanted if not comparing.not_applicable(name)]
    models = [name for name in arms if name not in ("top-passage", "nearest-pair", "decline")]
    scale = 1.0 if not fast else 0.33
    timed = min(comparing.plan.latency_questions, asked)
    steps.append(
        (f"load {len(models)} arms", LOAD_SECONDS * len({TUNED.get(m, m) for m in models}))
    )
    seconds = sum(timed * SECONDS_PER_TIMED[name in RETRIEVING] * scale for name in models)
    steps.append((f"time {timed} questions an arm, one by one", seconds))
    for name in models:
        tokens = asked * PROMPT_TOKENS[name in RETRIEVING]
        steps.append((f"ask {name} {asked} questions", tokens / READ_RATE[fast]))
    plan = comparing.plan
    settings = {
        "effort": plan.effort,
        "train_tokens": plan.train_tokens,
        "test_questions": asked,
        "prompt_tokens": plan.prompt_tokens,
        "passages": plan.passages,
        "latency_questions": timed,
        "documents_kept_out": len(training.kept_out),
        "arms": arms,
    }
    return ComparePlan(tuple(steps), sum(value for _, value in steps), settings)
