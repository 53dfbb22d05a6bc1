"""The values of Excel cells as a person reads them: numbers and dates by their formats.

Excel stores a date as a number and the format beside it. Groups of thousands are left out,
since their sign depends on the reader's country; dates are written year first. A format that
shows nothing, or a font that cannot be seen, makes a hidden cell.
"""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Context, Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from graft.loaders.ooxml import local_name

if TYPE_CHECKING:
    from lxml.etree import _Element as Element

__all__ = ["Formats", "Look", "hides_text", "shown_number"]

_GENERAL = "General"
_MAX_STYLES = 65_000
_TINY = 1.0
_WHITE = ("FFFFFF", "FFFFFFFF", "00FFFFFF")
_EXACT_DIGITS = 15  # what Excel keeps of a number
_PLAIN_LIMIT = 1e15
_CONTEXT = Context(prec=60)
_TOKEN = re.compile(
    r'"(?P<quoted>[^"]*)"|\\(?P<escaped>.)|(?P<space>_.)|\*.'
    r"|\[\$(?P<currency>[^\]-]*)[^\]]*\]|(?P<bracket>\[[^\]]*\])"
    r"|(?P<number>[0#?][0#?,]*(?:\.[0#?]*)?|\.[0#?]+)(?P<scale>,*)|(?P<other>.)",
    re.DOTALL,
)
_CONDITION = re.compile(r"\[[<>=]")
_LITERALS = frozenset("$€£¥+-() /:%")
_DATE_NOISE = re.compile(r'"[^"]*"|\\.|\[\$?[^hms\]][^\]]*\]|_.|\*.', re.IGNORECASE)


class Look(NamedTuple):
    """How cells of one style look."""

    number_format: str = _GENERAL
    is_bold: bool = False
    is_white: bool = False
    is_tiny: bool = False


class _Part(NamedTuple):
    """One part of a number format: what stands around the number, and its digits."""

    before: str
    after: str
    digits: str
    is_percent: bool


class Formats:
    """The styles of a workbook by their number; `is_1904` is the calendar of old Macs."""

    def __init__(self, styles: Element | None, is_1904: bool) -> None:
        self._looks = list(_looks(styles)) if styles is not None else []
        self._is_1904 = is_1904

    def look(self, style: str | None) -> Look:
        """Return the look of a style; an unknown one is plain."""
        place = int(style) if style and style.isascii() and style.isdigit() else 0
        return self._looks[place] if place < len(self._looks) else Look()

    def shown(self, value: str, look: Look) -> str:
        """Return a stored number as it is read; "" where its format shows nothing."""
        return shown_number(value, look.number_format, self._is_1904)


def _looks(styles: Element) -> Iterator[Look]:
    from openpyxl.styles.numbers import BUILTIN_FORMATS

    lists = {local_name(item): item for item in styles}
    custom: dict[str, str] = {
        item.get("numFmtId") or "": item.get("formatCode") or _GENERAL
        for item in lists.get("numFmts", ())
    }
    fonts, fills = list(lists.get("fonts", ())), list(lists.get("fills", ()))
    for number, style in enumerate(lists.get("cellXfs", ())):
        if number >= _MAX_STYLES:
            return
        font = _named(_at(fonts, style.get("fontId")))
        fill = _at(fills, style.get("fillId"))
        number_id = style.get("numFmtId") or "0"
        known = BUILTIN_FORMATS.get(_whole(number_id), _GENERAL)
        yield Look(
            number_format=custom.get(number_id, known),
            is_bold="b" in font and font["b"].get("val") not in ("0", "false"),
            is_white="color" in font and _is_white(font["color"]) and not _has_fill(fill),
            is_tiny="sz" in font and _size(font["sz"].get("val")) <= _TINY,
        )


def _named(element: Element | None) -> dict[str, Element]:
    return {local_name(item): item for item in element} if element is not None else {}


def _at(items: list[Element], place: str | None) -> Element | None:
    at = _whole(place)
    return items[at] if 0 <= at < len(items) else None


def _whole(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 9 else -1


def _is_white(color: Element) -> bool:
    rgb = (color.get("rgb") or "").upper()
    is_background = color.get("theme") == "0" and _size(color.get("tint") or "0") == 0
    return rgb in _WHITE or is_background or color.get("indexed") == "9"


def _has_fill(fill: Element | None) -> bool:
    """Say whether a fill gives the cell another colour than white."""
    for pattern in fill if fill is not None else ():
        if local_name(pattern) != "patternFill":
            return True
        colors = [item for item in pattern if local_name(item) == "fgColor"]
        is_solid_white = pattern.get("patternType") == "solid" and colors and _is_white(colors[0])
        return pattern.get("patternType") not in (None, "none") and not is_solid_white
    return False


def _size(text: str | None) -> float:
    """Return a number of a style; what is no number is as large as common text."""
    try:
        return float(text or "11")
    except ValueError:
        return 11.0


def shown_number(value: str, number_format: str, is_1904: bool = False) -> str:
    """Return a stored number by its format.

    >>> shown_number("0.125", "0.0%"), shown_number("45413", "dd/mm/yyyy")
    ('12.5%', '2024-05-01')
    """
    try:
        number = float(value)
    except ValueError:
        return value
    if not math.isfinite(number):
        return value
    if number_format == _GENERAL:
        return _plain(number, value)
    kind = _kind(number_format)
    if kind != "number":
        return _shown_date(number, number_format, kind, is_1904) or _plain(number, value)
    parts = _parts(number_format)
    if parts is None:
        return _plain(number, value)
    exact = Decimal(value.strip())
    if number < 0 and len(parts) > 1:
        part, exact = parts[1], abs(exact)
    else:
        part = parts[2] if number == 0 and len(parts) > 2 else parts[0]
    if part is None:
        return ""
    if not part.digits:
        return (part.before + part.after).strip()
    if abs(number) >= _PLAIN_LIMIT or part.digits == _GENERAL:
        digits = _plain(float(exact), value)
    else:
        digits = _digits(exact * 100 if part.is_percent else exact, part.digits)
    return f"{part.before}{digits}{part.after}".strip()


def _plain(number: float, value: str) -> str:
    """Return a number without a format, as exact as Excel keeps it.

    >>> _plain(0.1 + 0.2, "0.30000000000000004"), _plain(5.0, "5.0")
    ('0.3', '5')
    """
    if number == int(number) and abs(number) < _PLAIN_LIMIT:
        return str(int(number))
    return value if abs(number) >= _PLAIN_LIMIT else f"{number:.{_EXACT_DIGITS}g}"


def _digits(number: Decimal, digits: str) -> str:
    """Return a number rounded to the decimals of its format, with its leading zeros."""
    whole, _, decimals = digits.partition(".")
    decimals = decimals[:_EXACT_DIGITS]
    step = Decimal(1).scaleb(-len(decimals))
    rounded = number.quantize(step, rounding=ROUND_HALF_UP, context=_CONTEXT)
    if not rounded and not (whole + decimals).strip("?"):
        return ""
    text = f"{abs(rounded):f}"
    left, _, right = text.partition(".")
    shortest = len(decimals.rstrip("#?"))
    while len(right) > shortest and right.endswith("0"):
        right = right[:-1]
    first_zero = whole.find("0")
    left = left.zfill(len(whole) - first_zero if first_zero >= 0 else 1)
    sign = "-" if rounded < 0 else ""
    return f"{sign}{left}.{right}" if right else sign + left


@lru_cache(maxsize=4_096)
def _kind(number_format: str) -> str:
    """Say what a format makes of a number: "number", "date" or "duration"."""
    from openpyxl.styles.numbers import is_date_format, is_timedelta_format

    if is_timedelta_format(number_format):
        return "duration"
    return "date" if is_date_format(number_format) else "number"


@lru_cache(maxsize=4_096)
def _parts(number_format: str) -> tuple[_Part | None, ...] | None:
    """Return the parts of a format for positive, negative and zero; None where it is unusual.

    A part that is None shows nothing.
    """
    if number_format in ("", _GENERAL, "@") or _CONDITION.search(number_format):
        return None
    found: list[_Part | None] = []
    for text in _split(number_format)[:3]:
        if not text.strip():
            found.append(None)
            continue
        part = _part(text)
        if part is None:
            return None
        found.append(part)
    return tuple(found)


@lru_cache(maxsize=4_096)
def hides_text(number_format: str) -> bool:
    """Say whether a format shows nothing of a text: its fourth part is empty.

    >>> hides_text(";;;"), hides_text("0;-0;;@"), hides_text("General")
    (True, False, False)
    """
    parts = _split(number_format)
    return len(parts) > 3 and not parts[3].strip()


def _split(number_format: str) -> list[str]:
    parts = [""]
    for token in _TOKEN.finditer(number_format):
        if token["other"] == ";":
            parts.append("")
        else:
            parts[-1] += token[0]
    return parts


def _part(text: str) -> _Part | None:
    """Read one part of a format; None for fractions, exponents, scales and the like."""
    if text.strip() == _GENERAL:
        return _Part("", "", _GENERAL, False)
    around = ["", ""]
    digits = ""
    is_percent = False
    for token in _TOKEN.finditer(text):
        if token["number"]:
            if digits or token["scale"]:
                return None
            digits = token["number"].replace(",", "")
        elif token["other"] and token["other"] not in _LITERALS:
            return None
        else:
            literal = token["quoted"] or token["escaped"] or token["currency"] or token["other"]
            is_percent = is_percent or token["other"] == "%"
            around[bool(digits)] += literal or (" " if token["space"] else "")
    return _Part(around[0], around[1], digits, is_percent)


def _shown_date(number: float, number_format: str, kind: str, is_1904: bool) -> str:
    from openpyxl.utils.datetime import CALENDAR_MAC_1904, CALENDAR_WINDOWS_1900, from_excel

    epoch = CALENDAR_MAC_1904 if is_1904 else CALENDAR_WINDOWS_1900
    if number < 0 and kind == "date":
        return ""
    try:
        moment = from_excel(number, epoch, timedelta=kind == "duration")
    except (ValueError, OverflowError):
        return ""
    if isinstance(moment, datetime.timedelta):
        seconds = round(moment.total_seconds())
        sign, seconds = ("-" if seconds < 0 else ""), abs(seconds)
        return f"{sign}{seconds // 3600}:{seconds // 60 % 60:02}" + _seconds(seconds % 60)
    letters = set(_DATE_NOISE.sub("", number_format).lower())
    if isinstance(moment, datetime.time):
        return f"{moment.hour}:{moment.minute:02}" + _seconds(moment.second)
    if not isinstance(moment, datetime.datetime):
        return ""
    if "d" not in letters and "h" not in letters and "y" in letters:
        return f"{moment:%B} {moment.year}" if "m" in letters else str(moment.year)
    if "y" not in letters and "d" not in letters and "h" in letters:
        return f"{moment.hour}:{moment.minute:02}" + _seconds(moment.second)
    day = f"{moment.year:04}-{moment.month:02}-{moment.day:02}"
    has_time = (moment.hour, moment.minute, moment.second) != (0, 0, 0) and "h" in letters
    return (
        f"{day} {moment.hour:02}:{moment.minute:02}{_seconds(moment.second)}" if has_time else day
    )


def _seconds(seconds: int) -> str:
    return f":{seconds:02}" if seconds else ""
