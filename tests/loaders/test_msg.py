from __future__ import annotations

import struct

import pytest

from graft.errors import UnreadableDocument
from graft.loaders.msg import MsgLoader
from graft.testing.loader_contract import LoaderContract

FREE, END, FAT = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD
SECTOR, SMALL, CUTOFF = 512, 64, 4096


def padded(data, size):
    return data + bytes(-len(data) % size)


def chained(chains, length):
    table = [FREE] * length
    for start, count in chains:
        for at in range(start, start + count):
            table[at] = at + 1 if at + 1 < start + count else END
    return table


def ole(tree):
    """Return the bytes of an OLE file; a dict is a storage, bytes are a stream."""
    entries = [["Root Entry", 5, tree, FREE, FREE]]
    for entry in entries:
        if isinstance(entry[2], dict):
            places = range(len(entries), len(entries) + len(entry[2]))
            entry[4] = places[0] if entry[2] else FREE
            for place, (name, item) in zip(places, entry[2].items(), strict=True):
                after = place + 1 if place != places[-1] else FREE
                entries.append([name, 1 if isinstance(item, dict) else 2, item, after, FREE])
    mini, mini_chains, big, big_chains, starts = b"", [], b"", [], {}
    for number, (_, kind, data, *_rest) in enumerate(entries):
        if kind == 2 and data and len(data) < CUTOFF:
            starts[number] = len(mini) // SMALL
            mini_chains.append((starts[number], -(-len(data) // SMALL)))
            mini += padded(data, SMALL)
        elif kind == 2 and data:
            starts[number] = len(big) // SECTOR
            big_chains.append((starts[number], -(-len(data) // SECTOR)))
            big += padded(data, SECTOR)
    starts[0] = len(big) // SECTOR
    big_chains.append((starts[0], -(-len(mini) // SECTOR)))
    big += padded(mini, SECTOR)
    small = chained(mini_chains, -(-max(1, len(mini) // SMALL) // 128) * 128)
    small_at = len(big) // SECTOR
    big += struct.pack(f"<{len(small)}I", *small)
    big_chains.append((small_at, len(small) // 128))
    folder = b""
    for number, (name, kind, data, after, child) in enumerate(entries):
        size = len(mini) if not number else len(data) if kind == 2 else 0
        written = (name + "\0").encode("utf-16-le")
        folder += struct.pack(
            "<64sHBBIII16sI8s8sIII",
            written,
            len(written),
            kind,
            1,
            FREE,
            after,
            child,
            b"",
            0,
            b"",
            b"",
            starts.get(number, END if kind == 2 else 0),
            size,
            0,
        )
    folder = padded(folder, SECTOR)
    folder_at = len(big) // SECTOR
    big += folder
    big_chains.append((folder_at, len(folder) // SECTOR))
    fats = 1
    while fats * 128 < len(big) // SECTOR + fats:
        fats += 1
    table = chained(big_chains, fats * 128)
    fat_at = len(big) // SECTOR
    table[fat_at : fat_at + fats] = [FAT] * fats
    big += struct.pack(f"<{len(table)}I", *table)
    places = [*range(fat_at, fat_at + fats), *[FREE] * (109 - fats)]
    head = struct.pack(
        "<8s16sHHHHH6sIIIIIIIII109I",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        b"",
        0x3E,
        3,
        0xFFFE,
        9,
        6,
        b"",
        0,
        fats,
        folder_at,
        0,
        CUTOFF,
        small_at,
        len(small) // 128,
        END,
        0,
        *places,
    )
    return head + big


def message(head=32, fixed=(), attached=(), **texts):
    """Return the storage of a message; names are those of the properties in hex."""
    entries = b"".join(struct.pack("<IIQ", tag, 6, value) for tag, value in fixed)
    tree = {"__properties_version1.0": bytes(head) + entries}
    for name, value in texts.items():
        kind = "001F" if isinstance(value, str) else "0102"
        data = value.encode("utf-16-le") if isinstance(value, str) else value
        tree[f"__substg1.0_{name[1:]}{kind}"] = data
    for number, part in enumerate(attached):
        tree[f"__attach_version1.0_#{number:08X}"] = part
    return tree


def written(tmp_path, tree, name="a.msg"):
    path = tmp_path / name
    path.write_bytes(ole(tree))
    return path


def load(tmp_path, tree):
    (document,) = MsgLoader().load(written(tmp_path, tree), "a.msg")
    return document


def attachment(name, data=b"", mime="application/pdf", embedded=None, fixed=()):
    part = message(8, fixed, _3707=name, _370E=mime, _3701=data)
    if embedded is not None:
        part = message(8, [(0x37050003, 5), *fixed], _3001=name)
        part["__substg1.0_3701000D"] = embedded
    return part


class TestMsg(LoaderContract):
    @pytest.fixture
    def loader(self):
        return MsgLoader()

    @pytest.fixture
    def file(self, tmp_path):
        return written(tmp_path, message(_0037="Tarn pump", _1000="ninety bar"))


def test_the_head_lines_stand_above_the_body(tmp_path):
    ticks = 134_000_000_000_000_000
    document = load(
        tmp_path,
        message(
            fixed=[(0x00390040, ticks)],
            _0037="Pumps",
            _0C1A="Ada",
            _5D01="ada@example.org",
            _0E04="Bo; Cy",
            _1000="the body\r\nends\r\n" + "x" * 5_000,
        ),
    )
    assert document.title == "Pumps"
    assert document.text.startswith(
        "Pumps\nFrom: Ada <ada@example.org>\nTo: Bo; Cy\nDate: Mon, 18 Aug 2025 14:13:20 +0000\n\n"
        "the body\nends\nxxx"
    )
    assert document.text.endswith("x" * 5_000)


def test_without_a_plain_body_the_html_one_is_read(tmp_path):
    html = "<p>Grüße <span style='display:none'>SECRET</span></p>".encode("cp1252")
    document = load(tmp_path, message(fixed=[(0x3FDE0003, 1252)], _0037="s", _1013=html))
    assert document.text == "s\n\nGrüße"
    assert document.notes == ("1 hidden element left out",)


def test_attachments_are_read_where_they_are_text_or_messages(tmp_path):
    inner = message(24, _0037="Inner", _1000="inner body")
    document = load(
        tmp_path,
        message(
            attached=[
                attachment("..\\notes.txt", b"attached words", "text/plain"),
                attachment("a.pdf", b"%PDF"),
                attachment("logo.png", b"\x89PNG", "image/png", fixed=[(0x7FFE000B, 1)]),
                attachment("Inner", embedded=inner),
            ],
            _0037="Outer",
            _1000="outer body",
        ),
    )
    assert document.text == "Outer\n\nouter body\n\nattached words\n\nInner\n\ninner body"
    assert [item.heading_path for item in document.sections] == [
        (),
        ("Attachment notes.txt",),
        ("Inner",),
    ]
    assert document.notes == ("1 attachment left out: a.pdf", "1 picture of the body left out")


def test_messages_nested_too_deep_are_counted(tmp_path):
    tree = message(24, _0037="Last", _1000="SECRET")
    for level in range(11, 0, -1):
        part = attachment("m", embedded=tree)
        tree = message(
            24 if level > 1 else 32, attached=[part], _0037=f"L{level}", _1000=f"b{level}"
        )
    document = load(tmp_path, tree)
    assert "b11" in document.text and "SECRET" not in document.text
    assert document.notes == ("1 message nested too deep left out",)


def test_a_body_in_rich_text_alone_is_counted(tmp_path):
    document = load(tmp_path, message(_0037="s", _1009=b"LZFu"))
    assert document.notes == ("1 body in rich text left out",)


def test_an_ole_file_that_is_no_message_is_refused(tmp_path):
    path = written(tmp_path, {"WordDocument": b"x" * 5_000})
    with pytest.raises(UnreadableDocument):
        list(MsgLoader().load(path, "a"))


@pytest.mark.parametrize("place", range(40, 4_000, 97))
def test_a_damaged_file_is_read_or_refused(tmp_path, place):
    data = bytearray(
        ole(message(_0037="Tarn", _1000="pump", attached=[attachment("a.pdf", b"x" * 600)]))
    )
    data[place % len(data)] ^= 0xFF
    path = tmp_path / "a.msg"
    path.write_bytes(bytes(data))
    TestMsg().reads_or_refuses(MsgLoader(), path)
