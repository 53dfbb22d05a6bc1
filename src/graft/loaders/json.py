"""JSON: every value becomes a line that says by its path what it is.

A list of objects is read as records, one a line; a record with a text of its own is read as
prose under its title. Numbers are kept as they are written. In files of one record a line a
broken line costs itself and no other.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

from graft.errors import UnreadableDocument
from graft.loaders.tables import MAX_TEXT, Piece, counted, grouped, label, lay_out, too_much_text
from graft.loaders.text import decode, read_bytes, title_from_name
from graft.types import Document

__all__ = ["BrokenJson", "JsonLoader", "JsonReader"]

LOADER_VERSION = 1
_MAX_DEPTH = 200
_FLAT_DEPTH = 2
_TITLE_KEYS = ("title", "headline", "heading", "subject", "name")
_TEXT_KEYS = frozenset(("text", "content", "body"))
_TITLE_LENGTH = 200
_PATH_LENGTH = 160
_SHORT_ITEM = 80
_SHORT_LIST = 400
_MAX_NUMBERS = 256
_MAX_NAMED_LINES = 10
_TOKEN = re.compile(r'"(?:[^"\\]++|\\.)*+(?:"|\Z)|[\[{]|[\]}]', re.DOTALL)
_CONTROLS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\ufeff\ufffe\uffff]+")
_LINE_ENDS = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")
_GAPS = re.compile(r"\n{3,}")
_SURROGATES = re.compile(r"[\ud800-\udfff]")
_BLOB = re.compile(r"(?:data:[\w/+.;=-]+,)?[A-Za-z0-9+/=_-]{1000,}")
_LINE_SIGNS = (b"\xe2\x80\xa8", b"\xe2\x80\xa9", b"\xc2\x85")


class _Number(str):
    """A number as it is written in the file."""

    __slots__ = ()


class BrokenJson(Exception):
    """Why a text is no JSON that is read, and where in it."""

    def __init__(self, why: str, line: int, column: int) -> None:
        self.why, self.line, self.column = why, line, column
        super().__init__(why)


class JsonLoader:
    """Reads JSON files and files of one JSON record a line."""

    extensions: tuple[str, ...] = (".json", ".jsonl", ".ndjson")

    def load(self, source: Path, doc_id: str) -> Iterator[Document]:
        """Yield the one document of the file.

        Raises:
            UnreadableDocument: the file cannot be opened, is broken, nested too deep, or holds
                no text.
        """
        data = read_bytes(source)
        text, notes = decode(_with_escaped_line_signs(data), source)
        reader = JsonReader()
        title = ""
        if source.suffix.lower() == ".json":
            pieces, title = _whole(reader, text, source)
        else:
            pieces = _records(reader, text, source)
        if not pieces:
            raise UnreadableDocument(
                "the file has no text",
                where=str(source),
                why="; ".join(reader.notes()) or "it holds no values",
                next_step="leave it out, or fill it and add it again",
            )
        body, sections = lay_out(pieces, "\n\n")
        yield Document(
            id=doc_id,
            source=str(source),
            title=title or title_from_name(source),
            text=body,
            content_hash=hashlib.sha256(data).hexdigest(),
            loader="json",
            sections=sections,
            notes=notes + reader.notes(),
        )


def _with_escaped_line_signs(data: bytes) -> bytes:
    """Write the line signs of Unicode as JSON escapes: raw ones are no end of a record."""
    if not any(sign in data for sign in _LINE_SIGNS):
        return data
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return data
    for sign in _LINE_SIGNS:
        data = data.replace(sign, f"\\u{ord(sign.decode('utf-8')):04x}".encode())
    return data


def _whole(reader: JsonReader, text: str, source: Path) -> tuple[list[Piece], str]:
    """Read a file that is one value; return its pieces and its title."""
    try:
        value = reader.parse(text)
    except BrokenJson as error:
        lines = [line for line in text.split("\n") if line.strip()]
        if len(lines) > 1 and error.why.startswith("Extra data"):
            # One record a line under the name of the other format.
            return _records(reader, text, source, error), ""
        _refuse(error, source)
    title = _title(value)[1] if isinstance(value, dict) else ""
    return _within_limit(_collected(reader.parts(value, ())), source), title


def _records(
    reader: JsonReader, text: str, source: Path, whole: BrokenJson | None = None
) -> list[Piece]:
    """Read a file of one value a line, each a section; `whole` allows no broken line."""
    found: list[Piece] = []
    broken: list[tuple[int, BrokenJson]] = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            value = reader.parse(line)
        except BrokenJson as error:
            if whole is not None:
                _refuse(whole, source)
            broken.append((number, error))
            continue
        found += reader.record(value)
    if broken and not found:
        number, first = broken[0]
        _refuse(BrokenJson(first.why, number, first.column), source)
    reader.broken_lines = [number for number, _ in broken]
    return _within_limit(iter(found), source)


def _refuse(error: BrokenJson, source: Path) -> NoReturn:
    raise UnreadableDocument(
        "the file is not readable JSON",
        where=f"{source}, line {error.line}, column {error.column}",
        why=error.why,
        next_step="correct that place and add the file again",
    )


def _collected(parts: Iterator[str | Piece]) -> Iterator[Piece]:
    """Yield the pieces, following lines grouped into pieces of their own."""
    lines: list[str] = []
    for part in parts:
        if isinstance(part, Piece):
            yield from grouped(lines)
            lines.clear()
            yield part
        else:
            lines.append(part)
    yield from grouped(lines)


def _within_limit(pieces: Iterator[Piece], source: Path) -> list[Piece]:
    found: list[Piece] = []
    size = 0
    for piece in pieces:
        size += len(piece.text)
        if size > MAX_TEXT:
            raise too_much_text(source)
        found.append(piece)
    return found


class JsonReader:
    """Parses JSON and turns values into lines; counts what it leaves out."""

    def __init__(self) -> None:
        self.broken_lines: list[int] = []
        self._counts: Counter[str] = Counter()
        self._decoder = json.JSONDecoder(
            object_pairs_hook=self._object,
            parse_int=_Number,
            parse_float=_Number,
            parse_constant=self._constant,
            strict=False,
        )

    def parse(self, text: str) -> object:
        """Return the value of a text.

        Raises:
            BrokenJson: it is no JSON, or nested too deep.
        """
        if text.count("[") + text.count("{") > _MAX_DEPTH:
            _check_depth(text)
        try:
            value: object = self._decoder.decode(text)
        except json.JSONDecodeError as error:
            raise BrokenJson(error.msg, error.lineno, error.colno) from error
        return value

    def notes(self) -> tuple[str, ...]:
        """Return what was left out, in plain words."""
        notes = [counted(number, kind) for kind, number in sorted(self._counts.items())]
        if self.broken_lines:
            named = ", ".join(str(number) for number in self.broken_lines[:_MAX_NAMED_LINES])
            more = " and more" if len(self.broken_lines) > _MAX_NAMED_LINES else ""
            kind = "line without readable JSON left out"
            notes.append(f"{counted(len(self.broken_lines), kind)}: line {named}{more}")
        return tuple(notes)

    def parts(self, value: object, path: tuple[str, ...]) -> Iterator[str | Piece]:
        """Yield the lines and records of a value."""
        if isinstance(value, dict):
            prose = self._prose(value, path)
            if prose is not None:
                yield prose
                return
            for key, item in value.items():
                yield from self.parts(item, (*path, label(_clean(key))))
        elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
            for number, item in enumerate(value, 1):
                prose = self._prose(item, path) if isinstance(item, dict) else None
                if prose is not None:
                    yield prose
                else:
                    yield from self._lines(item, _numbered(path, number))
        else:
            yield from self._lines(value, path)

    def record(self, value: object) -> Iterator[Piece]:
        """Yield the one piece of a record, or none where nothing is in it."""
        prose = self._prose(value, ()) if isinstance(value, dict) else None
        if prose is not None:
            yield prose
            return
        lines = list(self._lines(value, ()))
        title = _title(value)[1] if isinstance(value, dict) and len(lines) > 1 else ""
        if lines:
            yield Piece((title,) if title else (), "\n".join(lines))

    def _prose(self, record: dict[str, object], path: tuple[str, ...]) -> Piece | None:
        """Return a record that has a text of its own, under its title, other values behind."""
        texts = {
            key: text
            for key, item in record.items()
            if key.lower() in _TEXT_KEYS and (text := _paragraphs(item))
        }
        if not texts:
            return None
        title_key, title = _title(record)
        rest = {key: x for key, x in record.items() if key not in texts and key != title_key}
        parts = [title, *texts.values(), "\n".join(self._lines(rest, ()))]
        path = (*path, title) if title else path
        return Piece(path, "\n\n".join(part for part in parts if part))

    def _lines(self, value: object, path: tuple[str, ...]) -> Iterator[str]:
        """Yield the lines of a value: its plain part as a row, deeper parts with their path."""
        before = f"{_shown(path)}: " if path else ""
        if isinstance(value, dict):
            plain = {key: item for key, item in value.items() if _is_flat(item)}
            row = "; ".join(self._fields(plain, ()))
            if row:
                yield before + row
            for key, item in value.items():
                if key not in plain:
                    yield from self._lines(item, (*path, label(_clean(key))))
        elif isinstance(value, list) and not _is_flat(value):
            for number, item in enumerate(value, 1):
                yield from self._lines(item, _numbered(path, number))
        else:
            yield from (before + text for text in self._texts(value))

    def _fields(self, value: dict[str, object], path: tuple[str, ...]) -> Iterator[str]:
        for key, item in value.items():
            here = (*path, label(_clean(key)))
            if isinstance(item, dict):
                yield from self._fields(item, here)
            elif text := ", ".join(self._texts(item)):
                yield f"{_shown(here)}: {text}"

    def _texts(self, value: object) -> list[str]:
        """Return the texts of a value without parts, or of a list of such; short ones as one."""
        items = value if isinstance(value, list) else [value]
        if len(items) > _MAX_NUMBERS and all(isinstance(item, _Number) for item in items):
            self._counts["list of numbers left out"] += 1
            return []
        texts = [text for item in items if (text := self._text(item))]
        is_short = sum(map(len, texts)) < _SHORT_LIST and all(len(x) < _SHORT_ITEM for x in texts)
        return [", ".join(texts)] if is_short and texts else texts

    def _text(self, value: object) -> str:
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, _Number):
            return value
        text = " ".join(_clean(value).split()) if isinstance(value, str) else ""
        if _BLOB.fullmatch(text):
            self._counts["value without words left out"] += 1
            return ""
        return text

    def _object(self, pairs: list[tuple[str, object]]) -> dict[str, object]:
        found = dict(pairs)
        if len(found) < len(pairs):
            self._counts["repetition of a key, read as its last value"] += len(pairs) - len(found)
        return found

    def _constant(self, name: str) -> None:
        del name
        self._counts["value (NaN or infinite) left out"] += 1


def _check_depth(text: str) -> None:
    depth = 0
    for found in _TOKEN.finditer(text):
        sign = found[0]
        if sign in ("[", "{"):
            depth += 1
            if depth > _MAX_DEPTH:
                before = text.rfind("\n", 0, found.start())
                line = text.count("\n", 0, found.start()) + 1
                why = f"it is nested deeper than {_MAX_DEPTH} levels"
                raise BrokenJson(why, line, found.start() - before)
        elif sign in ("]", "}"):
            depth -= 1


def _is_flat(value: object, depth: int = _FLAT_DEPTH) -> bool:
    """Say whether a value is plain enough to stand in a row."""
    if isinstance(value, dict):
        return depth > 0 and all(_is_flat(item, depth - 1) for item in value.values())
    if isinstance(value, list):
        return not any(isinstance(item, (dict, list)) for item in value)
    return True


def _numbered(path: tuple[str, ...], number: int) -> tuple[str, ...]:
    return (*path[:-1], f"{path[-1]} {number}") if path else ()


def _shown(path: tuple[str, ...]) -> str:
    """Return a path as it stands before a value; of a long one the first and last part.

    >>> _shown(("company", "address", "city"))
    'company > address > city'
    """
    text = " > ".join(name for name in path if name)
    return text if len(text) <= _PATH_LENGTH else f"{label(path[0])} > … > {label(path[-1])}"


def _title(record: dict[str, object]) -> tuple[str, str]:
    """Return the key and the text of the title of a record, empty where it has none."""
    names = {key.lower(): key for key in reversed(record)}
    for name in _TITLE_KEYS:
        value = record.get(names.get(name, ""))
        if isinstance(value, str) and not isinstance(value, _Number):
            title = " ".join(_clean(value).split())
            if title and len(title) <= _TITLE_LENGTH:
                return names[name], title
    return "", ""


def _paragraphs(value: object) -> str:
    """Return running text with its lines, or nothing where the value is something else."""
    items = value if isinstance(value, list) else [value]
    texts = [_clean(item) for item in items if type(item) is str]
    text = "\n\n".join(texts) if len(texts) == len(items) else ""
    if _BLOB.fullmatch(text.strip()):
        return ""
    return _GAPS.sub("\n\n", "\n".join(line.rstrip() for line in text.split("\n"))).strip()


def _clean(text: str) -> str:
    """Return text without the characters that escapes can bring in."""
    text = _LINE_ENDS.sub("\n", text).replace("\t", " ")
    return _SURROGATES.sub("\ufffd", _CONTROLS.sub("", text))
