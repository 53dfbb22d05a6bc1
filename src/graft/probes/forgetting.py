"""Forgetting: what a tuned model no longer knows of what its base knew (measuring.md 2.9).

Base and tuned model are asked the same general questions, closed-book and without examples,
through the export with which the arms are measured. The difference is paired by question and
held against a margin as non-inferiority.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from graft.arms import GeneratorArm
from graft.evaluate import ask_all
from graft.probes.general import general_questions
from graft.prompts import PromptContract
from graft.protocols import Generator, Progress
from graft.runs import answered, read_records
from graft.stats import Design, State, non_inferiority
from graft.types import GenerateOptions, Question, Record, fingerprint

__all__ = [
    "MARGIN",
    "QUESTIONS",
    "Forgetting",
    "ask_general",
    "forgetting_of",
    "general_key",
    "is_asked",
]

MARGIN = 0.10
ALL = 64
QUESTIONS = {"quick": 40, "normal": ALL, "thorough": ALL}  # asked of each model
# Every answer is a few words; a chatty one has said it by then or never will.
NEW_TOKENS = 16
OPTIONS = GenerateOptions(max_new_tokens=NEW_TOKENS)
PROBE_VERSION = 1


@dataclass(frozen=True, slots=True)
class Forgetting:
    """Shares of general questions answered rightly by base and tuned model, and what they say.

    `difference` is tuned minus base, `bound` its one-sided 95 % lower bound. `loss_base` and
    `loss_tuned` are mean nats a token on the general text, None where not measured.
    """

    base: float
    tuned: float
    difference: float
    bound: float
    n: int
    margin: float
    state: State
    loss_base: float | None = None
    loss_tuned: float | None = None


def general_key(contract: PromptContract, *model: object) -> str:
    """Name what a model's general answers depend on; `model` names weights, engine, adapter."""
    everything = [(item.id, item.question, item.answers) for item in general_questions()]
    texts = (contract.system, contract.decline)
    return fingerprint(PROBE_VERSION, texts, everything, OPTIONS.max_new_tokens, *model)


def ask_general(
    name: str,
    generator: Generator,
    contract: PromptContract,
    questions: Sequence[Question],
    folder: Path,
    on_progress: Progress | None = None,
) -> int:
    """Ask a model the general questions that have no record in `folder`; return how many."""
    plain = replace(contract, examples=())
    arm = GeneratorArm(name, generator, plain, OPTIONS)

    def tell(phase: str, done: int, total: int, note: str = "") -> None:
        if on_progress is not None:
            on_progress(f"{phase} general questions", done, total, note)

    return ask_all(arm, questions, folder, tell)


def is_asked(questions: Sequence[Question], folder: Path) -> bool:
    """Tell whether every question has its answer in a folder."""
    have = answered(folder / "records.jsonl")
    return all(item.id in have for item in questions)


def forgetting_of(
    base: Path,
    tuned: Path,
    questions: Sequence[Question],
    margin: float = MARGIN,
    losses: tuple[float | None, float | None] = (None, None),
) -> Forgetting:
    """Compare the records of two folders; a failed record counts as a wrong answer.

    Non-inferiority (measuring.md 3.2, guardrails): it passes where the lower bound is within
    the margin, fails where the upper one is beyond it, and is not shown between the two.
    """
    ids = [item.id for item in questions]
    before, after = _scores(base, ids), _scores(tuned, ids)
    lost = [new - old for new, old in zip(after, before, strict=True)]
    found = non_inferiority(lost, Design(tuple(ids)), margin)
    return Forgetting(
        base=sum(before) / len(ids),
        tuned=sum(after) / len(ids),
        difference=found.difference,
        bound=found.bound,
        n=len(ids),
        margin=margin,
        state=found.state,
        loss_base=losses[0],
        loss_tuned=losses[1],
    )


def _scores(folder: Path, ids: Sequence[str]) -> list[float]:
    records = {item.question_id: item for item in read_records(folder / "records.jsonl")}
    return [_score(records[name]) for name in ids]


def _score(record: Record) -> float:
    return 0.0 if record.error else float(record.scores.get("primary") or 0.0)
