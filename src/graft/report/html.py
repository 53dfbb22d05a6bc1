"""The report: one HTML file that opens from disk, needs no network and can be mailed.

Document text is hostile: the template escapes everything, the two pieces of our own script
and style are allowed by hash, and the page's policy forbids all else. The file stays under
2 MB: passages are shortened first, then answers, then questions are left out, and the page
says how many.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graft import __version__
from graft.files import write_atomically
from graft.report import charts, numbers
from graft.report.answers import Limits, Reading, read_answers
from graft.report.table import (
    ArmRow,
    Warn,
    arm_rows,
    corrected_p,
    interaction_sentence,
    is_clear,
    ordered_contrasts,
    score_columns,
    warning_text,
    warnings,
)
from graft.runs import Comparand

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

__all__ = ["write_html"]

MAX_BYTES = 2_000_000
TEMPLATES = Path(__file__).with_name("templates")
LADDER = (
    Limits(),
    *(Limits(chars) for chars in (1200, 800, 400, 200, 80)),
    *(Limits(80, chars) for chars in (400, 200)),
    *(Limits(0, 200, count) for count in (300, 200, 100, 50, 20)),
)
"""From showing everything to showing little; the first rung that fits is taken."""
DESCRIPTIONS = {
    "base": "the plain model with a few examples",
    "finetuned": "adapter trained on documents and pairs",
    "rag": "the plain model with passages",
    "hybrid": "adapter and passages, trained together",
    "bolt-on": "finetuned, passages added afterwards",
    "top-passage": "no model, the best passage as it stands",
    "nearest-pair": "no model, the most similar question’s answer",
    "decline": "always declines",
    "whole-text": "the plain model with the whole corpus",
}
COUNTS = {
    "won": "won",
    "lost": "lost",
    "tied": "tied",
    "n": "questions",
    "clusters": "groups",
}
FORMS = (False, True)
"""Wide and narrow."""
GLYPHS = {"right": "✓", "partly": "~", "wrong": "✕", "declined": "–", "failed": "!"}


@dataclass(frozen=True, slots=True)
class Fact:
    """A name and its value in the verdict or the reproduce part."""

    name: str
    value: str
    note: str = ""


def write_html(path: Path, comparison: Mapping[str, Any], comparand: Comparand) -> Path:
    """Write the report and return its path.

    Raises:
        NoSpaceLeft: the disk is full; a report that stood there before is unchanged.
    """
    environment = _environment()
    context = _context(comparison, comparand)
    page = ""
    for limits in LADDER:
        reading = read_answers(comparand, limits)
        page = environment.get_template("report.html.j2").render(
            context, reading=reading, shortened=_shortened(reading, limits)
        )
        if len(page.encode()) < MAX_BYTES:
            break
    write_atomically(path, page)
    return path


def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment


def _context(comparison: Mapping[str, Any], comparand: Comparand) -> dict[str, Any]:
    rows = arm_rows(comparison)
    verdict = comparison.get("verdict") or {}
    contrasts = ordered_contrasts(comparison)
    style = (TEMPLATES / "report.css").read_text(encoding="utf-8")
    script = (TEMPLATES / "report.js").read_text(encoding="utf-8")
    return {
        "eyebrow": " · ".join(["Graft report", *filter(None, _origin(comparison))]),
        "sentence": verdict.get("sentence") or "No verdict.",
        "recommended": verdict.get("recommended") or "",
        "state": _state(verdict),
        "facts": _verdict_facts(comparison, rows),
        "warnings": _all_warnings(comparison, comparand),
        "rows": rows,
        "columns": score_columns(rows),
        "descriptions": DESCRIPTIONS,
        "glyphs": GLYPHS,
        "strips": {row.name: _inline(charts.strip(row)) for row in rows},
        "more": [_more(row) for row in rows if not row.not_applicable],
        "contrasts": [_contrast(item) for item in contrasts],
        "interaction": interaction_sentence(comparison),
        "margin": numbers.points(comparand.margin, plus=False),
        "forest": _inline(
            *(charts.forest_chart(contrasts, comparand.margin, narrow=it) for it in FORMS)
        ),
        "latency": _inline(*(charts.latency_chart(rows, narrow=it) for it in FORMS)),
        "curves": _curves(comparand),
        "reproduce": _reproduce(comparison, comparand),
        "runs": [run.manifest for run in comparand.runs],
        "settings": _flat(comparand.settings),
        "embedded": _inline(_embedded(comparison)),
        "style": _inline(style),
        "script": _inline(script),
        "style_hash": _hash(style),
        "script_hash": _hash(script),
    }


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"


def _embedded(comparison: Mapping[str, Any]) -> str:
    """Return the comparison as JSON in which no tag can open or close."""
    return json.dumps(comparison, ensure_ascii=False).replace("<", "\\u003c")


def _inline(*drawings: str) -> Markup:
    """Return charts as markup: `charts` escapes what it draws."""
    from markupsafe import Markup

    return Markup("".join(drawings))


def _curves(comparand: Comparand) -> list[tuple[str, Markup]]:
    drawn = [
        (name, _inline(*(charts.curve_chart(name, points, narrow=it) for it in FORMS)))
        for name, points in comparand.curves.items()
    ]
    return [(name, chart) for name, chart in drawn if chart]


def _state(verdict: Mapping[str, Any]) -> str:
    if verdict.get("blocked_by"):
        return "Blocked"
    if verdict.get("clear"):
        return "Clear"
    return "No clear winner" if verdict.get("recommended") else "No recommendation"


def _origin(comparison: Mapping[str, Any]) -> list[str]:
    model, created = comparison.get("base_model") or "", comparison.get("created") or ""
    return [numbers.plain(model), numbers.day(created)]


def _all_warnings(comparison: Mapping[str, Any], comparand: Comparand) -> list[Warn]:
    """Return the verdict's warnings and those of the comparand that it does not repeat."""
    found = [Warn(warning_text(code), True) for code in comparand.blockers]
    found += warnings(comparison)
    found += [Warn(warning_text(code)) for code in comparand.flags]
    return sorted(dict.fromkeys(found), key=lambda item: not item.blocker)


def _verdict_facts(comparison: Mapping[str, Any], rows: Sequence[ArmRow]) -> list[Fact]:
    verdict = comparison.get("verdict") or {}
    facts = []
    for row in rows:
        if not row.recommended:
            continue
        headline = row.scores["headline"]
        note = f"{headline.interval}, n {headline.n:,}" if headline.interval else ""
        facts.append(Fact("Recommended", row.name, DESCRIPTIONS.get(row.name, "")))
        facts.append(Fact("Headline", headline.value, note))
        facts.append(Fact("Time of one answer", row.p50, "p50"))
    tied = [name for name in verdict.get("tie_set") or () if name != verdict.get("recommended")]
    if tied and not verdict.get("clear"):
        facts.append(Fact("Not told apart from", numbers.plain(", ".join(tied))))
    smallest = verdict.get("detectable_difference")
    if smallest is not None:
        size = numbers.points(smallest, plus=False)
        facts.append(Fact("Smallest visible difference", f"{size} points", "with these questions"))
    if verdict.get("questions_needed"):
        facts.append(Fact("Questions needed", f"{verdict['questions_needed']:,}", "to settle it"))
    return facts


def _more(row: ArmRow) -> dict[str, Any]:
    """Return the second table's row: measures that explain the first."""
    data = row.data
    times = data.get("latency_ms") or {}
    stages = times.get("stages") or {}
    shown = [
        f"{numbers.plain(name)} {numbers.latency(value)}".replace(" ", "\u00a0")
        for name, value in stages.items()
    ]
    failed = data.get("failed")
    return {
        "row": row,
        "exact": numbers.percent(data.get("exact")),
        "f1": numbers.percent(data.get("f1")),
        "declined": numbers.percent(data.get("declined_share")),
        "hit": numbers.percent(data.get("retrieval_hit")),
        "recall": numbers.percent(data.get("retrieval_recall")),
        "failed": numbers.DASH if failed is None else f"{failed:,}",
        "p95": row.p95 if times.get("p95") is not None else "",
        "p95_note": numbers.plain(times.get("p95_note") or ""),
        "n": times.get("n") or 0,
        "stages": " · ".join(shown),
    }


def _contrast(item: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "a": item["a"],
        "b": item["b"],
        "counts": [
            (title, numbers.DASH if item.get(key) is None else f"{item[key]:,}")
            for key, title in COUNTS.items()
        ],
        "exploratory": bool(item.get("exploratory")),
        "difference": numbers.points(item.get("difference")),
        "span": numbers.points_interval(item.get("low"), item.get("high")),
        "p": numbers.p_value(corrected_p(item)).removeprefix("p "),
        "reading": "clear" if is_clear(item) else "not clear",
    }


def _reproduce(comparison: Mapping[str, Any], comparand: Comparand) -> list[Fact]:
    manifests = [run.manifest for run in comparand.runs]

    def every(name: str) -> str:
        values = dict.fromkeys(str(getattr(item, name)) for item in manifests)
        return ", ".join(value for value in values if value) or numbers.DASH

    return [
        Fact("Command", f"graft compare --effort {every('effort')}"),
        Fact("Graft", __version__),
        Fact("Date", str(comparison.get("created") or comparand.created)),
        Fact("Base model", str(comparison.get("base_model") or comparand.base_model)),
        Fact("Weights", every("weights")),
        Fact("Generator", every("generator")),
        Fact("Prompt contract", every("contract")),
        Fact("Question hash", every("questions")),
        Fact("Corpus version", every("corpus")),
        Fact("Seed of the runs", every("seed")),
        Fact("Seed of the statistics", str(comparand.seed)),
    ]


def _flat(settings: Mapping[str, Any], prefix: str = "") -> list[Fact]:
    """Return nested settings as dotted names in their order."""
    facts = []
    for key, value in settings.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            facts += _flat(value, f"{name}.")
        else:
            shown = value if isinstance(value, str) else json.dumps(value, default=str)
            facts.append(Fact(name, shown))
    return facts


def _shortened(reading: Reading, limits: Limits) -> str:
    """Return what was cut to keep the file small; empty where nothing was."""
    parts = []
    if reading.passages_shortened:
        parts.append(
            f"{reading.passages_shortened:,} passages were shortened to "
            f"{limits.passage_chars} characters"
        )
    if reading.answers_shortened:
        parts.append(f"{reading.answers_shortened:,} answers to {limits.answer_chars} characters")
    left_out = reading.total - len(reading.questions)
    if left_out:
        parts.append(f"{left_out:,} questions on which the arms agree most were left out")
    return f"To keep this file under 2 MB, {', '.join(parts)}." if parts else ""
