"""PDF files that are made to fill memory, to never end, or to have other files read."""

from __future__ import annotations

import ast
import gzip
import os
import pickle
import re
import sys
import time
import zlib
from pathlib import Path

import hostile

import graft
from graft.parsing import Limits, Parsing
from graft.sources import Candidate

SRC = Path(graft.__file__).parent
SHOWN = "BT /F1 10 Tf 50 700 Td (The valve is blue.) Tj ET"
LOCK = "<< /Filter /Standard /V 5 /R 6 /Length 256 /P -4 /O <{0}> /U <{0}> /OE <{1}> /UE <{1}> >>"
QUICK = Limits(memory_bytes=600_000_000, seconds=3.0, output_bytes=5_000_000)


def pdf(content=SHOWN, font="/Encoding /WinAnsiEncoding", filters="", extra="", more=(), root=""):
    """Return a PDF of one page with a font F1; `more` are objects from number 6 on."""
    content = content if isinstance(content, bytes) else content.encode("latin-1")
    pieces = [
        f"<< /Type /Catalog /Pages 2 0 R {root} >>".encode(),
        b"<< /Type /Pages /Kids [4 0 R] /Count 1 >>",
        f"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica {font} >>".encode(),
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 5 0 R"
        b" /Resources << /Font << /F1 3 0 R >> >> >>",
        stream(content, filters),
        *more,
    ]
    data, offsets = bytearray(b"%PDF-1.7\n"), []
    for number, piece in enumerate(pieces, 1):
        offsets.append(len(data))
        data += b"%d 0 obj\n%s\nendobj\n" % (number, piece)
    start, size = len(data), len(pieces) + 1
    table = "".join(f"{offset:010} 00000 n \n" for offset in offsets)
    data += f"xref\n0 {size}\n0000000000 65535 f \n{table}".encode()
    trailer = f"trailer\n<< /Size {size} /Root 1 0 R {extra} >>\nstartxref\n{start}\n%%EOF\n"
    return bytes(data) + trailer.encode()


def stream(data, filters="", more=""):
    head = f"<< /Length {len(data)} {f'/Filter {filters}' if filters else ''} {more} >>"
    return head.encode() + b"\nstream\n" + data + b"\nendstream"


def without_end():
    """Return a PDF whose tables of objects each name the other as the one before."""
    data = pdf()
    start = data.rindex(b"xref\n0")
    return data.replace(b"/Root 1 0 R", b"/Root 1 0 R /Prev %d" % start)


def without_root():
    return re.sub(rb"/Size \d+ /Root 1 0 R", b"/Size 2147483647", pdf())


def to_unicode(characters):
    """Return a font whose table says of one letter that it stands for very many."""
    long = b"0041" * characters
    ranges = b"\n".join(b"<%02x> <%02x> <%s>" % (code, code, long) for code in range(32, 127))
    table = (
        b"/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /X def\n"
        b"1 begincodespacerange <00> <ff> endcodespacerange\n95 beginbfrange\n"
        b"%s\nendbfrange\nendcmap end end" % ranges
    )
    return {"font": "/ToUnicode 6 0 R", "more": [stream(zlib.compress(table), "/FlateDecode")]}


def metadata():
    """Return XMP whose entities would come to gigabytes, or would read a file."""
    names = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))
    text = f'<!DOCTYPE x [<!ENTITY a0 "ha">{names}<!ENTITY f SYSTEM "file:///etc/passwd">]>'
    body = (text + "<x:xmpmeta xmlns:x='adobe:ns:meta/'>&a9;&f;</x:xmpmeta>").encode()
    return {"root": "/Metadata 6 0 R", "more": [stream(body, "", "/Type /Metadata /Subtype /XML")]}


def squeezed(times):
    data = b" " * 60_000_000
    for _ in range(times):
        data = zlib.compress(data, 9)
    return {"content": data, "filters": f"[{'/FlateDecode ' * times}]"}


HARMFUL = {
    "loop": without_end,
    "no-root": without_root,
    "flate": lambda: pdf(**squeezed(2)),
    "run-length": lambda: pdf(b"\x81 " * 4_000_000 + b"\x80", filters="/RunLengthDecode"),
    "lzw": lambda: pdf(b"\x80\x0b\x60\x50" * 100_000, filters="/LZWDecode"),
    "filters": lambda: pdf(filters=f"[{'/ASCIIHexDecode ' * 50_000}]"),
    "own-length": lambda: pdf().replace(b"/Length 49", b"/Length 5 0 R", 1),
    "own-pages": lambda: pdf().replace(b"/Kids [4 0 R]", b"/Kids [2 0 R]"),
    "many-pages": lambda: pdf().replace(b"/Count 1", b"/Count 2147483647"),
    "to-unicode": lambda: pdf(**to_unicode(20_000)),
    "metadata": lambda: pdf(**metadata()),
    "iterations": lambda: pdf(
        extra="/Encrypt 6 0 R /ID [<00> <00>]",
        more=[LOCK.format("00" * 48, "00" * 32).replace("256", "2147483647").encode()],
    ),
    "revision": lambda: pdf(
        extra="/Encrypt 6 0 R /ID [<00> <00>]",
        more=[LOCK.format("00" * 48, "00" * 32).replace("/R 6", "/R 2147483647").encode()],
    ),
    "deep": lambda: pdf(root="/X " + "[" * 200_000),
    "operators": lambda: pdf("q " * 1_000_000),
    "cut": lambda: pdf()[:-300],
}


def test_pdfs_made_to_do_harm_hold_up_no_other(tmp_path, monkeypatch):
    """Case 11: each is read or named within the limits of the child, and the others are added."""
    files = {f"{name}.pdf": make() for name, make in HARMFUL.items()} | {"good.pdf": pdf()}
    started = time.monotonic()
    found = hostile.add(tmp_path, monkeypatch, files, QUICK)
    assert time.monotonic() - started < 60
    assert found.text("good.pdf") == "The valve is blue."
    read = {name for name in found.documents if name != "zz-good.md"}
    for name in read - {"to-unicode.pdf"}:
        assert found.text(name) == "The valve is blue.", name
    assert {"iterations.pdf", "revision.pdf", "lzw.pdf", "flate.pdf"} <= set(found.reasons)
    assert "root:" not in found.everything() and "haha" not in found.everything()


class Harm:
    """Leaves a sign where it is unpickled."""

    def __init__(self, sign):
        self.sign = sign

    def __reduce__(self):
        return os.mkdir, (self.sign,)


def test_a_character_map_that_is_named_by_a_path_is_not_opened(tmp_path, monkeypatch):
    """Case 12: planted beside the file, as a pickle that runs what it names; none is loaded."""
    sign = tmp_path / "sign"
    planted = tmp_path / "team" / "docs" / "evil.pickle.gz"
    harm = pickle.dumps(Harm(str(sign)))

    names = [
        str(planted).removesuffix(".pickle.gz"),
        "../../team/docs/evil",
        "evil",
        "./evil.pickle",
        "Identity-H/../../evil",
    ]
    files = {"evil.pickle.gz": gzip.compress(harm), "evil.pickle": harm, "evil": harm}
    for number, name in enumerate(names):
        written = "/" + "".join(f"#{byte:02x}" for byte in name.encode())
        whole = f"/Subtype /Type0 /Encoding {written} /DescendantFonts [6 0 R]"
        system = f"<< /Registry ({name}) /Ordering ({name}) /Supplement 0 >>"
        inner = (
            f"<< /Type /Font /Subtype /CIDFontType2 /BaseFont {written}"
            f" /CIDSystemInfo {system} /CIDToGIDMap {written} >>"
        )
        used = stream(
            b"begincmap endcmap", "", f"/Type /CMap /CMapName {written} /UseCMap {written}"
        )
        files[f"font{number}.pdf"] = pdf(font=whole, more=[inner.encode()])
        files[f"map{number}.pdf"] = pdf(font="/ToUnicode 6 0 R", more=[used])
        files[f"named{number}.pdf"] = pdf(font=f"/ToUnicode {written} /Encoding {written}")
        files[f"outside{number}.pdf"] = pdf(
            more=[b""], root=f"/AF [<< /F ({name}) >>] /OpenAction << /S /GoToR /F ({name}) >>"
        ).replace(b"/Contents 5 0 R", f"/Contents << /F ({name}) /Length 0 >>".encode())
    monkeypatch.chdir(tmp_path)
    found = hostile.add(tmp_path, monkeypatch, files)
    assert {"evil.pickle.gz", "evil.pickle", "evil"} <= set(found.reasons)
    assert not sign.exists()
    with gzip.open(planted) as file:
        pickle.load(file)  # it would have left its sign
    assert sign.exists()


CURIOUS = """
import os, sys
from dataclasses import replace
import graft.loaders
from graft.loaders.text import TextLoader, read_bytes
from graft.parse_worker import main

class Curious(TextLoader):
    def load(self, source, doc_id):
        how, _, place = read_bytes(source).decode().strip().partition(" ")
        if how == "open":
            open(place).read()
        elif how == "os":
            os.open(place, os.O_RDONLY)
        elif how == "bytes":
            open(os.fsencode(place), "rb").read()
        elif how == "library":
            import json.tool, sqlite3
        elif how == "itself":
            open(source).read()
        elif how == "halves":
            (document,) = super().load(source, doc_id)
            yield replace(document, title="t\\ud800", text="a\\udfffb", notes=("n\\ud800",))
            return
        yield from super().load(source, doc_id)

sys.modules["curious"] = sys.modules[__name__]
graft.loaders._LOADERS[("curious", "Curious")] = (".curious",)
main()
"""


def test_the_process_that_reads_a_file_opens_no_other(tmp_path, monkeypatch):
    """Case 12: whatever a file makes its reader do, other files stay closed to it."""
    modules = tmp_path / "modules"
    modules.mkdir()
    (modules / "curious_worker.py").write_text(CURIOUS)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(SRC.parent), str(modules)]))
    docs = tmp_path / "docs"
    docs.mkdir()
    secret = docs / "secret.txt"
    secret.write_text("SECRET")
    up = f"{sys.prefix}/../..{'/..' * 20}{secret}"
    orders = [f"{how} {place}" for how in ("open", "os", "bytes") for place in (secret, up)]
    orders += ["open /etc/passwd", f"open {os.path.relpath(secret)}", "library", "itself", "halves"]
    for number, order in enumerate(orders):
        (docs / f"{number:02}.curious").write_text(order)
    files = [Candidate(path, docs, path.name) for path in sorted(docs.glob("*.curious"))]
    with Parsing(QUICK, worker="curious_worker") as parsing:
        *refused, library, itself, halves = parsing.parse(files)
    for item in refused:
        assert item.error is not None and "may not do this: open" in item.error.why
    assert library.documents and itself.documents
    # Nor is what it answers trusted: half a character would end the whole add.
    (document,) = halves.documents
    assert (document.title, document.text, document.notes) == ("t\ufffd", "a\ufffdb", ("n\ufffd",))


def test_nothing_that_reads_documents_unpickles_or_runs_text():
    """Case 12: no module of the path that files take imports pickle or what is built on it."""
    forbidden = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "pdfminer", "yaml"}
    paths = [*SRC.glob("loaders/*.py"), *SRC.glob("pars*.py"), SRC / "reading.py"]
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in ("eval", "exec", "compile", "__import__"), path
            assert not {name.partition(".")[0] for name in names} & forbidden, path
