"""Text as comparable words: numbers, units, dates and versions are read before SQuAD's rules.

SQuAD's normalisation (lower case, no punctuation, no a/an/the, single spaces) turns 1.5 into
15 and -5 into 5. So a number is read first and becomes one word of its own; then the rest is
treated as SQuAD does, but for hyphens between words, which part them. English only. All
metrics compare the words that `words_of` returns.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache, partial
from typing import Literal

from graft.metrics.units import (
    EXACT_UNITS,
    MAGNITUDES,
    MONTHS,
    NUMBER_WORDS,
    SUFFIX_UNITS,
    UNITS,
)

__all__ = ["has_run", "normalise", "words_of"]

# an answer and its golds are read by several metrics in a row
REMEMBERED = 4096
ARTICLES = frozenset({"a", "an", "the"})

_MONTH = "|".join(f"{name}|{name[:3]}" for name in MONTHS) + "|sept"
_DAY = r"(\d{1,2})(?:st|nd|rd|th)?"
_DATES = (
    (re.compile(r"\b(\d{4})-(\d{2})-(\d{2})(?!\d|-\d)"), "ymd"),
    (re.compile(r"(?<![\d./])(\d{1,2})[./](\d{1,2})[./](\d{4})(?![\d]|[./]\d)"), "dmy"),
    (
        re.compile(rf"\b{_DAY}(?:\s+of)?\s+({_MONTH})\b\.?(?:,?\s+(\d{{4}})\b)?", re.IGNORECASE),
        "dmy",
    ),
    (
        re.compile(rf"\b({_MONTH})\.?\s+{_DAY}\b(?![,.:]?\d)(?:,?\s+(\d{{4}})\b)?", re.IGNORECASE),
        "mdy",
    ),
    (re.compile(rf"\b({_MONTH})\.?,?\s+(\d{{4}})\b(?![,.:]\d)", re.IGNORECASE), "my"),
)

_Replacement = str | Callable[[re.Match[str]], str]


def _grouped(found: re.Match[str]) -> str:
    return re.sub(r"\D", "", found[1])


def _fraction(found: re.Match[str]) -> str:
    return f" {int(found[1] or 0) + unicodedata.numeric(found[2]):g}"


def _power(found: re.Match[str]) -> str:
    return "^" + unicodedata.normalize("NFKC", found[0]).replace("−", "-")


def _currency(found: re.Match[str]) -> str:
    return {"usd": "$", "eur": "€", "gbp": "£"}[found[0].strip().lower()]


# written form -> one form, before anything is cut; applied in this order
_REWRITES: tuple[tuple[re.Pattern[str], _Replacement], ...] = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"(?<![\d.,])(\d{1,3}(?:[\u00a0\u202f\u2009'’]\d{3})+)(?!\d)", _grouped),
        (r"(\d+)?\s?([¼-¾⅐-⅞])", _fraction),
        (r"(?<=\d)[⁰¹²³⁴-⁹⁻]+", _power),
        (r"[™®©]", ""),
        (r"[º˚]", "°"),
        (r"[—―]", " - "),
        (r"[‐‑‒–−]", "-"),
        (r"(?<=[A-Za-z])[·⋅∙](?=[A-Za-z])", ""),
        (r"(?<=\d)\s*[x×]\s*(?=\d)", " x "),
        (r"(?i)\bUS\$", "$"),
        (r"(?i)\b(?:USD|EUR|GBP)\s?(?=-?\d)", _currency),
        (r"(?i)\bper\s?cent\b", "%"),
        (r"(?i)(?:°|\bdegrees?|\bdeg\.?)\s*(?:celsius|centigrade|c)\b", "°C"),
        (r"(?i)(?:°|\bdegrees?|\bdeg\.?)\s*(?:fahrenheit|f)\b", "°F"),
        (r"(?i)\bsquare met(?:re|er)s?\b", "m2"),
        (r"(?i)\bcubic met(?:re|er)s?\b", "m3"),
        (r"(?i)\bminus\s(?=\.?\d)", " -"),
    )
)
_NUMBER = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?(?![\d,])|(?<!\d,)\d+,\d{1,2}(?![\d,])|\d*\.\d+|\d+"
_MONEY = re.compile(
    rf"(-?)([$£€¥])\s?(-?)({_NUMBER})(?:\s?(m|bn|k|thousand|million|billion|trillion)\b)?",
    re.IGNORECASE,
)
_SHORT_MAGNITUDES = {"m": "million", "bn": "billion", "k": "thousand"}
_DECADE = re.compile(r"[12]\d\d0")
_TOKEN = re.compile(
    r"(?P<version>(?<![\w.])(?:[vV](?=\d+\.)\d+(?:\.\d+)+|\d+(?:\.\d+){2,})(?:-?[a-z]+\.?\d+)?)"
    r"|(?P<code>(?<![^\W_])[^\W\d_]{1,4}[-.]?\d+(?:[-.]?[^\W_]+)*)"
    r"|(?P<clock>\d+(?::\d+)+|(?<![\d/])\d+/\d+(?![\d/]))"
    rf"|(?P<quantity>(?P<minus>-)?(?P<number>{_NUMBER})(?P<suffix>(?:\^-?\d+)|[^\W\d_][^\W_]*)?)"
    r"|(?P<word>[^\W\d_](?:[^\W_]|['’](?=[^\W_]))*(?:\+\+|\#)?)"
    r"|(?P<symbol>°[CF]?|[%$£€¥])"
)


@dataclass(frozen=True, slots=True)
class _Token:
    """A piece of text; `exact` keeps the case that some units need."""

    kind: Literal["number", "word", "unit"]
    text: str
    exact: str = ""


def normalise(text: str) -> str:
    """Return the comparable words of a text with single spaces.

    >>> normalise("The pump runs at 1,200 RPM, -5°C.")
    'pump runs at 1200 rpm -5 °c'
    """
    return " ".join(words_of(text))


@lru_cache(maxsize=REMEMBERED)
def words_of(text: str) -> tuple[str, ...]:
    """Return the comparable words of a text, in order.

    >>> words_of("38bar") == words_of("38 bar")
    True
    >>> words_of("18th of October, 2024")
    ('2024', 'october', '18')
    """
    tokens = _read_units(_read_number_words(_cut(_rewrite(text))))
    kept = [item.text for item in tokens if item.exact or item.text not in ARTICLES]
    return tuple(kept) or tuple(item.text for item in tokens)


def has_run(words: Sequence[str], run: Sequence[str]) -> bool:
    """Tell whether `run` stands in `words` as it is, without a gap; an empty run never does.

    >>> has_run(("at", "38", "bar"), ("38", "bar"))
    True
    """
    size, wanted = len(run), tuple(run)
    return size > 0 and any(
        tuple(words[start : start + size]) == wanted for start in range(len(words) - size + 1)
    )


def _rewrite(text: str) -> str:
    """Bring spellings of numbers, units, money and dates to one form."""
    for pattern, replacement in _REWRITES:
        text = pattern.sub(replacement, text)
    text = unicodedata.normalize("NFKC", text)
    for pattern, order in _DATES:
        text = pattern.sub(partial(_date, order), text)
    return _MONEY.sub(_money, text)


def _date(order: str, found: re.Match[str]) -> str:
    """Return year, month name and day, or the text as it was where it is no date."""
    parts = dict(zip(order, found.groups(), strict=True))
    month = parts["m"].lower()
    if month.isdigit():
        if int(month) > len(MONTHS) and int(parts.get("d", "1")) <= len(MONTHS):
            parts["d"], month = month, parts["d"]  # 10/18/2024
        if not 1 <= int(month) <= len(MONTHS):
            return found[0]
        name = MONTHS[int(month) - 1]
    else:
        name = next(item for item in MONTHS if item.startswith(month[:3]))
    day = parts.get("d")
    return " ".join(("", parts.get("y") or "", name, str(int(day)) if day else "", ""))


def _money(found: re.Match[str]) -> str:
    """Put the currency behind the amount: `$8.7 billion` becomes `8.7 billion $`."""
    before, currency, inside, number, magnitude = found.groups()
    sign = "-" if before and not _is_after_number(found.string, found.start()) else inside
    word = (magnitude or "").lower()
    return f" {sign}{number} {_SHORT_MAGNITUDES.get(word, word)} {currency} "


def _is_after_number(text: str, position: int) -> bool:
    """Tell whether a hyphen at `position` parts two things and so is no minus."""
    before = text[:position].rstrip()
    touching = text[max(0, position - 1) : position]
    return before[-1:].isdigit() or before[-1:] in {"%", "°"} or touching.isalnum()


def _is_amid(text: str, position: int) -> bool:
    """Tell whether a word stands within a sentence, where a capital A is a name (`Form A`)."""
    before = text[:position].rstrip()[-1:]
    return before != "" and before not in ".!?:;\"'([-"


def _cut(text: str) -> list[_Token]:
    """Cut rewritten text into numbers, words and units."""
    tokens: list[_Token] = []
    for found in _TOKEN.finditer(text):
        kind, piece = found.lastgroup, found[0]
        if kind == "quantity":
            tokens += _quantity(found)
        elif kind == "version":
            tokens.append(_Token("word", piece.lower().removeprefix("v"), piece))
        elif kind == "code":
            plain = re.sub(r"(?<=[^\W\d_])[.](?=\d)|-", "", piece.casefold())
            tokens.append(_Token("word", plain, piece))
        elif kind == "symbol":
            tokens.append(_Token("unit", UNITS[piece.lower()]))
        elif kind == "clock":
            tokens.append(_Token("word", piece, piece))
        else:
            tokens.append(_Token("word", re.sub("['’]", "", piece.casefold())))
            if piece in EXACT_UNITS and _is_amid(text, found.start()):
                tokens[-1] = _Token("word", piece.casefold(), piece)
    return tokens


def _quantity(found: re.Match[str]) -> list[_Token]:
    """Read a number and what is written onto it: a unit (`38bar`) or a part of it (`9th`)."""
    digits = re.sub(r",(?=\d{3})", "", found["number"]).replace(",", ".")
    digits = f"0{digits}" if digits.startswith(".") else digits
    minus = found["minus"] and not _is_after_number(found.string, found.start())
    number = f"-{digits}" if minus else digits
    suffix = found["suffix"] or ""
    if not suffix:
        return [_Token("number", number)]
    low = suffix.lower()
    if low == "s" and _DECADE.fullmatch(digits):
        return [_Token("word", f"{digits}s", suffix)]
    if suffix in EXACT_UNITS:
        return [_Token("number", number), _Token("unit", EXACT_UNITS[suffix])]
    if low in UNITS or low in SUFFIX_UNITS:
        unit = UNITS.get(low) or SUFFIX_UNITS[low]
        kind: Literal["word", "unit"] = "word" if unit in MAGNITUDES else "unit"
        return [_Token("number", number), _Token(kind, unit)]
    return [_Token("word", number + low, suffix)]


def _read_number_words(tokens: Sequence[_Token]) -> list[_Token]:
    """Turn `ninety-five`, `two hundred and five` and `8.7 million` into numbers.

    A lone `one` stays a word, for it is mostly a pronoun, unless a unit or nothing follows.
    """
    result: list[_Token] = []
    position = 0
    while position < len(tokens):
        value, used = _number_at(tokens, position)
        nothing_else = len(tokens) == used
        following = tokens[position + used].text if position + used < len(tokens) else ""
        lone_one = used == 1 and tokens[position].text == "one"
        if value is None or (lone_one and not nothing_else and following not in UNITS):
            result.append(tokens[position])
            position += 1
        else:
            result.append(_Token("number", _plain(value)))
            position += used
    return result


def _number_at(tokens: Sequence[_Token], start: int) -> tuple[Decimal | None, int]:
    """Return the number that words spell from `start` and how many they are, or (None, 1).

    A number in digits counts only where a magnitude follows it.
    """
    total, group, used, last = Decimal(0), Decimal(0), 0, ""
    for index in range(start, len(tokens)):
        item = tokens[index]
        ahead = tokens[index + 1].text if index + 1 < len(tokens) else ""
        if item.kind == "number" and index == start and ahead in MAGNITUDES:
            group, last = Decimal(item.text), "digits"
        elif item.text in MAGNITUDES:
            scale, group = MAGNITUDES[item.text], group if last else Decimal(1)
            if scale == MAGNITUDES["hundred"]:
                group *= scale
            else:
                group, total = Decimal(0), total + group * scale
            last = "magnitude"
        elif item.text in NUMBER_WORDS and _continues(last, NUMBER_WORDS[item.text]):
            group += NUMBER_WORDS[item.text]
            last = "tens" if NUMBER_WORDS[item.text] >= 20 else "ones"
        elif item.text == "and" and last == "magnitude" and ahead in NUMBER_WORDS:
            continue
        else:
            break
        used = index - start + 1
    return (total + group, used) if used else (None, 1)


def _continues(last: str, value: int) -> bool:
    """Tell whether a number word goes on with the number before it (`ninety` `five`)."""
    return last in {"", "magnitude"} or (last == "tens" and 0 < value < 10)


def _plain(value: Decimal) -> str:
    """Return a number without exponent and without trailing zeros."""
    return format(value.normalize(), "f") if value else "0"


def _read_units(tokens: Sequence[_Token]) -> list[_Token]:
    """Name the units behind numbers in one way and drop `per` between them.

    Zeros at the end of a decimal count (version 3.10 is not 3.1) unless a unit follows.
    """
    result: list[_Token] = []
    for item in tokens:
        before = result[-1].kind if result else "word"
        if item.kind == "word" and before in {"number", "unit"}:
            if item.text == "per":
                continue
            unit = EXACT_UNITS.get(item.exact) or UNITS.get(item.text)
            if unit and (not item.exact or item.exact in EXACT_UNITS):
                item = _Token("unit", unit)
        if item.kind == "word" and before == "unit" and item.text in ARTICLES:
            continue
        if item.kind == "unit" and before == "number":
            result[-1] = _Token("number", _plain(Decimal(result[-1].text)))
        result.append(item)
    return result
