"""What forbids a recommendation (blockers) and what is printed beside it (flags).

The codes are stable and read by `report`, `serve` and CI: `name` or `name:detail`. The
procedure is measuring.md 6.3, step 1.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence

from graft.decide.sheet import GATES, ArmSheet, Sheet, score_of
from graft.runs import Comparand

__all__ = [
    "MIN_CLUSTERS",
    "MIN_COVERAGE",
    "blockers_of",
    "flags_of",
    "is_thin",
    "mean_score",
    "reason_of",
    "reasons_of",
]

MIN_COVERAGE = 0.99
MIN_CLUSTERS = 20
MIN_RETRIEVAL = 0.80
MIN_UNANSWERABLE = 20  # they weigh half of the headline; fewer leave it to a handful
MUTE = 0.95  # an arm that declines this share of what it could answer says nothing
NAMED = 3  # a reason names so many cases and counts the others

_SHARE = re.compile(r"[01]\.\d+")

_REASONS = {
    "adapter_no_effect": "the adapter of {} changes no answer",
    "clusters": f"the questions come from only {{}} groups, and {MIN_CLUSTERS} are needed",
    "coverage": f"{{}} has a score for less than {100 * MIN_COVERAGE:.0f} % of the questions",
    "different_base_model": "the arms were built on different base models",
    "different_contract": "the arms were not asked with the same prompt contract",
    "different_questions": "the arms were not asked the same questions",
    "different_weights": "the arms did not run on the same weights",
    "leakage": "training saw the test question {}",
    "no_arms": "no arm was measured",
}


def reason_of(code: str) -> str:
    """Return a blocker in plain words.

    >>> reason_of("adapter_no_effect:hybrid")
    'the adapter of hybrid changes no answer'
    """
    name, _, detail = code.partition(":")
    if name == "leakage" and _SHARE.fullmatch(detail):
        return f"{100 * float(detail):.3g} % of the test questions stood in the training questions"
    if name in _REASONS:
        return _REASONS[name].format(detail or "an arm")
    return code if " " in code else code.replace("_", " ").replace(":", ": ")


def reasons_of(codes: Iterable[str]) -> list[str]:
    """Return blockers in plain words; of many of a kind a few are named, the others counted.

    >>> reasons_of([f"leakage:q{number}" for number in range(1, 8)])[-1]
    'training saw the test question q3, and 4 more like it'
    """
    kinds: dict[str, list[str]] = defaultdict(list)
    for code in codes:
        kinds[code.partition(":")[0]].append(code)
    reasons = []
    for members in kinds.values():
        shown = members if len(members) <= NAMED + 1 else members[:NAMED]
        reasons += [reason_of(code) for code in shown]
        if more := len(members) - len(shown):
            reasons[-1] += f", and {more} more like it"
    return reasons


def blockers_of(comparand: Comparand, sheet: Sheet) -> tuple[str, ...]:
    """Return what forbids a recommendation, each once.

    A reference arm runs on weights of its own by design, and where its server failed it is
    out of the race instead of ending it; `bolt-on` gates nothing.
    """
    candidates = [arm for arm in sheet.arms.values() if arm.is_candidate]
    gates = [arm for arm in sheet.arms.values() if arm.name in GATES]
    ours = [arm.manifest for arm in candidates if not arm.is_reference]
    asked = [arm.manifest for arm in candidates]
    everyone = [arm.manifest for arm in (*candidates, *gates)]
    found = [] if candidates else ["no_arms"]
    found += [
        f"adapter_no_effect:{item.arm}" for item in ours if item.adapter_changes_answers is False
    ]
    if _differ(item.base_model for item in ours):
        found.append("different_base_model")
    if _differ(item.weights for item in ours):
        found.append("different_weights")
    if _differ(item.contract for item in asked):
        found.append("different_contract")
    if _differ(item.questions for item in everyone):
        found.append("different_questions")
    found += [
        f"coverage:{arm.name}"
        for arm in (*candidates, *gates)
        if is_thin(arm) and not arm.is_reference
    ]
    if sheet.clusters < MIN_CLUSTERS:
        found.append(f"clusters:{sheet.clusters}")
    return tuple(dict.fromkeys((*found, *comparand.blockers)))


def flags_of(comparand: Comparand, sheet: Sheet, below: Collection[str]) -> tuple[str, ...]:
    """Return what a reader must know; `below` are the arms not above the best control."""
    found = list(comparand.flags)
    recall = [
        value
        for arm in sheet.candidates
        if (value := mean_score(arm, "retrieval_recall", sheet.questions)) is not None
    ]
    if recall and min(recall) < MIN_RETRIEVAL:
        found.append(f"retrieval_recall:{min(recall):.2f}")
    found += [f"below_control:{name}" for name in below]
    found += [f"mute:{arm.name}" for arm in sheet.candidates if _is_mute(arm, sheet)]
    missing = len(sheet.ids(answerable=False))
    if 0 < missing < MIN_UNANSWERABLE:
        found.append(f"few_unanswerable:{missing}")
    if len(sheet.candidates) == 1:
        found.append("single_arm")
    if not any(name in sheet.arms for name in GATES):
        found.append("no_controls")
    corpora = [arm.manifest.corpus for arm in sheet.candidates if _reads_documents(arm)]
    if _differ(corpora):
        found.append("different_corpus")
    gating = {arm.name for arm in sheet.candidates if not arm.is_reference} | set(GATES)
    found += [
        f"coverage:{arm.name}"
        for arm in sheet.arms.values()
        if arm.name not in gating and is_thin(arm)
    ]
    return tuple(dict.fromkeys(found))


def mean_score(arm: ArmSheet, metric: str, ids: Iterable[str]) -> float | None:
    """Return the mean of a stored score over questions, or None where it applies to none."""
    values: Sequence[float] = [
        value
        for name in ids
        if name in arm.records and (value := score_of(arm.records[name], metric)) is not None
    ]
    return sum(values) / len(values) if values else None


def is_thin(arm: ArmSheet) -> bool:
    """Tell whether too many questions of an arm have no score."""
    return arm.coverage < MIN_COVERAGE


def _is_mute(arm: ArmSheet, sheet: Sheet) -> bool:
    """Tell whether an arm declines nearly everything that it could answer."""
    asked = [arm.records[name] for name in sheet.ids(answerable=True) if name in arm.records]
    declined = sum(item.declined and not item.error for item in asked)
    return bool(asked) and declined >= MUTE * len(asked)


def _reads_documents(arm: ArmSheet) -> bool:
    return arm.manifest.uses_index or bool(arm.manifest.adapter)


def _differ(values: Iterable[str]) -> bool:
    """Tell whether known values are not all the same."""
    return len({value for value in values if value}) > 1
