"""Charts as inline SVG, drawn by hand: no library, no script, no network.

Colours are classes that the page's style sheet fills in, so a chart follows light and dark.
Every chart is drawn in a wide and a narrow form; the style sheet shows one. A chart says in
its label what it shows, and no meaning rests on colour alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from graft.report import numbers
from graft.report.table import ArmRow, is_clear

__all__ = ["curve_chart", "forest_chart", "latency_chart", "strip"]

WIDE = 1096
NARROW = 340
LETTER = 7.8
"""Width of a letter at the 13 px of chart text, in pixels; measured on DejaVu Sans, the widest."""
MAX_CURVE_POINTS = 160


@dataclass(frozen=True, slots=True)
class Scale:
    """Maps `low`…`high` of the data to `start`…`end` of the picture."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """Return the position of a value, kept inside the picture."""
        share = (value - self.low) / ((self.high - self.low) or 1)
        return self.start + (self.end - self.start) * min(1.0, max(0.0, share))


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle that a label must not cover; `anchor` says where a label's text starts."""

    left: float
    top: float
    right: float
    bottom: float
    anchor: str = "start"

    @property
    def text_x(self) -> float:
        """Return the position of the text for its anchor."""
        middle = (self.left + self.right) / 2
        return {"start": self.left, "middle": middle, "end": self.right}[self.anchor]

    def overlap(self, other: Box) -> float:
        """Return the area that both cover."""
        across = min(self.right, other.right) - max(self.left, other.left)
        down = min(self.bottom, other.bottom) - max(self.top, other.top)
        return across * down if across > 0 and down > 0 else 0.0


def tag(name: str, content: str = "", **attributes: object) -> str:
    """Return an SVG element; attribute values are escaped, `class_` is `class`.

    >>> tag("rect", x=1.25, class_="band")
    '<rect x="1.2" class="band"/>'
    """
    shown = []
    for key, value in attributes.items():
        text = f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else str(value)
        shown.append(f' {key.rstrip("_").replace("_", "-")}="{escape(text)}"')
    opening = f"<{name}{''.join(shown)}"
    return f"{opening}>{content}</{name}>" if content else f"{opening}/>"


def text(x: float, y: float, words: object, kind: str = "", anchor: str = "start") -> str:
    """Return a line of text; document text inside it is escaped."""
    kind = f"{kind} {anchor}".strip()
    return tag("text", escape(numbers.plain(words)), x=float(x), y=float(y), class_=kind)


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    """Return a straight line."""
    return tag("line", x1=float(x1), y1=float(y1), x2=float(x2), y2=float(y2), class_=kind)


def picture(parts: Iterable[str], width: float, height: float, label: str, narrow: bool) -> str:
    """Return the whole SVG with its label for those who do not see it."""
    return tag(
        "svg",
        "".join(parts),
        viewBox=f"0 0 {width:.0f} {height:.0f}",
        class_=f"chart {'narrow' if narrow else 'wide'}",
        role="img",
        aria_label=label,
    )


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


def latency_chart(rows: Sequence[ArmRow], *, narrow: bool) -> str:
    """Return headline against p50 latency with the arms' names; empty where nothing was timed."""
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
    taken = [Box(x - 6, y - 6, x + 6, y + 6) for x, y in points]
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


def curve_chart(name: str, points: Sequence[Mapping[str, Any]], *, narrow: bool) -> str:
    """Return losses and the share of right dev answers over the steps of a training."""
    steps = [point for point in points if _finite(point.get("step")) is not None]
    if len(steps) > MAX_CURVE_POINTS:
        every = len(steps) / MAX_CURVE_POINTS
        steps = [*(steps[int(place * every)] for place in range(MAX_CURVE_POINTS)), steps[-1]]
    loss = [_series(steps, key) for key in ("train_loss", "dev_loss")]
    right = _series(steps, "dev_answers")
    if not any([*loss, right]):
        return ""
    width = float(NARROW if narrow else WIDE)
    panel = width if narrow else width / 2 - 16
    last = max(step for series in [*loss, right] for step, _ in series)
    parts = _loss_panel(loss, Scale(0, last or 1, 48, panel - 84))
    second = _answers_panel(right, Scale(0, last or 1, 48, panel - 84))
    move = "translate(0 240)" if narrow else f"translate({width / 2 + 16:.0f} 0)"
    parts.append(tag("g", "".join(second), transform=move))
    return picture(parts, width, 480 if narrow else 236, f"Training of {name}", narrow)


def _finite(value: object) -> float | None:
    if isinstance(value, int | float) and math.isfinite(value):
        return float(value)
    return None


def _series(points: Sequence[Mapping[str, Any]], key: str) -> list[tuple[float, float]]:
    pairs = [(_finite(point["step"]), _finite(point.get(key))) for point in points]
    return [(step, value) for step, value in pairs if step is not None and value is not None]


def _loss_panel(series: Sequence[Sequence[tuple[float, float]]], across: Scale) -> list[str]:
    values = [value for pairs in series for _, value in pairs]
    top = max([*values, 0.1])
    down = Scale(0, top, 196, 28)
    ticks = [(down.at(top * share), f"{top * share:.1f}") for share in (0, 0.5, 1)]
    parts = _panel_frame("loss, lower is better", across, ticks)
    ends = [down.at(pairs[-1][1]) for pairs in series if pairs]
    apart = abs(ends[0] - ends[1]) if len(ends) == 2 else 99.0
    for pairs, kind, label in zip(series, ("train", "dev"), ("training", "dev"), strict=True):
        if not pairs:
            continue
        parts.append(_path(pairs, across, down, f"curve {kind}"))
        y = down.at(pairs[-1][1])
        if apart < 16:
            higher = y == min(ends) and (kind == "dev" or ends[0] != ends[1])
            y += (apart - 16) / 2 if higher else (16 - apart) / 2
        parts.append(text(across.at(pairs[-1][0]) + 8, y + 4, label, f"name {kind}"))
    return parts


def _answers_panel(pairs: Sequence[tuple[float, float]], across: Scale) -> list[str]:
    if not pairs:
        return []
    down = Scale(0, 1, 196, 28)
    ticks = [(down.at(share), numbers.percent(share)) for share in (0, 0.5, 1)]
    parts = _panel_frame("right answers on dev, higher is better", across, ticks)
    parts.append(_path(pairs, across, down, "curve dev"))
    step, best = max(pairs, key=lambda pair: pair[1])
    x, y = across.at(step), down.at(best)
    parts.append(tag("circle", cx=x, cy=y, r=4, class_="dot"))
    parts.append(tag("circle", cx=x, cy=y, r=8, class_="ring"))
    anchor = "end" if step > across.high * 0.7 else "start"
    above = y - 14 if y > down.end + 14 else y + 24
    parts.append(text(x, above, f"best {numbers.percent(best)}", "name strong", anchor))
    return parts


def _panel_frame(title: str, across: Scale, ticks: Sequence[tuple[float, str]]) -> list[str]:
    parts = [text(0, 12, title, "note")]
    for place, (y, label) in enumerate(ticks):
        parts.append(line(across.start, y, across.end, y, "grid" if place else "zero"))
        parts.append(text(across.start - 8, y + 4, label, "tick", "end"))
    parts.append(text(across.start, 214, "step 0", "tick"))
    return [*parts, text(across.end, 214, f"{across.high:,.0f}", "tick", "end")]


def _path(pairs: Sequence[tuple[float, float]], across: Scale, down: Scale, kind: str) -> str:
    spots = [f"{across.at(step):.1f} {down.at(value):.1f}" for step, value in pairs]
    return tag("path", d=f"M{' L'.join(spots)}", class_=kind)
