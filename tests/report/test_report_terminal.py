from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from graft.report import render_terminal

GOLDEN = Path(__file__).with_name("golden") / "terminal-80.txt"


def test_eighty_columns_without_colour_are_the_golden_text(comparison: dict[str, Any]) -> None:
    assert render_terminal(comparison, width=80, colour=False) == GOLDEN.read_text("utf-8")


@pytest.mark.parametrize("width", [80, 100, 132])
def test_no_line_is_wider_than_asked_and_none_holds_an_escape_sequence(
    comparison: dict[str, Any], width: int
) -> None:
    shown = render_terminal(comparison, width=width, colour=False)
    assert max(map(len, shown.splitlines())) <= width
    assert "\x1b" not in shown


def test_the_documents_column_appears_with_its_first_question_and_still_fits(
    comparison: dict[str, Any],
) -> None:
    score = {"score": 0.4, "low": 0.3, "high": 0.5, "n": 1300}
    assert "documents" not in table(render_terminal(comparison, width=80, colour=False))
    comparison["arms"][0]["exposure"]["document"] = score
    shown = render_terminal(comparison, width=80, colour=False)
    assert "documents" in table(shown)
    assert "n 1,300" in shown
    assert "…" not in shown
    assert max(map(len, shown.splitlines())) <= 80


def table(shown: str) -> str:
    return shown.partition("facts")[2]


def test_wide_terminals_show_the_interval_of_every_score(comparison: dict[str, Any]) -> None:
    line = row(render_terminal(comparison, width=132, colour=False), "rag ")
    shown = " ".join(line.split())
    assert shown == "rag 48 % 40–56 50 % 42–58 60 % 40–80 54 % 46–62 780 ms 6.2 s 3.4 MB"


def row(shown: str, name: str) -> str:
    return next(line for line in shown.splitlines() if line.startswith(name))


def test_colour_adds_escape_sequences_and_no_words(
    comparison: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    shown = render_terminal(comparison, width=100, colour=True)
    assert "\x1b[" in shown
    assert "hybrid (recommended)" in shown
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b" not in render_terminal(comparison, width=100, colour=False)


def test_controls_stand_below_a_rule_and_the_baseline_first(comparison: dict[str, Any]) -> None:
    lines = render_terminal(comparison, width=100, colour=False).splitlines()
    rules = [place for place, line in enumerate(lines) if line.startswith("──")]
    assert lines[rules[0] + 1].startswith("base ")
    assert lines[rules[1] + 1].startswith("bolt-on ")


def test_a_blocked_comparison_without_arms_says_so() -> None:
    verdict = {"sentence": "No recommendation.", "blocked_by": ["few_clusters"], "flags": []}
    shown = render_terminal({"schema": 1, "verdict": verdict}, width=80, colour=False)
    assert shown == ("No recommendation.\n\nblocked  too few groups of questions for a verdict\n")


def test_exploratory_contrasts_are_counted_when_there_are_many(comparison: dict[str, Any]) -> None:
    comparison["contrasts"] += [comparison["contrasts"][-1]] * 9
    shown = render_terminal(comparison, width=80, colour=False)
    assert shown.count("(exploratory)") == 4
    assert "6 more exploratory contrasts are in the HTML report" in shown
