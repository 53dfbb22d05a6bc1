"""E-mail: the head lines, the body, and attachments that are text or further messages.

The plain body is preferred; an HTML one is read like a page. Other attachments are named and
counted, never opened. A mailbox file gives one document a message.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from email import message_from_bytes, policy
from email.errors import MessageError
from email.message import EmailMessage
from pathlib import Path
from typing import cast

from graft.errors import UnreadableDocument
from graft.loaders.pieces import (
    BARE_PICTURE,
    Piece,
    headed,
    html_page,
    join,
    left_out,
    one_line,
    plural,
    under,
)
from graft.loaders.text import decode, read_bytes, title_from_name
from graft.types import Document

__all__ = ["Letter", "MailLoader", "head_lines", "safe_name"]

LOADER_VERSION = 3
MAX_NESTED = 10
_HEAD = ("From", "To", "Cc", "Date")
_KNOWN_HEADS = ("from", "to", "subject", "date", "received", "message-id", "mime-version")
_HEAD_LENGTH = 2_000
_NAME_LENGTH = 80
_NAMES_SHOWN = 10
_MAX_PARTS = 2_000  # each costs about a millisecond; no real message has so many
_UNREAD_TEXT = ("text/calendar", "text/vcard", "text/x-vcard", "text/rtf", "text/directory")
_ENCRYPTED = ("multipart/encrypted", "application/pkcs7-mime", "application/x-pkcs7-mime")
_BEST_BODY = {"text/plain": 0, "text/html": 2}
# What the standard library raises on messages that no program would write.
_BROKEN = (
    *(ValueError, LookupError, AttributeError, TypeError, ArithmeticError),
    *(RecursionError, MessageError),
)
_MAILBOX_LINE = re.compile(
    rb"(?:\A|(?<=\n\n)|(?<=\n\r\n))From [^\r\n]{0,200}\d{1,2}:\d{2}[^\r\n]{0,60}(?:\r?\n|\Z)"
)
_QUOTED_LINE = re.compile(rb"^>(>*From )", re.MULTILINE)


class Letter:
    """What is known of a message beside its text: attachments left out, and what was broken."""

    def __init__(self, source: Path) -> None:
        self.source = source
        self.counted: Counter[str] = Counter()
        self.names: list[str] = []
        self.problems: list[str] = []
        self._parts_left = _MAX_PARTS

    def may_read(self) -> bool:
        """Say whether one more part is to be read; those beyond the limit are counted."""
        self._parts_left -= 1
        if self._parts_left < 0:
            self.counted["part of the message"] += 1
        return self._parts_left >= 0

    def leave_out(self, name: str) -> None:
        """Count an attachment that is not read."""
        self.names.append(safe_name(name))

    def notes(self) -> tuple[str, ...]:
        """Return what was left out and what was broken, in plain words."""
        notes = [*left_out(self.counted), *dict.fromkeys(self.problems)]
        if self.names:
            shown = ", ".join(self.names[:_NAMES_SHOWN])
            more = ", ..." if len(self.names) > _NAMES_SHOWN else ""
            notes.insert(0, f"{plural('attachment', len(self.names))} left out: {shown}{more}")
        return tuple(notes)

    def text(self, data: bytes, charset: str) -> str:
        """Return bytes as clean text; empty where they are none."""
        try:
            return decode(data, self.source, charset).text.strip("\n")
        except UnreadableDocument:
            if data.strip():
                self.problems.append("a part of the message is no text")
            return ""

    def html(self, text: str) -> Piece:
        """Return what an HTML body shows, and count what it hides and pictures without words."""
        page = html_page(text) if text else None
        if page is None:
            return Piece("")
        self.counted["hidden element"] += page.dropped["hidden"]
        self.counted[BARE_PICTURE] += page.bare_pictures
        self.counted = +self.counted
        self.problems += page.problems
        return page.piece


class MailLoader:
    """Reads e-mail messages and mailboxes."""

    extensions: tuple[str, ...] = (".eml", ".mbox")

    def load(self, source: Path, doc_id: str) -> Iterator[Document]:
        """Yield one document a message; those of a mailbox are numbered.

        Raises:
            UnreadableDocument: the file cannot be opened or holds no message that can be read.
        """
        data = read_bytes(source)
        digest = hashlib.sha256(data).hexdigest()
        is_mailbox = source.suffix.lower() == ".mbox"
        found: list[Document] = []
        refused: list[UnreadableDocument] = []
        for number, message in enumerate(_messages(data) if is_mailbox else [data], 1):
            part_id = f"{doc_id}#{number}" if is_mailbox else doc_id
            try:
                found.append(_document(message, source, part_id, digest))
            except UnreadableDocument as error:
                refused.append(error)
        if not found:
            raise refused[0] if refused else _no_message(source)
        note = f"{plural('message', len(refused))} of the mailbox cannot be read"
        for place, document in enumerate(found):
            is_noted = bool(refused) and not place
            yield replace(document, notes=(*document.notes, note)) if is_noted else document


def _messages(data: bytes) -> Iterator[bytes]:
    """Yield the messages of a mailbox: each begins with a line of its sender and a time."""
    marks = list(_MAILBOX_LINE.finditer(data))
    for place, mark in enumerate(marks):
        end = marks[place + 1].start() if place + 1 < len(marks) else len(data)
        yield _QUOTED_LINE.sub(rb"\1", data[mark.end() : end])


def _no_message(source: Path) -> UnreadableDocument:
    return UnreadableDocument(
        "the file is no e-mail message",
        where=str(source),
        why="it does not begin with the head lines of one",
        next_step="save the message anew from the mail program and add it again",
    )


def _document(data: bytes, source: Path, doc_id: str, digest: str) -> Document:
    letter = Letter(source)
    try:
        message = message_from_bytes(data.removeprefix(b"\xef\xbb\xbf"), policy=policy.default)
    except _BROKEN as error:
        raise _no_message(source) from error
    if not any(name.lower() in _KNOWN_HEADS for name, _ in message.raw_items()):
        raise _no_message(source)
    subject = _head(message, "Subject")
    text, sections = join(_pieces(letter, message, 0))
    if not text:
        raise UnreadableDocument(
            "the message is encrypted" if letter.counted["encrypted body"] else "it has no text",
            where=str(source),
            why="; ".join(letter.notes()) or "it has neither subject nor body",
            next_step="save it decrypted or with its text from the mail program and add it again",
        )
    return Document(
        id=doc_id,
        source=str(source),
        title=subject or title_from_name(source),
        text=text,
        content_hash=digest,
        loader="mail",
        sections=sections,
        notes=letter.notes(),
    )


def head_lines(subject: str, heads: dict[str, str]) -> str:
    """Return the lines above a body: the subject and who wrote to whom and when."""
    lines = [subject] if subject else []
    lines += [f"{name}: {value}" for name, value in heads.items() if value]
    return "\n".join(lines)


def safe_name(name: str) -> str:
    """Return the name of an attachment as it may be shown: no folders, nothing unseen, short.

    >>> safe_name("../../etc/passwd"), safe_name("")
    ('passwd', 'unnamed')
    """
    last = one_line(re.split(r"[/\\]", name.strip().rstrip("/\\"))[-1])
    stem, dot, ending = last.rpartition(".")
    if len(last) > _NAME_LENGTH and dot and len(ending) < 10:
        last = f"{stem[: _NAME_LENGTH - len(ending) - 4]}....{ending}"
    return last[:_NAME_LENGTH] or "unnamed"


def _pieces(letter: Letter, message: EmailMessage, depth: int) -> list[Piece]:
    """Return the head lines and the body as one piece, then what is attached."""
    subject = _head(message, "Subject")
    bodies: list[Piece] = []
    attached: list[Piece] = []
    for piece, is_body in _parts(letter, message, depth):
        (bodies if is_body else attached).append(piece)
    body = join(bodies)
    if letter.counted["encrypted body"] and not body.text and not attached and not depth:
        return []
    if not body.text and not attached:
        letter.problems.append("a message has no body")
    head = head_lines(subject, {name: _head(message, name) for name in _HEAD})
    return [headed(head, body), *attached]


def _parts(
    letter: Letter, part: EmailMessage, depth: int, level: int = 0
) -> Iterator[tuple[Piece, bool]]:
    """Yield the texts of a message in order; each is a part of the body or an attachment."""
    kind = part.get_content_type()
    if kind in _ENCRYPTED and "signed" not in str(part.get_param("smime-type") or ""):
        letter.counted["encrypted body"] += 1
    elif kind == "message/rfc822":
        yield from ((piece, False) for piece in _nested(letter, part, depth))
    elif part.is_multipart() and kind == "multipart/alternative":
        yield from _best(letter, part, depth, level)
    elif part.is_multipart() and part.get_content_maintype() == "multipart":
        for item in _children(part):
            if letter.may_read():
                yield from _parts(letter, item, depth, level + 1)
    else:
        yield from _leaf(letter, part, kind)


def _best(
    letter: Letter, part: EmailMessage, depth: int, level: int
) -> Iterator[tuple[Piece, bool]]:
    """Yield the first of several forms of one text that has any; count what the others attach."""
    children = sorted(_children(part), key=lambda item: _BEST_BODY.get(item.get_content_type(), 1))
    for place, child in enumerate(children):
        found = list(_parts(letter, child, depth, level + 1))
        if any(piece.text for piece, _ in found):
            yield from found
            for other in children[place + 1 :]:
                for item in other.walk():
                    if _name(item) and item.get_content_disposition() == "attachment":
                        letter.leave_out(_name(item))
            return


def _nested(letter: Letter, part: EmailMessage, depth: int) -> Iterator[Piece]:
    """Yield the texts of a message within a message, under its subject."""
    for inner in _children(part):
        if depth >= MAX_NESTED:
            letter.counted["message nested too deep"] += 1
            continue
        subject = _head(inner, "Subject") or "Attached message"
        yield from (under(piece, subject) for piece in _pieces(letter, inner, depth + 1))


def _leaf(letter: Letter, part: EmailMessage, kind: str) -> Iterator[tuple[Piece, bool]]:
    name = _name(part)
    is_text = part.get_content_maintype() == "text" and kind not in _UNREAD_TEXT
    is_attached = bool(name) or part.get_content_disposition() == "attachment"
    piece = _read(letter, part, kind) if is_text else Piece("")
    if piece.text and is_attached:
        yield under(piece, f"Attachment {safe_name(name)}"), False
    elif piece.text:
        yield piece, True
    elif not is_text or is_attached:
        letter.leave_out(name or kind)


def _read(letter: Letter, part: EmailMessage, kind: str) -> Piece:
    try:
        data = part.get_payload(decode=True)
        charset = part.get_content_charset() or ""
    except _BROKEN:
        letter.problems.append("a part of the message is damaged")
        return Piece("")
    text = letter.text(data, charset) if isinstance(data, bytes) else ""
    return letter.html(text) if kind == "text/html" else Piece(text)


def _children(part: EmailMessage) -> list[EmailMessage]:
    payload = part.get_payload()
    items = payload if isinstance(payload, list) else []
    return [cast(EmailMessage, item) for item in items]


def _name(part: EmailMessage) -> str:
    try:
        return part.get_filename() or ""
    except _BROKEN:
        return "unnamed"


def _head(message: EmailMessage, name: str) -> str:
    """Return a head line; one that cannot be taken apart is given as it stands."""
    raw = next(
        (str(value) for key, value in message.raw_items() if key.lower() == name.lower()), ""
    )
    if len(raw) > _HEAD_LENGTH:
        return one_line(raw[:_HEAD_LENGTH]) + " ..."
    try:
        return one_line(str(message[name] or ""))
    except _BROKEN:
        return one_line(raw)
