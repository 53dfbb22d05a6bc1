"""The arms and contrasts of a comparison in the order and words in which they are shown.

Terminal, HTML and Markdown all read these rows, so the three cannot disagree. It knows the
comparison's schema and nothing of any output format.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from graft.report import numbers
from graft.report.flags import warning_texts

__all__ = [
    "ArmRow",
    "Cell",
    "Column",
    "Warn",
    "arm_rows",
    "contrast_sentence",
    "corrected_p",
    "effect_words",
    "interaction_sentence",
    "is_clear",
    "ordered_arms",
    "ordered_contrasts",
    "score_columns",
    "warnings",
]

SIGNIFICANT = 0.05
Direction = Literal["higher", "lower"]


@dataclass(frozen=True, slots=True)
class Cell:
    """A score as text: value, interval and number of questions; empty where unknown."""

    value: str
    interval: str = ""
    n: int = 0
    score: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Column:
    """A column of scores; `n` is its number of questions, a span where arms differ."""

    key: str
    title: str
    n: str
    direction: Direction = "higher"


@dataclass(frozen=True, slots=True)
class ArmRow:
    """One arm's row, formatted; `data` is its entry in the comparison."""

    name: str
    control: bool
    baseline: bool
    recommended: bool
    not_applicable: str
    scores: Mapping[str, Cell]
    p50: str
    p95: str
    build: str
    storage: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Warn:
    """A line under the verdict; a blocker forbids a recommendation."""

    text: str
    blocker: bool = False


def cell(score: Mapping[str, Any] | None) -> Cell:
    """Return a score with its interval; a dash where there is none or no question."""
    if not score or score.get("score") is None:
        return Cell(numbers.DASH, n=int((score or {}).get("n") or 0))
    value, low, high = score["score"], score.get("low"), score.get("high")
    count = int(score.get("n") or 0)
    return Cell(numbers.percent(value), numbers.interval(low, high), count, value, low, high)


def arm_rows(comparison: Mapping[str, Any]) -> list[ArmRow]:
    """Return the arms in order: the baseline, the other arms, the controls."""
    chosen = (comparison.get("verdict") or {}).get("recommended") or ""
    baseline = _baseline(comparison)
    return [_row(arm, baseline, chosen) for arm in ordered_arms(comparison)]


def ordered_arms(comparison: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the comparison's arms in the order of every table."""
    baseline = _baseline(comparison)
    arms = list(comparison.get("arms") or ())
    return sorted(arms, key=lambda arm: (bool(arm.get("control")), arm["name"] != baseline))


def _baseline(comparison: Mapping[str, Any]) -> str:
    real = [arm["name"] for arm in comparison.get("arms") or () if not arm.get("control")]
    return "base" if "base" in real else (real[0] if real else "")


def _row(arm: Mapping[str, Any], baseline: str, chosen: str) -> ArmRow:
    exposure = arm.get("exposure") or {}
    scores = {key: cell(exposure.get(key)) for key in ("fact", "document", "unseen", "all")}
    scores["decline"] = cell(arm.get("decline_recall"))
    scores["headline"] = cell(arm.get("headline"))
    times = arm.get("latency_ms") or {}
    return ArmRow(
        name=numbers.plain(arm["name"]),
        control=bool(arm.get("control")),
        baseline=arm["name"] == baseline,
        recommended=arm["name"] == chosen,
        not_applicable=numbers.plain(arm.get("not_applicable") or ""),
        scores=scores,
        p50=numbers.latency(times.get("p50")),
        p95=numbers.latency(times.get("p95")),
        build=numbers.build_time(arm.get("build_seconds")),
        storage=numbers.storage(arm.get("storage_bytes")),
        data=arm,
    )


def score_columns(rows: Sequence[ArmRow]) -> list[Column]:
    """Return the score columns; `documents` only where a question has that exposure."""
    titles = {
        "fact": "facts",
        "document": "documents",
        "unseen": "unseen",
        "decline": "declined rightly",
        "headline": "headline",
    }
    columns = []
    for key, title in titles.items():
        counts = sorted({row.scores[key].n for row in rows if row.scores[key].n})
        if key == "document" and not counts:
            continue
        span = "–".join(f"{count:,}" for count in (counts[:1] + counts[1:][-1:]))
        columns.append(Column(key, title, span or "0"))
    return columns


def warnings(
    comparison: Mapping[str, Any], blockers: Sequence[str] = (), flags: Sequence[str] = ()
) -> list[Warn]:
    """Return blockers, flags, arms that could not be built, and failed questions.

    `blockers` and `flags` are further ones, told once where the verdict has them too.
    """
    verdict = comparison.get("verdict") or {}
    codes = dict.fromkeys([*(verdict.get("blocked_by") or ()), *blockers])
    found = [Warn(text, True) for text in warning_texts(codes)]
    codes = dict.fromkeys([*(verdict.get("flags") or ()), *flags])
    found += [Warn(text) for text in warning_texts(codes)]
    for arm in comparison.get("arms") or ():
        name = numbers.plain(arm["name"])
        if arm.get("not_applicable"):
            reason = numbers.plain(arm["not_applicable"])
            found.append(Warn(f"{name}: not applicable, {reason}"))
        if arm.get("failed"):
            noun = "question" if arm["failed"] == 1 else "questions"
            found.append(Warn(f"{name}: {arm['failed']:,} {noun} failed"))
    return list(dict.fromkeys(found))


def is_clear(effect: Mapping[str, Any]) -> bool:
    """Return whether the interval leaves out zero and the corrected p value, if any, agrees."""
    low, high = effect.get("low"), effect.get("high")
    if low is None or high is None or low <= 0 <= high:
        return False
    p = corrected_p(effect)
    return p is None or p < SIGNIFICANT


def corrected_p(effect: Mapping[str, Any]) -> float | None:
    """Return Holm's p value, or the plain one where there is none."""
    corrected: float | None = effect.get("p_holm")
    return corrected if corrected is not None else effect.get("p")


def ordered_contrasts(comparison: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the contrasts, those named beforehand first."""
    contrasts = list(comparison.get("contrasts") or ())
    return sorted(contrasts, key=lambda item: bool(item.get("exploratory")))


def contrast_sentence(contrast: Mapping[str, Any]) -> str:
    """Return a contrast in plain words, for one line of the terminal.

    >>> contrast_sentence({"a": "rag", "b": "base", "difference": 0.24, "low": 0.14,
    ...     "high": 0.34, "p_holm": 0.001, "won": 40, "lost": 10})
    'rag against base: 24 points higher (14 to 34), clear; won 40, lost 10'
    """
    pair = f"{numbers.plain(contrast['a'])} against {numbers.plain(contrast['b'])}"
    if contrast.get("difference") is None:
        return f"{pair}: could not be compared"
    sentence = f"{pair}: {effect_words(contrast)}"
    if contrast.get("won") is not None and contrast.get("lost") is not None:
        sentence += f"; won {contrast['won']}, lost {contrast['lost']}"
    return sentence


def effect_words(effect: Mapping[str, Any]) -> str:
    """Return a difference as "24 points higher (14 to 34), clear"."""
    size = numbers.points(abs(effect["difference"]), plus=False)
    noun = "point" if size == "1" else "points"
    direction = "higher" if effect["difference"] > 0 else "lower"
    words = "no difference" if size == "0" else f"{size} {noun} {direction}"
    span = numbers.points_interval(effect.get("low"), effect.get("high"))
    return (
        words + (f" ({span})" if span else "") + (", clear" if is_clear(effect) else ", not clear")
    )


def interaction_sentence(comparison: Mapping[str, Any]) -> str:
    """Return whether the gains of training and retrieval add up; empty where not measured.

    (hybrid − rag) − (finetuned − base) is hybrid's gain over base less the gains of the two.
    """
    effect = comparison.get("interaction") or {}
    if effect.get("difference") is None:
        return ""
    return f"hybrid against both gains added up: {effect_words(effect)}"
