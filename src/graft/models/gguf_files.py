"""A GGUF file, walked through before a loader opens it: every count against the file's size.

Only positions and lengths are read, never weights: a vocabulary of 50,000 tokens takes a
tenth of a second. Little-endian files of version 2 and 3, which is what is published.
"""

from __future__ import annotations

import mmap
import struct
from math import prod
from pathlib import Path

from graft.models.weight_files import refuse_pickle, refused

__all__ = ["check_gguf"]

MAX_TENSORS = 100_000
MAX_FIELDS = 10_000
MAX_NAME = 65_535  # bytes of a key
MAX_TENSOR_NAME = 255
MAX_TEXT = 16 * 1024**2  # bytes of one text; the longest chat templates have 30,000
MAX_ITEMS = 16_000_000
MAX_ELEMENTS = 2**48
MAX_ALIGNMENT = 65_536
TEXT, ARRAY = 8, 9
# bytes of a value by its type's number
SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}


def check_gguf(path: Path) -> None:
    """Refuse a file whose counts, lengths or offsets lead outside it.

    Raises:
        BadInput: it is no GGUF file, is cut off, or is made to do harm.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        if file.read(4) != b"GGUF":
            refuse_pickle(path)
            raise refused(path, "its first bytes are not those of a GGUF file")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            _Walk(path, data, size).check()


class _Walk:
    """One pass through the head of a file; `at` is the position that is read next."""

    def __init__(self, path: Path, data: mmap.mmap, size: int) -> None:
        self.path, self.data, self.size = path, data, size
        self.at = 4
        self.alignment = 32

    def check(self) -> None:
        """Walk through fields and tensors."""
        version = self._number(4)
        if version not in (2, 3):
            raise refused(self.path, f"it is of GGUF version {version:,}; 2 and 3 are read")
        tensors, fields = self._number(8), self._number(8)
        if tensors > MAX_TENSORS or fields > MAX_FIELDS:
            raise refused(
                self.path,
                f"it is said to hold {tensors:,} tensors and {fields:,} fields; "
                f"at most {MAX_TENSORS:,} and {MAX_FIELDS:,} are read",
            )
        seen = set[bytes]()
        for _ in range(fields):
            self._field(seen)
        self._tensors(tensors)

    def _number(self, size: int) -> int:
        end = self.at + size
        if end > self.size:
            raise refused(self.path, f"it ends within its head, at byte {self.size:,}")
        found = int.from_bytes(self.data[self.at : end], "little")
        self.at = end
        return found

    def _skip(self, count: int, what: str) -> None:
        if count > self.size - self.at:
            raise refused(self.path, f"{what} of {count:,} bytes leads outside the file")
        self.at += count

    def _text(self, limit: int, what: str) -> bytes:
        start = self.at + 8
        length = self._number(8)
        if length > limit:
            raise refused(self.path, f"{what} has {length:,} bytes, at most {limit:,} are read")
        self._skip(length, what)
        return self.data[start : start + length]

    def _field(self, seen: set[bytes]) -> None:
        key = self._text(MAX_NAME, "the name of a field")
        if key in seen:
            raise refused(
                self.path, f"the field {key[:60].decode(errors='replace')!r} stands twice"
            )
        seen.add(key)
        kind = self._number(4)
        if key == b"general.alignment":
            if kind != 4:
                raise refused(self.path, "its alignment is no whole number")
            self.alignment = self._number(4)
            if not 1 <= self.alignment <= MAX_ALIGNMENT or self.alignment & (self.alignment - 1):
                raise refused(self.path, f"its alignment is {self.alignment:,}")
        elif kind == TEXT:
            self._text(MAX_TEXT, "the text of a field")
        elif kind == ARRAY:
            self._array()
        else:
            self._skip(self._size(kind), "a field")

    def _size(self, kind: int) -> int:
        if kind not in SIZES:
            raise refused(self.path, f"a field is of the unknown type {kind:,}")
        return SIZES[kind]

    def _array(self) -> None:
        kind, count = self._number(4), self._number(8)
        if count > MAX_ITEMS:
            raise refused(self.path, f"a list of {count:,} items, at most {MAX_ITEMS:,} are read")
        if kind != TEXT:  # a list of lists has no size either: it is refused
            self._skip(count * self._size(kind), "a list")
            return
        self._skip(0 if count * 8 <= self.size - self.at else count * 8, "a list of texts")
        unpack, at, last = struct.Struct("<Q").unpack_from, self.at, self.size - 8
        for _ in range(count):
            if at > last:
                raise refused(self.path, f"it ends within its head, at byte {self.size:,}")
            length = unpack(self.data, at)[0]
            if length > MAX_TEXT:
                raise refused(self.path, f"a text of a list has {length:,} bytes")
            at += 8 + length
        self.at = min(at, self.size)
        self._skip(at - self.at, "a list of texts")

    def _tensors(self, count: int) -> None:
        """Check name, shape, type and place of every tensor."""
        from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType

        sizes = {int(kind): GGML_QUANT_SIZES[kind] for kind in GGMLQuantizationType}
        places = []
        seen = set[bytes]()
        for _ in range(count):
            name = self._text(MAX_TENSOR_NAME, "the name of a tensor")
            shown = repr(name[:80].decode(errors="replace"))
            dimensions = self._number(4)
            if name in seen or not 1 <= dimensions <= 4:
                why = "stands twice" if name in seen else f"has {dimensions:,} dimensions"
                raise refused(self.path, f"the tensor {shown} {why}")
            seen.add(name)
            shape = [self._number(8) for _ in range(dimensions)]
            kind, offset = self._number(4), self._number(8)
            if kind not in sizes:
                raise refused(self.path, f"the tensor {shown} is of the unknown type {kind:,}")
            block, size = sizes[kind]
            if not 0 < prod(shape) <= MAX_ELEMENTS or shape[0] % block:
                raise refused(self.path, f"the tensor {shown} has the shape {str(shape)[:80]}")
            if offset % self.alignment:
                raise refused(self.path, f"the tensor {shown} begins between two places")
            places.append((offset, offset + prod(shape) // block * size, shown))
        start = -(-self.at // self.alignment) * self.alignment
        self._places(sorted(places), self.size - start)

    def _places(self, places: list[tuple[int, int, str]], room: int) -> None:
        before = 0
        for start, end, shown in places:
            if start < before:
                raise refused(self.path, f"the tensor {shown} overlaps another one")
            if end > room:
                raise refused(self.path, f"the tensor {shown} leads outside the file")
            before = end
