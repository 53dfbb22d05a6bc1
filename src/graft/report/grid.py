"""A table as plain values: what HTML and Markdown draw, so that both show the same numbers.

A grid knows titles, rows and entries as text; it knows nothing of a comparison or of markup.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from graft.report import numbers

__all__ = ["Entry", "Grid", "Head", "Line", "Tone", "percent_entry", "score_entry"]

FEW = 10
"""Under so many questions a score is shown pale: one answer moves it by ten points or more."""
Tone = Literal["", "better", "worse", "level", "best", "passes", "fails", "open", "few"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One cell: its value, a note beneath, what it means, and a number to sort by."""

    value: str = numbers.DASH
    note: str = ""
    tone: Tone = ""
    sort: float | None = None


@dataclass(frozen=True, slots=True)
class Head:
    """The head of a column; `direction` says which values are better, empty where neither is.

    `note` stands beneath the title: the number of questions where all its cells share it.
    """

    title: str
    direction: Literal["", "higher", "lower"] = ""
    text: bool = False
    key: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """A row: its name, what stands under the name, and its cells."""

    name: str
    cells: tuple[Entry, ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Grid:
    """A table with its title, what it says in a sentence, and the head of its first column."""

    title: str
    lead: str
    first: str
    heads: tuple[Head, ...]
    lines: tuple[Line, ...]


def score_entry(score: Mapping[str, Any] | None, *, with_n: bool = True) -> Entry:
    """Return a score with interval and n; a dash where it does not apply.

    >>> score_entry({"score": 0.5, "low": 0.4, "high": 0.6, "n": 30})
    Entry(value='50 %', note='40–60 · n 30', tone='', sort=0.5)
    """
    count = int((score or {}).get("n") or 0)
    if not score or score.get("score") is None:
        return Entry()
    parts = [numbers.interval(score.get("low"), score.get("high"))]
    parts += [f"n {count:,}"] if with_n and count else []
    tone: Tone = "few" if 0 < count < FEW else ""
    note = " · ".join(part for part in parts if part)
    return Entry(numbers.percent(score["score"]), note, tone, float(score["score"]))


def percent_entry(value: float | None, note: str = "") -> Entry:
    """Return a share without an interval."""
    return Entry() if value is None else Entry(numbers.percent(value), note, "", float(value))
