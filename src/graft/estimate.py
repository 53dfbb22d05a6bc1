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
from graft.probes import distractors, forgetting
from graft.probing import MODEL_ARMS
from graft.question_power import power_line
from graft.train.halving import PILOT_COST
from graft.training import SEEDS

__all__ = ["ComparePlan", "estimate"]

TRAIN_RATE = {False: 140.0, True: 400.0}
READ_RATE = {False: 400.0, True: 1_200.0}
# Not measured alone yet: the four rates of new tokens, and the seconds of probes and cold start.
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

    `shows` says in a line what difference these questions can show. `done` tells that all is
    measured already, so that there is no step.
    """

    steps: tuple[tuple[str, float], ...]
    seconds: float
    settings: Mapping[str, Any]
    shows: str = ""
    done: bool = False


Steps = list[tuple[str, float]]


def estimate(comparing: Comparing) -> ComparePlan:
    """Forecast a comparison; adapters, runs and probes on disk already cost nothing."""
    training, plan = comparing.training, comparing.plan
    test = training.questions.by_split("test")
    asked = min(len(test), comparing.limit or plan.test_questions or len(test))
    arms = [name for name in comparing.wanted if not comparing.not_applicable(name)]
    left = comparing.pending()
    models = [name for name in left["ask"] if name in MODEL_ARMS]
    timed = min(plan.latency_questions, asked)
    new_tokens = comparing.answer_tokens()
    done = not any(left.values())
    # A run is named after the examples, so where one is whole they have been chosen.
    steps = _pilot(comparing) if left["ask"] == arms else []
    steps += _training(comparing, new_tokens.mean)
    if models:
        steps += _asking(models, asked, timed, max(0.0, new_tokens.expected - SHORT_ANSWER))
    steps += _probing(comparing, left, new_tokens.expected)
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
    return ComparePlan(tuple(steps), sum(value for _, value in steps), settings, shows, done)


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
        tokens *= SEEDS[comparing.plan.effort] + (PILOT_COST if training.pilots else 0.0)
        text = f"train {name} (at most {budget:,} tokens)"
        steps.append((text, tokens * share / TRAIN_RATE[is_fast()] + LOOK_SECONDS))
    return steps


def _asking(models: Sequence[str], asked: int, timed: int, longer: float) -> Steps:
    """Return the steps of timing and asking; `longer` is what answers exceed a short one by."""
    fast = is_fast()
    loads = LOAD_SECONDS * len({TUNED.get(name, name) for name in models})
    steps: Steps = [(f"load {_counted(len(models), 'arm')}", loads)]
    scale = 0.33 if fast else 1.0
    each = {
        name: SECONDS_PER_TIMED[name in RETRIEVING] * scale + longer / SINGLE_RATE[fast]
        for name in models
    }
    steps.append(
        (f"time {_counted(timed, 'question')} an arm, one by one", timed * sum(each.values()))
    )
    for name in models:
        reading = PROMPT_TOKENS[name in RETRIEVING] / READ_RATE[fast]
        seconds = asked * (reading + longer / BATCH_RATE[fast])
        steps.append((f"ask {name} {_counted(asked, 'question')}", seconds))
    return steps


def _probing(comparing: Comparing, left: Mapping[str, Sequence[str]], answer: float) -> Steps:
    """Return the steps of the probes; `answer` is the expected answer in tokens."""
    fast, plan = is_fast(), comparing.plan
    steps: Steps = []
    if left["general"]:
        count = forgetting.QUESTIONS[plan.effort]
        tuned = len(left["general"])
        seconds = tuned * (count * GENERAL_TOKENS / READ_RATE[fast] + GENERAL_SECONDS)
        steps.append(
            (f"ask {_counted(tuned, 'model')} {_counted(count, 'general question')}", seconds)
        )
    if reading := left["distractors"]:
        count = distractors.QUESTIONS[plan.effort]
        passage = comparing.assembly.config.retrieval.passage_tokens
        shown = [number + 1 for number in distractors.COUNTS] + [plan.passages]
        prompts = [PROMPT_TOKENS[False] + number * passage for number in shown]
        fitting = [tokens for tokens in prompts if tokens <= plan.prompt_tokens]
        longer = max(0.0, answer - SHORT_ANSWER) / BATCH_RATE[fast]
        seconds = sum(tokens / READ_RATE[fast] + longer for tokens in fitting)
        arms = _counted(len(reading), "arm")
        text = f"put {_counted(count, 'question')} among distractors to {arms}"
        steps.append((text, len(reading) * count * seconds))
    if models := left["cold"]:
        text = f"start {_counted(len(models), 'arm')} in a new process each"
        steps.append((text, len(models) * (COLD_SECONDS + answer / SINGLE_RATE[fast])))
    return steps


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' * (count != 1)}"
