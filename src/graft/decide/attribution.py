"""Found against right: whether retrieval or reading is to blame (measuring.md 2.4)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from graft.decide.measures import Outcome, outcome_of
from graft.decide.sheet import ArmSheet, Sheet, score_of

__all__ = ["Attribution", "attribution_of", "was_found"]


@dataclass(frozen=True, slots=True)
class Attribution:
    """Answerable questions that name gold documents, by what was found and what came of it.

    `retrieved`: the measure `retrieval_hit` is 1, so a gold document reached the prompt.
    Wrong though retrieved is a failure of reading, missed and wrong one of retrieval, missed
    and right knowledge of the model's own. Failed questions are in no count.
    """

    retrieved_right: int
    retrieved_wrong: int
    retrieved_declined: int
    missed_right: int
    missed_wrong: int
    missed_declined: int


def was_found(arm: ArmSheet, name: str) -> bool | None:
    """Tell whether a gold document reached the prompt; None where retrieval does not apply."""
    record = arm.records.get(name)
    hit = score_of(record, "retrieval_hit") if record else None
    return None if hit is None else hit > 0


def attribution_of(sheet: Sheet, arm: ArmSheet) -> Attribution | None:
    """Count an arm's questions, None where it retrieves nothing or no document is named."""
    counts: Counter[tuple[bool, Outcome | None]] = Counter()
    for name in sheet.ids(answerable=True):
        found = was_found(arm, name)
        if found is not None:
            counts[found, outcome_of(arm, name)] += 1
    if not counts:
        return None
    return Attribution(
        retrieved_right=counts[True, "right"],
        retrieved_wrong=counts[True, "wrong"],
        retrieved_declined=counts[True, "declined"],
        missed_right=counts[False, "right"],
        missed_wrong=counts[False, "wrong"],
        missed_declined=counts[False, "declined"],
    )
