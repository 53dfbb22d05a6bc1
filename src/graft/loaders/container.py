"""Zip containers and the XML inside them, looked at before they are opened.

Office, OpenDocument and EPUB files are zip archives of XML. What could fill memory, hide a
second content or reach outside the file is refused with the reason before a byte is unpacked.
Nothing is ever written to disk and no entity is ever expanded.
"""

from __future__ import annotations

import hashlib
import io
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from graft.errors import UnreadableDocument
from graft.loaders.text import read_bytes

if TYPE_CHECKING:
    from lxml.etree import _Element as Element
    from lxml.etree import _LogEntry

__all__ = ["Container", "open_container", "parse_xml", "refuse_without_memory"]

_MAX_MEMBERS = 10_000
_MAX_TOTAL = 500_000_000
_MAX_MEMBER = 200_000_000
_MAX_RATIO = 200
_RATIO_FROM = 1_000_000
_LOCAL_HEADER = 30
_CENTRAL_MARK = b"PK\x01\x02"
_OLE_MAGIC = b"\xd0\xcf\x11\xe0"
# Names of streams in an OLE file are UTF-16; this one holds an Office file under a password.
_OLE_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
_ENCRYPTED_FLAGS = 0x1 | 0x40
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENTITY_PROBLEMS = ("entity amplification", "entity reference loop")
_BAD_CHARACTERS = re.compile(r"[\x00-\x1f\x7f\\]")
_DRIVE = re.compile(r"^[A-Za-z]:")
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com[1-9]|lpt[1-9])(?:\.|$)", re.IGNORECASE)
_UNUSABLE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    OSError,
    EOFError,
    ValueError,
    OverflowError,
    RuntimeError,
    NotImplementedError,
)


class Container:
    """The members of a zip file that passed every check of `open_container`.

    `content_hash` is the SHA-256 of the file, of the same bytes that the members come from.
    """

    def __init__(self, archive: zipfile.ZipFile, source: Path, content_hash: str) -> None:
        self.source = source
        self.content_hash = content_hash
        self._archive = archive
        self._names = tuple(item.filename for item in archive.infolist() if not item.is_dir())
        self._unpacked = 0

    def names(self) -> tuple[str, ...]:
        """Return the names of the members in the order of the file, without folders."""
        return self._names

    def read(self, name: str) -> bytes:
        """Return the bytes of a member.

        Raises:
            UnreadableDocument: there is no such member, it is damaged, or more is unpacked
                than the limits allow.
        """
        try:
            info = self._archive.getinfo(name)
            with self._archive.open(info) as stream:
                data = stream.read(min(info.file_size, _MAX_MEMBER) + 1)
        except KeyError as error:
            raise _refused(
                "a part of the file is missing", self.source, f"it holds no {name}"
            ) from error
        except _UNUSABLE as error:
            raise _refused(
                "a part of the file is damaged", self.source, f"{name} cannot be unpacked: {error}"
            ) from error
        # Many references to one member would unpack it again and again.
        self._unpacked += len(data)
        if len(data) > info.file_size or self._unpacked > _MAX_TOTAL:
            raise _refused("the file unpacks to too much", self.source, f"at {name}")
        return data

    def xml(self, name: str) -> Element:
        """Return the root element of a member that is XML.

        Raises:
            UnreadableDocument: as `read` and `parse_xml`.
        """
        return parse_xml(self.read(name), f"{self.source}, {name}")


@contextmanager
def open_container(source: Path) -> Iterator[Container]:
    """Open a zip file after looking at all it says of itself.

    Raises:
        UnreadableDocument: no zip file, encrypted, too large unpacked, or made to mislead.
    """
    data = read_bytes(source)
    if data.startswith(_OLE_MAGIC):
        raise _refused_ole(data, source)
    # Counted in the raw bytes, since reading a list of millions of members is already too much.
    if data.count(_CENTRAL_MARK) > _MAX_MEMBERS:
        raise _refused(
            "the file has too many parts", source, f"it holds more than {_MAX_MEMBERS:,} members"
        )
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except _UNUSABLE as error:
        raise UnreadableDocument(
            "the file is no readable zip container",
            where=str(source),
            why=f"{error}; it is cut short, damaged, or of another format than its name says",
            next_step="open it in its program, save it anew and add it again",
        ) from error
    with archive:
        _check(archive, source)
        yield Container(archive, source, hashlib.sha256(data).hexdigest())


def parse_xml(
    data: bytes, where: str = "an XML part of the file", *, mend: bool = False
) -> Element:
    """Return the root element of XML; comments are left out, nothing is expanded or fetched.

    With `mend` broken XML is read as far as it goes, which the caller says in its notes.

    Raises:
        UnreadableDocument: it declares entities, is nested too deep, or is not XML.
        MemoryError: its elements need more memory than there is.
    """
    from lxml import etree

    # Without the zeros the mark is found in UTF-16 as well.
    if b"<!ENTITY" in data.replace(b"\0", b""):
        raise _refused_entities(where)
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
        recover=mend,
    )
    root, problem = None, "it holds no element"
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        problem = str(error)
    refuse_without_memory(parser.error_log)
    # The parser stops here even where an encoding hides the mark that was looked for.
    if any(sign in problem for sign in _ENTITY_PROBLEMS):
        raise _refused_entities(where)
    if root is None:
        raise UnreadableDocument(
            "a part of the file is not readable XML",
            where=where,
            why=problem,
            next_step="open the file in its program, save it anew and add it again",
        )
    dtd = root.getroottree().docinfo.internalDTD
    if dtd is not None and any(True for _ in dtd.iterentities()):
        raise _refused_entities(where)
    return root


def refuse_without_memory(log: Iterable[_LogEntry]) -> None:
    """Raise where a parser ran out of memory, which it tells as if the XML were damaged.

    Raises:
        MemoryError: it did.
    """
    from lxml import etree

    if any(entry.type == etree.ErrorTypes.ERR_NO_MEMORY for entry in log):
        raise MemoryError


def _refused(what: str, source: Path, why: str) -> UnreadableDocument:
    return UnreadableDocument(
        what,
        where=str(source),
        why=why,
        next_step="if you trust it, open it in its program, save it anew and add it again",
    )


def _refused_entities(where: str) -> UnreadableDocument:
    return UnreadableDocument(
        "a part of the file declares XML entities",
        where=where,
        why="entities can fill memory or read other files, so none is ever expanded",
        next_step="open the file in its program, save it anew and add it again",
    )


def _refused_ole(data: bytes, source: Path) -> UnreadableDocument:
    is_locked = _OLE_ENCRYPTED in data
    return UnreadableDocument(
        "the file is encrypted" if is_locked else "the file is in the old Office format",
        where=str(source),
        why="it asks for a password" if is_locked else "it is an OLE file and no zip container",
        next_step="save it without a password and add it again"
        if is_locked
        else "save it as .docx, .xlsx or .pptx and add it again",
    )


def _check(archive: zipfile.ZipFile, source: Path) -> None:
    """Refuse a container by what its list of members says."""
    members = archive.infolist()
    if len(members) > _MAX_MEMBERS:
        raise _refused("the file has too many parts", source, f"it holds {len(members):,} members")
    names: set[str] = set()
    for info in members:
        # A member can have a second name, which takes the place of the first.
        for name in {info.orig_filename, info.filename}:
            _check_name(name, source)
        # Programs part on which of two equal names they show.
        if info.filename in names:
            raise _refused("the file has two parts of one name", source, repr(info.filename))
        names.add(info.filename)
        _check_member(info, source)
    total = sum(info.file_size for info in members)
    if total > _MAX_TOTAL:
        raise _refused("the file unpacks to too much", source, f"{total:,} bytes in all")
    end = 0
    for info in sorted(members, key=lambda item: item.header_offset):
        if info.header_offset < end:
            raise _refused(
                "parts of the file overlap", source, f"{info.filename!r} lies within another part"
            )
        end = info.header_offset + _LOCAL_HEADER + len(info.orig_filename) + info.compress_size
    if members and end > archive.start_dir:
        raise _refused("parts of the file overlap", source, "a part reaches into the list of parts")


def _check_name(name: str, source: Path) -> None:
    parts = name.split("/")
    if (
        name.startswith("/")
        or ".." in parts
        or _BAD_CHARACTERS.search(name)
        or _DRIVE.match(name)
        or any(_RESERVED.match(part) or part.endswith((".", " ")) for part in parts)
    ):
        raise _refused("the file has a part with an unsafe name", source, repr(name))


def _check_member(info: zipfile.ZipInfo, source: Path) -> None:
    name = repr(info.filename)
    if info.flag_bits & _ENCRYPTED_FLAGS:
        raise UnreadableDocument(
            "the file is encrypted",
            where=str(source),
            why=f"its part {name} asks for a password",
            next_step="save it without a password and add it again",
        )
    # A link or device means something to a program that unpacks to disk; a document has none.
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise _refused("the file has a part that is a link or a device", source, name)
    if info.compress_type not in _METHODS:
        raise _refused("the file is packed in an unusual way", source, f"its part {name}")
    if info.file_size > _MAX_MEMBER:
        raise _refused(
            "the file unpacks to too much", source, f"{name} has {info.file_size:,} bytes"
        )
    if info.file_size > _RATIO_FROM and info.file_size > _MAX_RATIO * info.compress_size:
        ratio = info.file_size // max(1, info.compress_size)
        raise _refused("the file unpacks to too much", source, f"{name} grows {ratio:,}-fold")
