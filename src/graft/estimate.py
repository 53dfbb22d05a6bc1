"""How long a comparison will take, said before it starts. A forecast, not a promise.

Tokens a second with the embedded model: for two cores without bf16 in hardware measured
(docs/log.md), with it scaled from matrix speed and not yet measured. On a GPU the forecast errs
on the long side.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graft.arms import RETRIEVING, TUNED
from graft.comparing import Comparing
from graft.models.device import is_fast
from graft.pilot import ANSWERABLE, ORDERS, UNANSWERABLE
from graft.probes import coldstart, distractors, forgetting
from graft.probing import MODEL_ARMS
from graft.question_power import power_line

__all__ = ["ComparePlan", "estimate"]

TRAIN_RATE = {False: 140.0, True: 400.0}
READ_RATE = {False: 400.0, True: 1_200.0}
# New tokens a second beyond those of a short answer, which READ_RATE was measured with.
BATCH_RATE = {False: 25.0, True: 75.0}
SINGLE_RATE = {False: 30.0, True: 90.0}
SHORT_ANSWER = 8
PROMPT_TOKENS = {True: 190, False: 60}  # computed per question: with passages, without
ROW_TOKENS = {"finetuned": 24, "hybrid": 154}  # of a training row beside its answer
WORDINGS = 6  # passes over closed-book rows
LOAD_SECONDS = 17.0
LOOK_SECONDS = 20.0  # at the dev rows, and importing torch
SECONDS_PER_TIMED = {True: 0.9, False: 0.3}
GENERAL_TOKENS = 50  # computed per general question: its own part of the prompt, the answer
GENERAL_SECONDS = 4.0  # a model, to load its weights and read the general text
COLD_SECONDS = 12.0


@dataclass(frozen=True, slots=True)
class ComparePlan:
    """What will be done: (text, seconds) in order, the sum, and every derived value.

    `shows` says in a line what difference these questions can show.
    """

    steps: tuple[tuple[str, float], ...]
    seconds: float
    settings: Mapping[str, Any]
    shows: str = ""


Steps = list[tuple[str, float]]


def estimate(comparing: Comparing) -> ComparePlan:
    """Forecast a comparison; an adapter on disk already costs nothing."""
    training, plan = comparing.training, comparing.plan
    test = training.questions.by_split("test")
    asked = min(len(test), comparing.limit or plan.test_questions or len(test))
    arms = [name for name in comparing.wanted if not comparing.not_applicable(name)]
    models = [name for name in arms if name in MODEL_ARMS]
    timed = min(plan.latency_questions, asked)
    new_tokens = comparing.answer_tokens()
    steps = _pilot(comparing) + _training(comparing, new_tokens.mean)
    steps += _asking(models, asked, timed, max(0.0, new_tokens.expected - SHORT_ANSWER))
    steps += _probing(comparing, models, new_tokens.expected)
    settings = {
        "effort": plan.effort,
        "train_tokens": plan.train_tokens,
        "test_questions": asked,
        "prompt_tokens": plan.prompt_tokens,
        "new_tokens": new_tokens.limit,
        "passages": plan.passages,
        "latency_questions": timed,
        "documents_kept_out": len(training.kept_out),
        "arms": arms,
    }
    shows = power_line(training.questions, asked)
    return ComparePlan(tuple(steps), sum(value for _, value in steps), settings, shows)


def _pilot(comparing: Comparing) -> Steps:
    """Return the step of choosing the examples of the untuned arms."""
    if not comparing.plan.pilot:
        return []
    asked = min(ANSWERABLE + UNANSWERABLE, len(comparing.training.questions.by_split("dev")))
    tokens = PROMPT_TOKENS[True] + PROMPT_TOKENS[False]
    return [("choose examples on dev", asked * ORDERS * tokens / READ_RATE[is_fast()])]


def _training(comparing: Comparing, answer: float) -> Steps:
    """Return the steps of adapters that are missing; `answer` is the mean answer in tokens."""
    training = comparing.training
    rows = len(training.questions.by_split("train"))
    share = (1 + comparing.plan.adapted_share) / 2
    steps: Steps = []
    for name in comparing.adapters:
        if training.is_built(name):
            continue
        budget = training.budget(name) or 500_000
        passes = WORDINGS if name == "finetuned" else 1
        tokens = min(budget, rows * passes * (ROW_TOKENS[name] + answer))
        text = f"train {name} (at most {budget:,} tokens)"
        steps.append((text, tokens * share / TRAIN_RATE[is_fast()] + LOOK_SECONDS))
    return steps


def _asking(models: Sequence[str], asked: int, timed: int, longer: float) -> Steps:
    """Return the steps of timing and asking; `longer` is what answers exceed a short one by."""
    fast = is_fast()
    loads = LOAD_SECONDS * len({TUNED.get(name, name) for name in models})
    steps: Steps = [(f"load {len(models)} arms", loads)]
    scale = 0.33 if fast else 1.0
    each = {
        name: SECONDS_PER_TIMED[name in RETRIEVING] * scale + longer / SINGLE_RATE[fast]
        for name in models
    }
    steps.append((f"time {timed} questions an arm, one by one", timed * sum(each.values())))
    for name in models:
        reading = PROMPT_TOKENS[name in RETRIEVING] / READ_RATE[fast]
        seconds = asked * (reading + longer / BATCH_RATE[fast])
        steps.append((f"ask {name} {asked} questions", seconds))
    return steps


def _probing(comparing: Comparing, models: Sequence[str], answer: float) -> Steps:
    """Return the steps of the probes; `answer` is the expected answer in tokens."""
    fast, plan = is_fast(), comparing.plan
    steps: Steps = []
    if comparing.adapters and not comparing.assembly.api_only:
        count = forgetting.QUESTIONS[plan.effort]
        tuned = len(comparing.adapters) + 1
        seconds = tuned * (count * GENERAL_TOKENS / READ_RATE[fast] + GENERAL_SECONDS)
        steps.append((f"ask {tuned} models {count} general questions", seconds))
    reading = [name for name in models if name in RETRIEVING]
    if reading and (count := distractors.QUESTIONS[plan.effort]):
        passage = comparing.assembly.config.retrieval.passage_tokens
        shown = [number + 1 for number in distractors.COUNTS] + [plan.passages]
        prompts = [PROMPT_TOKENS[False] + number * passage for number in shown]
        fitting = [tokens for tokens in prompts if tokens <= plan.prompt_tokens]
        longer = max(0.0, answer - SHORT_ANSWER) / BATCH_RATE[fast]
        seconds = sum(tokens / READ_RATE[fast] + longer for tokens in fitting)
        text = f"put {count} questions among distractors to {len(reading)} arms"
        steps.append((text, len(reading) * count * seconds))
    if plan.effort in coldstart.EFFORTS and comparing.assembly.engine != "fake":
        text = f"start {len(models)} arms in a process of their own"
        steps.append((text, len(models) * (COLD_SECONDS + answer / SINGLE_RATE[fast])))
    return steps
