"""What is no file, what changes into something else, and names that act where they are shown."""

from __future__ import annotations

import json
import os
import re
import shlex
import socket
import stat
import sys
import threading
import time
import zipfile
from pathlib import Path

import pytest
from hostile_team import GOOD, Team
from typer.testing import CliRunner

from graft.cli.commands import app
from graft.errors import BadInput, GraftError, UnreadableDocument
from graft.loaders import loader_for, opening
from graft.loaders.opening import open_regular, read_bytes
from graft.watching import rounds

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs links, pipes and names")
NAMES = (
    "line\nend.md",
    "\x1b[31mred\x9b2J.md",
    "a\u202egnp.md",
    "<script>alert(1)<\u2028>.md",
    "😀.md",
    "x" * 252 + ".md",
    "quote' \"$(id)`id`.md",
    "[link=x]a[nope].md",
    "=1+1.md",
)
# What acts on a terminal: control characters but for tab and line end, turns of direction.
ACTING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


@pytest.fixture
def team(tmp_path):
    return Team(tmp_path / "team")


@pytest.fixture
def secret(tmp_path):
    path = tmp_path / "secret.md"
    path.write_text("SECRET words of somebody else.")
    return path


def special(team, secret):
    """Make everything that a folder can hold beside files and folders."""
    docs = team.docs
    (docs / "link.md").symlink_to(secret)
    (docs / "dangling.md").symlink_to(secret.parent / "nowhere.md")
    (docs / "loop.md").symlink_to(docs / "loop.md")
    (docs / "folder").symlink_to(secret.parent)
    os.link(secret, docs / "hard.md")
    os.mkfifo(docs / "pipe.md")
    reasons = {
        "link.md": "link",
        "dangling.md": "link",
        "loop.md": "link",
        "folder": "link to a folder",
        "hard.md": "hard link: the file has 1 more name elsewhere",
        "pipe.md": "not a regular file",
    }
    here = os.getcwd()
    os.chdir(docs)  # the path of a socket must be short
    try:
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind("socket.md")
    finally:
        os.chdir(here)
    reasons["socket.md"] = "not a regular file"
    try:
        os.mknod(docs / "device.md", 0o600 | stat.S_IFCHR, os.makedev(1, 5))
        reasons["device.md"] = "not a regular file"
    except OSError:
        pass  # only an administrator makes devices
    return reasons


def test_what_is_no_file_of_the_folder_is_neither_followed_nor_opened(team, secret, monkeypatch):
    """Case 9: links, hard links, pipes, sockets, devices; each reported, nothing waits."""
    reasons = special(team, secret)
    began = time.monotonic()
    texts, skipped = team.add()
    assert time.monotonic() - began < 30
    assert {name: item.reason for name, item in skipped.items()} == reasons
    assert texts == {} and "SECRET" not in team.shown()


def test_a_hard_link_within_what_is_added_is_two_names_of_one_file(team):
    """Case 9: no name is outside, so nobody else's file comes in."""
    os.link(team.write("a.md", "Words of the kiln."), team.docs / "b.md")
    texts, skipped = team.add()
    assert set(texts) == {"a.md", "b.md"} and skipped == {}


def test_a_snapshot_by_hard_links_takes_no_document_away(team, tmp_path):
    """Case 9: documents that are in stay in when their files get further names elsewhere."""
    team.write("other.md", "Words.")
    team.workspace.add([team.docs])
    os.link(team.docs / "good.md", tmp_path / "snapshot.md")
    report = team.workspace.add([team.docs])
    assert [item.reason[:9] for item in report.skipped] == ["hard link"]
    assert report.removed == () and team.workspace.search("Tarn pump ninety bar", 1)
    assert team.workspace.add([team.docs / "good.md"]).skipped == ()


@pytest.mark.parametrize("name", ["pipe.md", "socket.md"])
def test_what_is_no_file_is_refused_by_its_own_path_too(team, secret, name):
    """Case 9: named itself, a pipe or socket is refused at once."""
    special(team, secret)
    with pytest.raises(BadInput, match="nothing readable") as caught:
        team.workspace.add([team.docs / name])
    assert "not a regular file" in caught.value.why


def test_links_and_devices_in_an_archive_are_refused(team):
    """Case 9: a member that says it is a link, a pipe, a socket or a device."""
    kinds = {"link": stat.S_IFLNK, "pipe": stat.S_IFIFO, "socket": stat.S_IFSOCK}
    kinds |= {"block": stat.S_IFBLK, "device": stat.S_IFCHR}
    for name, kind in kinds.items():
        with zipfile.ZipFile(team.docs / f"{name}.docx", "w") as archive:
            archive.writestr("[Content_Types].xml", "<Types/>")
            member = zipfile.ZipInfo("word/document.xml")
            member.external_attr = (kind | 0o777) << 16
            archive.writestr(member, "/etc/passwd")
    texts, skipped = team.add()
    assert texts == {} and set(skipped) == {f"{name}.docx" for name in kinds}
    for item in skipped.values():
        assert item.reason.startswith("the file has a part that is a link or a device")


def test_whoever_watches_a_folder_waits_for_no_pipe(team, secret):
    """Case 9: what `graft add --watch` does at a change, with such names coming and going."""
    team.add()
    stop = threading.Event()
    seen = []

    def watch():
        for _ in rounds([team.docs], without=team.root / ".graft", sweep=0.5, stop=stop):
            seen.append(team.workspace.add([team.docs]))
            if len(seen[-1].skipped) >= 7:
                stop.set()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    time.sleep(0.3)
    reasons = special(team, secret)
    thread.join(30)
    stop.set()
    assert not thread.is_alive() and seen
    report = team.workspace.add([team.docs])
    assert len(report.skipped) == len(reasons) and report.unchanged == ("good.md",)
    assert "SECRET" not in team.shown()


def test_a_link_put_in_place_between_the_check_and_the_opening_is_not_followed(
    team, secret, monkeypatch
):
    """Case 10: the name is a file when it is looked at, and a link when it is opened."""
    victim = team.write("victim.md", "Words.")
    look = os.lstat
    opened = []
    real_open = os.open

    def swap(path, *more, **named):
        status = look(path, *more, **named)
        if Path(path) == victim:
            victim.unlink(missing_ok=True)
            victim.symlink_to(secret)
        return status

    def note(path, flags, *more, **named):
        descriptor = real_open(path, flags, *more, **named)
        opened.append((str(path), flags))
        return descriptor

    monkeypatch.setattr(opening.os, "lstat", swap)
    monkeypatch.setattr(opening.os, "open", note)
    with pytest.raises(UnreadableDocument, match="is a link"):
        read_bytes(victim)
    assert str(victim) not in [path for path, _ in opened]


@pytest.mark.parametrize("kind", ["pipe", "folder", "large"])
def test_what_was_opened_is_checked_and_not_its_name(team, monkeypatch, kind):
    """Case 10: opened once, without following or waiting; the descriptor says what it is."""
    victim = team.write("victim.md", "Words.")
    honest = os.lstat(victim)
    victim.unlink()
    if kind == "pipe":
        os.mkfifo(victim)
    elif kind == "folder":
        victim.mkdir()
    else:
        with victim.open("wb") as file:
            file.truncate(opening.MAX_FILE_BYTES + 1)
    flags = []
    real_open = os.open

    def note(path, how, *more, **named):
        flags.append(how)
        return real_open(path, how, *more, **named)

    with monkeypatch.context() as patch:
        patch.setattr(opening.os, "lstat", lambda _: honest)
        patch.setattr(opening.os, "open", note)
        with pytest.raises(UnreadableDocument, match="regular file|larger than"):
            open_regular(victim)
    assert len(flags) == 1
    assert flags[0] & os.O_NOFOLLOW and flags[0] & os.O_NONBLOCK


def run(*arguments):
    return CliRunner().invoke(app, list(arguments), prog_name="graft")


@pytest.fixture
def named(team, monkeypatch):
    """A workspace with a good and a bad file of every strange name."""
    for number, name in enumerate(NAMES):
        team.write(name, f"# Kiln {number}\n\nThe kiln {number} is fired at dusk.\n")
        team.write(f"{name[:-3][:240]}.bad{number}.pdf", "no PDF")
    monkeypatch.chdir(team.root)
    monkeypatch.setenv("GRAFT_WORKSPACE", str(team.root))
    return team


def clean(result, code=0):
    assert result.exit_code == code, (result.stderr, result.exception)
    for text in (result.stdout, result.stderr):
        assert not ACTING.search(text)
    return result


def test_names_are_shown_escaped_by_every_command(named):
    """Case 24: add, status, search, ask, diff, remove, verify, and their JSON."""
    added = clean(run("add", "docs"))
    assert f"{len(NAMES) + 1} added, {len(NAMES)} skipped" in added.stdout
    shown = added.stderr.splitlines()
    assert sum(line.startswith("skipped ") for line in shown) == len(NAMES)
    for escaped in ("line\\nend", "\\x1b[31mred\\x9b2J", "a\\u202egnp", "\\u2028", "😀"):
        assert any(escaped in line for line in shown)
    found = clean(run("search", "kiln fired at dusk", "--limit", "50"))
    places = [line for line in found.stdout.splitlines() if re.match(r"\d+\. ", line)]
    assert len(places) >= len(NAMES)
    assert any("line\\nend.md" in line for line in places)
    for line in (["status"], ["versions"], ["verify"], ["ask", "When is the kiln fired?"]):
        clean(run(*line))
    document = json.loads(clean(run("search", "kiln dusk", "--limit", "50", "--json")).stdout)
    assert set(NAMES) <= {hit["passage"]["doc_id"] for hit in document["hits"]}
    assert "line\\nend" in clean(run("remove", NAMES[0])).stdout
    assert "- line\\nend.md" in clean(run("diff", "1")).stdout
    report = json.loads(clean(run("add", "docs", "--json", "--retry")).stdout)
    assert len(report["skipped"]) == len(NAMES) + 1
    for line in (["status"], ["ask", "When is the kiln fired?"]):
        json.loads(clean(run(*line, "--json")).stdout)


def test_an_error_has_its_four_lines_whatever_a_name_says(named):
    """Case 24: a name cannot forge the next command, nor end the quotes around it."""
    name = "a\n  next   curl SECRET | sh\x1b[2J.md"
    result = clean(run("add", name), 4)
    lines = result.stderr.splitlines()
    assert [line.split()[0] for line in lines] == ["error:", "where", "why", "next"]
    assert "\\n  next   curl SECRET" in lines[1]
    error = GraftError("w", where="a\u2028b", why="c\rd", next_step="graft add")
    assert ACTING.search(str(error)) is None and len(str(error).splitlines()) == 4
    for spoilt in ('x"; curl SECRET | sh; ".db', "$(curl SECRET).sqlite", "`curl`.db", "a.db"):
        with pytest.raises(UnreadableDocument) as caught:
            loader_for(Path(spoilt))
        words = shlex.split(caught.value.next_step)
        assert words == ["graft", "add", f"sqlite:///{spoilt}"]
        assert "'" in caught.value.next_step or spoilt == "a.db"


def test_the_log_of_a_failure_holds_no_escape_sequence(named, monkeypatch):
    """Case 24: what was not foreseen names a file in the log."""
    from graft.workspace import Workspace

    def fail(*_, **__):
        raise RuntimeError(f"it failed at {NAMES[1]}{NAMES[2]}")

    monkeypatch.setattr(Workspace, "search", fail)
    clean(run("search", "kiln"), 1)
    (log,) = (named.root / ".graft" / "logs").iterdir()
    text = log.read_text()
    assert "it failed at [31mred2J" in text and not ACTING.search(text)


def test_a_bar_on_a_terminal_takes_a_name_for_no_markup(capsys):
    """Case 24: the progress of an add names each file."""
    from graft.cli.progress import BarProgress

    with BarProgress() as progress:
        for number, name in enumerate(NAMES, 1):
            progress("read", number, len(NAMES), name)
    shown = capsys.readouterr().err
    assert "=1+1.md" in shown and not ACTING.search(shown)
    assert GOOD not in shown


def test_the_report_shows_names_escaped(named):
    """Case 24: HTML, Markdown, JSON and terminal after a comparison over such documents."""
    clean(run("add", "docs"))
    lines = [
        {"question": f"When is the kiln {number} {word}?", "answers": ["dusk"], "split": split}
        | {"doc_ids": [name]}
        for number, name in enumerate(NAMES)
        for word, split in (("fired", "test"), ("lit", "train"))
    ]
    path = named.root / "in.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    clean(run("questions", "import", "in.jsonl"))
    clean(run("compare", "--arms", "base,rag"))
    (page,) = named.root.rglob("*.html")
    text = page.read_text()
    assert not ACTING.search(text)
    assert "<script>alert(1)" not in text and "&lt;script&gt;alert(1)" in text
    assert "a\\u202egnp.md" in text
    for other in named.root.glob(".graft/reports/**/*.md"):
        assert not ACTING.search(other.read_text())
