"""The columns of the arms table: score, difference, retrieval, declining, times, sizes, price.

A column in which no arm has a value is not drawn; `missing` names those that a reader looks
for. It formats the rows of `table` and decides nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from graft.report import numbers
from graft.report.grid import Entry, Head, Tone, percent_entry, score_entry
from graft.report.table import ArmRow, Column, is_clear, score_columns

__all__ = ["Figures", "arm_figures"]

_EXPECTED = ("difference", "recall", "time", "memory", "price")
"""Columns that are named as not measured where no arm has a value."""


@dataclass(frozen=True, slots=True)
class Figures:
    """The heads of the arms table, the cells of each arm, and the columns without a value."""

    heads: tuple[Head, ...]
    cells: Mapping[str, tuple[Entry, ...]]
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Column:
    key: str
    title: str
    direction: Literal["", "higher", "lower"]
    read: Callable[[ArmRow], Entry]
    note: str = ""


def arm_figures(rows: Sequence[ArmRow], comparison: Mapping[str, Any]) -> Figures:
    """Return the arms table: the headline first, what it costs last."""
    baseline = next((row.name for row in rows if row.baseline), "")
    differences = _differences(comparison, baseline)
    scores = [_score_column(item) for item in score_columns(rows)]
    against = f"against {baseline}" if baseline else "difference"
    columns = [
        scores[-1],
        _Column("difference", against, "higher", lambda row: _difference(row, differences)),
        *scores[:-1],
        _Column("recall", "retrieval recall", "higher", _recall),
        _Column("time", "time, p50", "lower", _time),
        _Column("memory", "memory", "lower", _memory),
        _Column("build", "build time", "lower", _build),
        _Column("storage", "storage", "lower", _storage),
        _Column("price", "price of 1,000", "lower", _price),
    ]
    found = {item.key: [item.read(row) for row in rows] for item in columns}
    kept = [item for item in columns if any(cell.sort is not None for cell in found[item.key])]
    named = [item.title for item in columns if item not in kept and item.key in _EXPECTED]
    cells = {
        row.name: tuple(found[item.key][place] for item in kept) for place, row in enumerate(rows)
    }
    heads = tuple(Head(item.title, item.direction, key=item.key, note=item.note) for item in kept)
    return Figures(heads, cells, tuple(named))


def _score_column(column: Column) -> _Column:
    """Return a column of scores; a cell names its n only where the arms' numbers differ."""
    differ = "–" in column.n

    def read(row: ArmRow) -> Entry:
        cell = row.scores[column.key]
        score = {"score": cell.score, "low": cell.low, "high": cell.high, "n": cell.n}
        return score_entry(score, with_n=differ)

    return _Column(column.key, column.title, "higher", read, f"n {column.n}")


def _differences(
    comparison: Mapping[str, Any], baseline: str
) -> dict[str, tuple[float, float | None, float | None, bool]]:
    """Return each arm's difference from the baseline, whichever way round it was contrasted."""
    found = {}
    for item in comparison.get("contrasts") or ():
        value, low, high = item.get("difference"), item.get("low"), item.get("high")
        if value is None or baseline not in (item["a"], item["b"]):
            continue
        if item["b"] == baseline:
            found[item["a"]] = (value, low, high, is_clear(item))
        else:
            turned = (None if high is None else -high, None if low is None else -low)
            found[item["b"]] = (-value, *turned, is_clear(item))
    return found


def _difference(
    row: ArmRow, found: Mapping[str, tuple[float, float | None, float | None, bool]]
) -> Entry:
    if row.name not in found:
        return Entry()
    value, low, high, clear = found[row.name]
    tone: Tone = "level" if not clear else "better" if value > 0 else "worse"
    return Entry(numbers.points(value), numbers.points_interval(low, high), tone, value)


def _recall(row: ArmRow) -> Entry:
    measured = (row.data.get("measures") or {}).get("retrieval_recall")
    if measured and measured.get("score") is not None:
        return score_entry(measured, with_n=False)
    return percent_entry(row.data.get("retrieval_recall"))


def _time(row: ArmRow) -> Entry:
    times = row.data.get("latency_ms") or {}
    if times.get("p50") is None:
        return Entry()
    tail = f"p95 {row.p95}" if times.get("p95") is not None else ""
    return Entry(row.p50, tail, "", float(times["p50"]))


def _memory(row: ArmRow) -> Entry:
    size = row.data.get("peak_memory_bytes")
    return Entry() if size is None else Entry(numbers.storage(size), "", "", float(size))


def _build(row: ArmRow) -> Entry:
    seconds = row.data.get("build_seconds")
    return Entry() if seconds is None else Entry(row.build, "", "", float(seconds))


def _storage(row: ArmRow) -> Entry:
    size = row.data.get("storage_bytes")
    return Entry() if size is None else Entry(row.storage, "", "", float(size))


def _price(row: ArmRow) -> Entry:
    price = row.data.get("price_per_1000")
    return Entry() if price is None else Entry(numbers.price(price), "", "", float(price))
