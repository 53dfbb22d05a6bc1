"""The whole comparison: every arm's numbers, the contrasts and the verdict, ready as JSON.

The one entry is `decide`. Scores are fractions, times as their names say; None means "not
applicable" or "not measured", never 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from graft.decide.checks import mean_score
from graft.decide.contrasts import Contrast, contrasts_of
from graft.decide.latency import Latency, latency_of
from graft.decide.sheet import ArmSheet, Sheet, read_sheet
from graft.decide.verdict import Verdict, verdict_of
from graft.runs import ArmRun, Comparand
from graft.stats import ALPHA, Design, Interval, mean_interval

__all__ = ["ArmResult", "Comparison", "ScoreCell", "decide"]

SCHEMA = 1
EXPOSURES = ("fact", "document", "unseen")


@dataclass(frozen=True, slots=True)
class ScoreCell:
    """A mean score with its 95 % interval over `n` questions; no questions, no score."""

    score: float | None = None
    low: float | None = None
    high: float | None = None
    n: int = 0


@dataclass(frozen=True, slots=True)
class ArmResult:
    """One arm's row. `exposure` has the answerable questions by exposure, and `all` of them."""

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


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a report shows and `serve` follows."""

    base_model: str
    created: str
    arms: tuple[ArmResult, ...]
    contrasts: tuple[Contrast, ...]
    interaction: Contrast
    verdict: Verdict

    def to_json(self) -> dict[str, Any]:
        """Return the plain dict that is stored and printed."""
        plain = asdict(self)
        for key in ("arms", "contrasts"):
            plain[key] = list(plain[key])
        for key in ("tie_set", "best_set", "blocked_by", "flags"):
            plain["verdict"][key] = list(plain["verdict"][key])
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
    return Comparison(
        base_model=comparand.base_model,
        created=comparand.created,
        arms=results,
        contrasts=contrasts.pairs,
        interaction=contrasts.interaction,
        verdict=verdict_of(comparand, sheet, headlines),
    )


def _headline(sheet: Sheet, arm: ArmSheet, seed: int) -> Interval | None:
    """Return the headline of an arm over the questions it has a score for."""
    ids = sheet.common((arm.name,))
    if not ids:
        return None
    return mean_interval([arm.primary[name] for name in ids], sheet.design(ids), ALPHA, seed)


def _cell(interval: Interval | None) -> ScoreCell:
    if interval is None:
        return ScoreCell()
    return ScoreCell(interval.estimate, interval.low, interval.high, interval.n)


def _mean_cell(sheet: Sheet, arm: ArmSheet, ids: Sequence[str], seed: int) -> ScoreCell:
    """Return the mean over some questions, each weighing the same."""
    scored = [name for name in ids if name in arm.primary]
    if not scored:
        return ScoreCell()
    design = Design(sheet.design(scored).clusters)
    return _cell(mean_interval([arm.primary[name] for name in scored], design, ALPHA, seed))


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
        exposure={k: _mean_cell(sheet, arm, ids, seed) for k, ids in by_exposure.items()},
        decline_recall=_mean_cell(sheet, arm, sheet.ids(answerable=False), seed),
        headline=_cell(headlines.get(manifest.arm)),
        latency_ms=latency_of(run.latency),
        build_seconds=manifest.build_seconds,
        storage_bytes=manifest.storage_bytes,
        retrieval_hit=mean_score(arm, "retrieval_hit", answerable),
        retrieval_recall=mean_score(arm, "retrieval_recall", answerable),
        failed=sum(bool(record.error) for record in arm.records.values()),
        declined_share=sum(declined) / len(declined) if declined else None,
        exact=mean_score(arm, "exact", answerable),
        f1=mean_score(arm, "f1", answerable),
    )
