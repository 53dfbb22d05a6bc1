"""Outlook messages: subject, head lines and body from the properties that the file stores.

A .msg file is an OLE container with one stream a property. The plain body is preferred, else
the HTML one; attached messages and text are read, other attachments named and counted.
"""

from __future__ import annotations

import hashlib
import io
import struct
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import TYPE_CHECKING

from graft.errors import UnreadableDocument
from graft.loaders.mail import MAX_NESTED, Letter, head_lines, safe_name
from graft.loaders.pieces import Piece, headed, join, one_line, under
from graft.loaders.text import read_bytes, title_from_name
from graft.types import Document

if TYPE_CHECKING:
    from olefile import OleFileIO

__all__ = ["MsgLoader"]

LOADER_VERSION = 3
_STREAM = "__substg1.0_"
_FIXED = "__properties_version1.0"
_ATTACHMENT = "__attach_version1.0_"
# How long the head of the fixed properties is: of the file, of a message in it, of a part.
_HEAD_LENGTHS = {"file": 32, "message": 24, "part": 8}
_SUBJECT, _BODY, _HTML, _RICH = 0x0037, 0x1000, 0x1013, 0x1009
_SENDER, _SENDER_ADDRESS, _SMTP_ADDRESS = 0x0C1A, 0x0C1F, 0x5D01
_TO, _CC, _SENT, _DELIVERED = 0x0E04, 0x0E03, 0x0039, 0x0E06
_CODE_PAGE, _BODY_CODE_PAGE, _CLASS = 0x3FFD, 0x3FDE, 0x001A
_DATA, _METHOD, _MIME_TYPE, _HIDDEN = 0x3701, 0x3705, 0x370E, 0x7FFE
_NAMES = (0x3707, 0x3704, 0x3001)
_EMBEDDED = 5
_TEXT_ENDINGS = (".txt", ".csv", ".md", ".log", ".html", ".htm")
_MAX_READ = 200_000_000
_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)
# What a reader of OLE files raises on files that no program would write.
_BROKEN = (
    OSError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    struct.error,
    RecursionError,
)


class MsgLoader:
    """Reads Outlook messages."""

    extensions: tuple[str, ...] = (".msg",)

    def load(self, source: Path, doc_id: str) -> Iterator[Document]:
        """Yield the one document of the file.

        Raises:
            UnreadableDocument: the file cannot be opened, or is no message with text.
        """
        import olefile

        data = read_bytes(source)
        letter = Letter(source)
        try:
            with olefile.OleFileIO(io.BytesIO(data)) as ole:
                store = _Store(ole)
                top = _Properties(store, (), "file")
                subject = one_line(top.text(_SUBJECT))
                text, sections = join(_pieces(letter, top, 0)) if top.is_message() else Piece("")
        except _BROKEN as error:
            is_deep = isinstance(error, RecursionError)
            found = "its parts are nested too deep" if is_deep else error or type(error).__name__
            raise UnreadableDocument(
                "the file is no readable Outlook message",
                where=str(source),
                why=f"{found}; it is damaged or of another format",
                next_step="save the message anew from the mail program and add it again",
            ) from error
        if not text:
            raise UnreadableDocument(
                "the message has no text",
                where=str(source),
                why="; ".join(letter.notes()) or "the file holds neither subject nor body",
                next_step="save it with its text from the mail program and add it again",
            )
        yield Document(
            id=doc_id,
            source=str(source),
            title=subject or title_from_name(source),
            text=text,
            content_hash=hashlib.sha256(data).hexdigest(),
            loader="msg",
            sections=sections,
            notes=letter.notes(),
        )


class _Store:
    """The streams of the file; what is read of them in all has a limit."""

    def __init__(self, ole: OleFileIO) -> None:
        self._ole = ole
        self._left = _MAX_READ
        # Names are looked up in any case.
        self._paths = {
            tuple(part.lower() for part in path): path
            for path in ole.listdir(streams=True, storages=True)
        }

    def read(self, path: tuple[str, ...]) -> bytes | None:
        """Return a stream, or None where there is none."""
        found = self._paths.get(tuple(part.lower() for part in path))
        if found is None:
            return None
        with self._ole.openstream(found) as stream:
            data = bytes(stream.read(self._left + 1))
        self._left -= len(data)
        if self._left < 0:
            raise ValueError("its streams overlap and read to too much")
        return data

    def within(self, path: tuple[str, ...], start: str) -> list[str]:
        """Return the names of the storages in a storage that begin so, in order."""
        low = tuple(part.lower() for part in path)
        names = (
            found[-1]
            for key, found in self._paths.items()
            if key[:-1] == low and key[-1].startswith(start.lower())
        )
        return sorted(names)

    def has(self, path: tuple[str, ...]) -> bool:
        """Say whether there is a stream or storage of this path."""
        return tuple(part.lower() for part in path) in self._paths


class _Properties:
    """The properties of the message, of an attachment, or of a message attached."""

    def __init__(self, store: _Store, path: tuple[str, ...], kind: str) -> None:
        self.store, self.path = store, path
        data = store.read((*path, _FIXED)) or b""
        body = data[_HEAD_LENGTHS[kind] :]
        whole = body[: len(body) // 16 * 16]
        self._fixed = {tag >> 16: value for tag, _, value in struct.iter_unpack("<II8s", whole)}

    def is_message(self) -> bool:
        """Say whether there is what every message has."""
        names = (_SUBJECT, _BODY, _HTML, _CLASS, _SENDER)
        return bool(self._fixed) or any(self.text(name) for name in names)

    def number(self, name: int) -> int:
        """Return a number among the properties; 0 where it is not there."""
        value = self._fixed.get(name, bytes(8))
        return int.from_bytes(value[:4], "little")

    def data(self, name: int) -> bytes | None:
        """Return the bytes of a property."""
        return self.store.read((*self.path, f"{_STREAM}{name:04X}0102"))

    def text(self, name: int) -> str:
        """Return a property that is text, in either of the two forms that there are."""
        data = self.store.read((*self.path, f"{_STREAM}{name:04X}001F"))
        if data is not None:
            return data.decode("utf-16-le", errors="replace").rstrip("\0")
        data = self.store.read((*self.path, f"{_STREAM}{name:04X}001E")) or b""
        return data.decode(self._encoding(), errors="replace").rstrip("\0")

    def charset(self) -> str:
        """Return the encoding of an HTML body."""
        return _encoding(self.number(_BODY_CODE_PAGE))

    def sent(self) -> str:
        """Return when the message was sent, in the form of e-mail."""
        for name in (_SENT, _DELIVERED):
            ticks = int.from_bytes(self._fixed.get(name, b""), "little")
            try:
                moment = _EPOCH + timedelta(microseconds=ticks // 10)
            except OverflowError:
                continue
            if ticks:
                return format_datetime(moment)
        return ""

    def _encoding(self) -> str:
        return _encoding(self.number(_CODE_PAGE)) or "cp1252"


def _encoding(code_page: int) -> str:
    """Return Python's name for a code page, or nothing where it has none."""
    name = {65001: "utf-8", 20127: "ascii", 28591: "latin-1"}.get(code_page, f"cp{code_page}")
    try:
        "".encode(name)
    except LookupError:
        return ""
    return name


def _pieces(letter: Letter, message: _Properties, depth: int) -> list[Piece]:
    """Return the head lines and the body as one piece, then what is attached."""
    body = Piece(letter.text(message.text(_BODY).encode("utf-8", "replace"), "utf-8"))
    if not body.text:
        body = _html(letter, message)
    attached = list(_attached(letter, message, depth))
    if not body.text and message.data(_RICH):
        letter.counted["body in rich text"] += 1
    elif not body.text and not attached:
        letter.problems.append("a message has no body")
    address = message.text(_SMTP_ADDRESS) or message.text(_SENDER_ADDRESS)
    name = one_line(message.text(_SENDER))
    is_mail = "@" in address and address != name
    heads = {
        "From": one_line(f"{name} <{address}>" if name and is_mail else name or address),
        "To": one_line(message.text(_TO)),
        "Cc": one_line(message.text(_CC)),
        "Date": message.sent(),
    }
    head = head_lines(one_line(message.text(_SUBJECT)), heads)
    return [headed(head, body), *attached]


def _html(letter: Letter, message: _Properties) -> Piece:
    data = message.data(_HTML)
    if data is not None:
        return letter.html(letter.text(data, message.charset()))
    return letter.html(letter.text(message.text(_HTML).encode("utf-8", "replace"), "utf-8"))


def _attached(letter: Letter, message: _Properties, depth: int) -> Iterator[Piece]:
    for name in message.store.within(message.path, _ATTACHMENT):
        path = (*message.path, name)
        part = _Properties(message.store, path, "part")
        shown = next((text for key in _NAMES if (text := part.text(key))), "")
        inside = (*path, f"{_STREAM}{_DATA:04X}000D")
        if part.number(_METHOD) == _EMBEDDED and message.store.has(inside):
            yield from _nested(letter, _Properties(message.store, inside, "message"), depth)
            continue
        is_text = part.text(_MIME_TYPE).startswith("text/")
        if is_text or shown.lower().endswith(_TEXT_ENDINGS):
            text = letter.text(part.data(_DATA) or b"", "")
            is_page = shown.lower().endswith((".html", ".htm"))
            piece = letter.html(text) if is_page else Piece(text)
            if piece.text:
                yield under(piece, f"Attachment {safe_name(shown)}")
                continue
        if part.number(_HIDDEN) & 1:
            letter.counted["picture of the body"] += 1
        else:
            letter.leave_out(shown)


def _nested(letter: Letter, message: _Properties, depth: int) -> Iterator[Piece]:
    if depth >= MAX_NESTED:
        letter.counted["message nested too deep"] += 1
        return
    subject = one_line(message.text(_SUBJECT)) or "Attached message"
    yield from (under(piece, subject) for piece in _pieces(letter, message, depth + 1))
