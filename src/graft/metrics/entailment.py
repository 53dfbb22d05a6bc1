"""Mechanical entailment, named `lexical`: whether a text says what a statement says.

It does where all numbers, dates and names of the statement and 80 % of its content words
stand in the text (measuring.md 2.2). A number must have its unit there; a date must stand as
one; words are compared as the other metrics do, but for a plural s.

What it cannot see: negation ("may be opened" and "may not be opened" hold the same words),
who does what to whom, and other words for the same thing. It is meant for short factual
statements, and for comparing arms that it treats alike.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import zip_longest

from graft.metrics.normalise import has_run, words_of
from graft.metrics.units import EXACT_UNITS, MONTHS, UNITS

__all__ = ["CONTENT_SHARE", "entails", "says_something"]

CONTENT_SHARE = 0.8  # measuring.md 2.2
REMEMBERED = 4096  # a passage is held against every statement of every arm

_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_YEAR = re.compile(r"[12]\d{3}")
_DAY = re.compile(r"[1-9]|[12]\d|3[01]")
_JOINS = frozenset({"to", "or", "and"})  # `5 to 10 bar` gives 5 its unit too
REACH = 3  # a unit stands at most so many words behind its number: `5 to 10 bar`
_UNIT_NAMES = frozenset(UNITS.values()) | frozenset(EXACT_UNITS.values())
_SIGNS = frozenset("%°$£€¥")
_WORD = re.compile(r"[^\W\d_](?:[^\W_]|['’&.-](?=[^\W_]))*")
_BEFORE_A_START = " \t\n\"'“‘([*-"
_POSSESSIVE = re.compile(r"(?<=\w)['’]s\b")

# words that carry no content of their own
_STOP_WORDS = (
    "a about above after again all also although always am among an and any anyone anything "
    "are as at be because been before being below between both but by can cannot could did "
    "do does doing done down during each either else ever every few for from had has have "
    "having he her here hers him his how however i if in into is it its itself just may me "
    "might more most much must my neither no none nor not of off on once one only onto or "
    "other others our out over own per rather same shall she should since so some such than "
    "that the their them then there therefore these they this those though through thus to "
    "together too under until up upon us very via was we were what when where whether which "
    "while who whole whom whose why will with within without would yes yet you your"
)
_STOP = frozenset(_STOP_WORDS.split())


@dataclass(frozen=True, slots=True)
class _Terms:
    """What a text says, as far as words go.

    `words` are all its words in order and `folded` the same without plural s. `numbers` are
    pairs of a number and its unit, which is empty where there is none; parts of a date are in
    `dates` alone.
    """

    words: tuple[str, ...]
    folded: frozenset[str]
    numbers: frozenset[tuple[str, str]]
    dates: frozenset[tuple[str, ...]]
    names: frozenset[str]
    content: frozenset[str]


def entails(text: str, statement: str) -> bool:
    """Tell whether a text says what a statement says; a statement that says nothing never holds.

    >>> entails("It may run dry for up to 90 seconds.", "It may run dry for 90 s")
    True
    >>> entails("It may run dry for up to 90 seconds.", "It may run dry for 90 min")
    False
    """
    wanted, there = _terms_of(statement), _terms_of(text)
    if not says_something(statement):
        return False
    found = len(wanted.content & there.folded)
    return (
        all(_stands(number, unit, there) for number, unit in wanted.numbers)
        and all(has_run(there.words, date) for date in wanted.dates)
        and wanted.names <= there.folded
        and found >= CONTENT_SHARE * len(wanted.content)
    )


def says_something(statement: str) -> bool:
    """Tell whether there is a number, date, name or content word to look for."""
    terms = _terms_of(statement)
    return bool(terms.numbers or terms.dates or terms.names or terms.content)


def _stands(number: str, unit: str, there: _Terms) -> bool:
    """Tell whether a number stands in a text with its unit, or with any where it needs none.

    A text that gives the unit apart from the number, as a table does in its head, will do.
    """
    if not unit:
        bare = any(number == other for other, _ in there.numbers)
        return bare or any(number in date for date in there.dates)
    if (number, unit) in there.numbers:
        return True
    apart = any(UNITS.get(word, word) == unit for word in there.words)
    return apart and (number, "") in there.numbers


@lru_cache(maxsize=REMEMBERED)
def _terms_of(text: str) -> _Terms:
    plain = _POSSESSIVE.sub("", text)
    words = words_of(plain)
    dates = dict(_dates(words))
    taken = {place for start, date in dates.items() for place in range(start, start + len(date))}
    numbers = set()
    for place, word in enumerate(words):
        if place not in taken and _NUMBER.fullmatch(word):
            at = _unit_after(words, place)
            numbers.add((word, "" if at is None else words[at]))
            taken |= {place} if at is None else {place, at}
    left = [word for place, word in enumerate(words) if place not in taken]
    codes = {word for word in left if any(sign.isdigit() for sign in word)}
    content = {_fold(word) for word in left if word not in _STOP and word not in _SIGNS}
    return _Terms(
        words,
        frozenset(map(_fold, words)),
        frozenset(numbers),
        frozenset(dates.values()),
        frozenset(codes | {_fold(name) for name in _names(plain) if name in left}),
        frozenset(content - codes),
    )


def _fold(word: str) -> str:
    """Return a word without a plural s."""
    return word[:-1] if len(word) > 3 and word.endswith("s") and word[-2] != "s" else word


def _dates(words: Sequence[str]) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Yield the place and the words of each date: a month with a year before or a day behind.

    The order is that of `words_of`, which writes all dates alike.
    """
    for place, word in enumerate(words):
        if word not in MONTHS:
            continue
        start = place - 1 if place and _YEAR.fullmatch(words[place - 1]) else place
        behind = words[place + 1] if place + 1 < len(words) else ""
        end = place + 2 if _DAY.fullmatch(behind) else place + 1
        if end - start > 1:
            yield start, tuple(words[start:end])


def _unit_after(words: Sequence[str], place: int) -> int | None:
    """Return where the unit of a number stands; the numbers of a range share one."""
    for at in range(place + 1, min(place + 1 + REACH, len(words))):
        if words[at] in _UNIT_NAMES:
            return at
        if words[at] not in _JOINS and not _NUMBER.fullmatch(words[at]):
            return None
    return None


def _names(text: str) -> Iterator[str]:
    """Yield the words with a capital letter; at the start of a sentence only where it tells.

    There it does where more capitals follow: within the word or in the next one.
    """
    found = list(_WORD.finditer(text))
    for word, following in zip_longest(found, found[1:]):
        if not word[0][0].isupper():
            continue
        starts = _starts(text, word.start())
        touches = following is not None and text[word.end() : following.start()] == " "
        goes_on = touches and following is not None and following[0][0].isupper()
        if not starts or goes_on or any(sign.isupper() for sign in word[0][1:]):
            letter = len(word[0]) == 1 and word[0] != "I"  # `valve A`
            yield from (item for item in words_of(word[0]) if letter or item not in _STOP)


def _starts(text: str, place: int) -> bool:
    """Tell whether a sentence or a line starts at a place."""
    before = text[:place].rstrip(_BEFORE_A_START)
    return not before or before[-1] in ".!?:" or "\n" in text[len(before) : place]
