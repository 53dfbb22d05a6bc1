"""Where a passage supports an answer: the stretches of its text that the reader should see.

The whole answer where it stands word for word, else its telling words where most of them
occur. This is a help for the eye and scores nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

__all__ = ["supporting_spans"]

_WORD = re.compile(r"\w+")
_COMMON = """
about after also been before both does each from have into more most must only other over should
some such than that their them then there these they this those under very were what when where
which while will with within would your
"""
LONGEST_PHRASE = 20
"""An answer of more words is not looked for word for word: it never stands so in a passage."""
MOST_SPANS = 60


def supporting_spans(text: str, answers: Sequence[str]) -> tuple[tuple[int, int], ...]:
    """Return start and end of what to mark, in characters of the text and in its order.

    >>> supporting_spans("It holds 40  litres; 40 litres are enough.", ["40 litres"])
    ((9, 19), (21, 30))
    >>> supporting_spans("The kiln burns at noon.", ["at noon the kiln is fired"])
    ((4, 8), (18, 22))
    """
    found = [span for answer in answers for span in _phrase(text, answer)]
    if not found:
        found = [span for answer in answers for span in _words(text, answer)]
    return _joined(sorted(set(found)))[:MOST_SPANS]


def _phrase(text: str, answer: str) -> list[tuple[int, int]]:
    words = _WORD.findall(answer)
    if not words or len(words) > LONGEST_PHRASE:
        return []
    pattern = r"\b" + r"[\W_]+".join(map(re.escape, words)) + r"\b"
    return [match.span() for match in re.finditer(pattern, text, re.IGNORECASE)]


def _words(text: str, answer: str) -> list[tuple[int, int]]:
    """Return the answer's telling words if at least half of them stand in the text."""
    wanted = {word for word in map(str.lower, _WORD.findall(answer)) if _tells(word)}
    spans = [
        (match.group().lower(), match.span())
        for match in _WORD.finditer(text)
        if match.group().lower() in wanted
    ]
    have = {word for word, _ in spans}
    return [span for _, span in spans] if wanted and 2 * len(have) >= len(wanted) else []


def _tells(word: str) -> bool:
    return word not in _COMMON.split() and (len(word) > 3 or any(sign.isdigit() for sign in word))


def _joined(spans: Sequence[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Merge stretches that overlap."""
    merged: list[tuple[int, int]] = []
    for start, end in spans:
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return tuple(merged)
