"""What charts are drawn with: scales, boxes and elements of SVG as text.

It escapes whatever it is handed and knows nothing of arms or scores. Colours are classes
that the page's style sheet fills in, so a chart follows light and dark.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from graft.report import numbers

__all__ = [
    "LETTER",
    "NARROW",
    "WIDE",
    "Box",
    "Scale",
    "line",
    "path",
    "picture",
    "tag",
    "text",
]

WIDE = 1096
NARROW = 340
LETTER = 7.8
"""Width of a letter at the 13 px of chart text, in pixels; measured on DejaVu Sans, the widest."""


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


def path(pairs: Sequence[tuple[float, float]], across: Scale, down: Scale, kind: str) -> str:
    """Return a line through points of the data."""
    spots = [f"{across.at(x):.1f} {down.at(y):.1f}" for x, y in pairs]
    return tag("path", d=f"M{' L'.join(spots)}", class_=kind)
