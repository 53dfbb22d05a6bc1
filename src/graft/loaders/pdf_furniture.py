"""The headers and footers of PDF pages: lines at an edge that many pages share.

Left and right pages often differ, so each side is looked at alone. Under a header that was left
out may stand the name of the chapter, which fewer pages share; its first line stays, so that no
word of the document is lost.
"""

from __future__ import annotations

import re
from collections import Counter

from graft.loaders.pdf_lines import CELL

__all__ = ["without_furniture"]

_PAGES = 3
_SHARE = 0.6
_MORE_ROUNDS = 2
_EDGES = (0, -1)


def without_furniture(pages: list[list[str]]) -> tuple[list[list[str]], list[str]]:
    """Leave out first and last lines that most pages share, page numbers read as equal."""
    kept = [_trim(page) for page in pages]
    shared = _shared(kept)
    dropped = 0
    is_bare: dict[int, set[int]] = {edge: set() for edge in _EDGES}
    for number, page in enumerate(kept):
        for edge in _EDGES:
            if len(page) > 1 and _shape(page[edge]) in shared[number % 2]:
                del page[edge]
                is_bare[edge].add(number)
        dropped += sum(number in numbers for numbers in is_bare.values())
    for edge in _EDGES:
        for _ in range(_MORE_ROUNDS):
            dropped += _drop_repeated(kept, edge, is_bare[edge])
    return kept, [f"{dropped} page headers and footers dropped"] if dropped else []


def _shared(pages: list[list[str]]) -> tuple[set[str], set[str]]:
    """Return the lines that most pages share, and those of most left or most right pages."""
    sides = (pages[::2], pages[1::2])
    everywhere = _frequent(pages)
    left, right = (everywhere | _frequent(side) for side in sides)
    return left, right


def _frequent(pages: list[list[str]]) -> set[str]:
    edges: Counter[str] = Counter()
    for page in pages:
        edges.update({_shape(page[edge]) for edge in _EDGES if len(page) > 1})
    bar = max(_PAGES, sum(bool(page) for page in pages) * _SHARE)
    return {shape for shape, count in edges.items() if count >= bar}


def _drop_repeated(pages: list[list[str]], edge: int, bare: set[int]) -> int:
    """Leave out what stands word for word next to headers that were left out, but once."""
    lines = {
        number: " ".join(pages[number][edge].split())
        for number in sorted(bare)
        if len(pages[number]) > 1
    }
    counts = Counter(lines.values())
    seen: set[str] = set()
    dropped = 0
    bare.clear()
    for number, line in lines.items():
        if counts[line] < _PAGES or CELL in pages[number][edge]:
            continue
        if line in seen:
            del pages[number][edge]
            dropped += 1
        bare.add(number)
        seen.add(line)
    return dropped


def _trim(page: list[str]) -> list[str]:
    lines = [line.rstrip() for line in page]
    while lines and not lines[-1].strip():
        lines.pop()
    while lines and not lines[0].strip():
        lines.pop(0)
    return lines


def _shape(line: str) -> str:
    return re.sub(r"\d+", "#", " ".join(line.split()).lower())
