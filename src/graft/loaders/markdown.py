"""Markdown: headings become sections, front matter gives the title and leaves the text.

The text stays Markdown, less what a reader of the page would not see: comments, scripts and
the targets of links within the site. Code, fenced or inline, is never touched. Links to the
outside stay, since "where do I file it?" is answered by one.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from graft.errors import UnreadableDocument
from graft.loaders.text import decode, read_bytes, title_from_name
from graft.types import Document, Section

__all__ = ["MarkdownLoader"]

_FRONT_LINES = 400
_YAML_KEY = re.compile(r"^[A-Za-z_][\w .-]*\s*:(?:\s|$)")
_YAML_TITLE = re.compile(r"^title\s*:\s*(.+?)\s*$", re.IGNORECASE | re.MULTILINE)
_FENCE = re.compile(r"^\s*(?:>\s*)*(`{3,}|~{3,})(.*)$")
_ATX = re.compile(r"^ {0,3}(#{1,6})(?:[ \t]+(.*?))?(?:[ \t]+#+)?[ \t]*$")
_SETEXT = re.compile(r"^ {0,3}(=+|-+)[ \t]*$")
_NO_PARAGRAPH = re.compile(r"^ {0,3}(?:[>|<]|[-*+][ \t]|\d{1,9}[.)][ \t])|^(?: {4}|\t)|\|")
_CODE = r"(?P<code>(?P<ticks>`+)(?!`).{1,2000}?(?<!`)(?P=ticks)(?!`))"
_HIDDEN = r"(?P<hidden><!--.*?-->|<(?P<tag>script|style|template)\b[^>]*>.*?</(?P=tag)\s*>)"
_TARGET = r"\((?P<target>(?:[^()\n]|\([^()\n]*\))*)\)"
_UNSEEN = re.compile(
    rf"{_HIDDEN}|{_CODE}|!\[(?P<alt>[^\]\n]*)\]{_TARGET}", re.DOTALL | re.IGNORECASE
)
_LINK = re.compile(rf"{_CODE}|\[(?P<shown>[^\[\]]*)\]{_TARGET}", re.DOTALL)
_OUTSIDE = re.compile(r"^<?(?:https?|ftps?|mailto|tel):", re.IGNORECASE)
_MARKUP = re.compile(r"(\*{1,3}|_{2,3}|~~|`+)(?=\S)(.+?)(?<=\S)\1")
_ANCHOR = re.compile(r"\s*\{[#:][^{}]*\}\s*$")


class _Heading(NamedTuple):
    start: int
    level: int
    text: str


class MarkdownLoader:
    """Reads Markdown files."""

    extensions: tuple[str, ...] = (".md", ".markdown")

    def load(self, source: Path, doc_id: str) -> Iterator[Document]:
        """Yield the one document of the file.

        Raises:
            UnreadableDocument: the file cannot be opened or holds no text beside front matter.
        """
        data = read_bytes(source)
        raw, notes = decode(data, source)
        title, body = _front_matter(raw)
        text, hidden = _visible(body)
        if not text.strip():
            raise UnreadableDocument(
                "the file has no text",
                where=str(source),
                why="it holds front matter or comments only",
                next_step="leave it out, or fill it and add it again",
            )
        headings = list(_headings(text))
        if hidden:
            notes += (f"{hidden} comments or scripts dropped",)
        yield Document(
            id=doc_id,
            source=str(source),
            title=title
            or next((item.text for item in headings if item.text), "")
            or title_from_name(source),
            text=text,
            content_hash=hashlib.sha256(data).hexdigest(),
            loader="markdown",
            sections=_sections(text, headings),
            notes=notes,
        )


def _front_matter(text: str) -> tuple[str, str]:
    """Split off YAML or TOML front matter; return its title and the rest."""
    lines = text.split("\n", _FRONT_LINES)
    mark = lines[0].rstrip()
    if mark not in ("---", "+++"):
        return "", text
    closing = ("---", "...") if mark == "---" else ("+++",)
    end = next((at for at, line in enumerate(lines[1:], 1) if line.rstrip() in closing), 0)
    block = "\n".join(lines[1:end])
    first = next((line for line in lines[1:end] if line.strip() and line[0] != "#"), "")
    if not end or (mark == "---" and first and not _YAML_KEY.match(first)):
        return "", text
    return _front_title(block, mark), "\n".join(lines[end + 1 :])


def _front_title(block: str, mark: str) -> str:
    if mark == "+++":
        try:
            title = tomllib.loads(block).get("title", "")
        except tomllib.TOMLDecodeError:
            return ""
        return title.strip() if isinstance(title, str) else ""
    found = _YAML_TITLE.search(block)
    if not found or found[1][0] in "|>&*{[":
        return ""
    value = found[1]
    if value[0] in "\"'" and value[-1] == value[0] and len(value) > 1:
        return value[1:-1].replace(value[0] * 2, value[0]).strip()
    return re.sub(r"\s+#.*$", "", value)


def _visible(text: str) -> tuple[str, int]:
    """Return the text without what the page does not show, and how many pieces that were."""
    hidden = 0

    def see(found: re.Match[str]) -> str:
        nonlocal hidden
        hidden += found["hidden"] is not None
        return found["code"] or found["alt"] or ""

    def link(found: re.Match[str]) -> str:
        is_kept = found["code"] or _OUTSIDE.match(found["target"])
        return found[0] if is_kept else found["shown"]

    parts = [
        piece if is_code else _LINK.sub(link, _UNSEEN.sub(see, piece))
        for piece, is_code in _pieces(text)
    ]
    return "".join(parts), hidden


def _pieces(text: str) -> Iterator[tuple[str, bool]]:
    """Yield runs of text outside and inside fenced code, in order, losing nothing."""
    run: list[str] = []
    fence = ""
    for line in text.splitlines(keepends=True):
        found = _FENCE.match(line.rstrip("\n"))
        if not fence and found and not ("`" in found[2] and found[1][0] == "`"):
            yield "".join(run), False
            run, fence = [line], found[1]
        elif fence:
            run.append(line)
            if found and found[1].startswith(fence) and not found[2].strip():
                yield "".join(run), True
                run, fence = [], ""
        else:
            run.append(line)
    yield "".join(run), bool(fence)


def _headings(text: str) -> Iterator[_Heading]:
    position = 0
    for piece, is_code in _pieces(text):
        if not is_code:
            yield from _headings_of(piece, position)
        position += len(piece)


def _headings_of(piece: str, position: int) -> Iterator[_Heading]:
    lines = piece.split("\n")
    for number, line in enumerate(lines):
        atx = _ATX.match(line)
        after = lines[number + 1] if number + 1 < len(lines) else ""
        before = lines[number - 1] if number else ""
        if atx:
            yield _Heading(position, len(atx[1]), _plain(atx[2] or ""))
        elif (
            line.strip()
            and _SETEXT.match(after)
            and not _NO_PARAGRAPH.search(line)
            and not _SETEXT.match(line)
            and (not before.strip() or _ATX.match(before))
        ):
            yield _Heading(position, 1 if "=" in after else 2, _plain(line))
        position += len(line) + 1


def _plain(heading: str) -> str:
    """Return a heading without inline markup and anchors.

    >>> _plain("The **Tarn** [pump](https://x.y) {#tarn}")
    'The Tarn pump'
    """
    text = _LINK.sub(lambda found: found["code"] or found["shown"], _ANCHOR.sub("", heading))
    for _ in range(2):
        text = _MARKUP.sub(r"\2", text)
    return " ".join(re.sub(r"</?[a-zA-Z][^<>]*>", "", text).split())


def _sections(text: str, headings: list[_Heading]) -> tuple[Section, ...]:
    """Cut at every heading; the run before the first one has an empty path."""
    starts: list[tuple[int, tuple[str, ...]]] = []
    open_headings: list[_Heading] = []
    if not headings or headings[0].start > 0:
        starts.append((0, ()))
    for heading in headings:
        while open_headings and open_headings[-1].level >= heading.level:
            open_headings.pop()
        open_headings.append(heading)
        path = tuple(item.text for item in open_headings if item.text)
        starts.append((heading.start, path))
    ends = [start for start, _ in starts[1:]] + [len(text)]
    return tuple(Section(path, start, end) for (start, path), end in zip(starts, ends, strict=True))
