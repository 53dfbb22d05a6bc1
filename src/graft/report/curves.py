"""Curves as inline SVG: a training over its steps, risk over coverage, scores over distractors.

Each is drawn in a wide and a narrow form, says in its label what it shows, and tells its
lines apart by dashes and names, not by colour alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from graft.report import numbers
from graft.report.drawing import NARROW, WIDE, Scale, line, path, picture, tag, text
from graft.train.curves import curve_sentence
from graft.train.plan import CurvePoint

__all__ = ["curve_chart", "meaning", "risk_chart"]

MAX_CURVE_POINTS = 160


def curve_chart(
    name: str, points: Sequence[Mapping[str, Any]], *, narrow: bool, kept: float | None = None
) -> str:
    """Return losses and the share of right dev answers over the steps of a training.

    `kept` is the step whose adapter was chosen, None where it is not known.
    """
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
    across = Scale(0, last or 1, 48, panel - 84)
    parts = [*_kept_step(kept, across), *_loss_panel(loss, across)]
    second = [*(_kept_step(kept, across) if right else []), *_answers_panel(right, across)]
    move = "translate(0 240)" if narrow else f"translate({width / 2 + 16:.0f} 0)"
    parts.append(tag("g", "".join(second), transform=move))
    return picture(parts, width, 480 if narrow else 238, f"Training of {name}", narrow)


def _kept_step(kept: float | None, across: Scale) -> list[str]:
    """Return a line at the chosen step with its name beneath the axis."""
    if kept is None or not 0 <= kept <= across.high:
        return []
    x = across.at(kept)
    words = f"chosen: step {kept:,.0f}"
    return [line(x, 28, x, 200, "kept"), text(x, 230, words, "tick strong", "middle")]


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
        parts.append(path(pairs, across, down, f"curve {kind}"))
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
    parts.append(path(pairs, across, down, "curve dev"))
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


def risk_chart(
    curves: Sequence[tuple[str, bool, Sequence[Sequence[float]]]], *, narrow: bool
) -> str:
    """Return the share of wrong answers against the share answered, one line an arm.

    `curves` are name, whether the arm is recommended, and points of coverage and risk.
    """
    shown = [(name, best, points) for name, best, points in curves if points]
    if not shown:
        return ""
    width, height = (float(NARROW), 330) if narrow else (float(WIDE), 340)
    highest = max(risk for _, _, points in shown for _, risk in points)
    quarters = max(1, math.ceil(highest * 4))
    across = Scale(0, 1, 48, width - (84 if narrow else 120))
    down = Scale(0, quarters / 4, height - 52, 24)
    parts = [text(0, 12, "wrong of those answered, lower is better", "note")]
    for place in range(quarters + 1):
        y = down.at(place / 4)
        parts.append(line(across.start, y, across.end, y, "grid" if place else "zero"))
        parts.append(text(across.start - 8, y + 4, numbers.percent(place / 4), "tick", "end"))
    for place in range(5):
        x = across.at(place / 4)
        parts.append(text(x, down.start + 18, numbers.percent(place / 4), "tick", "middle"))
    middle = (across.start + across.end) / 2
    parts.append(text(middle, height - 8, "share of the questions answered", "note", "middle"))
    ends = _apart([down.at(points[-1][1]) for _, _, points in shown], 16)
    for place, (name, best, points) in enumerate(shown):
        pairs = [(float(coverage), float(risk)) for coverage, risk in points]
        parts.append(path(pairs, across, down, f"curve {'best' if best else f'dash{place % 4}'}"))
        style = "name strong" if best else "name soft"
        parts.append(text(across.at(pairs[-1][0]) + 8, ends[place] + 4, name, style))
    return picture(parts, width, height, "Risk against coverage, by arm", narrow)


def _apart(places: Sequence[float], gap: float) -> list[float]:
    """Return heights moved down until no two are closer than a gap, in the order given."""
    order = sorted(range(len(places)), key=lambda place: places[place])
    moved, last = list(places), -math.inf
    for place in order:
        moved[place] = last = max(places[place], last + gap)
    return moved


def meaning(points: Sequence[Mapping[str, Any]], kept: int | None) -> str:
    """Say what a training curve means; nothing where a look lacks a number."""
    names = [item.name for item in fields(CurvePoint)]
    whole = [point for point in points if all(_is_number(point.get(name)) for name in names)]
    if not whole or len(whole) < len(points) or kept is None:
        return ""
    looks = [CurvePoint(**{name: point[name] for name in names}) for point in whole]
    return curve_sentence(looks, int(kept))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
