from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from graft.errors import MissingPrerequisite
from graft.parsing import Limits, Parsing
from graft.sources import Candidate

SRC = Path(__file__).parent.parent / "src"
# A worker with one more loader, which does what its file says.
STRANGE = """
import os, socket, subprocess, sys, time
from dataclasses import replace
import graft.loaders
from graft.loaders.text import TextLoader, read_bytes
from graft.parse_worker import main

class Strange(TextLoader):
    def load(self, source, doc_id):
        order = read_bytes(source).decode().strip()
        if order == "sleep":
            time.sleep(60)
        elif order == "spin":
            while True: pass
        elif order == "memory":
            kept = [bytes(50_000_000) for _ in range(100)]
        elif order == "crash":
            os.abort()
        elif order == "leave":
            os._exit(3)
        elif order == "fail":
            raise KeyError("no such thing")
        elif order == "print":
            print("hello" * 100_000)
            os.write(1, b"hello")
        elif order == "socket":
            socket.create_connection(("127.0.0.1", 9))
        elif order == "program":
            subprocess.run(["true"])
        elif order == "write":
            open(str(source) + ".new", "w")
        elif order == "unpickle":
            import pickle
            pickle.loads(b"cos\\nsystem\\n(S'true'\\ntR.")
        elif order == "other bytes":
            (document,) = super().load(source, doc_id)
            yield replace(document, content_hash="0" * 64)
            return
        elif order == "environment":
            raise KeyError(" ".join(sorted(os.environ)))
        elif order == "second":
            marker = "second" if hasattr(Strange, "seen") else "first"
            Strange.seen = True
            if marker == "second":
                os.abort()
        yield from super().load(source, doc_id)

sys.modules["strange"] = sys.modules[__name__]
graft.loaders._LOADERS[("strange", "Strange")] = (".strange",)
main()
"""
QUICK = Limits(memory_bytes=1_000_000_000, seconds=30.0, output_bytes=2_000_000)


@pytest.fixture
def folder(tmp_path):
    docs = tmp_path / "docs"
    docs.mkdir()
    return docs


@pytest.fixture
def strange(tmp_path, monkeypatch):
    (tmp_path / "strange_worker.py").write_text(STRANGE)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(SRC), str(tmp_path)]))
    return "strange_worker"


def written(folder, **files):
    paths = []
    for name, content in files.items():
        path = folder / name.replace("_", ".")
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        paths.append(path)
    return paths


def parse(paths, limits=QUICK, **options):
    with Parsing(limits, **options) as parsing:
        files = [Candidate(path, path.parent, path.name) for path in paths]
        return list(parsing.parse(files))


def test_documents_come_back_in_order_and_whole(folder):
    names = {f"n{number:02}_md": f"# Größe {number}\n\n\U0001f600 text\n" for number in range(40)}
    parsed = parse(written(folder, **names))
    assert [item.file.name for item in parsed] == [name.replace("_", ".") for name in names]
    (document,) = parsed[7].documents
    assert (document.id, document.title, document.loader) == ("n07.md", "Größe 7", "markdown")
    assert document.text == "# Größe 7\n\n\U0001f600 text\n"
    assert document.sections[0].heading_path == ("Größe 7",)


def test_nothing_to_read_starts_no_process():
    assert parse([], worker="no_such_worker") == []


def test_files_are_drawn_no_further_than_a_few_ahead(folder):
    paths = written(folder, **{f"n{number:02}_txt": "Words." for number in range(60)})
    drawn = []

    def draw():
        for path in paths:
            drawn.append(path)
            yield Candidate(path, path.parent, path.name)

    with Parsing(QUICK) as parsing:
        next(parsing.parse(draw()))
    assert len(drawn) < 40


@pytest.mark.parametrize(
    ("order", "limits", "what"),
    [
        ("sleep", replace(QUICK, seconds=1.0), "the file took longer than 1 s to read"),
        ("spin", replace(QUICK, seconds=1.0), "the file took longer than 1 s to read"),
        ("memory", QUICK, "the file needed more than 1 GB to read"),
        ("crash", QUICK, "the reader died"),
        ("leave", QUICK, "the reader died"),
        ("fail", QUICK, "the file cannot be read"),
        ("words " * 400_000, QUICK, "the file has more than 2 MB of text"),
        ("socket", QUICK, "the file cannot be read"),
        ("program", QUICK, "the file cannot be read"),
        ("write", QUICK, "the file cannot be read"),
        ("unpickle", QUICK, "the file cannot be read"),
        ("other bytes", QUICK, "the file was not read as it was opened"),
    ],
)
def test_a_file_that_does_harm_is_named_and_the_next_is_read(folder, strange, order, limits, what):
    paths = written(folder, a_txt="Words.", b_strange=order, c_txt="Words.", d_md="Words.")
    before, bad, *after = parse(paths, limits, worker=strange)
    assert before.documents and all(item.documents for item in after)
    assert not bad.documents
    assert bad.error.what == what
    assert bad.error.where == str(paths[1]) and bad.error.why and bad.error.next_step
    assert sorted(path.name for path in folder.iterdir()) == [path.name for path in paths]


def test_what_a_loader_prints_does_not_disturb_the_answers(folder, strange):
    parsed = parse(written(folder, a_strange="print", b_txt="Words."), worker=strange)
    assert [item.documents[0].text for item in parsed] == ["print", "Words."]


def test_a_death_that_an_earlier_file_caused_is_not_blamed_on_the_next(folder, strange):
    parsed = parse(written(folder, a_strange="second", b_strange="second"), worker=strange)
    assert [item.error for item in parsed] == [None, None]


def test_the_child_knows_no_keys(folder, strange, monkeypatch):
    monkeypatch.setenv("GRAFT_TEST_API_KEY", "x")
    (parsed,) = parse(written(folder, a_strange="environment"), worker=strange)
    assert "PATH" in parsed.error.why and "KEY " not in parsed.error.why


def test_a_child_that_does_not_start_is_an_error(folder):
    with pytest.raises(MissingPrerequisite, match="did not start") as caught:
        parse(written(folder, a_txt="Words."), worker="no_such_worker")
    assert "no_such_worker" in caught.value.why


def test_the_child_starts_wherever_this_process_went(folder, monkeypatch):
    paths = written(folder, a_txt="Words.")
    monkeypatch.setenv("PYTHONPATH", "src")
    monkeypatch.chdir(folder)
    assert parse(paths)[0].documents


def test_a_large_file_has_more_time(folder):
    (path,) = written(folder, a_txt="x" * 3_000_000)
    assert Limits(seconds=10.0, seconds_per_megabyte=2.0).seconds_for(path) == 16.0
    assert Limits(seconds=10.0).seconds_for(folder / "gone") == 10.0


@pytest.mark.parametrize(
    ("name", "content", "loader", "note"),
    [
        ("a_txt", "<!DOCTYPE html><p>Words.</p>", "html", "named .txt, but is an HTML page"),
        ("a_docx", "\n<html><p>Words.</p></html>", "html", "named .docx, but is an HTML page"),
        ("a_txt", "<p>Words.</p>", "text", ""),
    ],
)
def test_a_file_is_read_as_what_it_surely_is(folder, name, content, loader, note):
    (parsed,) = parse(written(folder, **{name: content}))
    (document,) = parsed.documents
    assert document.loader == loader
    assert " ".join(document.notes).startswith(note)


def test_an_archive_under_another_name_is_refused_as_one(folder):
    path = folder / "a.docx"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("notes.txt", "Words.")
    (parsed,) = parse([path])
    assert parsed.error.what == "the file is a zip archive, not what .docx says"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_links_pipes_and_folders_are_refused_without_waiting(folder):
    (real,) = written(folder, a_txt="Words.")
    link, pipe, below = folder / "link.txt", folder / "pipe.txt", folder / "folder.txt"
    link.symlink_to(real)
    os.mkfifo(pipe)
    below.mkdir()
    whats = [item.error.what for item in parse([link, pipe, below])]
    assert whats == ["the file is a link", *["the path is not a regular file"] * 2]


@pytest.mark.skipif(not os.path.exists("/dev/zero"), reason="needs a device")
def test_a_device_is_refused_without_opening_it():
    (parsed,) = parse([Path("/dev/zero")])
    assert parsed.error.what == "no loader for a file without extension" or (
        parsed.error.what == "the path is not a regular file"
    )


def test_a_huge_file_is_refused_before_it_is_read(folder):
    path = folder / "a.txt"
    with path.open("wb") as file:
        file.truncate(2_000_000_000)
    huge, after = parse([path, *written(folder, b_txt="Words.")], Limits(memory_bytes=500_000_000))
    assert huge.error.what == "the file is larger than 100 MB"
    assert after.documents


@pytest.mark.parametrize("content", [b"", b"\n", b" \t\r\n\x0c", b"\xef\xbb\xbf\n"])
@pytest.mark.parametrize("extension", [".txt", ".md", ".html"])
def test_a_file_without_text_is_named_and_the_next_is_read(folder, extension, content):
    (folder / f"a{extension}").write_bytes(content)
    bare, after = parse([folder / f"a{extension}", *written(folder, b_txt="Words.")])
    assert "no text" in bare.error.what and bare.error.next_step
    assert after.documents


@pytest.mark.skipif(sys.platform == "win32", reason="names that Windows does not allow")
@pytest.mark.parametrize(
    "name",
    [
        "line\nend.txt",
        "\x1b[31mred.txt",
        "a\u202etxt.txt",
        "<script>.txt",
        "😀.txt",
        "x" * 251 + ".txt",
    ],
)
def test_strange_names_come_back_as_they_are(folder, name):
    (folder / name).write_text("Words of the pump.")
    (parsed,) = parse([folder / name])
    (document,) = parsed.documents
    assert document.id == name and document.text == "Words of the pump."
    assert not set(document.title) & set("\n\x1b\u202e")


def test_the_same_bytes_under_two_names_are_two_documents(folder):
    below = folder / "below"
    below.mkdir()
    paths = [folder / "a.txt", folder / "b.txt", below / "a.txt"]
    for path in paths:
        path.write_text("Words.")
    files = [Candidate(path, folder, path.relative_to(folder).as_posix()) for path in paths]
    with Parsing(QUICK) as parsing:
        made = [document for item in parsing.parse(files) for document in item.documents]
    assert [document.id for document in made] == ["a.txt", "b.txt", "below/a.txt"]
    assert len({document.content_hash for document in made}) == 1


def test_a_file_that_is_gone_is_named_and_the_next_is_read(folder):
    paths = written(folder, a_txt="Words.", b_txt="Words.")
    paths[0].unlink()
    gone, after = parse(paths)
    assert gone.error.what == "the file cannot be opened" and after.documents


def test_deep_pages_and_deep_names_end_no_process(folder):
    deep = "top" + "<div>" * 50_000 + "deep" + "</div>" * 50_000
    first, after = parse(written(folder, a_html=deep, b_md=">" * 50_000 + " deep\n\nWords."))
    assert first.error is not None or first.documents[0].notes
    assert after.documents


@pytest.mark.skipif(sys.platform == "win32", reason="needs signals")
def test_a_child_that_the_system_kills_is_replaced(folder):
    paths = written(folder, **{f"n{number:02}_txt": "Words." for number in range(80)})
    with Parsing(QUICK) as parsing:
        reading = parsing.parse([Candidate(path, folder, path.name) for path in paths])
        done = [next(reading)]
        parsing._child._process.kill()
        done += reading
    assert [item.file.path for item in done] == paths
    assert all(item.documents for item in done)


def test_it_reads_ahead_but_holds_only_so_much(folder, monkeypatch):
    monkeypatch.setattr("graft.parse_child._HELD_BYTES", 300_000)
    limits = replace(QUICK, seconds=2.0)
    paths = written(folder, **{f"n{n:02}_txt": "Words. " * 30_000 for n in range(24)})
    done = []
    with Parsing(limits) as parsing:
        for item in parsing.parse(Candidate(path, folder, path.name) for path in paths):
            if not done:
                time.sleep(3)
                assert 0 < parsing._child._lines._size < 1_000_000
            done.append(item)
    assert [item.file.path for item in done] == paths
    assert all(item.documents for item in done)


def test_a_child_that_reads_nothing_and_says_nothing_is_ended(folder, tmp_path, monkeypatch):
    (tmp_path / "deaf_worker.py").write_text(
        "import time\nprint('{}', flush=True)\ntime.sleep(60)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    below = folder
    for _ in range(7):
        below = below / ("é" * 120)
        below.mkdir()
    paths = written(below, **{f"n{n:02}_txt": "Words." for n in range(40)})
    started = time.monotonic()
    with Parsing(replace(QUICK, seconds=1.0), worker="deaf_worker") as parsing:
        first = next(parsing.parse([Candidate(path, folder, path.name) for path in paths]))
    assert first.error.what == "the file took longer than 1 s to read"
    assert time.monotonic() - started < 20


@pytest.mark.skipif(sys.platform == "win32", reason="needs process groups")
def test_an_interruption_ends_both_processes(folder, strange):
    (path,) = written(folder, a_strange="sleep")
    script = f"""
        import signal
        from pathlib import Path
        from graft.parsing import Parsing
        from graft.sources import Candidate
        # Where the tests run in the background the signal would be ignored.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        path = Path({str(path)!r})
        with Parsing(worker={strange!r}) as parsing:
            reading = parsing.parse([Candidate(path, path.parent, path.name)])
            import threading, time
            def tell():
                while parsing._child is None or not parsing._child._is_ready: time.sleep(0.01)
                print(parsing._child._process.pid, flush=True)
            threading.Thread(target=tell, daemon=True).start()
            next(reading)
    """
    command = [sys.executable, "-c", textwrap.dedent(script)]
    parent = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )
    child = int(parent.stdout.readline())
    started = time.monotonic()
    os.killpg(parent.pid, signal.SIGINT)
    try:
        _, words = parent.communicate(timeout=20)
    finally:
        parent.kill()
    assert b"KeyboardInterrupt" in words
    assert time.monotonic() - started < 10
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)
