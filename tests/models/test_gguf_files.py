from __future__ import annotations

import pickle
import struct

import pytest

from graft.errors import BadInput
from graft.models.gguf_files import check_gguf


def text(value):
    return struct.pack("<Q", len(value)) + value


def tensor(name=b"a", shape=(32,), kind=0, offset=0):
    sizes = b"".join(struct.pack("<Q", item) for item in shape)
    return text(name) + struct.pack("<I", len(shape)) + sizes + struct.pack("<IQ", kind, offset)


def made(fields=(), tensors=(), data=b"", version=3, counts=None, magic=b"GGUF"):
    head = magic + struct.pack("<I", version)
    head += struct.pack("<QQ", *(counts or (len(tensors), len(fields))))
    head += b"".join(fields) + b"".join(tensors)
    return head + bytes(-len(head) % 32) + data


def field(key, kind, value):
    return text(key) + struct.pack("<I", kind) + value


def listed(kind, count, items=b""):
    return field(b"list", 9, struct.pack("<IQ", kind, count) + items)


def checked(tmp_path, content):
    path = tmp_path / "model.gguf"
    path.write_bytes(content)
    check_gguf(path)


GOOD = {
    "nothing": made(),
    "a tensor": made(tensors=[tensor()], data=bytes(128)),
    "two tensors": made(tensors=[tensor(), tensor(b"b", offset=128)], data=bytes(256)),
    "Q8_0": made(tensors=[tensor(kind=8)], data=bytes(34)),
    "fields": made(
        [
            field(b"general.architecture", 8, text(b"llama")),
            field(b"general.alignment", 4, struct.pack("<I", 64)),
            listed(8, 2, text(b"one") + text(b"")),
            field(b"ids", 9, struct.pack("<IQ", 5, 3) + bytes(12)),
        ],
    ),
}


@pytest.mark.parametrize("name", GOOD)
def test_a_whole_file_passes(tmp_path, name):
    checked(tmp_path, GOOD[name])


HUGE = 2**62
BROKEN = {
    "no GGUF file": (b"GGML" + bytes(60), "first bytes"),
    "a pickle": (pickle.dumps({"a": 1}), "pickle"),
    "empty": (b"", "first bytes"),
    "the mark alone": (b"GGUF", "ends within"),
    "another version": (made(version=99), "version"),
    "big-endian": (made(version=3 << 24), "version"),
    "tensors without end": (made(counts=(HUGE, 0)), "tensors"),
    "fields without end": (made(counts=(0, HUGE)), "fields"),
    "more tensors than there are": (made(counts=(5, 0)), "outside|ends within|dimensions"),
    "a name without end": (made([struct.pack("<Q", HUGE)], counts=(0, 1)), "name of a field"),
    "a text without end": (made([field(b"a", 8, struct.pack("<Q", HUGE))]), "text of a field"),
    "a text beyond the end": (made([field(b"a", 8, struct.pack("<Q", 9999))]), "outside"),
    "a list without end": (made([listed(4, HUGE)]), "items"),
    "a list beyond the end": (made([listed(4, 1_000_000)]), "outside"),
    "a list of texts without end": (made([listed(8, 1_000_000)]), "outside"),
    "a text of a list without end": (made([listed(8, 1, struct.pack("<Q", HUGE))]), "of a list"),
    "a text of a list beyond the end": (made([listed(8, 1, struct.pack("<Q", 999))]), "outside"),
    "lists within lists": (made([listed(9, 1, bytes(12))]), "unknown type"),
    "an unknown type": (made([field(b"a", 77, b"")]), "unknown type"),
    "a field twice": (made([field(b"a", 0, b"1"), field(b"a", 0, b"2")]), "twice"),
    "no alignment": (made([field(b"general.alignment", 4, bytes(4))]), "alignment"),
    "an odd alignment": (
        made([field(b"general.alignment", 4, struct.pack("<I", 33))]),
        "alignment",
    ),
    "an alignment as text": (made([field(b"general.alignment", 8, text(b"32"))]), "alignment"),
    "a tensor beyond the end": (made(tensors=[tensor()], data=bytes(127)), "outside"),
    "a far offset": (made(tensors=[tensor(offset=2**63)], data=bytes(128)), "outside"),
    "overlapping": (
        made(tensors=[tensor(), tensor(b"b", offset=32)], data=bytes(256)),
        "overlaps",
    ),
    "between two places": (made(tensors=[tensor(offset=1)], data=bytes(256)), "between"),
    "a tensor twice": (made(tensors=[tensor(), tensor(offset=128)], data=bytes(256)), "twice"),
    "many dimensions": (made(tensors=[tensor(shape=(1,) * 9)]), "dimensions"),
    "no dimension": (made(tensors=[tensor(shape=())]), "dimensions"),
    "a huge shape": (made(tensors=[tensor(shape=(2**40, 2**40))]), "shape"),
    "an empty shape": (made(tensors=[tensor(shape=(0,))]), "shape"),
    "half a block": (made(tensors=[tensor(shape=(33,), kind=8)], data=bytes(256)), "shape"),
    "an unknown kind": (made(tensors=[tensor(kind=999)], data=bytes(256)), "unknown type"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_case_49_counts_and_offsets_are_held_against_the_file(tmp_path, name):
    content, why = BROKEN[name]
    with pytest.raises(BadInput, match="file of weights is refused") as caught:
        checked(tmp_path, content)
    assert any(part in caught.value.why for part in why.split("|")), caught.value.why


def test_a_file_cut_off_anywhere_is_refused(tmp_path):
    whole = made(
        [field(b"general.architecture", 8, text(b"llama")), listed(8, 2, text(b"a") + text(b"b"))],
        [tensor(), tensor(b"b", (32, 2), 8, 128)],
        bytes(128 + 68),
    )
    checked(tmp_path, whole)
    for length in range(len(whole)):
        with pytest.raises(BadInput):
            checked(tmp_path, whole[:length])


def test_a_file_with_one_byte_changed_is_read_or_refused_and_never_fails(tmp_path):
    whole = bytearray(GOOD["fields"])
    for place in range(len(whole)):
        changed = bytes(whole[:place]) + b"\xff" + bytes(whole[place + 1 :])
        try:
            checked(tmp_path, changed)
        except BadInput:
            continue
