"""An answer as claims: one a sentence, with the passages that it cites.

A citation is `[2]` or `[1, 3]`: the numbers that passages have in the prompt. It belongs to
the sentence that it stands in, or whose end it follows. A sentence that says nothing to look
for ("Yes.") is no claim.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from graft.metrics.entailment import says_something

__all__ = ["Claim", "claims_of", "without_citations"]

REMEMBERED = 1024  # several metrics read the same answer in a row

_MARK = r"\[\d{1,3}(?:\s*[,;]\s*\d{1,3})*\]"
_CITATION = re.compile(_MARK)
_BEHIND_THE_STOP = re.compile(rf"([.!?])((?:\s*{_MARK})+)")
_BULLET = re.compile(r"^\s*(?:[-*•]|\d{1,2}[.)])\s+")
_END = re.compile(r"(?<=[.!?])[\"'”’)]*\s+(?=[\"'“‘(\[]*[^\W_a-z])")
_ABBREVIATION = re.compile(
    r"(?:^|[\s(])(?:[A-Z]|No|Nos|Fig|[Aa]pprox|[Cc]f|e\.g|i\.e|pp?|vs|Dr|Mrs?|Ms|Prof|St|Co|Inc|Ltd)\.$"
)


@dataclass(frozen=True, slots=True)
class Claim:
    """A sentence without its citations, and the numbers that it cites, each once."""

    text: str
    citations: tuple[int, ...] = ()


@lru_cache(maxsize=REMEMBERED)
def claims_of(answer: str) -> tuple[Claim, ...]:
    """Return the claims of an answer in order.

    >>> claims_of("It weighs 40 kg [2]. It is green. [1]")
    (Claim(text='It weighs 40 kg.', citations=(2,)), Claim(text='It is green.', citations=(1,)))
    """
    found = []
    for sentence in _sentences(_BEHIND_THE_STOP.sub(r"\2\1", answer)):
        numbers = [int(item) for mark in _CITATION.findall(sentence) for item in _digits(mark)]
        text = without_citations(sentence)
        if says_something(text):
            found.append(Claim(text, tuple(dict.fromkeys(numbers))))
    return tuple(found)


def without_citations(text: str) -> str:
    """Return a text without its citation marks.

    >>> without_citations("It weighs 40 kg [2].")
    'It weighs 40 kg.'
    """
    return re.sub(rf"\s*{_MARK}", "", text).strip()


def _digits(mark: str) -> list[str]:
    return re.findall(r"\d+", mark)


def _sentences(text: str) -> Iterator[str]:
    """Yield sentences; a line ends one, and so does a stop before a capital or a digit."""
    for line in text.splitlines():
        begun = ""
        for piece in _END.split(_BULLET.sub("", line)):
            begun = f"{begun} {piece}".strip()
            if not _ABBREVIATION.search(begun):
                yield begun
                begun = ""
        if begun:
            yield begun
