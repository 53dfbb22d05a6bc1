"""The comparison as Markdown for a pull request: the numbers of the HTML report, without answers.

Text from documents can reach it through warnings and answers, so signs that mean something in
Markdown or HTML are escaped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from graft.report import breakdown, numbers, why
from graft.report.figures import Figures, arm_figures
from graft.report.grid import Entry, Grid, Head
from graft.report.table import (
    ArmRow,
    arm_rows,
    contrast_sentence,
    interaction_sentence,
    ordered_contrasts,
    warnings,
)

__all__ = ["render_markdown"]

_SPECIAL = re.compile(r"([\\`*_\[\]<>|#~!@])")
ARROWS = {"higher": " ↑", "lower": " ↓", "": ""}


def render_markdown(comparison: Mapping[str, Any]) -> str:
    """Return the comparison as GitHub-flavoured Markdown."""
    rows = arm_rows(comparison)
    lines = [*_verdict(comparison), *_arms(comparison, rows), *_differences(comparison)]
    names = [row.name for row in rows]
    limits, slices = (
        breakdown.constraints_grid(comparison),
        breakdown.slices_grid(comparison, names),
    )
    for grid in (limits, slices, breakdown.leakage_grid(comparison, names)):
        lines += _grid(grid)
    lines += _failures(comparison)
    for make in (
        why.attribution_grid,
        why.declining_grid,
        why.forgetting_grid,
        why.distractors_grid,
        why.measures_grid,
    ):
        lines += _grid(make(comparison))
    lines += _risk(rows)
    model = escape(comparison.get("base_model") or "")
    date = numbers.day(comparison.get("created") or "")
    lines += [f"Holds for {model}, measured {date}, and for no other base model."]
    return "\n".join(lines) + "\n"


def escape(text: object) -> str:
    r"""Return text on one line that Markdown shows as it is.

    >>> escape("a|b <script>")
    'a\\|b \\<script\\>'
    """
    return _SPECIAL.sub(r"\\\1", numbers.plain(text))


def _verdict(comparison: Mapping[str, Any]) -> Iterator[str]:
    verdict = comparison.get("verdict") or {}
    yield from ("## Verdict", "", escape(verdict.get("sentence") or "No verdict."), "")
    if target := breakdown.target_words(comparison):
        yield from (f"{escape(target)}.", "")
    found = warnings(comparison)
    for item in found:
        yield f"- **{'Blocked' if item.blocker else 'Warning'}:** {escape(item.text)}"
    if found:
        yield ""
    if flips := breakdown.flips_of(comparison):
        yield from _flips(flips)


def _flips(flips: breakdown.Flips) -> Iterator[str]:
    arm, other = escape(flips.arm), escape(flips.other)
    for winner, loser, items in ((arm, other, flips.right), (other, arm, flips.wrong)):
        if not items:
            continue
        yield from (f"{winner} is right, {loser} is not:", "")
        for item in items:
            gold = escape(item.gold) or "should be declined"
            yield (
                f"- {escape(item.question)} Reference: {gold}. "
                f"{arm}: {escape(item.answer) or 'no answer'} · "
                f"{other}: {escape(item.other_answer) or 'no answer'}"
            )
        yield ""


def _arms(comparison: Mapping[str, Any], rows: Sequence[ArmRow]) -> Iterator[str]:
    if not rows:
        return
    figures = arm_figures(rows, comparison)
    yield _line(["arm", *map(_title, figures.heads)])
    yield _line(["---", *["---:"] * len(figures.heads)])
    for row in rows:
        yield _line([_name(row), *_cells(row, figures)])
    yield ""
    frontier = (comparison.get("verdict") or {}).get("pareto") or ()
    yield "Scores: higher is better, with 95 % interval. Times, sizes and price: lower."
    if frontier:
        names = escape(", ".join(frontier))
        yield f"No other arm beats these on score, time, build time and storage at once: {names}."
    if figures.missing:
        yield f"Not measured: {', '.join(figures.missing)}."
    yield ""


def _cells(row: ArmRow, figures: Figures) -> list[str]:
    if row.not_applicable:
        return [numbers.DASH] * len(figures.heads)
    return [_entry(cell) for cell in figures.cells[row.name]]


def _name(row: ArmRow) -> str:
    name = escape(row.name)
    if row.recommended:
        return f"**{name}** (recommended)"
    return f"{name} (baseline)" if row.baseline else f"{name} (control)" if row.control else name


def _differences(comparison: Mapping[str, Any]) -> Iterator[str]:
    contrasts = [_contrast(item) for item in ordered_contrasts(comparison)]
    interaction = interaction_sentence(comparison)
    contrasts += [f"- {escape(interaction)}"] if interaction else []
    if contrasts:
        yield from ("### Differences", "", *contrasts, "")


def _contrast(contrast: Mapping[str, Any]) -> str:
    tied = contrast.get("tied")
    note = f", tied {tied:,}" if isinstance(tied, int) else ""
    note += " (exploratory)" if contrast.get("exploratory") else ""
    return f"- {escape(contrast_sentence(contrast))}{note}"


def _failures(comparison: Mapping[str, Any]) -> Iterator[str]:
    found = why.failures_of(comparison)
    if not found:
        return
    yield from ("### What goes wrong, and what to try", "")
    for item in found:
        noun = "question" if item.n == 1 else "questions"
        count = f"{item.n:,} {noun}" + (f", {item.share}" if item.share else "")
        command = item.command.replace("`", "'")
        yield (
            f"- **{escape(item.arm)}** {escape(item.kind)} ({count}). {escape(item.text)}"
            + (f" `{command}`" if command else "")
        )
    yield ""


def _risk(rows: Sequence[ArmRow]) -> Iterator[str]:
    found = [(row.name, row.data.get("risk_coverage") or {}) for row in rows]
    areas = [
        f"{escape(name)} {data['area']:.2f} (n {int(data.get('n') or 0):,})"
        for name, data in found
        if data.get("area") is not None
    ]
    if areas:
        yield from (
            f"Risk by coverage, area under the curve, lower is better: {', '.join(areas)}.",
            "",
        )


def _grid(grid: Grid | None) -> Iterator[str]:
    if grid is None:
        return
    yield from (f"### {escape(grid.title)}", "", escape(grid.lead), "")
    yield _line([grid.first, *map(_title, grid.heads)])
    yield _line(["---", *("---" if head.text else "---:" for head in grid.heads)])
    for line in grid.lines:
        note = f" ({escape(line.note)})" if line.note else ""
        yield _line([f"{escape(line.name)}{note}", *map(_entry, line.cells)])
    yield ""


def _title(head: Head) -> str:
    note = f" ({head.note})" if head.note else ""
    return f"{escape(head.title)}{ARROWS[head.direction]}{note}"


def _entry(cell: Entry) -> str:
    """Return a cell on one line, its note in brackets, its tone in words or as emphasis.

    >>> _entry(Entry("50 %", "40–60 · n 30", "best")), _entry(Entry("+2", "−3 to 7", "level"))
    ('**50 %** (40–60, n 30)', '+2 (−3 to 7) not clear')
    """
    sign = {"best": "**", "few": "_"}.get(cell.tone, "")
    note = f" ({escape(cell.note.replace(' · ', ', '))})" if cell.note else ""
    value = f"{sign}{escape(cell.value)}{sign}"
    return value + note + (" not clear" if cell.tone == "level" else "")


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
