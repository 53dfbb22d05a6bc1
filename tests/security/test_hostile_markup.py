"""Markup and data made to mislead, fill memory or run: tables, pages, JSON, front matter, mail."""

from __future__ import annotations

import csv
import json
import time
from pathlib import Path

import pytest
from hostile_team import Team

from graft.loaders.html import HtmlLoader
from graft.loaders.markdown import MarkdownLoader
from graft.question_export import export_questions
from graft.questions import read_questions

FORMULAS = ("=1+1", "+1+1", "-1+1", "@SUM(A1)", "\t=1+1", "\r=1+1", "\uff1d1+1", "'=1+1")


@pytest.fixture
def team(tmp_path):
    return Team(tmp_path / "team")


def loaded(loader, path, text):
    path.write_text(text)
    began = time.process_time()
    (document,) = loader.load(path, path.name)
    assert time.process_time() - began < 10
    return document


def test_tables_made_to_mislead_are_text_or_refused_and_the_good_file_is_found(team):
    """Case 16: formulas stay text, a million columns and open quotes meet a limit."""
    rows = "\n".join(f'part {number},"{cell}"' for number, cell in enumerate(FORMULAS))
    texts, skipped = team.add(
        formulas_csv=f"Name,Cell\n{rows}\n",
        wide_csv=",".join(["x"] * 1_000_000) + "\n1,2\n",
        quotes_csv='Name,Note\n"open,1\nclosed,2\n' * 2_000,
    )
    for cell in FORMULAS:
        assert f"Cell: {cell.strip()}" in texts["formulas.csv"].text
    assert set(skipped) == {"wide.csv"}
    assert "1,000,000 cells and the limit is 10,000" in skipped["wide.csv"].reason
    assert "2,000 lines with quotes that do not close, kept as text" in texts["quotes.csv"].notes
    assert texts["quotes.csv"].text.count("closed") == 2_000


@pytest.mark.parametrize("form", ["csv", "beir"])
def test_no_cell_that_is_written_out_is_a_formula(tmp_path, form):
    """Case 16: what a spreadsheet would work out is guarded, and read back as it was."""
    lines = [
        {"id": f"{cell.strip()}{split}", "question": f"{cell.strip()} of {split}?", "split": split}
        | {"answers": [cell.strip()], "doc_ids": [f"{cell.strip()}.md"], "group": f"@{number}"}
        | {"tags": ["=tag"], "fact": f"-fact {number}"}
        for number, cell in enumerate(FORMULAS)
        for split in ("train", "test")
    ]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    questions = read_questions(tmp_path / "in.jsonl").questions
    out = tmp_path / f"out.{form}"
    export_questions(out, questions, form)
    files = [out] if form == "csv" else sorted(out.glob("qrels/*.tsv"))
    cells = []
    for file in files:
        text = file.read_bytes().decode()
        delimiter = "," if form == "csv" else "\t"
        cells += [cell for row in csv.reader(text.split("\n"), delimiter=delimiter) for cell in row]
    assert sum(cell.startswith("'") for cell in cells) > 10
    assert not [cell for cell in cells if cell[:1] in tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")]
    again = read_questions(out).questions
    assert again.hash == questions.hash


PAGE = """<head><base href="https://SECRET/"><title>Shown</title>
<meta http-equiv=refresh content="0;url=https://SECRET/"><link rel=stylesheet href=//SECRET/a.css>
<style>@import url(https://SECRET/); .a, p.b, #c {{ display: none }} aside {{ opacity: 0.0 }}
@media screen {{ .d {{ visibility: hidden }} }} @media print {{ .seen {{ display: none }} }}
/* .seen {{ display: none }} */ .e {{ disp\\6c ay: /**/ none }}</style></head>
<body onload="SECRET()"><script src="//SECRET/x.js">SECRET</script>
<p onclick="SECRET()" title="SECRET" data-x="SECRET">Words</p><p class=seen>Both</p>
<img src="data:image/svg+xml,SECRET" onerror="SECRET()"><a href="data:text/html,SECRET">link</a>
<noscript>SECRET</noscript><template><p>SECRET</p></template><iframe src="data:,SECRET"></iframe>
<p class=a>SECRET</p><p class="x b">SECRET</p><p id=c>SECRET</p><aside>SECRET</aside>
<p class=d>SECRET</p><p class=e>SECRET</p><form action="//SECRET"><input value=SECRET></form>
{hidden}<object data="//SECRET">SECRET</object><svg><text>SECRET</text></svg></body>"""
HIDING = (
    "display:none",
    "DISPLAY : /* x */ none",
    "d\\69splay:none",
    "visibility:hidden",
    "opacity:.0",
    "opacity:0%",
    "font-size:0.0px",
    "font:0/0 a",
    "color:transparent",
    "content-visibility:hidden",
    "text-indent:-99em",
    "position:fixed;left:-100vw",
    "transform:translateX(-9999px)",
    "clip-path:circle(0)",
)


def test_of_a_page_only_what_it_shows_is_read_and_nothing_fetched(team):
    """Case 17: script, handlers, refresh, base, data: URLs, templates and hidden text."""
    hidden = "".join(f'<p style="{style}">SECRET</p>' for style in HIDING)
    texts, skipped = team.add(page_html=PAGE.format(hidden=hidden))
    assert skipped == {}
    assert texts["page.html"].text == "Words\n\nBoth\n\nlink"
    assert f"{len(HIDING) + 6} hidden" in " ".join(texts["page.html"].notes)
    assert "SECRET" not in team.shown()


def test_pages_nested_fifty_thousand_deep_are_read_to_the_limit(team):
    """Case 17: 50,000 levels of what nests, no RecursionError; the notes say what is cut off."""
    deep = {
        f"{tag}_html": f"<p>top of {tag}</p>" + f"<{tag}>" * 50_000 + "SECRET"
        for tag in ("div", "b", "span", "ul", "blockquote")
    }
    texts, skipped = team.add(**deep, table_html="<p>top</p>" + "<table><tr><td>" * 50_000)
    assert skipped == {} and len(texts) == 6
    for document in texts.values():
        assert document.text.startswith("top") and "too deep" in " ".join(document.notes)
    assert "SECRET" not in team.shown()


@pytest.mark.parametrize(
    "text",
    [
        "<span hidden>s</span>words " * 20_000,
        "<style>" + "/*" * 100_000 + "</style>",
        "<style>" + "@a{b{c}" * 50_000 + "</style>",
        "<style>" + "@" * 100_000 + "</style>",
        f'<p style="opacity:{"0" * 100_000}1">x</p>',
    ],
)
def test_time_for_a_page_grows_with_it_and_not_faster(tmp_path, text):
    """Case 17: very many hidden elements, and style sheets that never close anything."""
    assert "top" in loaded(HtmlLoader(), tmp_path / "a.html", f"<p>top</p>{text}").text


MARKDOWN = (
    ('[us](https://n.no "SE\\"SECRET")', "[us](https://n.no)"),
    ("[us](JaVaScRiPt:SECRET) [a [b] c](javascript:SECRET)", "us a [b] c"),
    ("[us](<javascript:SECRET>) <javascript:SECRET> <data:SECRET>", "us  "),
    (
        "![a valve][1]\n\n[1]: https://n.no/p.png 'SECRET'",
        "![a valve][1]\n\n[1]: https://n.no/p.png",
    ),
    ("[us][1]\n\n[1]:\n  https://n.no\n  'SECRET'", "[us][1]\n\n[1]: https://n.no"),
    ("> [1]: https://n.no 'SECRET'", "> [1]: https://n.no"),
    ("[![a](i.png 'SECRET')](javascript:SECRET)", "a"),
    ("<button onclick=SECRET>x</button>", "<button>x</button>"),
    ("<x-foo title='SECRET'>x</x-foo>", "<x-foo>x</x-foo>"),
    ("<base href=https://n.no/><form action=SECRET>x", '<base href="https://n.no/">x'),
    ("<noscript>SECRET</noscript><dialog>SECRET</dialog>x", "x"),
    ("<?php SECRET ?><![CDATA[SECRET]]><!DOCTYPE SECRET>x", "x"),
    (
        "<iframe srcdoc='SECRET'></iframe><svg onload=SECRET>x</svg>",
        "<iframe></iframe><svg>x</svg>",
    ),
    ("a <? b", "a <? b"),
    ("Map<String title> and x <!y", "Map<String title> and x <!y"),
)


@pytest.mark.parametrize(("text", "shown"), MARKDOWN)
def test_of_markdown_nothing_stays_that_runs_or_that_only_the_source_shows(tmp_path, text, shown):
    """Case 18: raw HTML, reference pictures, links that run, titles that carry text."""
    document = loaded(MarkdownLoader(), tmp_path / "a.md", text)
    assert "SECRET" not in document.text
    if "<form" not in text:
        assert document.text == shown


def test_hostile_markdown_is_added_without_what_it_hides(team):
    """Case 18: the same through an add; the notes count what was dropped."""
    files = {f"m{number}_md": f"# Page\n\n{text}" for number, (text, _) in enumerate(MARKDOWN)}
    texts, skipped = team.add(**files)
    assert skipped == {} and len(texts) == len(MARKDOWN)
    assert "SECRET" not in team.shown()
    assert "dropped" in " ".join(texts["m0.md"].notes)


@pytest.mark.parametrize(
    "text",
    [
        "# a" + " " * 100_000 + "b",
        "[a](b" + " " * 100_000 + "c",
        "![" * 20_000,
        "".join("`" * number + " " for number in range(1, 300)),
        "---\ntitle: x" + " " * 100_000 + "y\n---\n",
        "---\ntitle" + " " * 100_000 + "\n---\n",
        "[a [b] " * 20_000,
        "<!x " * 20_000,
        "> " * 50_000 + "[a]: b",
    ],
)
def test_time_for_markdown_grows_with_it_and_not_faster(tmp_path, text):
    """Case 18: runs of spaces, brackets and ticks that nothing closes."""
    assert "end" in loaded(MarkdownLoader(), tmp_path / "a.md", f"{text}\n\nend\n").text


def notebook(*cells):
    return json.dumps({"cells": [{"cell_type": "markdown", "source": text} for text in cells]})


def test_json_made_to_break_a_reader_has_a_clean_reason(team):
    """Case 19: 100,000 levels, repeated keys, NaN, huge numbers, in each of the formats."""
    deep, huge = "[" * 100_000, "7" * 6_000
    odd = f'"a": 1, "a": 2, "b": NaN, "c": -Infinity, "d": {huge}'
    texts, skipped = team.add(
        deep_json=deep,
        closed_json='{"a":' * 100_000 + "1" + "}" * 100_000,
        lines_jsonl=f'{{"a": "kept"}}\n{deep}\n',
        deep_ipynb=f'{{"cells": {deep}',
        odd_json=f"{{{odd}}}",
        odd_jsonl=f"{{{odd}}}\n",
        odd_ipynb=f'{{"cells": [], {odd}, {notebook("the last cells")[1:]}',
    )
    assert set(skipped) == {"deep.json", "closed.json", "deep.ipynb"}
    for item in skipped.values():
        assert item.reason.endswith("nested deeper than 200 levels")
    assert texts["lines.jsonl"].notes == ("1 line without readable JSON left out: line 2",)
    assert texts["odd.json"].text == f"a: 2\nd: {huge}"
    assert texts["odd.jsonl"].text == f"a: 2; d: {huge}"
    assert texts["odd.ipynb"].text == "the last cells"
    for name, repeated in (("odd.json", 1), ("odd.jsonl", 1), ("odd.ipynb", 2)):
        notes = " ".join(texts[name].notes)
        assert f"{repeated} repetition" in notes and "2 values (NaN or infinite) left out" in notes


def test_question_files_of_such_json_are_refused_with_their_lines(tmp_path):
    """Case 19: a cell or line nested too deep, a number of too many digits."""
    from graft.errors import QuestionFileError

    good = '{"question": "Which pump?", "answers": ["Tarn"], "split": "test"}\n'
    path = tmp_path / "in.jsonl"
    path.write_text(good + "[" * 100_000 + "\n" + f'{{"question": {"7" * 6_000}}}\n')
    with pytest.raises(QuestionFileError) as caught:
        read_questions(path)
    assert "line 2: not valid JSON (nested too deep)" in caught.value.why
    assert "line 3: not valid JSON (a number of too many digits)" in caught.value.why
    cell = "[" * 100_000
    path.write_text(good + json.dumps({"question": "Why?", "answers": cell, "split": "test"}))
    with pytest.raises(QuestionFileError, match="bad line"):
        read_questions(path)


def test_front_matter_is_never_unfolded_and_builds_nothing(team):
    """Case 20: tags, an anchor bomb, TOML nested deep and with a huge number."""
    bomb = "a: &a [x, x]\n" + "".join(f"b{n}: &b{n} [*a, *a]\n" for n in range(300))
    run = "!!python/object/apply:os.system [touch /tmp/SECRET]"
    texts, skipped = team.add(
        tag_md=f"---\ntitle: {run}\n---\nWords.\n",
        bomb_md=f"---\ntitle: *b299\n{bomb}---\nWords.\n",
        deep_md="+++\na = " + "[" * 100_000 + "\n+++\nWords.\n",
        huge_md=f"+++\ntitle = 'x'\na = {'7' * 6_000}\n+++\nWords.\n",
        laugh_yaml=bomb,
    )
    assert skipped == {}
    for name in ("tag", "bomb", "deep", "huge"):
        document = texts[f"{name}.md"]
        assert document.text == "Words.\n" and document.title == name
    assert len(texts["laugh.yaml"].text) <= len(bomb)
    assert "SECRET" not in team.shown()


def nested(depth):
    """Return a message within messages."""
    boundary = b"Content-Type: message/rfc822\n\n"
    data = b"".join(b"Subject: level %d\n" % level + boundary for level in range(depth))
    return data + b"Subject: last\n\nSECRET"


def test_messages_made_to_mislead_are_read_to_the_limit_under_safe_names(team, tmp_path):
    """Case 21: attachments named after other files, 200 and 5,000 messages in each other."""
    from email.message import EmailMessage

    message = EmailMessage()
    message["Subject"] = "Pumps"
    message.set_content("the body")
    names = ("../../etc/passwd", "C:\\Windows\\win.ini", "a\u202egnp.exe", "/etc/shadow")
    for name in names:
        message.add_attachment(b"%PDF", maintype="application", subtype="pdf", filename=name)
    message.add_attachment("attached words", filename="../../etc/cron.txt")
    before = {path for path in tmp_path.rglob("*") if ".graft" not in path.parts}
    texts, skipped = team.add(
        named_eml=message.as_bytes(), deep_eml=nested(200), deeper_eml=nested(5_000)
    )
    after = {path for path in tmp_path.rglob("*") if ".graft" not in path.parts}
    assert {path.name for path in after - before} == {"named.eml", "deep.eml", "deeper.eml"}
    assert set(skipped) == {"deeper.eml"} and "Recursion" not in skipped["deeper.eml"].reason
    assert texts["named.eml"].notes == (
        "4 attachments left out: passwd, win.ini, a gnp.exe, shadow",
    )
    paths = [section.heading_path for section in texts["named.eml"].sections]
    assert paths == [(), ("Attachment cron.txt",)]
    assert "level 10" in texts["deep.eml"].text and "level 11" not in texts["deep.eml"].text
    assert "1 message nested too deep left out" in texts["deep.eml"].notes
    assert "SECRET" not in team.shown()


@pytest.mark.parametrize("depth", [11, 200, 2_000])
def test_outlook_messages_nested_deep_are_read_or_refused_with_a_clean_reason(
    team, monkeypatch, depth
):
    """Case 21: messages in each other in an OLE file, attachments named after other files."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent.parent / "loaders"))
    from test_msg import attachment, message, ole

    tree = message(24, _0037="Last", _1000="SECRET")
    for level in range(depth, 0, -1):
        parts = [attachment("m", embedded=tree), attachment("../../etc/passwd", b"%PDF")]
        head = 24 if level > 1 else 32
        tree = message(head, attached=parts, _0037=f"L{level}", _1000=f"body {level}")
    texts, skipped = team.add(deep_msg=ole(tree))
    assert "SECRET" not in team.shown()
    if depth == 11:
        notes = " ".join(texts["deep.msg"].notes)
        assert "1 message nested too deep left out" in notes
        assert "left out: passwd, passwd" in notes and "/" not in notes
    else:
        assert "its parts are nested too deep" in skipped["deep.msg"].reason
