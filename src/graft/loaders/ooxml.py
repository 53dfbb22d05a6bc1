"""What Word and PowerPoint files share: parts and their relations, properties, counted notes.

An Office file is a package of XML parts that name each other by relations. Relations to the
outside are never followed. A part with broken XML is read as far as it goes, and noted.
"""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from graft.errors import UnreadableDocument
from graft.loaders.container import Container, parse_xml
from graft.types import Section

if TYPE_CHECKING:
    from lxml.etree import _Element as Element

__all__ = [
    "Block",
    "Package",
    "Relation",
    "clean",
    "flag",
    "lay_out",
    "local_name",
    "namespace",
    "shown_choice",
]

_BASE = "http://schemas.openxmlformats.org"
_NAMESPACES = {
    "w": f"{_BASE}/wordprocessingml/2006/main",
    "p": f"{_BASE}/presentationml/2006/main",
    "a": f"{_BASE}/drawingml/2006/main",
    "c": f"{_BASE}/drawingml/2006/chart",
    "dgm": f"{_BASE}/drawingml/2006/diagram",
    "m": f"{_BASE}/officeDocument/2006/math",
    "r": f"{_BASE}/officeDocument/2006/relationships",
    "w14": "http://schemas.microsoft.com/office/word/2010/wordml",
}
_OFFICE = (f"{_BASE}/", "http://schemas.microsoft.com/", "urn:schemas-microsoft-com:")
_CORE_PROPERTIES = "core-properties"
# The strict form of the standard has its own names for the same things.
_STRICT = re.compile(rb"""(=["'])http://purl\.oclc\.org/ooxml/(\w+)/""")
_TRANSITIONAL = rb"\1http://schemas.openxmlformats.org/\2/2006/"
_CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\ufeff\ufffe\uffff]")
_LINE_ENDS = re.compile(r"\r\n?|[\x0b\x0c\x85\u2028\u2029]")
# Office writes a control character in text as its number.
_ESCAPED_CONTROL = re.compile(r"_x00(?:0[0-9BCEF]|1[0-9A-F])_", re.IGNORECASE)
_ESCAPED_LINE_END = re.compile(r"_x000[AD]_", re.IGNORECASE)
_BAD_TITLE = re.compile(
    r"^(?:untitled|(?:document|presentation|slide|title|folie|dokument)\s*\d*)$"
    r"|microsoft word|powerpoint|\.\w{2,5}$",
    re.IGNORECASE,
)
_TITLE_LENGTH = 200
_OFF = ("0", "false", "off")


class Block(NamedTuple):
    """A run of shown text; `level` is 0 or that of the heading.

    Blocks of one `kind` stand on following lines, except for tables and those without a kind.
    """

    text: str
    level: int = 0
    kind: str = ""


class Relation(NamedTuple):
    """What one part says of another: the kind of relation and the name of the part."""

    kind: str
    part: str


class Package:
    """The parts of an Office file by name; `left_out` and `problems` become the notes."""

    def __init__(self, container: Container) -> None:
        self.container = container
        self.left_out: Counter[str] = Counter()
        self.problems: list[str] = []
        self._relations: dict[str, dict[str, Relation]] = {}
        self._names = {name.lower(): name for name in container.names()}

    def main_part(self, usual: str, tag: str) -> tuple[str, Element]:
        """Return the name and root of the main part; `usual` is where it is if nothing says.

        Raises:
            UnreadableDocument: there is none, or its root is not the one with this `tag`.
        """
        parts = [item.part for item in self.relations("").values() if item.kind == "officeDocument"]
        part = parts[0] if parts else usual
        root = self.xml(part)
        if root is None or root.tag != tag:
            raise UnreadableDocument(
                "the file is not readable as what its name says",
                where=str(self.container.source),
                why="; ".join(self.problems) or "its main part is missing or of another kind",
                next_step="open it in its program, save it anew and add it again",
            )
        return part, root

    def xml(self, part: str) -> Element | None:
        """Return the root of a part, mended where it is broken; None where nothing is left."""
        name = self._names.get(part.lower())
        if name is None:
            return None
        where = f"{self.container.source}, {name}"
        try:
            data = _STRICT.sub(_TRANSITIONAL, self.container.read(name))
        except UnreadableDocument as error:
            self.problems.append(f"{error.what}: {name}")
            return None
        try:
            return parse_xml(data, where)
        except UnreadableDocument:
            self.problems.append(f"{name} is damaged and read as far as it goes")
        try:
            return parse_xml(data, where, mend=True)
        except UnreadableDocument as error:
            self.problems[-1] = f"{error.what}: {name}"
            return None

    def relations(self, part: str) -> dict[str, Relation]:
        """Return the relations of a part within the package by their ids; "" is the package."""
        if part in self._relations:
            return self._relations[part]
        folder, name = posixpath.split(part)
        root = self.xml(posixpath.join(folder, "_rels", f"{name}.rels"))
        found: dict[str, Relation] = {}
        for item in root if root is not None else ():
            if (item.get("TargetMode") or "").lower() == "external":
                continue
            target = posixpath.normpath(posixpath.join("/", folder, item.get("Target") or ""))
            kind = (item.get("Type") or "").rsplit("/", 1)[-1]
            found[item.get("Id") or ""] = Relation(kind, target.lstrip("/"))
        self._relations[part] = found
        return found

    def title(self) -> str:
        """Return the title in the properties of the file where it reads like one."""
        parts = [item.part for item in self.relations("").values() if item.kind == _CORE_PROPERTIES]
        root = self.xml(parts[0]) if parts else None
        if root is None:
            return ""
        texts = (item.text for item in root if local_name(item) == "title")
        title = " ".join(clean(next(texts, "") or "").split())
        return "" if _BAD_TITLE.search(title) or len(title) > _TITLE_LENGTH else title

    def count(self, kind: str, number: int = 1) -> None:
        """Count something that is left out, named in the singular."""
        if number:
            self.left_out[kind] += number

    def notes(self) -> tuple[str, ...]:
        """Return what was left out and what was broken, in plain words."""
        ordered = sorted(self.left_out.items())
        counted = (f"{number} {_plural(kind, number)} left out" for kind, number in ordered)
        return (*counted, *dict.fromkeys(self.problems))


def _plural(kind: str, number: int) -> str:
    """Return the word for that many.

    >>> _plural("piece of hidden text", 2)
    'pieces of hidden text'
    """
    first, of, rest = kind.partition(" of ")
    return f"{first}s{of}{rest}" if number > 1 else kind


def namespace(prefix: str) -> str:
    """Return the braced namespace that a prefix stands for, to put before a local name."""
    return f"{{{_NAMESPACES[prefix]}}}"


def local_name(element: Element) -> str:
    """Return the name of an element without its namespace."""
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def flag(element: Element | None, attribute: str) -> bool:
    """Say whether a switch is there and on; one without a value is on."""
    return element is not None and (element.get(attribute) or "1").lower() not in _OFF


def clean(text: str) -> str:
    """Return text without control characters, lines ending in a newline."""
    if "_x00" in text.lower():
        text = _ESCAPED_CONTROL.sub(" ", _ESCAPED_LINE_END.sub("\n", text))
    return _CONTROLS.sub("", _LINE_ENDS.sub("\n", text))


def shown_choice(element: Element) -> Element | None:
    """Return the one branch of alternate content to read: the first known one that has text.

    The branches hold the same thing for newer and older programs.
    """
    branches = [item for item in element if local_name(item) == "Choice" and _is_known(item)]
    branches += [item for item in element if local_name(item) == "Fallback"]
    with_text = (item for item in branches if any(text.strip() for text in item.itertext()))
    return next(with_text, branches[0] if branches else None)


def _is_known(choice: Element) -> bool:
    """Say whether what a choice asks for is of Office; no program shows any other."""
    needed = (choice.get("Requires") or "").split()
    return all((choice.nsmap.get(prefix) or "").startswith(_OFFICE) for prefix in needed)


def lay_out(blocks: list[Block]) -> tuple[str, tuple[Section, ...]]:
    """Join the blocks into one text and cut it at the headings."""
    parts: list[str] = []
    starts: list[tuple[int, tuple[str, ...]]] = []
    path: list[tuple[int, str]] = []
    length = 0
    for number, block in enumerate(blocks):
        if number:
            is_next = block.kind not in ("", "table") and block.kind == blocks[number - 1].kind
            parts.append("\n" if is_next else "\n\n")
            length += len(parts[-1])
        if block.level:
            path = [item for item in path if item[0] < block.level] + [(block.level, block.text)]
        if block.level or not number:
            starts.append((length, tuple(text for _, text in path)))
        parts.append(block.text)
        length += len(block.text)
    ends = [start for start, _ in starts[1:]] + [length]
    sections = (Section(path_, at, end) for (at, path_), end in zip(starts, ends, strict=True))
    return "".join(parts), tuple(sections)
