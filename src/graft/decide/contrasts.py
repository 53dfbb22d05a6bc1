"""Paired contrasts between arms: the family named beforehand, and the exploratory ones.

The family is rag - base, finetuned - base, hybrid - rag and the interaction (measuring.md
3.2): its p-values are Holm's, its intervals hold together (Bonferroni). Every other contrast
is exploratory, with a plain 95 % interval and no corrected p.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import NamedTuple

from graft.decide.sheet import Sheet, simplicity
from graft.stats import (
    ALPHA,
    Difference,
    holm,
    mean_difference,
    paired_difference,
    simultaneous_alpha,
)

__all__ = ["Contrast", "Contrasts", "contrasts_of", "difference_between"]

FAMILY = (("rag", "base"), ("finetuned", "base"), ("hybrid", "rag"))
BOLT_ON = "bolt-on"


@dataclass(frozen=True, slots=True)
class Contrast:
    """How much higher `a` scores than `b` on the headline, paired over `n` questions.

    None stands for "not measured". `won`, `lost` and `tied` count questions.
    """

    a: str
    b: str
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    p_holm: float | None = None
    n: int = 0
    clusters: int = 0
    won: int = 0
    lost: int = 0
    tied: int = 0
    family: bool = False
    exploratory: bool = True


class Contrasts(NamedTuple):
    """All pairs, and whether the gains of tuning and retrieval add."""

    pairs: tuple[Contrast, ...]
    interaction: Contrast


def difference_between(
    sheet: Sheet, a: str, b: str, alpha: float = ALPHA, seed: int = 7
) -> Difference | None:
    """Return the paired headline difference a - b, or None without a common question."""
    ids = sheet.common((a, b))
    if not ids:
        return None
    left, right = sheet.arms[a].primary, sheet.arms[b].primary
    return paired_difference(
        [left[name] for name in ids], [right[name] for name in ids], sheet.design(ids), alpha, seed
    )


def contrasts_of(sheet: Sheet, seed: int) -> Contrasts:
    """Return every contrast that the measured arms allow."""
    have = [pair for pair in FAMILY if all(_is_measured(sheet, name) for name in pair)]
    interacts = _interaction(sheet, ALPHA, seed) is not None
    alpha = simultaneous_alpha(len(have) + interacts)
    family = [_contrast(a, b, difference_between(sheet, a, b, alpha, seed)) for a, b in have]
    both = _contrast("hybrid-rag", "finetuned-base", _interaction(sheet, alpha, seed))
    corrected = _with_holm([*family, both] if interacts else family)
    if interacts:
        *corrected, both = corrected
    others = [
        _contrast(a, b, difference_between(sheet, a, b, ALPHA, seed))
        for a, b in _exploratory(sheet)
        if (a, b) not in FAMILY
    ]
    return Contrasts((*corrected, *others), both)


def _is_measured(sheet: Sheet, arm: str) -> bool:
    return arm in sheet.arms and bool(sheet.arms[arm].primary)


def _exploratory(sheet: Sheet) -> list[tuple[str, str]]:
    """Return the pairs to look at: every two candidates, and the bolt-on against its kin."""
    names = [arm.name for arm in sheet.candidates]
    pairs = [(b, a) for a, b in combinations(sorted(names, key=simplicity), 2)]
    if _is_measured(sheet, BOLT_ON):
        kin = ("finetuned", "rag", "hybrid")
        pairs += [(BOLT_ON, name) for name in kin if _is_measured(sheet, name)]
    return pairs


def _interaction(sheet: Sheet, alpha: float, seed: int) -> Difference | None:
    """Return (hybrid - rag) - (finetuned - base) by question, or None where an arm is missing.

    Above 0: tuning helps more on top of retrieval than alone. Below 0: the gains overlap.
    """
    arms = ("hybrid", "rag", "finetuned", "base")
    if not all(_is_measured(sheet, name) for name in arms):
        return None
    ids = sheet.common(arms)
    if not ids:
        return None
    hybrid, rag, tuned, base = (sheet.arms[name].primary for name in arms)
    gains = [hybrid[name] - rag[name] - (tuned[name] - base[name]) for name in ids]
    return mean_difference(gains, sheet.design(ids), alpha, seed)


def _contrast(a: str, b: str, found: Difference | None) -> Contrast:
    if found is None:
        return Contrast(a, b)
    return Contrast(
        a,
        b,
        difference=found.estimate,
        low=found.low,
        high=found.high,
        p=found.p,
        n=found.n,
        clusters=found.clusters,
        won=found.won,
        lost=found.lost,
        tied=found.tied,
    )


def _with_holm(family: Sequence[Contrast]) -> list[Contrast]:
    """Mark the family and correct its p-values together."""
    known = [item for item in family if item.p is not None]
    values = dict(zip(known, holm([item.p or 0.0 for item in known]), strict=True))
    return [
        replace(item, p_holm=values.get(item), family=True, exploratory=False) for item in family
    ]
