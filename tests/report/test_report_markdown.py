from __future__ import annotations

from typing import Any

from graft.report import render_markdown


def test_the_table_has_a_row_for_every_arm_with_intervals(comparison: dict[str, Any]) -> None:
    shown = render_markdown(comparison)
    rows = [line for line in shown.splitlines() if line.startswith("|")]
    assert len(rows) == 2 + 8
    assert rows[2].startswith("| base (baseline) | 5 % (0–13) | 4 % (0–12) |")
    assert "| **hybrid** (recommended) | 72 % (64–80) |" in shown
    assert "| whole-text | – | – | – | – | – | – | – |" in shown
    assert len({row.count("|") for row in rows}) == 1


def test_contrasts_are_sentences_with_a_real_minus(comparison: dict[str, Any]) -> None:
    shown = render_markdown(comparison)
    assert (
        "- finetuned against base: 2 points lower (−10 to 6), not clear; won 12, lost 14" in shown
    )
    assert "(exploratory)" in shown
    assert "Holds for SmolLM2-135M-Instruct, measured 2026-08-22, " in shown


def test_hostile_text_cannot_open_a_tag_a_link_or_a_column(comparison: dict[str, Any]) -> None:
    comparison["verdict"]["flags"] = ["skipped | <img src=x> [click](http://evil)\n# big @all"]
    shown = render_markdown(comparison)
    assert "skipped \\| \\<img src=x\\> \\[click\\](http://evil) \\# big \\@all" in shown
