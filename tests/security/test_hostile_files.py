"""Files that are empty, are not what their names say, are badly encoded, or act on a terminal."""

from __future__ import annotations

import io
import json
import random
import sys
import tracemalloc
import zipfile

import hostile
import pytest
from typer.testing import CliRunner

from graft.cli.commands import app
from graft.errors import BadInput, UnreadableDocument
from graft.loaders import known_extensions
from graft.parsing import Limits
from graft.workspace import Workspace

BLANK = {"empty": b"", "mark": b"\xef\xbb\xbf", "line": b"\n", "spaces": b" \t\r\n\x0c\x0b "}
TEXTS = [".txt", ".log", ".md", ".html", ".csv", ".json", ".jsonl", ".py", ".yaml", ".ipynb"]


def test_files_without_text_are_counted_and_give_no_passages(tmp_path, monkeypatch):
    """Case 1: nothing, one newline, blanks alone, under every name that is read."""
    files = {
        f"{kind}{extension}": data
        for extension in known_extensions()
        for kind, data in BLANK.items()
    }
    found = hostile.add(tmp_path, monkeypatch, files)
    assert found.report.added == ("zz-good.md",) and found.report.passages == 1
    assert set(found.reasons) == set(files)
    whys = {reason.partition(":")[0] for reason in found.reasons.values()}
    assert whys == {"the file has no text"}


def zipped(**parts):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return data.getvalue()


def noise(size=20_000):
    return random.Random(7).randbytes(size)


def test_a_file_is_what_its_bytes_are_whatever_it_is_called(tmp_path, monkeypatch):
    """Case 2: a file that another loader reads is read by it, and its notes say so."""
    page = b"<!DOCTYPE html><title>T</title><p>The valve is blue.</p>"
    files = {"page.docx": page, "page.txt": page, "page.pdf": page, "text.odt": zipped_text()}
    found = hostile.add(tmp_path, monkeypatch, files)
    loaders = {name: item.loader for name, item in found.documents.items()}
    assert loaders == {
        **dict.fromkeys(("page.docx", "page.txt", "page.pdf"), "html"),
        **{"text.odt": "epub", "zz-good.md": "markdown"},
    }
    assert found.documents["page.docx"].notes[0].startswith("named .docx, but is an HTML page")
    assert found.documents["text.odt"].notes[0].startswith("named .odt, but is an EPUB book")


def zipped_text():
    space = 'xmlns="urn:oasis:names:tc:opendocument:xmlns:container"'
    parts = {
        "mimetype": "application/epub+zip",
        "META-INF/container.xml": f"<container {space}><rootfiles>"
        '<rootfile full-path="b.opf"/></rootfiles></container>',
        "b.opf": '<package xmlns="http://www.idpf.org/2007/opf"><metadata/><manifest>'
        '<item id="c" href="c.xhtml" media-type="application/xhtml+xml"/></manifest>'
        '<spine><itemref idref="c"/></spine></package>',
        "c.xhtml": '<html xmlns="http://www.w3.org/1999/xhtml"><body><p>blue</p></body></html>',
    }
    return zipped(**parts)


def test_what_no_loader_reads_is_refused_by_what_it_is(tmp_path, monkeypatch):
    """Case 2: pictures, archives, programs, databases, old Office files, under other names."""
    foreign = {
        "a PNG picture": b"\x89PNG\r\n\x1a\n" + noise(500),
        "a JPEG picture": b"\xff\xd8\xff\xe0" + noise(500),
        "a gzip archive": b"\x1f\x8b\x08" + noise(500),
        "a 7z archive": b"7z\xbc\xaf\x27\x1c" + noise(500),
        "an SQLite database": b"SQLite format 3\x00" + bytes(500),
        "a program": b"\x7fELF\x02\x01" + bytes(500),
        "a zip archive": zipped(**{"notes.txt": "words"}),
        "an RTF text": b"{\\rtf1 words}",
    }
    files = {
        f"{number}{extension}": data
        for number, data in enumerate(foreign.values())
        for extension in (".txt", ".docx", ".pdf", ".html", ".csv")
    }
    found = hostile.add(tmp_path, monkeypatch, files)
    assert set(found.reasons) == set(files)
    for number, kind in enumerate(foreign):
        assert f"the file is {kind}, not what .docx says" in found.reasons[f"{number}.docx"]


@pytest.mark.parametrize("kind", ["noise", "sound", "old office"])
def test_bytes_that_are_no_text_are_not_read_as_one(tmp_path, monkeypatch, kind):
    """Case 2: bytes of no format that is known, under the names of texts, and Office files."""
    data = {
        "noise": noise(),
        "sound": b"ID3\x03" + noise(),
        "old office": b"\xd0\xcf\x11\xe0" + noise(),
    }[kind]
    files = {f"a{extension}": data for extension in [*TEXTS, ".docx", ".pdf", ".xml", ".eml"]}
    found = hostile.add(tmp_path, monkeypatch, files)
    assert found.report.added == ("zz-good.md",)
    assert "the file is not text" in found.reasons["a.txt"]


def test_encodings_are_recorded_with_what_could_not_be_read(tmp_path, monkeypatch):
    """Case 3: known and broken encodings are decoded the same way each time, and noted."""
    text = "Größe 5 € – naïve, with enough words around it to be a text of its own.\n"
    files = {
        "utf8.txt": text.encode(),
        "mark.txt": text.encode("utf-8-sig"),
        "utf16.txt": text.encode("utf-16"),
        "utf16le.txt": text.encode("utf-16-le"),
        "utf16be.txt": text.encode("utf-16-be"),
        "utf32.txt": text.encode("utf-32"),
        "windows.txt": text.encode("cp1252"),
        "latin1.txt": text.replace("€", "E").replace("–", "-").encode("latin-1"),
        "broken.txt": b"\xef\xbb\xbf" + text.encode() + b"\xff\xfe\xc3",
        "mixed.txt": text.encode() + text.encode("cp1252"),
        "overlong.txt": text.encode() + b"\xc0\xae\xc0\xae/\xed\xa0\x80",
    }
    found = hostile.add(tmp_path, monkeypatch, files)
    assert set(found.report.added) == {*files, "zz-good.md"}
    whole = ("utf8", "mark", "utf16", "utf16le", "utf16be", "utf32", "windows")
    assert {found.text(f"{name}.txt") for name in whole} == {text}
    notes = {name.removesuffix(".txt"): item.notes for name, item in found.documents.items()}
    assert notes["utf8"] == notes["mark"] == ()
    assert notes["utf16be"] == ("read as utf-16-be",)
    assert notes["latin1"] == notes["windows"] == notes["mixed"] == ("read as cp1252",)
    assert notes["broken"] == ("3 characters could not be decoded",)
    assert "Größe 5" in found.text("broken.txt") and "5 €" in found.text("mixed.txt")


@pytest.mark.parametrize(
    "charset",
    ["utf-7", "idna", "punycode", "undefined", "unicode_escape", "hex", "rot13", "no-such", "mbcs"],
)
def test_a_charset_that_a_file_names_ends_no_add(tmp_path, monkeypatch, charset):
    """Case 3: names of codecs that fail, that are none, or that give halves of characters."""
    body = b"The valve is blue. +2AA- \\ud800 \\x1b[31m +ABs-[2J \xe9\n"
    mail = f"From: a@example.org\nSubject: =?{charset}?q?+2AA-?=\nContent-Type: text/plain;"
    head = f"<meta charset={charset}><h1>Valve</h1><p>"
    files = {
        "a.html": head.encode() + body,
        "a.eml": f'{mail} charset="{charset}"\n\n'.encode() + body,
        "zero.eml": f'{mail} charset="{charset}\x00x"\n\n'.encode() + body,
    }
    found = hostile.add(tmp_path, monkeypatch, files)
    assert set(found.report.added) == {*files, "zz-good.md"}
    assert all("The valve is blue" in found.text(name) for name in files)


@pytest.mark.parametrize("extension", TEXTS)
def test_broken_bytes_of_each_format_are_read_or_refused(tmp_path, monkeypatch, extension):
    """Case 3: every byte there is, before, within and behind a text of the format."""
    text = {
        ".ipynb": json.dumps({"cells": [{"cell_type": "markdown", "source": "# H\n\nblue"}]}),
        ".json": '{"title": "Valve", "text": "The valve is blue."}',
        ".jsonl": '{"title": "Valve", "text": "The valve is blue."}\n',
        ".csv": "part,colour\nvalve,blue\n",
    }.get(extension, "# Valve\n\nThe valve is blue.\n" * 9)
    every = bytes(range(1, 256))
    middle = len(text) // 2
    files = {
        f"before{extension}": every + text.encode(),
        f"within{extension}": text[:middle].encode() + every + text[middle:].encode(),
        f"behind{extension}": text.encode() + every,
        f"cut{extension}": text.encode("utf-16")[:-1],
    }
    hostile.add(tmp_path, monkeypatch, files)


ACTING = "\x1b[2J\x1b[31mred\x1b[0m \x1b]0;title\x07 bell\x07 back\b c1 \x9b31m \u202egnp.exe\u202c"
IN_XML = "&#155;31m &#x9b;2J &#133; \u202e"
IN_HTML = "&#27;[2J &#x1b;]0;x&#7; &#155;31m &#0; &#xd800;"


def acting_files():
    """Return files of many formats whose words, titles and names would act on a terminal."""
    words = f"{ACTING} The valve is blue.\f New page.\n" * 3
    cells = [
        {"cell_type": "markdown", "source": f"# H {words}"},
        {"cell_type": "code", "source": words, "outputs": [{"text": words}]},
    ]
    mail = "From: =?utf-8?q?a=1B[31m=C2=9B?= <a@example.org>\nSubject: =?utf-8?q?s=1B[2J=00?=\n"
    page = f"<title>t {IN_HTML}</title><h1>h {IN_HTML}</h1><p>{IN_HTML} {ACTING} valve</p>"
    return {
        "a.txt": words + "\0",
        "a.log": words,
        "a.md": f"# T {words}\n\n{IN_HTML} {words}",
        "a.html": page,
        "a.csv": f"na{ACTING}me,b\n1,{ACTING}\n",
        "a.json": json.dumps({"title": words, "text": words + "\ud800\0", words: "k"}),
        "a.ipynb": json.dumps({"cells": cells}),
        "a.eml": mail + f"Content-Type: text/html\n\n{page}",
        "a.xml": f"<r><title>t {IN_XML}</title><p a='{IN_XML}'>{IN_XML} valve</p></r>",
        "a.py": f"# {ACTING}\ndef valve():\n    return 'blue'\n",
        "refused\x1b[31m\x9b\n  next   graft remove.docx": "no archive \x1b[2J",
    }


def lines_of(tmp_path, monkeypatch, *command):
    monkeypatch.chdir(tmp_path / "team")
    return CliRunner().invoke(app, list(command), prog_name="graft")


@pytest.mark.skipif(sys.platform == "win32", reason="names that Windows does not allow")
def test_nothing_in_a_file_acts_on_the_terminal(tmp_path, monkeypatch):
    """Case 4: what is stored, and every command that shows names, passages and answers."""
    files = {name: text.encode() for name, text in acting_files().items()}
    found = hostile.add(tmp_path, monkeypatch, files)
    assert len(found.reasons) == 1
    assert "control characters removed" in " ".join(found.documents["a.txt"].notes)
    assert "The valve is blue.\n New page." in found.text("a.txt")
    commands = [
        ("add", "docs", "--retry"),
        ("add", "docs", "--retry", "--json"),
        ("search", "valve blue", "--limit", "20"),
        ("search", "valve blue", "--limit", "20", "--json"),
        ("ask", "What colour is the valve?"),
        ("ask", "What colour is the valve?", "--json"),
        ("status", "--json"),
        ("add", "no\x1b[31m such\x9b file"),
    ]
    for command in commands:
        done = lines_of(tmp_path, monkeypatch, *command)
        assert done.exit_code == (4 if "such" in command[-1] else 0), done.output
        assert not hostile.UNSHOWN.search(done.stdout + done.stderr), command
        assert "\u202e" not in done.stdout + done.stderr, command
        if "--json" in command:
            json.loads(done.stdout)
    told = lines_of(tmp_path, monkeypatch, "add", "docs", "--retry").stderr.splitlines()
    assert not [line for line in told if line.startswith("  next   graft remove")]


def test_json_says_on_a_terminal_what_it_says_elsewhere(tmp_path, monkeypatch):
    """Case 4: what JSON need not escape but a terminal obeys is escaped, and lost nowhere."""
    hostile.add(tmp_path, monkeypatch, {})
    query = "kiln \x9b31m \x7f \u202egnp"
    done = lines_of(tmp_path, monkeypatch, "search", query, "--json")
    assert json.loads(done.stdout)["query"] == query
    assert not {"\x9b", "\x7f", "\u202e"} & set(done.stdout)


def test_the_log_of_a_failure_holds_no_escapes(tmp_path, monkeypatch):
    """Case 4: a log file is read on a terminal, and holds what a document made an error say."""
    hostile.add(tmp_path, monkeypatch, {})

    def fail(*_, **__):
        raise RuntimeError(f"cannot embed {ACTING} \ud800")

    monkeypatch.setattr(Workspace, "search", fail)
    done = lines_of(tmp_path, monkeypatch, "search", "kiln")
    assert done.exit_code == 1
    [log] = (tmp_path / "team" / ".graft" / "logs").iterdir()
    text = log.read_text(encoding="utf-8")
    assert "RuntimeError: cannot embed" in text
    assert not hostile.UNSHOWN.search(text) and "\u202e" not in text


def sparse(size):
    def write(path):
        with path.open("wb") as file:
            file.truncate(size)

    return write


@pytest.mark.skipif(sys.platform == "win32", reason="needs sparse files")
def test_a_text_of_two_gigabytes_is_refused_by_its_size(tmp_path, monkeypatch):
    """Case 5: told before it is read, in a folder, by its own path, and when it was known."""
    resource = pytest.importorskip("resource")
    tight = Limits(memory_bytes=700_000_000, seconds=10.0)
    tracemalloc.start()
    try:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        found = hostile.add(tmp_path, monkeypatch, {"huge.txt": sparse(2_000_000_000)}, tight)
        assert found.reasons == {"huge.txt": "larger than 100 MB"}
        huge, known = (found.workspace.root / "docs" / name for name in ("huge.txt", "zz-good.md"))
        sparse(2_000_000_000)(known)
        for path in (huge, known):
            with pytest.raises(BadInput, match="nothing readable") as caught:
                found.workspace.add([path])
            assert "larger than 100 MB" in caught.value.why
        assert tracemalloc.get_traced_memory()[1] < 50_000_000
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 400_000
    finally:
        tracemalloc.stop()


@pytest.mark.skipif(sys.platform == "win32", reason="needs sparse files")
def test_a_sparse_text_below_the_limit_of_size_is_no_text(tmp_path, monkeypatch):
    """Case 5: as large as a file may be; the child that reads it stays within its memory."""
    found = hostile.add(tmp_path, monkeypatch, {"large.txt": sparse(99_000_000)})
    assert found.reasons == {"large.txt": "the file is not text: it holds zero bytes"}


def test_a_text_that_is_too_large_is_refused_where_it_is_read(tmp_path, monkeypatch):
    """Case 5: the limit of what a file may come to, for a text that is no larger than a file."""
    words = b"The valve is blue. " * 300_000
    found = hostile.add(tmp_path, monkeypatch, {"large.txt": words, "large.md": words})
    assert {name: reason.partition(":")[0] for name, reason in found.reasons.items()} == {
        name: "the file has more than 5 MB of text" for name in ("large.txt", "large.md")
    }


def test_errors_of_reading_are_those_of_bad_input():
    """Cases 1 to 5: what is refused ends a command that names it with the code of bad input."""
    assert issubclass(UnreadableDocument, BadInput) and UnreadableDocument.exit_code == 4
