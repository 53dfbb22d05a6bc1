"""The score sheet: one primary score an arm and question, with cluster and stratum.

All that follows reads this sheet, so every number counts the same records. A failed record
scores 0 and does not count as covered; a question without a record or score has no entry. A
score that is not a number from 0 to 1 is no score: what a broken measure returned must count
neither as wrong nor as right, and the missing coverage then blocks the verdict.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from graft.metrics import expects_answer
from graft.runs import ArmRun, Comparand, RunManifest
from graft.stats import Design
from graft.types import Question, Record

__all__ = ["GATES", "ArmSheet", "Sheet", "read_sheet", "score_of", "simplicity"]

# controls that a recommended arm must be above (design.md section 1)
GATES = ("top-passage", "nearest-pair", "decline")

# from simple to involved (measuring.md 3.6); a reference arm depends on others and comes last
SIMPLICITY = ("base", "whole-text", "rag", "finetuned", "hybrid")
REFERENCE = "reference"


def simplicity(arm: str) -> tuple[int, str]:
    """Return a sort key: the simplest arm first."""
    return (SIMPLICITY.index(arm) if arm in SIMPLICITY else len(SIMPLICITY), arm)


@dataclass(frozen=True, slots=True)
class ArmSheet:
    """One measured arm: its records and primary scores by question id.

    `coverage` is the share of questions that were scored without a failure.
    """

    manifest: RunManifest
    records: Mapping[str, Record]
    primary: Mapping[str, float]
    coverage: float

    @property
    def name(self) -> str:
        """The arm's name."""
        return self.manifest.arm

    @property
    def is_reference(self) -> bool:
        """Whether the arm runs on weights of its own on purpose."""
        return self.name.startswith(REFERENCE)

    @property
    def is_candidate(self) -> bool:
        """Whether the arm could be recommended."""
        known = self.name in SIMPLICITY or self.is_reference
        return known and not self.manifest.control


@dataclass(frozen=True, slots=True)
class Sheet:
    """The questions and the arms that have records, in the order given."""

    questions: Mapping[str, Question]
    arms: Mapping[str, ArmSheet]

    @property
    def candidates(self) -> tuple[ArmSheet, ...]:
        """The arms that could be recommended, the simplest first."""
        found = [arm for arm in self.arms.values() if arm.is_candidate and arm.primary]
        return tuple(sorted(found, key=lambda arm: simplicity(arm.name)))

    @property
    def clusters(self) -> int:
        """In how many clusters the questions lie."""
        return len({cluster_of(item) for item in self.questions.values()})

    def ids(self, answerable: bool) -> tuple[str, ...]:
        """Return the questions that have an answer, or those that have none."""
        return tuple(
            name for name, item in self.questions.items() if expects_answer(item) == answerable
        )

    def common(self, arms: Iterable[str]) -> tuple[str, ...]:
        """Return the questions that all these arms have a score for."""
        sheets = [self.arms[name].primary for name in arms]
        return tuple(name for name in self.questions if all(name in item for item in sheets))

    def design(self, ids: Sequence[str]) -> Design:
        """Return clusters and strata of questions for the headline.

        With unanswerable questions in the set the headline is the mean of the accuracy on
        the answerable and the recall of declining on the others (design.md, rule 7): two
        strata of equal weight, so that a question weighs 1 / (2 n) in its stratum of n.
        """
        items = [self.questions[name] for name in ids]
        strata = tuple("answerable" if expects_answer(item) else "unanswerable" for item in items)
        return Design(tuple(map(cluster_of, items)), strata)


def cluster_of(question: Question) -> str:
    """Return the statistical cluster; a question without a group stands alone."""
    return question.group or f"question {question.id}"


def score_of(record: Record, measure: str) -> float | None:
    """Return a stored score, or None where there is none that lies from 0 to 1."""
    score = record.scores.get(measure)
    if not isinstance(score, int | float) or not 0 <= score <= 1:
        return None
    return float(score)


def read_sheet(comparand: Comparand) -> Sheet:
    """Read the runs of a comparison; an arm that could not be built is left out."""
    questions = {item.id: item for item in comparand.questions}
    runs = [run for run in comparand.runs if not run.manifest.not_applicable]
    return Sheet(questions, {run.manifest.arm: _arm_sheet(run, questions) for run in runs})


def _arm_sheet(run: ArmRun, questions: Mapping[str, Question]) -> ArmSheet:
    records = {item.question_id: item for item in run.records if item.question_id in questions}
    primary = {}
    for name, record in records.items():
        score = 0.0 if record.error else score_of(record, "primary")
        if score is not None:
            primary[name] = score
    covered = sum(not records[name].error for name in primary)
    coverage = covered / len(questions) if questions else 0.0
    return ArmSheet(run.manifest, records, primary, coverage)
