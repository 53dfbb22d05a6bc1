from __future__ import annotations

from pathlib import Path
from typing import Any

from lxml import html

from graft.report import render_markdown, write_html
from graft.runs import Comparand


def test_the_table_has_a_row_for_every_arm_with_intervals(comparison: dict[str, Any]) -> None:
    shown = render_markdown(comparison)
    rows = [line for line in shown.splitlines() if line.startswith("|")]
    assert len(rows) == 2 + 8
    assert rows[0].startswith("| arm | headline ↑ (n 120) | against base ↑ | facts ↑ (n 40) |")
    assert rows[2].startswith("| base (baseline) | 27 % (19–35) | – | 5 % (0–13) |")
    assert "| **hybrid** (recommended) | 68 % (60–76) | – | 72 % (64–80) |" in shown
    assert "| rag | 54 % (46–62) | +24 (14 to 34) | 48 % (40–56) |" in shown
    assert "| whole-text | – | – | – |" in shown
    assert "Not measured: memory, price of 1,000." in shown
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


def test_markdown_shows_every_number_of_the_html_tables(
    full: dict[str, Any], comparand: Comparand, tmp_path: Path
) -> None:
    page = write_html(tmp_path / "r.html", full, comparand).read_text(encoding="utf-8")
    shown = render_markdown(full).replace("\\", "")
    cells = html.fromstring(page).xpath(
        "//table[contains(@class, 'sortable')]//td[not(@class='absent')]/b"
    )
    values = {cell.xpath("string(text()[last()])") for cell in cells}
    assert len(cells) > 150
    assert {value for value in values if value not in shown} == set()
    for words in ("Target 60 %: reached by hybrid.", "rag is right, hybrid is not:", "_13 %_"):
        assert words in shown
