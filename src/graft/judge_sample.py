"""Answers for people to label: which are drawn from a comparison, and their labels read back.

It asks nobody. Who labels sees question, reference and answer, never the arm's name, so that
nobody labels a name.
"""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from graft.decide.sheet import read_sheet, score_of, simplicity
from graft.errors import QuestionFileError
from graft.judge import ToJudge, Verdict
from graft.metrics import expects_answer
from graft.runs import Comparand
from graft.types import Question, Record, fingerprint

__all__ = ["Answers", "Drawn", "Label", "answers_of", "draw", "read_labels"]

LABELS: Mapping[str, bool] = {"right": True, "wrong": False}
HALF = 0.5  # a graded mechanical score from here on counts as right
PROBLEMS_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Answers:
    """The answers of a comparison that can be judged, by arm and question id.

    Answerable questions only, and no controls; `failed` counts records with an error by arm.
    """

    comparison: str
    questions: Mapping[str, Question]
    by_arm: Mapping[str, Mapping[str, Record]]
    failed: Mapping[str, int]

    @property
    def whole(self) -> list[str]:
        """Return the questions that every arm has an answer to."""
        own = self.by_arm.values()
        return [name for name in self.questions if own and all(name in item for item in own)]

    @property
    def items(self) -> list[ToJudge]:
        """Return every answer, question after question."""
        return [
            self.item(arm, name)
            for name in self.questions
            for arm, own in self.by_arm.items()
            if name in own
        ]

    def item(self, arm: str, question_id: str) -> ToJudge:
        """Return one answer as the judge is asked about it."""
        record = self.by_arm[arm][question_id]
        return ToJudge(arm, self.questions[question_id], record.answer)

    def label_id(self, arm: str, question_id: str) -> str:
        """Name an answer without telling whose it is."""
        return fingerprint(self.comparison, arm, question_id)


class Drawn(NamedTuple):
    """The rows to label, the questions drawn from each stratum, and how right was told."""

    rows: list[dict[str, Any]]
    strata: dict[str, int]
    told_by: Literal["judge", "mechanical"]


class Label(NamedTuple):
    """What a person said of an answer, and how many such answers it stands for."""

    right: bool
    weight: float


def answers_of(comparand: Comparand) -> Answers:
    """Return what can be judged of a comparison."""
    questions = {
        item.id: item for item in comparand.questions if expects_answer(item) and item.answers
    }
    arms = sorted(read_sheet(comparand).candidates, key=lambda arm: simplicity(arm.name))
    own = {
        arm.name: {
            name: record
            for name, record in arm.records.items()
            if name in questions and not record.error
        }
        for arm in arms
    }
    failed = {
        arm.name: sum(bool(arm.records[name].error) for name in questions if name in arm.records)
        for arm in arms
    }
    name = fingerprint([arm.manifest.run_id for arm in arms], list(questions))
    return Answers(name, questions, own, failed)


def draw(answers: Answers, verdicts: Mapping[str, Verdict], count: int, seed: int) -> Drawn:
    """Draw questions, and of each the answers of all arms, at least `count` where there are.

    Questions that no arm, some arms and all arms got right are drawn in the same number, as
    far as there are, so that right and wrong answers come out about even. A row's `weight` is
    how many questions of its stratum it stands for.
    """
    strata, told_by = _strata(answers, verdicts)
    wanted = -(-count // max(1, len(answers.by_arm)))
    drawn = _evenly(strata, max(wanted, len(strata)), random.Random(seed))
    rows = [
        {
            "id": answers.label_id(arm, name),
            "question": answers.questions[name].question,
            "answers": answers.questions[name].answers,
            "answer": answers.by_arm[arm][name].answer,
            "weight": round(len(pool) / len(drawn[stratum]), 6),
            "label": "",
        }
        for stratum, pool in strata.items()
        for name in drawn[stratum]
        for arm in answers.by_arm
    ]
    rows.sort(key=lambda row: str(row["id"]))
    return Drawn(rows, {stratum: len(names) for stratum, names in drawn.items()}, told_by)


def _strata(
    answers: Answers, verdicts: Mapping[str, Verdict]
) -> tuple[dict[str, list[str]], Literal["judge", "mechanical"]]:
    """Sort questions by how many arms got them right: by the judge where it has judged all."""
    whole = answers.whole
    keys = {(arm, name): answers.item(arm, name).key for name in whole for arm in answers.by_arm}
    by_judge = all(key in verdicts and not verdicts[key].error for key in keys.values())
    strata: dict[str, list[str]] = defaultdict(list)
    for name in sorted(whole):
        rights = [
            bool(verdicts[keys[arm, name]].right)
            if by_judge
            else (score_of(own[name], "primary") or 0.0) >= HALF
            for arm, own in answers.by_arm.items()
        ]
        strata["all" if all(rights) else "some" if any(rights) else "none"].append(name)
    return dict(strata), "judge" if by_judge else "mechanical"


def _evenly(
    strata: Mapping[str, Sequence[str]], wanted: int, chosen: random.Random
) -> dict[str, list[str]]:
    """Draw one from every stratum in turn, until there are enough or no more."""
    pools = {name: chosen.sample(list(pool), len(pool)) for name, pool in strata.items()}
    drawn: dict[str, list[str]] = {name: [] for name in strata}
    for _ in range(min(wanted, sum(map(len, pools.values())))):
        name = min((one for one in pools if pools[one]), key=lambda one: len(drawn[one]))
        drawn[name].append(pools[name].pop())
    return drawn


def read_labels(path: Path, answers: Answers) -> dict[tuple[str, str], Label]:
    """Return the labels by arm and question id; lines without a label are passed over.

    Raises:
        QuestionFileError: a line cannot be used, or none has a label; every such line counts.
    """
    places = {
        answers.label_id(arm, name): (arm, name)
        for arm, own in answers.by_arm.items()
        for name in own
    }
    found: dict[tuple[str, str], Label] = {}
    problems = []
    for number, line in _lines(path):
        try:
            row = json.loads(line)
            label, weight = str(row["label"]).strip().lower(), float(row["weight"])
            place = places.get(row["id"])
        except (ValueError, TypeError, KeyError) as error:
            problems.append(f"line {number}: {type(error).__name__}: {error}")
            continue
        if not label:
            continue
        if label not in LABELS:
            problems.append(f"line {number}: the label must be right, wrong or empty")
        elif not 0 < weight < float("inf"):
            problems.append(f"line {number}: the weight must be a number above 0")
        elif place is None:
            problems.append(f"line {number}: its answer is not of the newest comparison")
        else:
            found[place] = Label(LABELS[label], weight)
    if problems or not found:
        more = f" and {len(problems) - PROBLEMS_SHOWN} more"
        raise QuestionFileError(
            "the labels cannot be used",
            where=str(path),
            why="; ".join(problems[:PROBLEMS_SHOWN]) + more * (len(problems) > PROBLEMS_SHOWN)
            or "no line has a label",
            next_step='write right or wrong as "label" in each line, or draw anew with '
            "graft judge sample",
        )
    return found


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the lines that are not blank with their numbers."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise QuestionFileError(
            "the labels cannot be read",
            where=str(path),
            why=str(error),
            next_step="graft judge sample FILE.jsonl",
        ) from error
    yield from ((at, line) for at, line in enumerate(text.split("\n"), 1) if line.strip())
