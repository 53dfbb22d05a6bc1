"""Which arm to use: the procedure of measuring.md 3.6 and 6.3.

Arms not ruled out as best form the best set; with practical ties to the leader they form the
tie set. One arm is clearly best only if the best set has one member. Otherwise the simplest
of the tie set is recommended, and the questions still needed are named. Arms that break a
limit are not in the race; those not above the controls, or beaten in every respect, are in
it and never recommended.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from graft.decide.checks import blockers_of, flags_of, is_thin
from graft.decide.constraints import Constraint, constraints_of
from graft.decide.contrasts import difference_between
from graft.decide.flips import Flips, flips_between
from graft.decide.pareto import frontier
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

    `recommended` is empty when blocked or when no arm is above the controls and within the
    limits; `questions_needed` counts further questions (0 when clear, None when it cannot be
    told); `detectable_difference` is a fraction, None where no difference could be shown.
    `target` is None where none is set; `pareto` has the arms within the limits that no other
    beats in every respect; `flips` is None where there are no two arms to compare.
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
    target: float | None = None
    reaches_target: list[str] = field(default_factory=list)
    constraints: list[Constraint] = field(default_factory=list)
    pareto: list[str] = field(default_factory=list)
    flips: Flips | None = None


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


@dataclass(frozen=True, slots=True)
class _Field:
    """The candidates sorted: who measured up to what, before scores are compared.

    `unfit` break a limit or could not be measured, `below` are not above the best control.
    """

    names: tuple[str, ...]
    headlines: Mapping[str, Interval]
    control: str
    below: tuple[str, ...]
    broken: Mapping[str, list[str]]
    unfit: frozenset[str]
    reaches: list[str]


class _Choice(NamedTuple):
    """Which arm, if any; `beaten` are the arms that another beats in every respect."""

    blocked: tuple[str, ...]
    beaten: tuple[str, ...]
    clear: bool
    recommended: str
    needed: int | None


def verdict_of(
    comparand: Comparand,
    sheet: Sheet,
    headlines: Mapping[str, Interval],
    probed: Sequence[Constraint] = (),
) -> Verdict:
    """Decide from the sheet and each arm's headline.

    `probed` are limits whose values no run holds (what an adapter forgot); they count like
    those of the configuration.
    """
    limits = [*constraints_of(comparand, sheet), *probed]
    arms = _field(comparand, sheet, headlines, limits)
    race = _race(comparand, sheet, [name for name in arms.names if name not in arms.unfit])
    pareto = frontier(comparand, sheet, race.order)
    choice = _choice(arms, race, pareto, blockers_of(comparand, sheet))
    flags = [*flags_of(comparand, sheet, arms.below), *_limit_flags(limits, choice.recommended)]
    return Verdict(
        clear=choice.clear,
        recommended=choice.recommended,
        tie_set=race.ties,
        best_set=tuple(sorted(race.best.members, key=simplicity)),
        p_best=race.best.p_best,
        blocked_by=choice.blocked,
        flags=tuple(flags),
        sentence=sentence_of(_findings(comparand, sheet, arms, race, choice)),
        questions_needed=choice.needed,
        detectable_difference=_detectable(race),
        target=comparand.target or None,
        reaches_target=arms.reaches,
        constraints=limits,
        pareto=pareto,
        flips=_flips(sheet, arms, race, choice.recommended),
    )


def _choice(arms: _Field, race: _Race, pareto: Sequence[str], blocked: tuple[str, ...]) -> _Choice:
    """Choose from the tie set what is above the controls and not beaten in every respect."""
    fit = [name for name in race.ties if name not in arms.below and name in pareto]
    eligible = [] if blocked else fit
    # one arm left by the limits has been compared: with those that break them
    compared = len(race.order) > 1 or bool(arms.broken)
    clear = compared and len(race.best.members) == 1 and race.order[0] in eligible
    recommended = race.order[0] if clear else min(eligible, key=simplicity, default="")
    beaten = tuple(name for name in race.order if name not in pareto)
    return _Choice(blocked, beaten, clear, recommended, 0 if clear else _questions_needed(race))


def _findings(
    comparand: Comparand, sheet: Sheet, arms: _Field, race: _Race, choice: _Choice
) -> Findings:
    return Findings(
        base_model=comparand.base_model,
        created=comparand.created,
        blocked_by=choice.blocked,
        clear=choice.clear,
        recommended=choice.recommended,
        order=race.order,
        tie_set=race.ties,
        level=all(name in race.near for name in race.ties if name != race.order[0]),
        below=arms.below,
        control=arms.control,
        headlines=arms.headlines,
        lead=race.leads.get(race.order[1]) if len(race.order) > 1 else None,
        margin=comparand.margin,
        needed=choice.needed,
        declining=bool(sheet.ids(answerable=False)),
        graded=_is_graded(sheet),
        candidates=arms.names,
        broken=arms.broken,
        beaten=choice.beaten,
        target=comparand.target,
        reaches=arms.reaches,
    )


def _field(
    comparand: Comparand,
    sheet: Sheet,
    headlines: Mapping[str, Interval],
    limits: Sequence[Constraint],
) -> _Field:
    """Sort the candidates by controls, limits and target."""
    control = max(
        (name for name in GATES if name in headlines),
        key=lambda name: headlines[name].estimate,
        default="",
    )
    bar = headlines[control].estimate + EQUAL if control else float("-inf")
    names = tuple(arm.name for arm in sheet.candidates)
    broken: dict[str, list[str]] = {}
    for item in limits:
        if item.state == "fails" and item.arm in names:
            broken.setdefault(item.arm, []).append(item.name)
    # a reference whose server failed is the one arm whose gaps do not block the verdict
    thin = {arm.name for arm in sheet.candidates if arm.is_reference and is_thin(arm)}
    target = comparand.target
    return _Field(
        names=names,
        headlines=headlines,
        control=control,
        below=tuple(name for name in names if headlines[name].estimate <= bar),
        broken=broken,
        unfit=frozenset(broken) | thin,
        reaches=[name for name in names if target and headlines[name].low >= target - EQUAL],
    )


def _limit_flags(limits: Sequence[Constraint], recommended: str) -> list[str]:
    """Name the limits that are broken, and those that the recommended arm may not keep."""
    flags = []
    for item in limits:
        if item.state == "fails":
            flags.append(f"limit_failed:{item.name}:{item.arm}")
        elif item.state == "not shown" and item.arm == recommended:
            flags.append(f"limit_not_shown:{item.name}:{item.arm}")
    return flags


def _flips(sheet: Sheet, arms: _Field, race: _Race, recommended: str) -> Flips | None:
    """Return where the recommended or leading arm parts from the runner-up.

    The runner-up is the best of the others in the race, or of those that a limit took out.
    """
    measured = sorted(arms.names, key=lambda name: -arms.headlines[name].estimate)
    ranked = list(dict.fromkeys((*race.order, *measured)))
    arm = recommended or next(iter(ranked), "")
    other = next((name for name in ranked if name != arm), "")
    return flips_between(sheet, arm, other) if other else None


def _race(comparand: Comparand, sheet: Sheet, names: Sequence[str]) -> _Race:
    """Compare arms jointly; the leads are simultaneous over the leader's rivals."""
    ids = sheet.common(names)
    if not names or not ids:
        return _Race(tuple(names))
    scores = {name: [sheet.arms[name].primary[item] for item in ids] for name in names}
    best = best_set(scores, sheet.design(ids), ALPHA, comparand.seed)
    order = tuple(sorted(names, key=lambda name: (-round(best.means[name], 12), simplicity(name))))
    alpha = simultaneous_alpha(len(order) - 1)
    leads: dict[str, Difference] = {}
    near = []
    for name in order[1:]:
        lead = difference_between(sheet, order[0], name, alpha, comparand.seed)
        gap = difference_between(sheet, order[0], name, TIE_ALPHA, comparand.seed)
        if lead is None or gap is None:
            raise AssertionError("the arms have questions in common")
        leads[name] = lead
        if -comparand.margin < gap.low and gap.high < comparand.margin:
            near.append(name)
    if len(best.members) == 1:
        # the two tests differ at the edge, as where one cluster holds a whole stratum: an arm
        # alone at the top must also show a lead whose printed interval is above 0
        level = [name for name, lead in leads.items() if lead.low <= 0]
        best = replace(best, members=(*best.members, *level))
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
