"""The report: one HTML file that opens from disk, needs no network and can be mailed.

Document text is hostile: the template escapes everything, the two pieces of our own script
and style are allowed by hash, and the page's policy forbids all else. The file stays under
2 MB: passages are shortened first, then answers, then questions are left out, and the page
says how many.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graft.files import write_atomically
from graft.report import breakdown, charts, curves, facts, numbers, why
from graft.report.answers import Limits, Reading, find_support, read_answers
from graft.report.figures import arm_figures
from graft.report.table import ArmRow, arm_rows, interaction_sentence, ordered_contrasts, warnings
from graft.runs import Comparand
from graft.showing import as_json, on_one_line

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
FORMS = (False, True)
"""Wide and narrow."""
TONES = {
    "better": ("▲", "better"),
    "worse": ("▼", "worse"),
    "level": ("≈", "not clear"),
    "best": ("", "best"),
    "passes": ("✓", ""),
    "fails": ("✕", ""),
    "open": ("?", ""),
}
"""What stands before a value besides its colour: a sign, and words for those who hear it."""
FILTERS = {
    "disagree": "arms disagree",
    "alone": "only this arm wrong",
    "missed": "retrieval missed",
    "misread": "right passage, wrong answer",
    "decline": "should have declined",
}
GLYPHS = {"right": "✓", "partly": "~", "wrong": "✕", "declined": "–", "failed": "!"}


def write_html(path: Path, comparison: Mapping[str, Any], comparand: Comparand) -> Path:
    """Write the report and return its path.

    Raises:
        NoSpaceLeft: the disk is full; a report that stood there before is unchanged.
    """
    environment = _environment()
    context = _context(comparison, comparand)
    page, support = "", find_support(comparand)
    for limits in LADDER:
        reading = read_answers(comparand, limits, support)
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
    environment.filters["name"] = on_one_line
    return environment


def _context(comparison: Mapping[str, Any], comparand: Comparand) -> dict[str, Any]:
    rows = arm_rows(comparison)
    style = (TEMPLATES / "report.css").read_text(encoding="utf-8")
    script = "".join(
        (TEMPLATES / name).read_text(encoding="utf-8") for name in ("sort.js", "answers.js")
    )
    return {
        "glyphs": GLYPHS,
        "tones": TONES,
        "filters": FILTERS,
        "descriptions": facts.DESCRIPTIONS,
        **_verdict(comparison, comparand, rows),
        **_arms(comparison, rows),
        **_plots(comparison, comparand, rows),
        **_reasons(comparison, comparand, rows),
        "reproduce": facts.reproduce_facts(comparison, comparand),
        "runs": [run.manifest for run in comparand.runs],
        "settings": facts.flat_settings(comparand.settings),
        "embedded": _inline(_embedded(comparison)),
        "style": _inline(style),
        "script": _inline(script),
        "style_hash": _hash(style),
        "script_hash": _hash(script),
    }


def _verdict(
    comparison: Mapping[str, Any], comparand: Comparand, rows: Sequence[ArmRow]
) -> dict[str, Any]:
    verdict = comparison.get("verdict") or {}
    sentence = numbers.plain(verdict.get("sentence") or "No verdict.")
    first, rest, stamp = facts.split_sentence(sentence)
    return {
        "eyebrow": " · ".join(["Graft report", *filter(None, facts.origin(comparison))]),
        "sentence": first,
        "sentence_rest": rest,
        "stamp": stamp,
        "recommended": verdict.get("recommended") or "",
        "state": facts.state_of(verdict),
        "facts": facts.verdict_facts(comparison, rows),
        "warnings": warnings(comparison, comparand.blockers, comparand.flags),
        "flips": breakdown.flips_of(comparison),
        "constraints": breakdown.constraints_grid(comparison),
    }


def _arms(comparison: Mapping[str, Any], rows: Sequence[ArmRow]) -> dict[str, Any]:
    figures = arm_figures(rows, comparison)
    groups = [(kind, [row for row in rows if row.control == kind]) for kind in (False, True)]
    return {
        "groups": [(kind, members) for kind, members in groups if members],
        "figures": figures,
        "strips": {row.name: _inline(charts.strip(row)) for row in rows},
        "measures": why.measures_grid(comparison),
        "more": [_more(row) for row in rows if not row.not_applicable],
    }


def _plots(
    comparison: Mapping[str, Any], comparand: Comparand, rows: Sequence[ArmRow]
) -> dict[str, Any]:
    contrasts = ordered_contrasts(comparison)
    frontier = list((comparison.get("verdict") or {}).get("pareto") or ())
    names = [row.name for row in rows]
    return {
        "contrasts": [facts.contrast_row(item) for item in contrasts],
        "interaction": interaction_sentence(comparison),
        "margin": numbers.points(comparand.margin, plus=False),
        "forest": _inline(
            *(charts.forest_chart(contrasts, comparand.margin, narrow=it) for it in FORMS)
        ),
        "tally": _inline(*(charts.tally_chart(contrasts, narrow=it) for it in FORMS)),
        "latency": _inline(
            *(charts.latency_chart(rows, narrow=it, frontier=frontier) for it in FORMS)
        ),
        "frontier": ", ".join(map(numbers.plain, frontier)),
        "slices": breakdown.slices_grid(comparison, names),
        "leakage": breakdown.leakage_grid(comparison, names),
    }


def _reasons(
    comparison: Mapping[str, Any], comparand: Comparand, rows: Sequence[ArmRow]
) -> dict[str, Any]:
    curves_of = [
        (row.name, row.recommended, (row.data.get("risk_coverage") or {}).get("points") or ())
        for row in rows
    ]
    areas = [
        f"{row.name} {found['area']:.2f}"
        for row in rows
        if (found := row.data.get("risk_coverage")) and found.get("area") is not None
    ]
    return {
        "failures": why.failures_of(comparison),
        "attribution": why.attribution_grid(comparison),
        "risk": _inline(*(curves.risk_chart(curves_of, narrow=it) for it in FORMS)),
        "risk_areas": ", ".join(areas),
        "declining": why.declining_grid(comparison),
        "forgetting": why.forgetting_grid(comparison),
        "distractors": why.distractors_grid(comparison),
        "curves": _curves(comparand),
        "unmeasured": _unmeasured(comparison),
    }


def _unmeasured(comparison: Mapping[str, Any]) -> str:
    """Return which explanations no arm has a measurement for."""
    names = {
        "attribution": "what was found and read",
        "risk_coverage": "risk by coverage",
        "forgetting": "forgetting",
        "distractors": "distractors",
    }
    arms = comparison.get("arms") or ()
    return ", ".join(words for key, words in names.items() if not any(arm.get(key) for arm in arms))


def _more(row: ArmRow) -> dict[str, Any]:
    """Return a row of the second table: measures that explain the first."""
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
        "cold": numbers.build_time(data.get("cold_seconds")),
        "p95": row.p95 if times.get("p95") is not None else "",
        "p95_note": numbers.plain(times.get("p95_note") or ""),
        "n": times.get("n") or 0,
        "stages": " · ".join(shown),
    }


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"


def _embedded(comparison: Mapping[str, Any]) -> str:
    """Return the comparison as JSON in which no tag can open or close."""
    return as_json(comparison, allow_nan=True).replace("<", "\\u003c")


def _inline(*drawings: str) -> Markup:
    """Return charts as markup: `charts` escapes what it draws."""
    from markupsafe import Markup

    return Markup("".join(drawings))


def _curves(comparand: Comparand) -> list[tuple[str, Markup, str]]:
    """Return for each adapter its chart and what the curve means."""
    trained = comparand.settings.get("training") or {}
    drawn: list[tuple[str, Markup, str]] = []
    for name, points in comparand.curves.items():
        kept = (trained.get(name) or {}).get("kept_step") if isinstance(trained, Mapping) else None
        forms = (curves.curve_chart(name, points, narrow=it, kept=kept) for it in FORMS)
        drawn.append((name, _inline(*forms), curves.meaning(points, kept)))
    return [item for item in drawn if item[1]]


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
