"""HTML: what a reader of the page sees, as headings, paragraphs, list items and table rows.

Nothing is run and nothing is fetched. Scripts, styles, navigation and hidden elements are
dropped and counted in the notes; a table becomes rows of cells parted by " | ", and a picture
the text that stands for it.
"""

from __future__ import annotations

import hashlib
import itertools
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from graft.errors import UnreadableDocument
from graft.loaders.hiding import hidden_selectors, hides
from graft.loaders.text import decode, read_bytes, title_from_name
from graft.types import Document, Section

if TYPE_CHECKING:
    from lxml.etree import _Element as Element

__all__ = ["HtmlLoader"]

LOADER_VERSION = 2
_CHARSET = re.compile(rb"""<meta[^>]{0,200}?charset\s*=\s*["']?\s*([\w-]{2,40})""", re.IGNORECASE)
_NUMBERED = re.compile(r"&#([xX][0-9a-fA-F]{1,8}|\d{1,8});?")
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f-\x84\x86-\x9f]")
_DROPPED = {
    **dict.fromkeys(("script", "style", "noscript", "template"), "script or style"),
    **dict.fromkeys(("iframe", "object", "embed", "svg", "canvas", "video", "audio"), "embedded"),
    **dict.fromkeys(("nav", "menu"), "navigation"),
    **dict.fromkeys(("select", "button", "input", "textarea", "datalist"), "form"),
}
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_ROWS = {"li": "- ", "dt": "", "dd": "- "}
_INLINE = frozenset(
    re.findall(
        r"\w+",
        "a abbr acronym b bdi bdo big br cite code data del dfn em font i img ins kbd label mark"
        " math mi mn mo mrow q rb rp rt ruby s samp small span strike strong sub sup time tt u"
        " var wbr",
    )
)
_MAX_SPAN = 50
_WORDS = re.compile(r"[^\W\d_]{2}")
_FILE_NAME = re.compile(r"^\S+\.\w{2,5}$|^\S*://\S*$")


class _Block(NamedTuple):
    """A run of shown text; `level` is 0 or that of the heading, `is_row` a list item or row."""

    text: str
    level: int = 0
    is_row: bool = False


class HtmlLoader:
    """Reads HTML files."""

    extensions: tuple[str, ...] = (".html", ".htm", ".xhtml")

    def load(self, source: Path, doc_id: str) -> Iterator[Document]:
        """Yield the one document of the file.

        Raises:
            UnreadableDocument: the file cannot be opened or shows no text.
        """
        data = read_bytes(source)
        declared = _CHARSET.search(data[:4_096])
        text, notes = decode(data, source, declared[1].decode("ascii") if declared else "")
        root, problems = _parse(text)
        dropped: Counter[str] = Counter()
        blocks: list[_Block] = []
        page_title = ""
        bare_pictures = 0
        if root is not None:
            page_title = " ".join("".join(root.xpath("string(//title)")).split())
            dropped = _drop_unseen(root)
            bare_pictures = _pictures_to_words(root)
            _tables_to_rows(root)
            blocks = list(_blocks(root))
        if not blocks:
            raise UnreadableDocument(
                "the page shows no text",
                where=str(source),
                why=_counted(dropped) or "it has no elements with text",
                next_step="save the page as a reader sees it and add it again",
            )
        body, sections = _lay_out(blocks)
        notes += tuple(problems)
        notes += (_counted(dropped),) if dropped else ()
        notes += (f"pictures without text: {bare_pictures}",) if bare_pictures else ()
        yield Document(
            id=doc_id,
            source=str(source),
            title=_title(blocks, page_title) or title_from_name(source),
            text=body,
            content_hash=hashlib.sha256(data).hexdigest(),
            loader="html",
            sections=sections,
            notes=notes,
        )


def _title(blocks: list[_Block], page_title: str) -> str:
    first = next((block.text for block in blocks if block.level == 1), "")
    return first or page_title or next((block.text for block in blocks if block.level), "")


def _counted(dropped: Counter[str]) -> str:
    parts = [f"{count} {kind}" for kind, count in sorted(dropped.items())]
    return f"dropped elements: {', '.join(parts)}" if parts else ""


def _parse(text: str) -> tuple[Element | None, list[str]]:
    """Parse with libxml2's HTML parser, which mends what is broken and loads nothing."""
    from lxml import etree

    parser = etree.HTMLParser(
        encoding="utf-8", huge_tree=True, remove_comments=True, remove_pis=True, no_network=True
    )
    plain = _CONTROLS.sub("", _NUMBERED.sub(_character, text))
    if not plain.strip():
        return None, []
    root = etree.fromstring(plain.encode("utf-8", errors="replace"), parser)
    too_deep = any("depth" in entry.message.lower() for entry in parser.error_log)
    return root, ["nested too deep: text below the limit of the parser is left out"] * too_deep


def _character(found: re.Match[str]) -> str:
    """Return a numbered character as it stands, unless it is one that controls a terminal.

    Old pages number characters of Windows-1252 in the range of control characters.
    """
    digits = found[1]
    number = int(digits[1:], 16) if digits[0] in "xX" else int(digits)
    if number in range(0x80, 0xA0):
        return bytes([number]).decode("cp1252", errors="ignore")
    is_control = number < 0x20 and chr(number) not in "\t\n\r"
    return "" if is_control or number == 0x7F else found[0]


def _drop_unseen(root: Element) -> Counter[str]:
    """Take out what is not shown, keep the text behind it, and count by kind."""
    hidden_names = _hidden_names(root)
    dropped: Counter[str] = Counter()
    unseen = []
    for element in root.iter():
        kind = _unseen_kind(element, hidden_names)
        if kind and element is not root:
            unseen.append(element)
            dropped[kind] += kind != "head"
    for element in unseen:
        # Emptied and not removed: to join the text around very many takes very long.
        element.clear(keep_tail=True)
        if isinstance(element.tag, str):
            element.tag = "span"
    return +dropped


def _unseen_kind(element: Element, hidden_names: frozenset[str]) -> str:
    """Name the reason why an element is not shown, or nothing."""
    tag = element.tag
    if not isinstance(tag, str) or tag == "head":
        return "head"
    if tag in _DROPPED:
        return _DROPPED[tag]
    if (element.get("role") or "").lower() in ("navigation", "menu", "menubar"):
        return "navigation"
    if tag == "dialog" and element.get("open") is None:
        return "hidden"
    if element.get("hidden") is not None or hides(element.get("style") or ""):
        return "hidden"
    names = {f".{name}" for name in (element.get("class") or "").split()}
    names.add(f"#{element.get('id')}")
    names |= {tag, *(f"{tag}{name}" for name in names)}
    return "hidden" if names & hidden_names else ""


def _hidden_names(root: Element) -> frozenset[str]:
    """Return the tags, classes and ids that the page's own style sheet hides outright."""
    styles = (style.text or "" for style in root.iter("style"))
    return frozenset(name for style in styles for name in hidden_selectors(style))


def _pictures_to_words(root: Element) -> int:
    """Put the text that stands for a picture in its place; return how many have none."""
    bare = 0
    for picture in root.iter("img"):
        words = " ".join((picture.get("alt") or "").split())
        if not _WORDS.search(words) or _FILE_NAME.search(words):
            bare += 1
            continue
        figure = next(picture.iterancestors("figure"), None)
        caption = figure.find(".//figcaption") if figure is not None else None
        if caption is None or words not in _inline(caption):
            picture.text = f" {words} "
    return bare


def _tables_to_rows(root: Element) -> None:
    """Turn each data table into a preformatted run of rows, one in a cell into text of the cell.

    A table around tables lays out the page, unless it names its columns.
    """
    tables = [table for table in root.iter("table") if _is_data(table)]
    known = set(tables)
    inner = {table for table in tables if not known.isdisjoint(table.iterancestors("table"))}
    for table in reversed(tables):
        caption = table.find("caption")
        lines = [_inline(caption)] if caption is not None else []
        rows = list(_cell_rows(table))
        is_inner = table in inner
        lines += _told(table, rows) if is_inner else [" | ".join(cells) for cells in rows]
        table.clear(keep_tail=True)
        table.tag = "div" if is_inner else "pre"
        table.text = ("; " if is_inner else "\n").join(line for line in lines if line)


def _is_data(table: Element) -> bool:
    if table.find(".//h1") is not None:
        return False
    return table.find(".//table") is None or any(
        cell.tag == "th" for row in _own(table, "tr", "table") for cell in _own(row, "th", "tr")
    )


def _own(element: Element, tag: str, around: str) -> Iterator[Element]:
    """Yield what belongs to a table or row itself and not to a table in one of its cells."""
    return (item for item in element.iter(*tag.split()) if _is_in(item, element, around))


def _is_in(item: Element, element: Element, around: str) -> bool:
    return next(item.iterancestors(around), None) is element


def _told(table: Element, rows: list[list[str]]) -> list[str]:
    """Return the rows of a table in a cell, each value with the name of its column."""
    first = next(_own(table, "tr", "table"), None)
    names = rows[0] if rows and first is not None and first.find("td") is None else []
    if len(rows) < 2 or not names:
        return [", ".join(filter(None, cells)) for cells in rows]
    return [
        ", ".join(
            f"{name}: {value}" if name else value
            for name, value in itertools.zip_longest(names[: len(cells)], cells, fillvalue="")
            if value
        )
        for cells in rows[1:]
    ]


def _rows(table: Element) -> Iterator[str]:
    return (" | ".join(cells) for cells in _cell_rows(table))


def _cell_rows(table: Element) -> Iterator[list[str]]:
    """Yield the rows; a cell that spans rows is repeated in each, so that a row reads alone."""
    spanning: dict[int, tuple[str, int]] = {}
    for row in _own(table, "tr", "table"):
        cells: list[str] = []
        for cell in _own(row, "td th", "tr"):
            _fill_spanning(cells, spanning)
            text = _inline(cell)
            rows = _span(cell.get("rowspan"))
            if rows > 1:
                spanning[len(cells)] = (text, rows - 1)
            cells.append(text)
        _fill_spanning(cells, spanning)
        if any(cells):
            yield cells


def _fill_spanning(cells: list[str], spanning: dict[int, tuple[str, int]]) -> None:
    while len(cells) in spanning:
        text, left = spanning.pop(len(cells))
        if left > 1:
            spanning[len(cells)] = (text, left - 1)
            cells.append(text)
            return
        cells.append(text)


def _span(value: str | None) -> int:
    return min(int(value), _MAX_SPAN) if value and value.isascii() and value.isdigit() else 1


def _inline(element: Element) -> str:
    """Return the text of an element on one line, a space where a block or break begins."""
    from lxml import etree

    parts: list[str] = []
    for event, item in etree.iterwalk(element, events=("start", "end")):
        if item.tag == "br" or item.tag not in _INLINE:
            parts.append(" ")
        parts.append((item.text if event == "start" else "") or "")
        if event == "end" and item is not element:
            parts.append(item.tail or "")
    return " ".join("".join(parts).split())


def _blocks(root: Element) -> Iterator[_Block]:
    """Walk the page in reading order and yield its runs of text."""
    from lxml import etree

    run: list[str] = []
    level, row = 0, ""
    walk = etree.iterwalk(root, events=("start", "end"))
    for event, element in walk:
        tag = element.tag
        if tag in _INLINE:
            run.append("\n" if tag == "br" and event == "start" else "")
            run.append(_collapse(element.text if event == "start" else element.tail))
            continue
        yield from _flush(run, level, row)
        level = _HEADINGS.get(tag, 0) if event == "start" else 0
        row = tag if event == "start" and tag in _ROWS else ""
        if event == "start" and tag == "pre":
            walk.skip_subtree()
            shown = "".join(element.itertext()).strip("\n").rstrip()
            if shown.strip():
                yield _Block(shown)
        elif event == "start":
            run.append(_collapse(element.text))
        else:
            run.append(_collapse(element.tail))
    yield from _flush(run, level, row)


def _collapse(text: str | None) -> str:
    return re.sub(r"\s+", " ", text or "")


def _flush(run: list[str], level: int, row: str) -> Iterator[_Block]:
    lines = (" ".join(line.split()) for line in "".join(run).split("\n"))
    run.clear()
    text = ("\n" if not level else " ").join(line for line in lines if line)
    if text:
        yield _Block(_ROWS.get(row, "") + text, level, bool(row))


def _lay_out(blocks: list[_Block]) -> tuple[str, tuple[Section, ...]]:
    """Join the blocks into one text and cut it at the headings."""
    parts: list[str] = []
    starts: list[tuple[int, tuple[str, ...]]] = []
    path: list[tuple[int, str]] = []
    length = 0
    for number, block in enumerate(blocks):
        if number:
            gap = "\n" if block.is_row and blocks[number - 1].is_row else "\n\n"
            parts.append(gap)
            length += len(gap)
        if block.level:
            path = [item for item in path if item[0] < block.level] + [(block.level, block.text)]
        if block.level or not number:
            starts.append((length, tuple(text for _, text in path)))
        parts.append(block.text)
        length += len(block.text)
    ends = [start for start, _ in starts[1:]] + [length]
    sections = (Section(path_, at, end) for (at, path_), end in zip(starts, ends, strict=True))
    return "".join(parts), tuple(sections)
