"""The whole comparison: every arm's numbers, the contrasts and the verdict, ready as JSON.

The one entry is `decide`. Scores are fractions, times as their names say; None means "not
applicable" or "not measured", never 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from graft.arms import TUNED
from graft.decide.abstention import Abstention, abstention_of
from graft.decide.attribution import Attribution, attribution_of
from graft.decide.checks import mean_score
from graft.decide.constraints import Constraint
from graft.decide.contrasts import Contrast, contrasts_of
from graft.decide.failures import Failure, failures_of
from graft.decide.latency import Latency, latency_of
from graft.decide.measures import ScoreCell, cell_of, mean_cell, measures_of
from graft.decide.risk import RiskCoverage, risk_coverage
from graft.decide.sheet import ArmSheet, Sheet, read_sheet
from graft.decide.slices import LeakageScores, Slice, leakage_of, slices_of
from graft.decide.verdict import Verdict, verdict_of
from graft.runs import ArmRun, Comparand, RunManifest
from graft.stats import ALPHA, Interval, mean_interval

__all__ = ["ArmResult", "Comparison", "ScoreCell", "decide"]

SCHEMA = 1
EXPOSURES = ("fact", "document", "unseen")


@dataclass(frozen=True, slots=True)
class ArmResult:
    """One arm's row. `exposure` has the answerable questions by exposure, and `all` of them.

    `measures` are over the answerable questions; `forgetting` is that of the arm's adapter and
    `distractors` the score among more and more of them, both as the probes measured them.
    """

    name: str
    control: bool
    not_applicable: str
    exposure: Mapping[str, ScoreCell]
    decline_recall: ScoreCell = field(default_factory=ScoreCell)
    headline: ScoreCell = field(default_factory=ScoreCell)
    latency_ms: Latency = field(default_factory=Latency)
    build_seconds: float | None = None
    storage_bytes: int | None = None
    retrieval_hit: float | None = None
    retrieval_recall: float | None = None
    failed: int = 0
    declined_share: float | None = None
    exact: float | None = None
    f1: float | None = None
    measures: Mapping[str, ScoreCell] = field(default_factory=dict)
    abstention: Abstention | None = None
    risk_coverage: RiskCoverage | None = None
    attribution: Attribution | None = None
    forgetting: Mapping[str, Any] | None = None
    distractors: Sequence[Mapping[str, Any]] | None = None
    peak_memory_bytes: int | None = None
    cold_seconds: float | None = None
    price_per_1000: float | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a report shows and `serve` follows.

    `questions` is the hash of the questions asked, by which two comparisons can be set side by
    side, and `margin` the difference that matters.
    """

    base_model: str
    created: str
    arms: tuple[ArmResult, ...]
    contrasts: tuple[Contrast, ...]
    interaction: Contrast
    verdict: Verdict
    slices: list[Slice] = field(default_factory=list)
    leakage: LeakageScores | None = None
    failures: list[Failure] = field(default_factory=list)
    questions: str = ""
    margin: float = 0.05

    def to_json(self) -> dict[str, Any]:
        """Return the plain dict that is stored and printed."""
        plain = asdict(self)
        for key in ("arms", "contrasts"):
            plain[key] = list(plain[key])
        for key in ("tie_set", "best_set", "blocked_by", "flags"):
            plain["verdict"][key] = list(plain["verdict"][key])
        if leakage := plain["leakage"]:
            for key in ("with", "without"):
                leakage[key] = leakage.pop(f"{key}_similar")
        return {"schema": SCHEMA, **plain}


def decide(comparand: Comparand) -> Comparison:
    """Compare the arms of runs and decide which to use."""
    sheet = read_sheet(comparand)
    headlines = {
        name: interval
        for name, arm in sheet.arms.items()
        if (interval := _headline(sheet, arm, comparand.seed)) is not None
    }
    results = tuple(_result(comparand, sheet, run, headlines) for run in comparand.runs)
    contrasts = contrasts_of(sheet, comparand.seed)
    cells = {name: cell_of(interval) for name, interval in headlines.items()}
    return Comparison(
        base_model=comparand.base_model,
        created=comparand.created,
        arms=results,
        contrasts=contrasts.pairs,
        interaction=contrasts.interaction,
        verdict=verdict_of(comparand, sheet, headlines, _forgetting_limits(comparand, sheet)),
        slices=slices_of(comparand, sheet),
        leakage=leakage_of(comparand, sheet, cells),
        failures=failures_of(comparand, sheet),
        questions=", ".join(dict.fromkeys(run.manifest.questions for run in comparand.runs)),
        margin=comparand.margin,
    )


def _headline(sheet: Sheet, arm: ArmSheet, seed: int) -> Interval | None:
    """Return the headline of an arm over the questions it has a score for."""
    ids = sheet.common((arm.name,))
    if not ids:
        return None
    return mean_interval([arm.primary[name] for name in ids], sheet.design(ids), ALPHA, seed)


def _forgetting(comparand: Comparand, manifest: RunManifest) -> Mapping[str, Any] | None:
    """Return what the adapter of an arm was found to forget, None where it has none."""
    if not manifest.adapter:
        return None
    found: Mapping[str, Any] = comparand.probes.get("forgetting") or {}
    name = TUNED.get(manifest.arm, manifest.arm)
    measured: Mapping[str, Any] | None = found.get(manifest.adapter) or found.get(name)
    return measured


def _forgetting_limits(comparand: Comparand, sheet: Sheet) -> list[Constraint]:
    """Return the margin of forgetting as a limit; `value` is the share that was lost."""
    limits = []
    for arm in sheet.candidates:
        if found := _forgetting(comparand, arm.manifest):
            lost, bound, margin = -found["difference"], -found["bound"], found["margin"]
            state = found["state"]
            limits.append(Constraint(arm.name, "forgetting_margin", margin, lost, bound, state))
    return limits


def _result(
    comparand: Comparand, sheet: Sheet, run: ArmRun, headlines: Mapping[str, Interval]
) -> ArmResult:
    manifest, seed = run.manifest, comparand.seed
    answerable = sheet.ids(answerable=True)
    by_exposure = {
        kind: [name for name in answerable if comparand.exposure.get(name) == kind]
        for kind in EXPOSURES
    } | {"all": list(answerable)}
    if manifest.not_applicable:
        empty = {kind: ScoreCell() for kind in by_exposure}
        return ArmResult(manifest.arm, manifest.control, manifest.not_applicable, empty)
    arm = sheet.arms[manifest.arm]
    declined = [record.declined and not record.error for record in arm.records.values()]
    return ArmResult(
        name=manifest.arm,
        control=manifest.control,
        not_applicable="",
        exposure={k: mean_cell(sheet, arm.primary, ids, seed) for k, ids in by_exposure.items()},
        decline_recall=mean_cell(sheet, arm.primary, sheet.ids(answerable=False), seed),
        headline=cell_of(headlines.get(manifest.arm)),
        latency_ms=latency_of(run.latency),
        build_seconds=manifest.build_seconds,
        storage_bytes=manifest.storage_bytes,
        retrieval_hit=mean_score(arm, "retrieval_hit", answerable),
        retrieval_recall=mean_score(arm, "retrieval_recall", answerable),
        failed=sum(bool(record.error) for record in arm.records.values()),
        declined_share=sum(declined) / len(declined) if declined else None,
        exact=mean_score(arm, "exact", answerable),
        f1=mean_score(arm, "f1", answerable),
        measures=measures_of(sheet, arm, seed),
        abstention=abstention_of(sheet, arm),
        risk_coverage=risk_coverage(arm),
        attribution=attribution_of(sheet, arm),
        forgetting=_forgetting(comparand, manifest),
        distractors=(comparand.probes.get("distractors") or {}).get(manifest.arm),
        peak_memory_bytes=manifest.peak_memory_bytes,
        cold_seconds=manifest.cold_seconds,
        price_per_1000=manifest.price_per_1000,
    )
