"""Plain text: bytes become clean characters, headings are guessed from how people write them.

Decoding and cleaning live here for the loaders of the family that read characters. It does
not know Markdown. A heading is a line of its own in capitals or one that is underlined.
"""

from __future__ import annotations

import codecs
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from graft.errors import UnreadableDocument
from graft.loaders.opening import read_bytes
from graft.types import Document, Section

__all__ = ["Decoded", "TextLoader", "decode", "read_bytes", "title_from_name"]

LOADER_VERSION = 1
_BOMS = (
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
_MAGIC = (
    (b"%PDF-", "PDF"),
    (b"PK\x03\x04", "zip or Office"),
    (b"\x89PNG", "PNG"),
    (b"\xd0\xcf\x11\xe0", "old Office"),
    (b"\x1f\x8b", "gzip"),
)
# UTF-16 Latin text has a zero in every second byte; real text has none at all.
_UTF16_ZERO_SHARE = 0.3
_BINARY_ZERO_SHARE = 0.01
# Of bytes at random one in eight controls; text in an old encoding has next to none of them.
_BINARY_CONTROL_SHARE = 0.02
_FEW_CONTROLS = 8
_GUESSED = ("cp1252", "utf-16-le", "utf-16-be")
# Codecs of Python that no text is written in: escapes, names of hosts, and one that always fails.
_NO_ENCODINGS = ("idna", "punycode", "raw-unicode-escape", "undefined", "unicode-escape")
_ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)")
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f-\x84\x86-\x9f]")
# What a name must not do to the terminal or page that shows it: escapes and turns of direction.
_UNSHOWN = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_SURROGATES = re.compile(r"[\ud800-\udfff]")
_UNDERLINE = re.compile(r"^(?:={3,}|-{3,}|~{3,})\s*$")
_BULLET = re.compile(r"^\s*(?:[-*+•]|\[.?\]|\d+[.)])\s")
_LETTER_HEAD = re.compile(r"^(?:to|from|date|cc|re|dear)\b\s*[:,]?", re.IGNORECASE)
_TITLE_LENGTH = 80
_HEADING_LENGTH = 60


class Decoded(NamedTuple):
    """Clean text and what had to be done to get it."""

    text: str
    notes: tuple[str, ...]


def decode(data: bytes, source: Path, declared: str = "") -> Decoded:
    """Turn bytes into text without control characters, lines ending in a newline.

    The order is: byte order mark, the `declared` encoding, UTF-8, UTF-16 by its zeros, and
    Windows-1252, which reads every byte of Latin-1 text.

    Raises:
        UnreadableDocument: the bytes are no text, or there is none.
    """
    for magic, kind in _MAGIC:
        if data.startswith(magic):
            raise UnreadableDocument(
                "the file is not text",
                where=str(source),
                why=f"its first bytes are those of a {kind} file",
                next_step="give the file its right extension and add it again",
            )
    text, encoding = _decode(data, declared)
    if why := _why_binary(text, is_guessed=encoding in _GUESSED and encoding != declared):
        raise UnreadableDocument(
            "the file is not text",
            where=str(source),
            why=why,
            next_step="give the file its right extension and add it again",
        )
    clean, notes = _clean(text)
    if encoding.lower() not in ("utf-8", "utf8", "utf-8-sig", "ascii", "us-ascii"):
        notes = [f"read as {encoding}", *notes]
    if not clean.strip():
        raise UnreadableDocument(
            "the file has no text",
            where=str(source),
            why=f"it holds {len(data)} bytes and nothing to read",
            next_step="leave it out, or fill it and add it again",
        )
    return Decoded(clean, tuple(notes))


def _decode(data: bytes, declared: str) -> tuple[str, str]:
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return data.decode(encoding, errors="replace"), encoding
    for encoding in (declared if _is_encoding(declared) else "", "utf-8"):
        try:
            if encoding:
                text = data.decode(encoding)
                if not _zeros(data):
                    return text, encoding
        except (ValueError, LookupError):
            continue
    guess = _zeros(data)
    if guess:
        return data.decode(guess, errors="replace"), guess
    return data.decode("cp1252", errors="replace"), "cp1252"


def _is_encoding(name: str) -> bool:
    """Tell whether a name, which a document gives, is that of an encoding of texts."""
    try:
        return codecs.lookup(name).name not in _NO_ENCODINGS
    except (ValueError, LookupError):
        return False


def _why_binary(text: str, *, is_guessed: bool) -> str:
    """Say why these are no characters of a text; empty where they may be."""
    if text.count("\x00") > len(text) * _BINARY_ZERO_SHARE:
        return "it holds zero bytes"
    if is_guessed:
        plain = _ESCAPES.sub("", text)
        controls = sum(1 for _ in _CONTROLS.finditer(plain))
        if controls > max(_FEW_CONTROLS, len(plain) * _BINARY_CONTROL_SHARE):
            return f"{controls:,} of its {len(plain):,} characters are control characters"
    return ""


def _zeros(data: bytes) -> str:
    """Name the UTF-16 that the zeros of the first bytes speak for, or nothing."""
    head = data[:4_096]
    half = max(1, len(head) // 2)
    if head[1::2].count(0) > half * _UTF16_ZERO_SHARE and not head[::2].count(0):
        return "utf-16-le"
    if head[::2].count(0) > half * _UTF16_ZERO_SHARE and not head[1::2].count(0):
        return "utf-16-be"
    return ""


def _clean(text: str) -> tuple[str, list[str]]:
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = re.sub("[\f\v\x85\u2028\u2029]", "\n", text)
    text, escapes = _ESCAPES.subn("", text)
    text, controls = _CONTROLS.subn("", text)
    # Halves of characters come from UTF-7 and the like; nothing that stores text takes them.
    text = _SURROGATES.sub("\ufffd", text).lstrip("\ufeff")
    replaced = text.count("\ufffd")
    notes = []
    if escapes + controls:
        notes.append(f"{escapes + controls} control characters removed")
    if replaced:
        notes.append(f"{replaced} characters could not be decoded")
    return text, notes


def title_from_name(source: Path) -> str:
    """Return a readable title for a file that has none.

    >>> title_from_name(Path("boiler-house_log.txt"))
    'boiler house log'
    """
    shown = _UNSHOWN.sub("", re.sub(r"[-_\s]+", " ", source.stem)).strip()
    return shown or source.name


class TextLoader:
    """Reads plain text files in any common encoding."""

    extensions: tuple[str, ...] = (".txt", ".text", ".log")

    def load(self, source: Path, doc_id: str) -> Iterator[Document]:
        """Yield the one document of the file.

        Raises:
            UnreadableDocument: the file cannot be opened or holds no text.
        """
        data = read_bytes(source)
        text, notes = decode(data, source)
        is_log = source.suffix.lower() == ".log"
        title = "" if is_log else _title(text)
        yield Document(
            id=doc_id,
            source=str(source),
            title=title or title_from_name(source),
            text=text,
            content_hash=hashlib.sha256(data).hexdigest(),
            loader="text",
            sections=(Section((), 0, len(text)),) if is_log else _sections(text, title),
            notes=notes,
        )


def _title(text: str) -> str:
    """Return the first line where it reads like a heading and not like running text."""
    lines = text.lstrip().split("\n", 2)
    first = lines[0].strip()
    after = lines[1].strip() if len(lines) > 1 else ""
    if not first or len(first) > _TITLE_LENGTH or first[-1] in ".,;":
        return ""
    if _BULLET.match(first) or _LETTER_HEAD.match(first):
        return ""
    if not after or _UNDERLINE.match(after):
        return first
    return first if len(first) <= _HEADING_LENGTH and not after[0].islower() else ""


def _sections(text: str, title: str) -> tuple[Section, ...]:
    starts: list[tuple[int, tuple[str, ...]]] = [(0, ())]
    position = 0
    lines = text.split("\n")
    for number, line in enumerate(lines):
        before = lines[number - 1].strip() if number else ""
        after = lines[number + 1] if number + 1 < len(lines) else ""
        heading = line.strip()
        if number and heading != title and not before and _is_heading(line, after):
            starts.append((position, (heading,)))
        position += len(line) + 1
    ends = [start for start, _ in starts[1:]] + [len(text)]
    return tuple(Section(path, start, end) for (start, path), end in zip(starts, ends, strict=True))


def _is_heading(line: str, after: str) -> bool:
    text = line.strip()
    if not text or len(text) > _HEADING_LENGTH or line[0].isspace() or _BULLET.match(line):
        return False
    if _UNDERLINE.match(text):
        return False
    if _UNDERLINE.match(after):
        return True
    has_word = re.search(r"[^\W\d_]{3,}", text) is not None
    return has_word and text == text.upper() and text != text.lower() and text[-1] not in ".,;"
