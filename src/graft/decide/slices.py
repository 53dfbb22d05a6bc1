"""Scores by slice: kind of answer, exposure, number of gold documents, tag; and by leakage.

A score is the mean primary score over the questions of the slice, each weighing the same.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from graft.decide.measures import ScoreCell, cell_of, mean_cell
from graft.decide.sheet import ArmSheet, Sheet
from graft.metrics import expects_answer
from graft.runs import Comparand
from graft.stats import ALPHA, mean_interval
from graft.types import Question

__all__ = ["MOST_TAGS", "LeakageScores", "Slice", "leakage_of", "slices_of"]

MOST_TAGS = 40  # the others share a slice
COUNTS = ("none", "one", "two")
MORE = "three or more"
DIMENSIONS = ("kind", "exposure", "documents", "tag")


@dataclass(frozen=True, slots=True)
class Slice:
    """The `n` questions of a slice (`kind:short`, `tag:hr`) and each arm's score on them."""

    name: str
    n: int
    scores: Mapping[str, ScoreCell]


@dataclass(frozen=True, slots=True)
class LeakageScores:
    """Each arm's headline with and without the test questions that training has a like of.

    `removed` counts training questions taken out because they stand in the test split.
    """

    removed: int
    similar: int
    with_similar: Mapping[str, ScoreCell]
    without_similar: Mapping[str, ScoreCell]


def slices_of(comparand: Comparand, sheet: Sheet) -> list[Slice]:
    """Return every slice that has a question, dimension by dimension, the largest first."""
    members: dict[tuple[str, str], list[str]] = defaultdict(list)
    tags = _tag_names(sheet.questions.values())
    for name, item in sheet.questions.items():
        for key in _slices(item, comparand.exposure.get(name, ""), tags):
            members[key].append(name)

    def order(key: tuple[str, str]) -> tuple[int, int, str]:
        return DIMENSIONS.index(key[0]), -len(members[key]), key[1]

    return [
        Slice(
            ":".join(key),
            len(members[key]),
            {
                arm.name: mean_cell(sheet, arm.primary, members[key], comparand.seed)
                for arm in sheet.arms.values()
            },
        )
        for key in sorted(members, key=order)
    ]


def _slices(item: Question, exposure: str, tags: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the slices of a question; what has no answer has no kind of answer either."""
    found = [("exposure", exposure)] if exposure else []
    if expects_answer(item):
        count = len(set(item.doc_ids))
        found.append(("kind", item.kind))
        found.append(("documents", COUNTS[count] if count < len(COUNTS) else MORE))
    return found + [("tag", name) for name in dict.fromkeys(tags[tag] for tag in item.tags)]


def _tag_names(questions: Iterable[Question]) -> dict[str, str]:
    """Return the slice of each tag: its own for the most frequent ones."""
    counts = Counter(tag for item in questions for tag in dict.fromkeys(item.tags))
    ranked = sorted(counts, key=lambda tag: (-counts[tag], tag))
    rest = ranked[MOST_TAGS:] if len(ranked) > MOST_TAGS + 1 else []
    return {tag: tag for tag in ranked} | dict.fromkeys(rest, f"{len(rest)} rare tags together")


def leakage_of(
    comparand: Comparand, sheet: Sheet, headlines: Mapping[str, ScoreCell]
) -> LeakageScores | None:
    """Return the headlines with and without similar questions, None without a report of them."""
    if not comparand.leakage:
        return None
    similar = set(comparand.leakage.get("similar", ())) & set(sheet.questions)
    return LeakageScores(
        removed=len(comparand.leakage.get("removed", ())),
        similar=len(similar),
        with_similar=headlines,
        without_similar={
            name: _without(sheet, arm, similar, comparand.seed) if similar else headlines[name]
            for name, arm in sheet.arms.items()
            if name in headlines
        },
    )


def _halves(sheet: Sheet, ids: Sequence[str]) -> set[bool]:
    return {expects_answer(sheet.questions[name]) for name in ids}


def _without(sheet: Sheet, arm: ArmSheet, similar: set[str], seed: int) -> ScoreCell:
    everything = sheet.common((arm.name,))
    ids = [name for name in everything if name not in similar]
    # without one of its two halves it would be another measure than the headline beside it
    if not ids or _halves(sheet, ids) != _halves(sheet, everything):
        return ScoreCell()
    scores = [arm.primary[name] for name in ids]
    return cell_of(mean_interval(scores, sheet.design(ids), ALPHA, seed))
