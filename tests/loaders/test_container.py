from __future__ import annotations

import io
import stat
import struct
import zipfile
import zlib

import pytest

from graft.errors import UnreadableDocument
from graft.loaders import container
from graft.loaders.container import open_container, parse_xml


def packed(path, members, compression=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return path


def refused(path):
    with pytest.raises(UnreadableDocument) as caught, open_container(path):
        pass
    error = caught.value
    assert error.what and error.where == str(path) and error.why and error.next_step
    return str(error)


def patched(path, old, new):
    data = path.read_bytes()
    assert old in data and len(old) == len(new)
    path.write_bytes(data.replace(old, new))
    return path


def test_names_and_bytes_come_out_and_folders_do_not_count(tmp_path):
    path = packed(tmp_path / "a.zip", [("word/", b""), ("word/a.xml", b"<a/>"), ("b", b"")])
    with open_container(path) as opened:
        assert opened.names() == ("word/a.xml", "b")
        assert opened.read("word/a.xml") == b"<a/>"
        assert opened.xml("word/a.xml").tag == "a"
        assert len(opened.content_hash) == 64
        with pytest.raises(UnreadableDocument, match="missing"):
            opened.read("c")


@pytest.mark.parametrize("data", [b"", b"words", b"PK\x03\x04" + b"\0" * 99, b"%PDF-1.7"])
def test_what_is_no_zip_is_refused(tmp_path, data):
    path = tmp_path / "a.docx"
    path.write_bytes(data)
    assert "no readable zip container" in refused(path)


def test_a_folder_and_a_file_that_is_gone_are_refused(tmp_path):
    assert "not a regular file" in refused(tmp_path)
    assert "cannot be opened" in refused(tmp_path / "gone.docx")


def test_a_password_is_named(tmp_path):
    path = tmp_path / "a.docx"
    path.write_bytes(b"\xd0\xcf\x11\xe0" + bytes(600) + "EncryptedPackage".encode("utf-16-le"))
    assert "asks for a password" in refused(path)
    path.write_bytes(b"\xd0\xcf\x11\xe0" + bytes(600))
    assert "old Office format" in refused(path)
    flagged = packed(tmp_path / "b.zip", [("a", b"x")], zipfile.ZIP_STORED)
    data = bytearray(flagged.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    flagged.write_bytes(bytes(data))
    assert "asks for a password" in refused(flagged)


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path):
    path = packed(tmp_path / "a.zip", [("bomb", bytes(3_000_000))])
    assert "grows" in refused(path)
    small = packed(tmp_path / "b.zip", [("zeros", bytes(900_000))])
    with open_container(small) as opened:
        assert len(opened.read("zeros")) == 900_000


def test_a_member_and_a_total_have_limits(tmp_path, monkeypatch):
    path = packed(tmp_path / "a.zip", [("a", b"x" * 60), ("b", b"x" * 60)], zipfile.ZIP_STORED)
    monkeypatch.setattr(container, "_MAX_TOTAL", 100)
    assert "120 bytes in all" in refused(path)
    monkeypatch.setattr(container, "_MAX_MEMBER", 50)
    assert "'a' has 60 bytes" in refused(path)


def test_reading_one_member_again_and_again_has_a_limit(tmp_path, monkeypatch):
    path = packed(tmp_path / "a.zip", [("a", b"x" * 60)])
    monkeypatch.setattr(container, "_MAX_TOTAL", 100)
    with open_container(path) as opened:
        opened.read("a")
        with pytest.raises(UnreadableDocument, match="too much"):
            opened.read("a")


def test_a_size_that_is_a_lie_unpacks_no_more_than_it_says(tmp_path):
    path = packed(tmp_path / "a.zip", [("a", b"y" * 500_000)])
    patched(path, struct.pack("<L", 500_000), struct.pack("<L", 100))
    with open_container(path) as opened, pytest.raises(UnreadableDocument, match="damaged"):
        opened.read("a")


def test_many_tiny_members_are_refused_before_they_are_listed(tmp_path, monkeypatch):
    path = packed(tmp_path / "a.zip", [(str(number), b"") for number in range(10_001)])
    monkeypatch.setattr(zipfile, "ZipFile", None)
    assert "more than 10,000 members" in refused(path)


@pytest.mark.parametrize(
    "name",
    ["../evil", "a/../../evil", "/etc/evil", "C:/evil", "c:evil", "a\\b", "a/NUL", "aux.xml"]
    + ["com1/x", "a\nb", "word/document.xml.", "word./document.xml", "word/a ", "word/.."],
)
def test_unsafe_names_are_refused(tmp_path, name):
    path = packed(tmp_path / "a.zip", [(name, b"x")])
    assert "unsafe name" in refused(path)


def test_a_name_that_is_cut_by_a_zero_is_refused(tmp_path):
    path = patched(packed(tmp_path / "a.zip", [("good.xmlXexe", b"x")]), b"xmlXexe", b"xml\0exe")
    assert "unsafe name" in refused(path)


@pytest.mark.parametrize(
    "kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFSOCK]
)
def test_links_and_devices_are_refused(tmp_path, kind):
    member = zipfile.ZipInfo("word/document.xml")
    member.create_system, member.external_attr = 3, (kind | 0o777) << 16
    path = packed(tmp_path / "a.zip", [(member, b"/etc/passwd")])
    assert "link or a device" in refused(path)


def test_an_archive_within_an_archive_stays_closed(tmp_path):
    """Reading a member gives its bytes and never what they would unpack to."""
    data = bytes(900_000)
    for _ in range(20):
        data = packed(tmp_path / "inner.zip", [("inner.zip", data)]).read_bytes()
    with open_container(packed(tmp_path / "a.zip", [("inner.zip", data)])) as opened:
        assert opened.read("inner.zip") == data


def test_harmless_names_pass(tmp_path):
    names = ["[Content_Types].xml", "a..b/c", "console.xml", "common/x", "Bilder/ä ö.png"]
    path = packed(tmp_path / "a.zip", [(name, b"x") for name in names])
    with open_container(path) as opened:
        assert opened.names() == tuple(names)


def test_two_members_of_one_name_are_refused(tmp_path):
    path = patched(packed(tmp_path / "a.zip", [("a1", b"x"), ("a2", b"y")]), b"a2", b"a1")
    assert "two parts of one name" in refused(path)


def test_overlapping_members_are_refused(tmp_path):
    """Two entries of the list share one packed block, as in the bombs without nesting."""
    body = zlib.compress(b"x" * 5_000)[2:-4]
    sizes = struct.pack("<LLL", zlib.crc32(b"x" * 5_000), len(body), 5_000)
    local = b"PK\x03\x04" + struct.pack("<HHHHH", 20, 0, 8, 0, 33) + sizes
    data = local + struct.pack("<HH", 1, 0) + b"a" + body
    entry = b"PK\x01\x02" + struct.pack("<HHHHHH", 20, 20, 0, 8, 0, 33) + sizes
    entry += struct.pack("<HHHHHLL", 1, 0, 0, 0, 0, 0, 0)
    listed = entry + b"a" + entry + b"b"
    end = b"PK\x05\x06" + struct.pack("<HHHHLLH", 0, 0, 2, 2, len(listed), len(data), 0)
    path = tmp_path / "a.zip"
    path.write_bytes(data + listed + end)
    assert "overlap" in refused(path)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_unusual_packing_is_refused(tmp_path, method):
    assert "unusual way" in refused(packed(tmp_path / "a.zip", [("a", b"x" * 99)], method))


def test_a_damaged_member_is_refused_when_it_is_read(tmp_path):
    path = packed(tmp_path / "a.zip", [("a", b"words" * 50)], zipfile.ZIP_STORED)
    patched(path, b"wordswords", b"swordsword")
    with open_container(path) as opened, pytest.raises(UnreadableDocument, match="damaged"):
        opened.read("a")


def bomb():
    lines = ['<!ENTITY a0 "ha">']
    lines += [f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10)]
    return f"<!DOCTYPE r [{''.join(lines)}]><r>&a9;</r>"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize(
    "text",
    [
        bomb(),
        '<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/hostname">]><r>&x;</r>',
        '<!DOCTYPE r [<!ENTITY % x SYSTEM "http://127.0.0.1:9/x.dtd"> %x;]><r/>',
    ],
)
def test_entities_are_refused(text, encoding):
    with pytest.raises(UnreadableDocument, match="entities"):
        parse_xml(text.encode(encoding))


def test_a_plain_doctype_is_read_and_its_file_is_not(tmp_path):
    (tmp_path / "x.dtd").write_text('<!ENTITY x "secret">')
    text = f'<!DOCTYPE r SYSTEM "file://{tmp_path}/x.dtd"><r>a &x; b</r>'
    assert "secret" not in "".join(parse_xml(text.encode()).itertext(tag="r"))


def test_comments_and_instructions_leave_the_text_whole():
    assert parse_xml(b"<r>a<!-- x -->b<?p x?>c</r>").text == "abc"


@pytest.mark.parametrize("data", [b"", b"words", b"<a><b></a>", b"<a>" * 5_000, b"<a>\x01</a>"])
def test_broken_xml_is_refused_with_its_place(data):
    with pytest.raises(UnreadableDocument) as caught:
        parse_xml(data, "a.docx, word/x.xml")
    assert caught.value.where == "a.docx, word/x.xml" and caught.value.why


def test_broken_xml_can_be_mended_but_never_its_entities():
    assert "".join(parse_xml(b"<a>one<b>t\x01wo</a>", mend=True).itertext()) == "onetwo"
    with pytest.raises(UnreadableDocument, match="entities"):
        parse_xml(bomb().encode(), mend=True)
    with pytest.raises(UnreadableDocument, match="not readable"):
        parse_xml(b"", mend=True)


def test_nothing_is_left_open(tmp_path):
    path = packed(tmp_path / "a.zip", [("a", b"x")])
    with open_container(path) as opened:
        pass
    with pytest.raises(UnreadableDocument):
        opened.read("a")
    assert zipfile.is_zipfile(io.BytesIO(path.read_bytes()))
