"""Markdown: headings become sections, front matter gives the title and leaves the text.

The text stays Markdown, less what a reader of the page would not see: comments, scripts, hidden
elements, titles of links, attributes of tags and the targets of links within the site. Code,
fenced or inline, is never touched. Links to the outside stay, since "where do I file it?" is
answered by one.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from graft.errors import UnreadableDocument
from graft.loaders.hiding import HIDING_STYLE
from graft.loaders.text import decode, read_bytes, title_from_name
from graft.types import Document, Section

__all__ = ["MarkdownLoader"]

LOADER_VERSION = 2
_FRONT_LINES = 400
_YAML_KEY = re.compile(r"^[A-Za-z_][\w .-]*+\s*+:(?:\s|$)")
_YAML_TITLE = re.compile(r"title[ \t]*+:(.*)", re.IGNORECASE)
_FENCE = re.compile(r"^\s*(?:>\s*)*(`{3,}|~{3,})(.*)$")
_ATX = re.compile(r"^ {0,3}(#{1,6})(?:[ \t]++(.*))?$")
_SETEXT = re.compile(r"^ {0,3}(=+|-+)[ \t]*$")
_NO_PARAGRAPH = re.compile(r"^ {0,3}(?:[>|<]|[-*+][ \t]|\d{1,9}[.)][ \t])|^(?: {4}|\t)|\|")
_CODE = r"(?P<code>(?<!`)(?P<ticks>`++).{1,2000}?(?<!`)(?P=ticks)(?!`))"
_STYLE = rf"style\s*=\s*[\"']?[^\"'<>]*(?:{HIDING_STYLE.pattern})"
_HIDDEN = (
    r"(?P<hidden>(?P<mark><!--|<\?|<!\[CDATA\[|<!(?=[a-z]))"
    r"|<(?P<tag>script|style|template|noscript|title|dialog)\b[^<>]*>)"
)
_HIDDEN_END = {
    "<!--": re.compile("-->"),
    "<?": re.compile(r"\?>"),
    "<![cdata[": re.compile(r"\]\]>"),
    "<!": re.compile(">"),
    **{
        tag: re.compile(rf"</{tag}\s*>", re.IGNORECASE)
        for tag in ("script", "style", "template", "noscript", "title", "dialog")
    },
}
_CONCEALING = re.compile(
    rf"{_CODE}|<(?P<box>[a-z]\w*)(?=[^<>]*\s(?:hidden(?=[\s=/>])|{_STYLE}))[^<>]*>",
    re.DOTALL | re.IGNORECASE,
)
_WITHOUT_END = ("area", "br", "hr", "img", "input", "link", "meta", "source")
# A quote behind a blank begins a title, which a page shows to nobody who does not point at it.
_TARGET = (
    r"\((?P<target>(?:[^()\n\"']|\([^()\n]*\)|(?<!\s)[\"'])*+)"
    r"(?P<title>\s*(?:\"(?:[^\"\\]|\\.){0,2000}\"|'(?:[^'\\]|\\.){0,2000}'))?\s*\)"
)
_TITLE_IN_BRACKETS = re.compile(r"(?<=\S)\s+\([^()]*\)\s*$")
_UNSEEN = re.compile(
    rf"{_HIDDEN}|{_CODE}|!\[(?P<alt>[^\]\n]{{0,1000}})\]{_TARGET}", re.DOTALL | re.IGNORECASE
)
_LINK = re.compile(
    rf"{_CODE}|\[(?P<shown>(?:[^\[\]]|\[[^\[\]]{{0,1000}}\])*+)\]{_TARGET}", re.DOTALL
)
_DEFINITION = re.compile(
    r"^(?P<name>[ \t>]*+(?:[-*+] +)?\[(?!\^)[^\[\]\n]{1,999}\]:)[ \t]*\n?[ \t]*"
    r"(?P<target><[^<>\n]*>|[^\s<]\S*)"
    r"(?P<title>[ \t]*\n?[ \t]+(?:\"[^\"]{0,2000}\"|'[^']{0,2000}'|\([^()]{0,2000}\)))?[ \t]*$",
    re.MULTILINE,
)
_RAW_TAG = re.compile(
    rf"{_CODE}|<(?P<name>a|abbr|area|article|aside|b|blockquote|br|center|cite|code|dd|del|details"
    r"|div|dl|dt|em|figcaption|figure|font|footer|h[1-6]|header|hr|i|iframe|img|input|ins|kbd|li"
    r"|link|main|mark|meta|nav|object|ol|p|picture|pre|q|s|section|small|source|span|strong|sub"
    r"|audio|base|body|button|canvas|caption|col|data|embed|form|head|html|label|map|math|meter"
    r"|optgroup|option|output|progress|select|textarea|time|track|var|wbr|[a-z]+-[a-z-]+"
    r"|summary|sup|svg|table|tbody|td|tfoot|th|thead|tr|u|ul|video)"
    r"(?P<more>\s(?:[^<>\"']|\"[^\"]*\"|'[^']*')*)>",
    re.DOTALL | re.IGNORECASE,
)
_ATTRIBUTE = re.compile(
    r"(?P<key>[^\s\"'<>/=]+)(?:\s*=\s*(?:\"(?P<one>[^\"]*)\"|'(?P<two>[^']*)'|(?P<bare>[^\s>]+)))?"
)
_SPEAKING = re.compile(
    r"^(?:title|alt|content|value|placeholder|summary|label|aria-.*|data-.*|on\w+)$"
)
_RUNNABLE = re.compile(r"^<?(?:javascript|vbscript|data):", re.IGNORECASE)
_RUN_ADDRESS = re.compile(rf"{_CODE}|<(?:javascript|vbscript|data):[^<>\s]*>", re.IGNORECASE)
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
            notes += (f"{hidden} comments, scripts, hidden elements or titles dropped",)
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
        except (ValueError, RecursionError):  # wrong, a number of too many digits, too deep
            return ""
        return title.strip() if isinstance(title, str) else ""
    found = next(filter(None, map(_YAML_TITLE.match, block.split("\n"))), None)
    value = " ".join(found[1].split()) if found else ""
    if not value or value[0] in "|>&*!{[":
        return ""
    if value[0] in "\"'" and value[-1] == value[0] and len(value) > 1:
        return value[1:-1].replace(value[0] * 2, value[0]).strip()
    return re.split(r"(?<=\s)#", value, maxsplit=1)[0].strip()


def _visible(text: str) -> tuple[str, int]:
    """Return the text without what the page does not show, and how many pieces that were."""
    counts: Counter[str] = Counter()

    def link(found: re.Match[str]) -> str:
        if found["code"]:
            return found[0]
        target, in_brackets = _TITLE_IN_BRACKETS.subn("", found["target"])
        counts["title"] += found["title"] is not None or in_brackets
        is_kept = _OUTSIDE.match(target)
        return f"[{found['shown']}]({target.strip()})" if is_kept else found["shown"]

    def definition(found: re.Match[str]) -> str:
        counts["title"] += found["title"] is not None
        is_run = _RUNNABLE.match(found["target"])
        return found["name"] if is_run else f"{found['name']} {found['target']}"

    def address(found: re.Match[str]) -> str:
        return found["code"] or ""

    def tag(found: re.Match[str]) -> str:
        return found["code"] or _bare_tag(found["name"], found["more"], counts)

    parts = []
    for piece, is_code in _pieces(text):
        if not is_code:
            piece = _without_unseen(_without_concealed(piece, counts), counts)
            for pattern, change in (
                (_LINK, link),
                (_DEFINITION, definition),
                (_RUN_ADDRESS, address),
                (_RAW_TAG, tag),
            ):
                piece = pattern.sub(change, piece)
        parts.append(piece)
    return "".join(parts), counts.total()


def _without_concealed(text: str, counts: Counter[str]) -> str:
    """Take out elements that are not shown; one that is never closed hides all behind it."""
    parts = []
    at = 0
    while found := _CONCEALING.search(text, at):
        if found["code"]:
            parts.append(text[at : found.end()])
            at = found.end()
            continue
        parts.append(text[at : found.start()])
        at = _end_of(text, found)
        counts["piece"] += 1
    parts.append(text[at:])
    return "".join(parts)


def _without_unseen(text: str, counts: Counter[str]) -> str:
    """Take out comments, scripts and pictures; what is never closed stays, as text."""
    parts = []
    at = 0
    endless = set()
    while found := _UNSEEN.search(text, at):
        end = found.end()
        shown = found["code"] or found["alt"] or ""
        if found["hidden"]:
            kind = (found["tag"] or found["mark"]).lower()
            # Looked for once: where one has no end, none behind it has.
            close = None if kind in endless else _HIDDEN_END[kind].search(text, end)
            if close:
                end = close.end()
                counts["piece"] += 1
            else:
                endless.add(kind)
                shown = found[0]
        counts["title"] += found["title"] is not None
        parts += [text[at : found.start()], shown]
        at = end
    parts.append(text[at:])
    return "".join(parts)


def _end_of(text: str, opening: re.Match[str]) -> int:
    """Return where an element ends, those of its kind inside it counted."""
    kind = opening["box"].lower()
    if kind in _WITHOUT_END or opening[0].endswith("/>"):
        return opening.end()
    depth = 1
    tags = re.compile(rf"<(?P<close>/)?{kind}\b[^<>]*>", re.IGNORECASE)
    for tag in tags.finditer(text, opening.end()):
        depth += -1 if tag["close"] else 1
        if not depth:
            return tag.end()
    return len(text)


def _bare_tag(name: str, more: str, counts: Counter[str]) -> str:
    """Return a tag without its attributes, a picture as what it is called; count what spoke."""
    attributes = {
        found["key"].lower(): found["one"] or found["two"] or found["bare"] or ""
        for found in _ATTRIBUTE.finditer(more)
    }
    is_picture = name.lower() == "img"
    counts["title"] += sum(
        bool(value) and _SPEAKING.match(key) is not None and not (is_picture and key == "alt")
        for key, value in attributes.items()
    )
    if is_picture:
        return attributes.get("alt", "")
    target = attributes.get("href", "")
    return f'<{name} href="{target}">' if _OUTSIDE.match(target) else f"<{name}>"


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
        atx = _ATX.match(line.rstrip(" \t"))
        after = lines[number + 1] if number + 1 < len(lines) else ""
        before = lines[number - 1] if number else ""
        if atx:
            yield _Heading(position, len(atx[1]), _plain(_unclosed(atx[2] or "")))
        elif (
            line.strip()
            and _SETEXT.match(after)
            and not _NO_PARAGRAPH.search(line)
            and not _SETEXT.match(line)
            and (not before.strip() or _ATX.match(before))
        ):
            yield _Heading(position, 1 if "=" in after else 2, _plain(line))
        position += len(line) + 1


def _unclosed(heading: str) -> str:
    """Return a heading without the number signs that may close it."""
    bare = heading.rstrip("#")
    return bare if not bare or bare[-1] in " \t" else heading


def _plain(heading: str) -> str:
    """Return a heading without inline markup and anchors.

    >>> _plain("The **Tarn** [pump](https://x.y) {#tarn}")
    'The Tarn pump'
    """
    text = _LINK.sub(
        lambda found: found["code"] or found["shown"], _ANCHOR.sub("", " ".join(heading.split()))
    )
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
