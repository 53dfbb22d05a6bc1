"""Charts of the arms as inline SVG, drawn by hand: no library, no script, no network.

Every chart is drawn in a wide and a narrow form; the style sheet shows one. A chart says in
its label what it shows, and no meaning rests on colour alone.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from graft.report import numbers
from graft.report.drawing import LETTER, NARROW, WIDE, Box, Scale, line, path, picture, tag, text
from graft.report.table import ArmRow, is_clear

__all__ = ["forest_chart", "latency_chart", "strip", "tally_chart"]


def strip(row: ArmRow) -> str:
    """Return the headline of an arm as a dot on its interval, from 0 to 100 per cent."""
    score = row.scores["headline"]
    if score.score is None:
        return ""
    scale = Scale(0, 1, 4, 116)
    parts = [line(4, 8, 116, 8, "axis")]
    if score.low is not None and score.high is not None:
        parts.append(line(scale.at(score.low), 8, scale.at(score.high), 8, "whisker"))
    parts.append(tag("circle", cx=scale.at(score.score), cy=8, r=4, class_="dot"))
    return tag("svg", "".join(parts), viewBox="0 0 120 16", class_="strip", aria_hidden="true")


def forest_chart(contrasts: Sequence[Mapping[str, Any]], margin: float, *, narrow: bool) -> str:
    """Return paired differences with intervals, the margin shaded; empty where there are none."""
    shown = [item for item in contrasts if item.get("difference") is not None]
    if not shown:
        return ""
    ends = [margin * 2, *(abs(item.get(key) or 0) for item in shown for key in ("low", "high"))]
    ends += [abs(item["difference"]) for item in shown]
    reach = math.ceil(max(ends) * 10) / 10
    width, step, top = (NARROW, 46, 26) if narrow else (WIDE, 34, 30)
    scale = Scale(-reach, reach, *((12, width - 12) if narrow else (250, width - 210)))
    bottom = top + step * len(shown) + 4
    parts = [_margin_band(scale, margin, top, bottom)]
    parts += _point_axis(scale, reach, top, bottom)
    parts += [text(scale.start, 14, "← second arm better", "note")]
    parts += [text(scale.end, 14, "first arm better →", "note", "end")]
    for place, item in enumerate(shown):
        parts += _forest_row(item, scale, top + step * place, narrow)
    label = "Paired differences between arms in points, with intervals and the margin shaded"
    return picture(parts, width, bottom + 24, label, narrow)


def _margin_band(scale: Scale, margin: float, top: float, bottom: float) -> str:
    left, right = scale.at(-margin), scale.at(margin)
    return tag("rect", x=left, y=top, width=right - left, height=bottom - top, class_="band")


def _point_axis(scale: Scale, reach: float, top: float, bottom: float) -> list[str]:
    step = next(size for size in (0.05, 0.1, 0.2, 0.5, 1.0) if reach / size <= 4 or size == 1.0)
    count = math.floor(reach / step + 1e-9)
    parts = []
    for place in range(-count, count + 1):
        x = scale.at(place * step)
        parts.append(line(x, top, x, bottom, "zero" if place == 0 else "grid"))
        parts.append(text(x, bottom + 16, numbers.points(place * step), "tick", "middle"))
    return parts


def _forest_row(item: Mapping[str, Any], scale: Scale, top: float, narrow: bool) -> list[str]:
    label_y, y = (top + 15, top + 30) if narrow else (top + 22, top + 18)
    name = f"{item['a']} − {item['b']}"
    span = numbers.points_interval(item.get("low"), item.get("high"))
    value = numbers.points(item["difference"]) + (f" ({span})" if span else "")
    planned = not item.get("exploratory")
    parts = [text(scale.start if narrow else 0, label_y, name, "name" if planned else "name soft")]
    parts.append(text(scale.end if narrow else WIDE, label_y, value, "value", "end"))
    kind = "clear" if is_clear(item) else "unclear"
    if item.get("low") is not None and item.get("high") is not None:
        parts.append(line(scale.at(item["low"]), y, scale.at(item["high"]), y, f"whisker {kind}"))
    shape = f"dot {kind}" if planned else f"dot hollow {kind}"
    parts.append(tag("circle", cx=scale.at(item["difference"]), cy=float(y), r=5, class_=shape))
    return parts


def tally_chart(contrasts: Sequence[Mapping[str, Any]], *, narrow: bool) -> str:
    """Return won, tied and lost questions of each pair as bars; empty where none were counted."""
    keys = ("won", "tied", "lost")
    shown = [item for item in contrasts if all(item.get(key) is not None for key in keys)]
    shown = [item for item in shown if sum(item[key] for key in keys)]
    if not shown:
        return ""
    width, step, top = (NARROW, 50, 26) if narrow else (WIDE, 34, 30)
    left, right = (0, width) if narrow else (250, width)
    parts = [text(left, 14, "first arm won", "note"), text(right, 14, "lost", "note", "end")]
    parts.append(text((left + right) / 2, 14, "tied", "note", "middle"))
    for place, item in enumerate(shown):
        parts += _tally_row(item, Scale(0, 1, left, right), top + step * place, narrow)
    label = "Questions won, tied and lost by the first arm of each pair"
    return picture(parts, width, top + step * len(shown), label, narrow)


def _tally_row(item: Mapping[str, Any], scale: Scale, top: float, narrow: bool) -> list[str]:
    name = f"{item['a']} − {item['b']}"
    kind = "name soft" if item.get("exploratory") else "name"
    y = top + 20 if narrow else top + 4
    parts = [text(0, top + 13 if narrow else top + 19, name, kind)]
    total, start = sum(item[key] for key in ("won", "tied", "lost")), 0.0
    for key in ("won", "tied", "lost"):
        share = item[key] / total
        x, wide = scale.at(start), scale.at(start + share) - scale.at(start)
        start += share
        if not item[key]:
            continue
        bar = max(wide - 2, 1.0)
        parts.append(
            tag("rect", x=x, y=float(y), width=bar, height=22, rx=2, class_=f"tally {key}")
        )
        if wide > LETTER * len(f"{item[key]:,}") + 6:
            words = f"{item[key]:,}"
            parts.append(text(x + wide / 2 - 1, y + 16, words, f"on {key}", "middle"))
    return parts


def latency_chart(rows: Sequence[ArmRow], *, narrow: bool, frontier: Collection[str] = ()) -> str:
    """Return headline against p50 latency with the arms' names; empty where nothing was timed.

    `frontier` are the arms that none beats on every axis; those of them that no faster one
    reaches in score are joined by a line.
    """
    shown = [row for row in rows if _median(row) is not None and _headline(row) is not None]
    if not shown:
        return ""
    width, height = (NARROW, 330) if narrow else (WIDE, 400)
    times = [_median(row) or 0 for row in shown]
    low, high = math.floor(math.log10(min(times))), math.ceil(math.log10(max(times) * 1.25))
    across = Scale(low, max(high, low + 1), 48, width - 20)
    down = Scale(0, 1, height - 52, 20)
    parts = _latency_axes(across, down, width, height)
    points = [
        (across.at(math.log10(_median(row) or 1)), down.at(_headline(row) or 0)) for row in shown
    ]
    edge = _edge([row for row in shown if row.name in frontier])
    steps = _steps(edge)
    parts += [path(steps, across, down, "frontier")] if steps else []
    taken = [Box(x - 6, y - 6, x + 6, y + 6) for x, y in points]
    taken += _covered(steps, across, down)
    for row, (x, _) in zip(shown, points, strict=True):
        score = row.scores["headline"]
        if score.low is not None and score.high is not None:
            ends = down.at(score.low), down.at(score.high)
            parts.append(line(x, ends[0], x, ends[1], "whisker thin"))
            taken.append(Box(x - 2, ends[1], x + 2, ends[0]))
    inside = Box(across.start, down.end, across.end + 18, down.start)
    for row, (x, y) in zip(shown, points, strict=True):
        parts.append(tag("circle", cx=x, cy=y, r=6, class_="dot hollow" if row.control else "dot"))
        if row.recommended:
            parts.append(tag("circle", cx=x, cy=y, r=11, class_="ring"))
        label = _place_label(row.name, x, y, taken, inside)
        taken.append(label)
        style = "name soft" if row.control else "name strong" if row.recommended else "name"
        parts.append(text(label.text_x, label.bottom - 4, row.name, style, label.anchor))
    return picture(parts, width, height, "Headline score against p50 latency, by arm", narrow)


def _edge(rows: Sequence[ArmRow]) -> list[tuple[float, float]]:
    """Return the time (log10 of ms) and score of the arms that no faster one reaches."""
    edge: list[tuple[float, float]] = []
    for row in sorted(rows, key=lambda item: (_median(item) or 0, -(_headline(item) or 0))):
        score = _headline(row) or 0.0
        if not edge or score > edge[-1][1]:
            edge.append((math.log10(_median(row) or 1), score))
    return edge


def _steps(edge: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the frontier as steps: what the fastest arm reaches, then the next better one."""
    if len(edge) < 2:
        return []
    steps = [edge[0]]
    for time, score in edge[1:]:
        steps += [(time, steps[-1][1]), (time, score)]
    return steps


def _covered(steps: Sequence[tuple[float, float]], across: Scale, down: Scale) -> list[Box]:
    """Return the strips that a line of steps covers, for labels to stay clear of."""
    spots = [(across.at(x), down.at(y)) for x, y in steps]
    return [
        Box(min(a, c) - 3, min(b, d) - 3, max(a, c) + 3, max(b, d) + 3)
        for (a, b), (c, d) in zip(spots, spots[1:], strict=False)
    ]


def _median(row: ArmRow) -> float | None:
    found = (row.data.get("latency_ms") or {}).get("p50")
    return None if found is None else max(float(found), 1.0)


def _headline(row: ArmRow) -> float | None:
    return row.scores["headline"].score


def _latency_axes(across: Scale, down: Scale, width: float, height: float) -> list[str]:
    parts = []
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        y = down.at(share)
        parts.append(line(across.start, y, width - 20, y, "zero" if share == 0 else "grid"))
        parts.append(text(across.start - 8, y + 4, numbers.percent(share), "tick", "end"))
    for power in range(int(across.low), int(across.high) + 1):
        x = across.at(power)
        anchor = "end" if power == across.high else "middle"
        parts.append(line(x, down.end, x, down.start, "grid"))
        parts.append(text(x, down.start + 18, _whole_time(power), "tick", anchor))
    label = text(
        (across.start + across.end) / 2, height - 8, "time of one answer, p50", "note", "middle"
    )
    return [*parts, label]


def _whole_time(power: int) -> str:
    return f"{10**power:,} ms" if power < 3 else f"{10 ** (power - 3):,} s"


def _place_label(name: str, x: float, y: float, taken: Sequence[Box], inside: Box) -> Box:
    """Return where a name covers least: right, left, above or below its point, or further off."""
    wide, tall = len(name) * LETTER, 18
    places = [(x + 16, y - 9, "start"), (x - 16 - wide, y - 9, "end")]
    places += [(x - wide / 2, y - 31, "middle"), (x - wide / 2, y + 13, "middle")]
    for top in (y - 25, y + 7, y - 41, y + 23):
        places += [(x + 12, top, "start"), (x - 12 - wide, top, "end")]
    boxes = [Box(left, top, left + wide, top + tall, anchor) for left, top, anchor in places]

    def cost(box: Box) -> float:
        covered = sum(box.overlap(other) for other in taken)
        return covered + wide * tall - box.overlap(inside)

    return min(boxes, key=cost)
