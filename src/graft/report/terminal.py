"""The comparison on the terminal: verdict, warnings, one table, the contrasts.

It returns text and prints nothing; whoever prints knows whether there is a terminal and how
wide it is. Without colour the text holds no escape sequence and says the same.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from graft.report import numbers
from graft.report.table import (
    ArmRow,
    Column,
    arm_rows,
    contrast_sentence,
    corrected_p,
    interaction_sentence,
    ordered_contrasts,
    score_columns,
    warnings,
)

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

__all__ = ["render_terminal"]

WIDE = 100
WITH_INTERVALS = 120
EXPLORATORY_LINES = 4
GAPS = (2, 1, 0)
_RULES = "    \n    \n ── \n    \n ── \n    \n    \n    \n"


def render_terminal(comparison: Mapping[str, Any], *, width: int, colour: bool) -> str:
    """Return the comparison as text of at most `width` columns.

    Intervals of every score are shown from 120 columns on; below, the headline has one.
    """
    from rich.console import Console

    file = io.StringIO()
    console = Console(
        file=file,
        width=width,
        force_terminal=colour,
        force_interactive=False,
        color_system="standard" if colour else None,
        no_color=not colour,
        legacy_windows=False,
        highlight=False,
        markup=False,
        emoji=False,
        _environ={},
    )
    _print_verdict(console, comparison)
    rows = arm_rows(comparison)
    if rows:
        console.print()
        console.print(_fitting_table(console, rows, width))
        console.print(_caption(rows), style="dim")
    _print_contrasts(console, comparison, width)
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines()) + "\n"


def _print_verdict(console: Console, comparison: Mapping[str, Any]) -> None:
    from rich.table import Table
    from rich.text import Text

    verdict = comparison.get("verdict") or {}
    console.print(Text(numbers.plain(verdict.get("sentence") or "No verdict."), style="bold"))
    found = warnings(comparison)
    if not found:
        return
    console.print()
    lines = Table.grid(padding=(0, 2, 0, 0))
    lines.add_column(no_wrap=True)
    lines.add_column(overflow="fold")
    for item in found:
        word, style = ("blocked", "bold red") if item.blocker else ("warning", "yellow")
        lines.add_row(Text(word, style=style), Text(item.text))
    console.print(lines)


def _fitting_table(console: Console, rows: Sequence[ArmRow], width: int) -> Table:
    """Return the table with the widest gaps that fit."""
    from rich.measure import Measurement

    unbounded = console.options.update(max_width=10 * width)
    tables = [_arms_table(rows, width, gap) for gap in GAPS]
    fitting = (it for it in tables if Measurement.get(console, unbounded, it).maximum <= width)
    return next(fitting, tables[-1])


def _arms_table(rows: Sequence[ArmRow], width: int, gap: int) -> Table:
    from rich.box import Box
    from rich.table import Table
    from rich.text import Text

    columns = score_columns(rows)
    table = Table(
        box=Box(_RULES), show_edge=False, padding=(0, gap, 0, 0), pad_edge=False, header_style=""
    )
    table.add_column("arm", no_wrap=True)
    for column in columns:
        table.add_column(_heading(column, width), justify="right", no_wrap=True)
    for title in ("time,\np50", "build\ntime", "storage"):
        table.add_column(title, justify="right", no_wrap=True)
    spans = {column.key: _span_width(rows, column.key) for column in columns}
    for before, row in zip([None, *rows], rows, strict=False):
        if before is not None and row.control and not before.control:
            table.add_section()
        scores = [_score(row, column.key, width, spans[column.key]) for column in columns]
        cells = [_name(row, width), *scores, row.p50, row.build, row.storage]
        table.add_row(
            *(Text(item) for item in cells),
            style="bold green" if row.recommended else "dim" if row.control else "",
        )
    return table


def _heading(column: Column, width: int) -> str:
    if column.key == "decline" and width < WIDE:
        return f"declined\nrightly,\nn {column.n}"
    return f"{column.title}\nn {column.n}"


def _name(row: ArmRow, width: int) -> str:
    if not row.recommended:
        return row.name
    return f"{row.name} (recommended)" if width >= WIDE else f"{row.name}\nrecommended"


def _span_width(rows: Sequence[ArmRow], key: str) -> int:
    return max(len(row.scores[key].interval) for row in rows)


def _score(row: ArmRow, key: str, width: int, span_width: int) -> str:
    found = row.scores[key]
    if found.interval and (key == "headline" or width >= WITH_INTERVALS):
        return f"{found.value} {found.interval:>{span_width}}"
    return found.value


def _caption(rows: Sequence[ArmRow]) -> str:
    baseline = next((row.name for row in rows if row.baseline), "")
    first = f"The baseline is {baseline}. " if baseline else ""
    below = "Below the rule: controls. " if any(row.control for row in rows) else ""
    return f"{first}{below}Scores: higher is better, 95 % interval. Times, storage: lower."


def _print_contrasts(console: Console, comparison: Mapping[str, Any], width: int) -> None:
    contrasts = ordered_contrasts(comparison)
    if not contrasts:
        return
    named = [item for item in contrasts if not item.get("exploratory")]
    others = [item for item in contrasts if item.get("exploratory")]
    console.print()
    for item in named:
        console.print(_contrast_line(item, width))
    interaction = interaction_sentence(comparison)
    if interaction:
        console.print(interaction)
    for item in others[:EXPLORATORY_LINES]:
        console.print(_contrast_line(item, width), style="dim")
    left = len(others) - EXPLORATORY_LINES
    if left > 0:
        console.print(f"{left} more exploratory contrasts are in the HTML report", style="dim")


def _contrast_line(contrast: Mapping[str, Any], width: int) -> str:
    line = contrast_sentence(contrast)
    note = " (exploratory)" if contrast.get("exploratory") else ""
    if width >= WIDE and contrast.get("difference") is not None:
        tied, p = contrast.get("tied"), corrected_p(contrast)
        line += "" if tied is None else f", tied {tied}"
        line += "" if p is None else f"; {numbers.p_value(p)}"
    return line + note if len(line + note) <= width else line.partition(";")[0] + note
