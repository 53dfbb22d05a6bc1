"""How much of what an adapter learned has changed since, and how often it should be retrained.

An adapter repeats what its documents said on the day of its training. A receipt holds the hash
of each, so that "which have changed?" is a look at the catalogue and calls no model.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graft.errors import BadInput
from graft.types import Question

__all__ = [
    "Advice",
    "Change",
    "Staleness",
    "advise",
    "changed_pairs",
    "read_changes",
    "staleness_of",
]

SECONDS_A_MONTH = 30.44 * 86_400


@dataclass(frozen=True, slots=True)
class Staleness:
    """The documents an adapter was trained on that are no longer what they were."""

    trained: int
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    months: float = 0.0  # since the training

    @property
    def share(self) -> float:
        """Return the share of trained-on documents that changed or went."""
        return (len(self.changed) + len(self.removed)) / self.trained if self.trained else 0.0


@dataclass(frozen=True, slots=True)
class Change:
    """One changed fact: a question with what was right at training and what is right now.

    An empty `new` means that nothing answers it any more: the adapter should decline.
    """

    question: str
    old: tuple[str, ...]
    new: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Advice:
    """When to retrain; money in the unit that was given, times in months.

    `stale_share` is the share of questions that meet a changed fact now.
    """

    changes_a_month: float
    stale_share: float
    retrain_every: float | None
    cost_a_month: float | None
    due: bool
    sentence: str


def staleness_of(
    receipt: Mapping[str, Any], hashes: Mapping[str, str], now: float | None = None
) -> Staleness:
    """Compare a receipt with the content hashes of today's documents by id."""
    trained: Mapping[str, str] = receipt.get("documents", {})
    seconds = (time.time() if now is None else now) - receipt.get("created", 0.0)
    return Staleness(
        len(trained),
        tuple(sorted(doc for doc in trained if hashes.get(doc, trained[doc]) != trained[doc])),
        tuple(sorted(trained.keys() - hashes.keys())),
        max(0.0, seconds / SECONDS_A_MONTH) if receipt.get("created") else 0.0,
    )


def changed_pairs(receipt: Mapping[str, Any], questions: Sequence[Question]) -> list[Change]:
    """Return the pairs whose answer today is another than the one that was taught."""
    taught: Mapping[str, str] = receipt.get("pairs", {})
    found = []
    for item in questions:
        old = taught.get(item.id)
        if old is not None and item.split == "train" and old not in item.answers:
            found.append(Change(item.question, (old,), item.answers))
    return found


def read_changes(path: Path) -> list[Change]:
    """Read a file of changed facts, a JSON object a line.

    A line has `question` (or `questions`), `old` and `new`, each a text or a list of texts;
    `old_answers` and `new_answers` may give more wordings. An empty `new` means: to be declined.

    Raises:
        BadInput: the file or a line cannot be used; all lines that cannot are named.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise _unusable(path, " ".join(str(error).split())) from error
    problems: list[str] = []
    changes: list[Change] = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            changes += _changes_of(number, line, problems)
    if problems or not changes:
        more = f" and {len(problems) - 5} more" if len(problems) > 5 else ""
        raise _unusable(path, "; ".join(problems[:5]) + more or "it has no line")
    return changes


def _changes_of(number: int, line: str, problems: list[str]) -> Iterator[Change]:
    try:
        data = json.loads(line)
    except (ValueError, RecursionError):
        problems.append(f"line {number} is no JSON")
        return
    if not isinstance(data, dict):
        problems.append(f"line {number} is no object")
        return
    asked = _texts(data.get("questions", data.get("question")))
    old = _texts(data.get("old")) + _texts(data.get("old_answers"))
    new = _texts(data.get("new")) + _texts(data.get("new_answers"))
    if not asked:
        problems.append(f"line {number} has no question")
    if not old:
        problems.append(f"line {number} has no old")
    for question in asked if old else ():
        yield Change(question, tuple(dict.fromkeys(old)), tuple(dict.fromkeys(new)))


def _texts(value: object) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [item.strip() for item in values if isinstance(item, str) and item.strip()]


def _unusable(path: Path, why: str) -> BadInput:
    return BadInput(
        "the file of changes cannot be used",
        where=str(path),
        why=why,
        next_step='give it lines like {"question": "…", "old": "…", "new": "…"}',
    )


def advise(
    stale: Staleness,
    *,
    questions_a_month: float = 0.0,
    error_cost: float = 0.0,
    train_cost: float = 0.0,
) -> Advice:
    """Say when to retrain, by weighing the cost of training against that of stale answers.

    With changes a month lam, share of questions that one change touches phi (here: one of the
    trained documents), questions a month Q, cost of a wrong answer c and cost of a training u,
    the mean stale share over a cycle of tau months is 1 - (1 - exp(-x)) / x with
    x = phi lam tau, and the cost a month u / tau + Q c times that share is least near
    tau = sqrt(2 u / (Q phi lam c)). The exact minimum is found numerically.
    """
    gone = len(stale.changed) + len(stale.removed)
    months = max(stale.months, 1 / 30)
    rate = gone / months
    if not gone:
        return Advice(0.0, 0.0, None, None, False, "Nothing it was trained on has changed.")
    touched = (
        f"{gone} of {stale.trained} documents it was trained on have changed ({stale.share:.0%})"
    )
    if not (questions_a_month and error_cost and train_cost):
        return Advice(
            rate,
            stale.share,
            None,
            None,
            False,
            f"{touched}. When that pays for a training is a matter of money: give "
            "--questions-per-month, --error-cost and --train-cost.",
        )
    speed = rate / stale.trained
    every, cost = _cheapest_cycle(speed, questions_a_month * error_cost, train_cost)
    due = stale.months >= every or stale.share >= -math.expm1(-speed * every)
    when = "Retrain now" if due else f"Retrain in {every - stale.months:.1f} months"
    cycle = (
        f"a training every {every:.1f} months costs least ({cost:,.2f} a month with stale answers)"
    )
    if math.isinf(every):
        when, cycle = "Do not retrain", "stale answers cost less than any cycle of training"
        due = False
    sentence = f"{when}: {touched}, {rate:.1f} a month, and {cycle}."
    return Advice(rate, stale.share, every, cost, due, sentence)


def _cheapest_cycle(speed: float, loss: float, train_cost: float) -> tuple[float, float]:
    """Return the cycle in months of least cost a month, and that cost.

    `speed` is the share of questions that turn stale a month, `loss` what answering all
    questions of a month wrongly would cost. Past `loss` of stale answers for ever, no cycle pays.
    """
    from scipy.optimize import minimize_scalar

    def cost(log_months: float) -> float:
        months = math.exp(log_months)
        x = speed * months
        stale = 1 + math.expm1(-x) / x if x > 1e-8 else x / 2
        return train_cost / months + loss * stale

    guess = math.log(math.sqrt(2 * train_cost / (loss * speed)))
    found = minimize_scalar(cost, bounds=(guess - 3, guess + 6), method="bounded")
    if float(found.fun) >= loss:
        return math.inf, loss
    return math.exp(float(found.x)), float(found.fun)
