"""The retrieval curve as `graft compare --retrieval` shows it."""

from __future__ import annotations

import json

from graft.cli.retrieval import show_retrieval
from graft.cli.session import Session
from graft.retrieval_curve import measure_retrieval
from graft.testing.workspace import WordRetriever
from graft.types import Question

RETRIEVER = WordRetriever({"kiln.md": "The kiln is fired on Mondays.", "pump.md": "A pump."})


def curve(*more):
    asked = [
        Question("q1", "When is the kiln fired?", ("Mondays",), "test", "g1", ("kiln.md",)),
        Question("q2", "Who\x1b[31m?", ("Ada",), "test", "g2", ("lost.md",), tags=("who",)),
        Question("q3", "Which?", ("this",), "test", "g3"),
    ]  # fmt: skip
    return measure_retrieval([*asked, *more], RETRIEVER, (1, 3), passages=1)


def test_the_table_the_slices_what_was_missed_and_the_advice(capsys):
    show_retrieval(Session(), curve())
    out, err = capsys.readouterr()
    assert "retrieval over 2 test questions in 2 groups" in out
    rows = [line.split() for line in out.splitlines()]
    assert ["1", "(now)", "50", "%"] in [row[:4] for row in rows]
    assert "tag:who" in out and "1 (few)" in out
    assert "q2: Who[31m?" in out
    assert "wanted lost.md; found " in out
    assert "\x1b" not in out
    assert "left out: 1 answerable test question without gold documents" in err
    assert "next: graft compare --retrieval --json" in err


def test_as_json_it_is_one_document(capsys):
    show_retrieval(Session(json=True), curve())
    data = json.loads(capsys.readouterr().out)["retrieval"]
    assert [point["k"] for point in data["points"]] == [1, 3]
    assert data["points"][0]["hit"]["estimate"] == 0.5
    assert data["ranks"] == {"q1": 1, "q2": None}
    assert data["missed"][0]["question_id"] == "q2"


def test_nothing_to_measure_is_said(capsys):
    show_retrieval(Session(), measure_retrieval([], RETRIEVER))
    out, err = capsys.readouterr()
    assert "no answerable test question names its documents" in out
    assert "next: graft questions check" in err
