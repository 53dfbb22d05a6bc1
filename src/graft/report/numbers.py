"""Numbers as readers see them: whole per cent, points, times, sizes.

Values stay fractions, milliseconds, seconds and bytes everywhere else; only the report
formats them, and a value that does not apply is a dash, never a zero.
"""

from __future__ import annotations

import math

__all__ = [
    "DASH",
    "build_time",
    "day",
    "interval",
    "latency",
    "p_value",
    "percent",
    "plain",
    "points",
    "points_interval",
    "price",
    "storage",
]

DASH = "–"
MINUS = "\u2212"
_UNSAFE = (range(0x00, 0x20), range(0x7F, 0xA0), range(0x202A, 0x202F), range(0x2066, 0x206A))


def plain(text: object) -> str:
    r"""Return text on one line, without control characters or bidirectional overrides.

    Names of documents reach the terminal through warnings; an escape sequence must not.

    >>> plain("a\x1b[31mb\nc")
    'a[31mb c'
    """
    joined = " ".join(str(text).split())
    return "".join(sign for sign in joined if not any(ord(sign) in span for span in _UNSAFE))


def whole(value: float) -> int:
    """Return a fraction as whole per cent, halves upward."""
    return math.floor(value * 100 + 0.5)


def percent(value: float | None) -> str:
    """Return a fraction as per cent.

    >>> percent(0.634), percent(None)
    ('63 %', '–')
    """
    return DASH if value is None else f"{whole(value)} %"


def interval(low: float | None, high: float | None) -> str:
    """Return an interval of fractions, or nothing where it is not known.

    >>> interval(0.551, 0.708)
    '55–71'
    """
    return "" if low is None or high is None else f"{whole(low)}–{whole(high)}"


def points(value: float | None, *, plus: bool = True) -> str:
    """Return a difference of fractions in points, with a real minus.

    >>> points(0.24), points(-0.03), points(0.001)
    ('+24', '−3', '0')
    """
    if value is None:
        return DASH
    number = math.copysign(whole(abs(value)), value)
    if number < 0:
        return f"{MINUS}{-number:.0f}"
    return f"+{number:.0f}" if plus and number > 0 else f"{abs(number):.0f}"


def points_interval(low: float | None, high: float | None) -> str:
    """Return the interval of a difference, or nothing where it is not known.

    >>> points_interval(-0.05, 0.09)
    '−5 to 9'
    """
    if low is None or high is None:
        return ""
    return f"{points(low, plus=False)} to {points(high, plus=False)}"


def day(moment: object) -> str:
    """Return the day of an ISO time.

    >>> day("2026-08-22T10:15:00Z")
    '2026-08-22'
    """
    text = plain(moment)
    return text[:10] if text[4:5] == "-" and text[10:11] in {"T", " "} else text


def p_value(value: float | None) -> str:
    """Return a p value with three places.

    >>> p_value(0.0312), p_value(0.00002)
    ('p 0.031', 'p < 0.001')
    """
    if value is None:
        return ""
    return "p < 0.001" if value < 0.001 else f"p {value:.3f}"


def latency(milliseconds: float | None) -> str:
    """Return the time of one answer.

    >>> latency(780), latency(1240), latency(0.2)
    ('780 ms', '1.2 s', '< 1 ms')
    """
    if milliseconds is None:
        return DASH
    if milliseconds < 1:
        return "< 1 ms" if milliseconds > 0 else "0 ms"
    if milliseconds < 999.5:
        return f"{milliseconds:.0f} ms"
    seconds = milliseconds / 1000
    return f"{seconds:.1f} s" if seconds < 99.95 else f"{seconds:,.0f} s"


def build_time(seconds: float | None) -> str:
    """Return the time to build an arm.

    >>> build_time(8.25), build_time(200), build_time(9000)
    ('8.2 s', '3 min', '2.5 h')
    """
    if seconds is None:
        return DASH
    if seconds < 9.95:
        return f"{seconds:.1f} s" if seconds else "0 s"
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 99.5 else f"{minutes / 60:,.1f} h"


def storage(size_bytes: float | None) -> str:
    """Return a size in megabytes.

    >>> storage(12_400_000), storage(3_420_000), storage(900), storage(0)
    ('12 MB', '3.4 MB', '< 0.1 MB', '0 MB')
    """
    if size_bytes is None:
        return DASH
    megabytes = size_bytes / 1e6
    if megabytes >= 9.95:
        return f"{megabytes:,.0f} MB"
    if megabytes >= 0.05:
        return f"{megabytes:.1f} MB"
    return "< 0.1 MB" if megabytes else "0 MB"


def price(amount: float | None) -> str:
    """Return a price in the currency of the configuration, which has no sign.

    >>> price(0.4215), price(12.5), price(0.00012), price(0)
    ('0.42', '12.50', '0.00012', '0')
    """
    if amount is None:
        return DASH
    if not amount:
        return "0"
    return f"{amount:,.2f}" if amount >= 0.1 else f"{amount:.2g}"
