"""Archives and XML that are made to fill memory, to reach outside, or to be written elsewhere."""

from __future__ import annotations

import io
import random
import socket
import stat
import struct
import threading
import zipfile

import hostile
import office
import pytest

from graft.parsing import Limits

CANARY = "CANARY-7351"
ZEROS = bytes(20_000_000)


def lying(kind):
    """Return a document whose shown part says that it is small and is not."""
    data = office.document(kind, text=" " * 3_000_000)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        size = archive.infolist()[0].file_size
    return data.replace(struct.pack("<L", size), struct.pack("<L", 400))


def overlapping(kind, copies=60):
    """Return a document whose list of members names one packed block again and again."""
    data = office.document(kind, more=[("zz", bytes(900_000))])
    end = data.rindex(b"PK\x05\x06")
    number, size, start = struct.unpack("<HLL", data[end + 10 : end + 20])
    entry = data[data.rindex(b"PK\x01\x02") : end]
    more = b"".join(entry[:-2] + f"{place:02}".encode() for place in range(copies))
    counts = struct.pack("<HHLLH", number + copies, number + copies, size + len(more), start, 0)
    return data[:end] + more + data[end : end + 8] + counts


def crowded(kind, number=100_000):
    """Return a document with very many empty members."""
    data = office.document(kind)
    end = data.rindex(b"PK\x05\x06")
    size, start = struct.unpack("<LL", data[end + 12 : end + 20])
    members, listed = bytearray(data[:start]), bytearray(data[start:end])
    for place in range(number):
        name = b"m%06d" % place
        rest = (0, 0, 0, 33, 0, 0, 0, len(name), 0)
        listed += struct.pack("<4s6H3L5H2L", b"PK\x01\x02", 20, 20, *rest, 0, 0, 0, 0, len(members))
        listed += name
        members += struct.pack("<4s5H3L2H", b"PK\x03\x04", 20, *rest) + name
    last = struct.pack(
        "<4s4H2LH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, len(listed), len(members), 0
    )
    return bytes(members + listed) + last


def nested(depth=5, width=16):
    """Return archives within archives that would come to ten terabytes."""
    data = office.zipped([("0", bytes(900_000))])
    for _ in range(depth):
        data = office.zipped([(str(number), data) for number in range(width)])
    return data


@pytest.mark.parametrize("kind", office.ZIPPED)
def test_bombs_are_refused_before_they_are_unpacked(tmp_path, monkeypatch, kind):
    """Case 6: a high ratio, sizes that lie, overlapping and very many members, of each format."""
    files = {
        f"beside{kind}": office.document(kind, more=[("bomb.bin", ZEROS)]),
        f"within{kind}": office.document(kind, text=" " * 20_000_000),
        f"lying{kind}": lying(kind),
        f"overlapping{kind}": overlapping(kind),
        f"many{kind}": crowded(kind),
        f"bzip2{kind}": office.zipped([("mimetype", b"x" * 9), ("b", ZEROS)], zipfile.ZIP_BZIP2),
    }
    found = hostile.add(tmp_path, monkeypatch, files)
    reasons = {name.removesuffix(kind): reason for name, reason in found.reasons.items()}
    assert set(reasons) == {name.removesuffix(kind) for name in files}
    for name in ("beside", "within"):
        assert reasons[name].startswith("the file unpacks to too much")
    assert "overlap" in reasons["overlapping"]
    assert "more than 10,000 members" in reasons["many"]
    assert "damaged" in reasons["lying"] or "missing" in reasons["lying"]
    assert found.workspace.corpus.documents()[0].id == "zz-good.md"


def test_archives_within_archives_stay_closed(tmp_path, monkeypatch):
    """Case 6: what is nested is never unpacked; the text beside it is read."""
    inner = nested()
    files = {
        f"a{kind}": office.document(kind, more=[("inner.zip", inner)]) for kind in office.ZIPPED
    }
    files |= {"bare.docx": inner, "bare.odt": inner, "bare.epub": inner}
    found = hostile.add(tmp_path, monkeypatch, files)
    for kind in office.ZIPPED:
        assert found.text(f"a{kind}").removeprefix("Parts\n\n") == "The valve is blue."
    assert set(found.reasons) == {"bare.docx", "bare.odt", "bare.epub"}


def test_a_mimetype_that_is_a_bomb_is_not_unpacked_to_tell_the_format(tmp_path, monkeypatch):
    """Case 6: the first member is looked at before any check, and only as far as is needed."""
    data = office.zipped([("mimetype", ZEROS), ("content.xml", b"<x/>")])
    small = struct.pack("<L", 40)
    files = {"a.odt": data.replace(struct.pack("<L", len(ZEROS)), small)}
    files["b.odt"] = office.zipped([("mimetype", ZEROS)], zipfile.ZIP_LZMA).replace(
        struct.pack("<L", len(ZEROS)), small
    )
    found = hostile.add(tmp_path, monkeypatch, files)
    assert set(found.reasons) == set(files)


def many_elements(element):
    """Return XML of very many elements that is packed just as little as is allowed."""
    chance = random.Random(7)
    row = element * (6_000 // len(element))
    return "".join(f"{row}<!--{chance.randbytes(24).hex()}-->" for _ in range(4_000))


@pytest.mark.parametrize(("kind", "element"), [(".docx", "<w:br/>"), (".xlsx", "<v/>")])
def test_xml_that_no_check_refuses_meets_the_limit_of_memory(tmp_path, monkeypatch, kind, element):
    """Case 6: below every limit of the archive, its elements fill memory; the child ends alone."""
    packed = office.document(kind, text=many_elements(element))
    assert len(packed) < 2_000_000
    limits = Limits(memory_bytes=400_000_000, seconds=10.0)
    found = hostile.add(tmp_path, monkeypatch, {f"a{kind}": packed}, limits)
    assert found.reasons[f"a{kind}"].startswith("the file needed more than 0.4 GB to read")


@pytest.fixture
def listening():
    """A port of this machine, and what connected to it."""
    seen = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        stop = threading.Event()

        def accept():
            while not stop.is_set():
                try:
                    connection, address = server.accept()
                except TimeoutError:
                    continue
                seen.append(address)
                connection.close()

        thread = threading.Thread(target=accept)
        thread.start()
        yield server.getsockname()[1], seen
        stop.set()
        thread.join()


def entities(folder, port):
    """Return document types by name, each with the text and the attribute that use it."""
    secret = folder / "secret.txt"
    secret.write_text(CANARY)
    outside = folder / "outside.dtd"
    outside.write_text(f'<!ENTITY e "{CANARY}"><!ATTLIST p a CDATA "{CANARY}">')
    names = [f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10)]
    bomb = f'<!DOCTYPE r [<!ENTITY a0 "hahahahaha">{"".join(names)}]>'
    long = f'<!DOCTYPE r [<!ENTITY a9 "{"ha" * 50_000}">]>'
    url = f"http://127.0.0.1:{port}/x"
    return {
        "bomb": (bomb, "x &a9;", "x"),
        "bomb in an attribute": (bomb, "x", "&a9;"),
        "long": (long, "&a9;" * 20_000, "x"),
        "long in an attribute": (long, "x", "&a9;" * 20_000),
        "file": (f'<!DOCTYPE r [<!ENTITY e SYSTEM "{secret.as_uri()}">]>', "x &e;", "x"),
        "address": (f'<!DOCTYPE r [<!ENTITY e SYSTEM "{url}">]>', "x &e;", "x"),
        "parameter": (f'<!DOCTYPE r [<!ENTITY % e SYSTEM "{outside.as_uri()}"> %e;]>', "&e;", "x"),
        "parameter of an address": (f'<!DOCTYPE r [<!ENTITY % e SYSTEM "{url}"> %e;]>', "x", "x"),
        "loop": ('<!DOCTYPE r [<!ENTITY a "&b;"><!ENTITY b "&a;">]>', "x &a;", "&a;"),
    }


@pytest.mark.parametrize("kind", list(office.MEMBERS))
def test_entities_are_refused_and_nothing_is_read_or_fetched(
    tmp_path, monkeypatch, listening, kind
):
    """Case 7: bombs and external entities, in text and attributes, in any encoding."""
    port, seen = listening
    files = {}
    for name, (doctype, text, attribute) in entities(tmp_path, port).items():
        for encoding in ("utf-8", "utf-16", "utf-7"):
            data = office.document(kind, text, attribute, doctype, encoding)
            files[f"{name} {encoding}{kind}"] = data
    found = hostile.add(tmp_path, monkeypatch, files)
    assert set(found.reasons) == set(files)
    # A sheet is read as a stream, which ends at what is too much before its type can be asked.
    words = ("entities", "damaged") if kind == ".xlsx" else ("entities",)
    assert all(any(word in reason for word in words) for reason in found.reasons.values())
    assert CANARY not in found.everything() and not seen


@pytest.mark.parametrize("kind", list(office.MEMBERS))
def test_a_document_type_elsewhere_is_not_read(tmp_path, monkeypatch, listening, kind):
    """Case 7: without entities of its own a document is read, and its type is not fetched."""
    port, seen = listening
    entities(tmp_path, port)
    outside = (tmp_path / "outside.dtd").as_uri()
    files = {
        f"file{kind}": office.document(kind, doctype=f'<!DOCTYPE r SYSTEM "{outside}">'),
        f"address{kind}": office.document(
            kind, doctype=f'<!DOCTYPE r PUBLIC "x" "http://127.0.0.1:{port}/x.dtd">'
        ),
        f"include{kind}": office.document(
            kind,
            f'The valve is blue.<i:include xmlns:i="http://www.w3.org/2001/XInclude" parse="text"'
            f' href="{(tmp_path / "secret.txt").as_uri()}"/>',
        ),
    }
    found = hostile.add(tmp_path, monkeypatch, files)
    assert CANARY not in found.everything() and not seen
    assert "The valve is blue." in found.text(f"include{kind}")


UNSAFE = {
    "up": "../../evil.txt",
    "inner up": "word/../../evil.txt",
    "end up": "word/..",
    "absolute": "/etc/evil",
    "drive": "C:/evil",
    "bare drive": "c:evil",
    "backslash": "..\\..\\evil",
    "share": "\\\\host\\share\\evil",
    "trailing dot": "word/evil.xml.",
    "trailing blank": "evil ",
    "reserved": "word/NUL",
    "reserved with an ending": "aux.xml",
    "reserved folder": "com1/evil",
    "line end": "a\nb",
    "escape": "a\x1b[31mb",
}


def with_second_name(kind):
    """Return a document with a member that a field of its own gives another name."""
    info = zipfile.ZipInfo("plain.xml")
    second = b"../../evil.txt"
    content = struct.pack("<BL", 1, 0xFFFFFFFF & ~0) + second
    info.extra = struct.pack("<HH", 0x7075, len(content)) + content
    return office.document(kind, more=[(info, b"x")])


@pytest.mark.parametrize("kind", office.ZIPPED)
def test_members_with_unsafe_names_are_refused_and_nothing_is_written(tmp_path, monkeypatch, kind):
    """Case 8: names that lead outside, that a system reserves, that programs cut or misread."""
    outside = str(tmp_path / "evil.txt")
    names = UNSAFE | {"absolute here": outside, "url": f"file:{outside}/.."}
    files = {
        f"{what}{kind}": office.document(kind, more=[(name, b"evil")])
        for what, name in names.items()
    }
    zero = office.document(kind, more=[("good.xmlXexe", b"evil")])
    files[f"zero{kind}"] = zero.replace(b"good.xmlXexe", b"good.xml\0exe")
    found = hostile.add(tmp_path, monkeypatch, files)
    assert set(found.reasons) == set(files)
    for reason in found.reasons.values():
        assert reason.startswith("the file has a part with an unsafe name")
        assert not hostile.UNSHOWN.search(reason)


@pytest.mark.parametrize("kind", office.ZIPPED)
def test_members_that_are_links_or_have_two_names_lead_nowhere(tmp_path, monkeypatch, kind):
    """Case 8: a link, two members of one name, and a second name for one member."""
    link = zipfile.ZipInfo("link.xml")
    link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    twice = office.document(kind, more=[("one1", b"x"), ("one2", b"y")])
    files = {
        f"link{kind}": office.document(kind, more=[(link, b"/etc/passwd")]),
        f"twice{kind}": twice.replace(b"one2", b"one1"),
        f"second{kind}": with_second_name(kind),
    }
    found = hostile.add(tmp_path, monkeypatch, files)
    assert "link or a device" in found.reasons[f"link{kind}"]
    assert "two parts of one name" in found.reasons[f"twice{kind}"]
    # What knows the field refuses it, what does not never uses the name.
    assert "unsafe name" in found.reasons.get(f"second{kind}", "an unsafe name that is not used")
