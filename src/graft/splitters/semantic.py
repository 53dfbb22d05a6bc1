"""Cuts sections into passages of a size, at the largest boundary of meaning that fits.

The cutting itself is semantic-text-splitter's; this module adds what a passage needs to be
read alone: the heading path, and neighbours for sections too small to stand by themselves.
It knows nothing of embedders: a size is counted by the tokenizer file that it is given, or
estimated from words.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from graft.errors import BadInput, MissingPrerequisite
from graft.types import Document, Passage, Section, fingerprint

if TYPE_CHECKING:
    from semantic_text_splitter import MarkdownSplitter, TextSplitter

__all__ = ["SemanticSplitter"]

SPLITTER_VERSION = 1

# A section below this share of the passage size is merged with a neighbour where both fit.
_TINY_SHARE = 0.25
_PATH_SHARE = 1 / 3
_SMALLEST_PASSAGE = 16
# English needs about 1.3 word pieces a word; a long word or number is cut every 6 letters,
# and scripts without spaces take one piece a character.
_WORDS = re.compile(r"[\u2e80-\u9fff\uac00-\ud7af]|[^\W_]+|[^\w\s]|_+")
_LETTERS_PER_PIECE = 6
_MEMORY_WORDS = 200_000
_HAS_WORD = re.compile(r"\w")
_UNDERLINE = re.compile(r"^\s{0,3}(?:=+|-{2,}|~{3,})\s*$")
_HEADING_MARKS = re.compile(r"^\s*#{1,6}\s+|\s+#+\s*$|[*_`~]|\{[#:][^{}]*\}|\s+")


@dataclass(frozen=True, slots=True)
class _Span:
    """Sections that become passages together: a common path and a stretch of the text."""

    path: tuple[str, ...]
    depth: int
    heading_start: int
    start: int
    end: int
    page: int | None


class SemanticSplitter:
    r"""Cuts documents into passages of at most `passage_tokens`, heading path included.

    >>> document = Document("a.md", "a.md", "Pumps", "The Tarn runs dry.", "", "text")
    >>> [passage.shown for passage in SemanticSplitter().split(document)]
    ['Pumps\nThe Tarn runs dry.']
    """

    def __init__(self, passage_tokens: int = 128, tokenizer_path: Path | None = None) -> None:
        if passage_tokens < _SMALLEST_PASSAGE:
            raise BadInput(
                "the passage size is too small",
                where="retrieval.passage_tokens",
                why=f"{passage_tokens} tokens do not hold a sentence",
                next_step=f"set it to {_SMALLEST_PASSAGE} or more; 128 is the default",
            )
        self._size = passage_tokens
        self._count, tokenizer_hash = _counter(tokenizer_path)
        self.identity = fingerprint("semantic", SPLITTER_VERSION, passage_tokens, tokenizer_hash)

    def split(self, document: Document) -> Iterator[Passage]:
        """Yield the passages of a document in reading order; at least one where it has text."""
        position = 0
        for span in self._spans(document):
            for start, end in self._cuts(document, span):
                text = document.text[start:end]
                shown = "\n".join((*span.path, text))
                yield Passage(
                    id=fingerprint(document.id, position, shown),
                    doc_id=document.id,
                    text=text,
                    position=position,
                    start=start,
                    end=end,
                    heading_path=span.path,
                    page=span.page,
                )
                position += 1

    def _spans(self, document: Document) -> list[_Span]:
        """Turn sections into spans; those too small to stand alone join their neighbours."""
        text = document.text
        sections = document.sections or (Section((), 0, len(text)),)
        spans: list[_Span] = []
        for number, section in enumerate(sections):
            following = sections[number + 1] if number + 1 < len(sections) else None
            span = _span(document, section)
            if not _HAS_WORD.search(text, span.start, span.end):
                if following and following.heading_path[: len(section.heading_path)] == (
                    section.heading_path
                ):
                    continue
                span = _heading_only(span, text)
                if span.start >= span.end:
                    continue
            merged = self._merged(spans[-1], span, text) if spans else None
            if merged:
                spans[-1] = merged
            else:
                spans.append(span)
        if not spans:
            stripped = text.strip()
            start = text.find(stripped)
            spans = [_Span((document.title,), 1, start, start, start + len(stripped), None)]
        return [self._with_short_path(span) for span in spans if span.start < span.end]

    def _merged(self, span: _Span, following: _Span, text: str) -> _Span | None:
        """Return both as one where one is tiny, they are kin, and together they fit."""
        common = _common(span.path, following.path)
        if len(common) < max(1, span.depth - 1):
            return None
        start = span.start if len(common) == len(span.path) else span.heading_start
        if (following.end - start) > self._size * 40:
            return None
        tiny = self._size * _TINY_SHARE
        sizes = (self._count(text[item.start : item.end]) for item in (span, following))
        if min(sizes) >= tiny:
            return None
        path_size = self._count(" > ".join(common))
        if path_size + self._count(text[start : following.end]) > self._size:
            return None
        return _Span(common, span.depth, span.heading_start, start, following.end, span.page)

    def _with_short_path(self, span: _Span) -> _Span:
        """Cut a heading path that takes too much room: the title and the last heading stay."""
        room = int(self._size * _PATH_SHARE)
        path = list(span.path)
        while len(path) > 2 and self._count(" > ".join(path)) > room:
            del path[1]
        if self._count(" > ".join(path)) > room:
            share = room // len(path) - 1
            path = [self._first_words(heading, share) for heading in path]
        return _Span(tuple(path), span.depth, span.heading_start, span.start, span.end, span.page)

    def _first_words(self, heading: str, room: int) -> str:
        if self._count(heading) <= room:
            return heading
        low, high = 0, len(heading)
        while low < high:
            middle = (low + high + 1) // 2
            if self._count(heading[:middle]) <= room - 1:
                low = middle
            else:
                high = middle - 1
        return heading[:low].rstrip() + "…"

    def _cuts(self, document: Document, span: _Span) -> Iterator[tuple[int, int]]:
        """Yield the stretches of a span, of about equal size so that no scrap is left over."""
        text = document.text[span.start : span.end]
        room = max(1, self._size - self._count(" > ".join(span.path)))
        total = self._count(text)
        if total <= room:
            yield span.start, span.end
            return
        even = math.ceil(total / math.ceil(total / room))
        splitter = _splitter(document.loader, self._count, (min(even, room), room))
        cuts: list[tuple[int, int]] = []
        for offset, piece in splitter.chunk_indices(text):
            start = span.start + offset + len(piece) - len(piece.lstrip())
            end = span.start + offset + len(piece.rstrip())
            before = cuts[-1][0] if cuts else start
            if cuts and self._is_scrap(document.text, cuts[-1], (start, end), room):
                cuts[-1] = (before, end)
            elif start < end:
                cuts.append((start, end))
        yield from cuts

    def _is_scrap(
        self, text: str, before: tuple[int, int], piece: tuple[int, int], room: int
    ) -> bool:
        """Tell whether one of two neighbours is tiny and both fit into one passage."""
        tiny = self._size * _TINY_SHARE
        is_tiny = min(self._count(text[start:end]) for start, end in (before, piece)) < tiny
        return is_tiny and self._count(text[before[0] : piece[1]]) <= room


def _splitter(
    loader: str, count: Callable[[str], int], capacity: tuple[int, int]
) -> MarkdownSplitter | TextSplitter:
    from semantic_text_splitter import MarkdownSplitter, TextSplitter

    kind = MarkdownSplitter if loader == "markdown" else TextSplitter
    return kind.from_callback(count, capacity)


def _counter(tokenizer_path: Path | None) -> tuple[Callable[[str], int], str]:
    """Return the function that sizes a text, and the hash of the tokenizer behind it.

    Tokens are counted word by word and remembered: WordPiece tokenizes words apart, so the
    sum is exact there, and the splitter asks for the same words again and again (5 times
    faster on 1.6 MB than the splitter's own binding to the tokenizer).
    """
    if tokenizer_path is None:
        return _estimate, ""
    from tokenizers import Tokenizer

    try:
        data = tokenizer_path.read_bytes()
        tokenizer = Tokenizer.from_buffer(data)
    except (OSError, ValueError) as error:
        raise MissingPrerequisite(
            "the tokenizer of the embedder cannot be read",
            where=str(tokenizer_path),
            why=str(error),
            next_step="install the embedder again; graft doctor names the command",
        ) from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    memory: dict[str, int] = {}

    def count(text: str) -> int:
        total = 0
        for word in text.split():
            size = memory.get(word)
            if size is None:
                if len(memory) > _MEMORY_WORDS:
                    memory.clear()
                size = memory[word] = len(tokenizer.encode(word, add_special_tokens=False).ids)
            total += size
        return total

    return count, hashlib.sha256(data).hexdigest()[:16]


def _estimate(text: str) -> int:
    """Estimate word pieces from words, numbers and signs.

    >>> _estimate("The Tarn 40 runs dry.")
    6
    """
    return sum(1 + (len(word) - 1) // _LETTERS_PER_PIECE for word in _WORDS.findall(text))


def _span(document: Document, section: Section) -> _Span:
    """Return a section as a span: title in front of its path, its own heading line skipped."""
    path = tuple(heading for heading in section.heading_path if heading)
    if document.title and (not path or _bare(path[0]) != _bare(document.title)):
        path = (document.title, *path)
    text = document.text
    body = section.start
    line_end = _line_end(text, _skip_space(text, body, section.end), section.end)
    if path and _bare(text[body:line_end]) == _bare(path[-1]):
        body = line_end
        next_end = _line_end(text, min(body + 1, section.end), section.end)
        if _UNDERLINE.match(text[body:next_end].strip("\n")):
            body = next_end
    start = _skip_space(text, body, section.end)
    end = section.end
    while end > start and text[end - 1].isspace():
        end -= 1
    heading_start = _skip_space(text, section.start, section.end)
    return _Span(path, len(path), heading_start, start, max(start, end), section.page)


def _heading_only(span: _Span, text: str) -> _Span:
    """Return the span of a section that is nothing but its heading, with that as its text."""
    end = _line_end(text, span.heading_start, len(text))
    path = span.path[:-1] if len(span.path) > 1 else span.path
    return _Span(path, span.depth, span.heading_start, span.heading_start, end, span.page)


def _bare(heading: str) -> str:
    """Return a heading for comparison: no marks, no spaces, no case."""
    return _HEADING_MARKS.sub("", heading).casefold()


def _line_end(text: str, start: int, end: int) -> int:
    found = text.find("\n", start, end)
    return end if found < 0 else found


def _skip_space(text: str, start: int, end: int) -> int:
    while start < end and text[start].isspace():
        start += 1
    return start


def _common(one: Sequence[str], other: Sequence[str]) -> tuple[str, ...]:
    paired = zip(one, other, strict=False)
    same: list[str] = []
    for left, right in paired:
        if left != right:
            break
        same.append(left)
    return tuple(same)
