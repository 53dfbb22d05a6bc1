"""Which arm to use: the procedure of measuring.md 3.6 and 6.3.

Arms not ruled out as best form the best set; with practical ties to the leader they form the
tie set. One arm is clearly best only if the best set has one member. Otherwise the simplest
of the tie set is recommended, and the questions still needed are named.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from graft.decide.checks import blockers_of, flags_of
from graft.decide.contrasts import difference_between
from graft.decide.sentence import Findings, sentence_of
from graft.decide.sheet import GATES, Sheet, simplicity
from graft.runs import Comparand
from graft.stats import (
    ALPHA,
    BestSet,
    Difference,
    Interval,
    best_set,
    detectable_difference,
    sample_size,
    simultaneous_alpha,
)

__all__ = ["Verdict", "verdict_of"]

TIE_ALPHA = 0.10  # two one-sided tests at 5 % each: a 90 % interval inside the margin
EQUAL = 1e-12  # sums of the same numbers in another order differ by less


@dataclass(frozen=True, slots=True)
class Verdict:
    """The recommendation and what it rests on.

    `recommended` is empty when blocked or when no arm is above the controls;
    `questions_needed` counts further questions (0 when clear, None when it cannot be told);
    `detectable_difference` is a fraction, None where no difference could be shown.
    """

    clear: bool
    recommended: str
    tie_set: tuple[str, ...]
    best_set: tuple[str, ...]
    p_best: Mapping[str, float]
    blocked_by: tuple[str, ...]
    flags: tuple[str, ...]
    sentence: str
    questions_needed: int | None
    detectable_difference: float | None


@dataclass(frozen=True, slots=True)
class _Race:
    """The candidates on the questions that all have a score for, the leader first.

    `leads` are the leader's differences to the others, `near` the arms practically level with it.
    """

    order: tuple[str, ...] = ()
    best: BestSet = field(default_factory=BestSet)
    leads: Mapping[str, Difference] = field(default_factory=dict)
    ties: tuple[str, ...] = ()
    near: frozenset[str] = frozenset()


def verdict_of(comparand: Comparand, sheet: Sheet, headlines: Mapping[str, Interval]) -> Verdict:
    """Decide from the sheet and each arm's headline."""
    race = _race(comparand, sheet)
    control = max(
        (name for name in GATES if name in headlines),
        key=lambda name: headlines[name].estimate,
        default="",
    )
    bar = headlines[control].estimate + EQUAL if control else float("-inf")
    below = tuple(name for name in race.order if headlines[name].estimate <= bar)
    blocked = blockers_of(comparand, sheet)
    flags = flags_of(comparand, sheet, sorted(below, key=simplicity))
    eligible = [] if blocked else [name for name in race.ties if name not in below]
    clear = bool(eligible) and len(race.best.members) == 1 and len(race.order) > 1
    recommended = race.order[0] if clear else min(eligible, key=simplicity, default="")
    needed = 0 if clear else _questions_needed(race)
    findings = Findings(
        base_model=comparand.base_model,
        created=comparand.created,
        blocked_by=blocked,
        clear=clear,
        recommended=recommended,
        order=race.order,
        tie_set=race.ties,
        level=all(name in race.near for name in race.ties if name != race.order[0]),
        below=below,
        control=control,
        headlines=headlines,
        lead=race.leads.get(race.order[1]) if len(race.order) > 1 else None,
        margin=comparand.margin,
        needed=needed,
        declining=bool(sheet.ids(answerable=False)),
        graded=_is_graded(sheet),
    )
    return Verdict(
        clear=clear,
        recommended=recommended,
        tie_set=race.ties,
        best_set=tuple(sorted(race.best.members, key=simplicity)),
        p_best=race.best.p_best,
        blocked_by=blocked,
        flags=flags,
        sentence=sentence_of(findings),
        questions_needed=needed,
        detectable_difference=_detectable(race),
    )


def _race(comparand: Comparand, sheet: Sheet) -> _Race:
    """Compare the candidates jointly; the leads are simultaneous over the leader's rivals."""
    names = [arm.name for arm in sheet.candidates]
    ids = sheet.common(names)
    if not names or not ids:
        return _Race(tuple(names))
    scores = {name: [sheet.arms[name].primary[item] for item in ids] for name in names}
    best = best_set(scores, sheet.design(ids), ALPHA, comparand.seed)
    order = tuple(sorted(names, key=lambda name: (-round(best.means[name], 12), simplicity(name))))
    alpha = simultaneous_alpha(len(order) - 1)
    leads, near = {}, []
    for name in order[1:]:
        lead = difference_between(sheet, order[0], name, alpha, comparand.seed)
        gap = difference_between(sheet, order[0], name, TIE_ALPHA, comparand.seed)
        if lead is None or gap is None:
            raise AssertionError("the arms have questions in common")
        leads[name] = lead
        if -comparand.margin < gap.low and gap.high < comparand.margin:
            near.append(name)
    ties = sorted({*best.members, *near}, key=simplicity)
    return _Race(order, best, leads, tuple(ties), frozenset(near))


def _questions_needed(race: _Race) -> int | None:
    """Return how many more questions would rule out every rival in the best set.

    From the observed difference, disagreement and design effect of each (measuring.md 3.3);
    None where a rival is level with the leader, for then no number would.
    """
    needed = []
    for name in race.best.members:
        lead = race.leads.get(name)
        if lead is None:
            continue
        size = sample_size(
            lead.estimate,
            lead.disagreement,
            simultaneous_alpha(len(race.leads)),
            effect=lead.design_effect,
        )
        if size is None:
            return None
        needed.append(max(1, size - lead.n))
    return max(needed, default=None)


def _detectable(race: _Race) -> float | None:
    """Return the smallest difference between the first two that these questions show."""
    if len(race.order) < 2 or race.order[1] not in race.leads:
        return None
    lead = race.leads[race.order[1]]
    alpha = simultaneous_alpha(len(race.leads))
    return detectable_difference(lead.n, lead.disagreement, alpha, effect=lead.design_effect)


def _is_graded(sheet: Sheet) -> bool:
    """Tell whether a score lies between wrong and right."""
    return any(0 < value < 1 for arm in sheet.candidates for value in arm.primary.values())
