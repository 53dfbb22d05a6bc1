"""The comparison as Markdown: verdict, warnings, table and contrasts, for a pull request.

Text from documents can reach it through warnings, so signs that mean something in Markdown
or HTML are escaped.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from graft.report import numbers
from graft.report.table import (
    ArmRow,
    Column,
    arm_rows,
    contrast_sentence,
    interaction_sentence,
    ordered_contrasts,
    score_columns,
    warnings,
)

__all__ = ["render_markdown"]

_SPECIAL = re.compile(r"([\\`*_\[\]<>|#~!@])")


def render_markdown(comparison: Mapping[str, Any]) -> str:
    """Return the comparison as GitHub-flavoured Markdown."""
    verdict = comparison.get("verdict") or {}
    lines = ["## Verdict", "", escape(verdict.get("sentence") or "No verdict."), ""]
    found = warnings(comparison)
    for item in found:
        lines.append(f"- **{'Blocked' if item.blocker else 'Warning'}:** {escape(item.text)}")
    lines += [""] if found else []
    rows = arm_rows(comparison)
    if rows:
        lines += [*_table(rows, score_columns(rows)), ""]
        lines += ["Scores: higher is better, with 95 % interval. Times and storage: lower.", ""]
    contrasts = [_contrast(item) for item in ordered_contrasts(comparison)]
    interaction = interaction_sentence(comparison)
    contrasts += [f"- {escape(interaction)}"] if interaction else []
    if contrasts:
        lines += ["### Differences", "", *contrasts, ""]
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


def _table(rows: Sequence[ArmRow], columns: Sequence[Column]) -> list[str]:
    titles = [f"{column.title} (n {column.n})" for column in columns]
    titles = ["arm", *titles, "p50", "build time", "storage"]
    lines = [_line(titles), _line(["---", *["---:"] * (len(titles) - 1)])]
    for row in rows:
        scores = [_score(row, column.key) for column in columns]
        lines.append(_line([_name(row), *scores, row.p50, row.build, row.storage]))
    return lines


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _name(row: ArmRow) -> str:
    name = escape(row.name)
    if row.recommended:
        return f"**{name}** (recommended)"
    return f"{name} (baseline)" if row.baseline else f"{name} (control)" if row.control else name


def _score(row: ArmRow, key: str) -> str:
    found = row.scores[key]
    return f"{found.value} ({found.interval})" if found.interval else found.value


def _contrast(contrast: Mapping[str, Any]) -> str:
    note = " (exploratory)" if contrast.get("exploratory") else ""
    return f"- {escape(contrast_sentence(contrast))}{note}"
