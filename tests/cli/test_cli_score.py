"""`graft score` over the fake workspace."""

from __future__ import annotations

from graft.config import parse_config


def test_score_needs_a_comparison(graft, workspace):
    result = graft("score")
    assert result.exit_code == 4
    assert "next   graft compare" in result.stderr


def test_score_says_which_scores_changed_and_what_the_verdict_is_now(graft, workspace):
    workspace.compare()
    result = graft("score")
    assert result.exit_code == 0
    first, second, *_, last = result.stdout.splitlines()
    assert (first, second) == ("4 answers scored again", "  f1: 1 score changed")
    assert "Use hybrid: it is the fake winner." in result.stdout
    assert last.startswith("report ")
    assert "next: graft report" in result.stderr


def test_score_prints_one_json_document(document, workspace):
    workspace.compare()
    found = document("score", "abc")
    assert (found["report_id"], found["records"], found["changed"]) == ("abc", 4, {"f1": 1})
    assert found["comparison"]["verdict"]["recommended"] == "hybrid"


def test_config_with_references_prints_toml_that_reads_back_the_same(graft, workspace):
    text = (
        "[compare]\ntarget = 0.8\n[compare.limits]\nmax_p50_ms = 900\n"
        '[[references]]\nname = "large"\nbase_url = "http://localhost:1/v1"\nmodel = "m"\n'
        "passages = true\nprice_in = 2.5\n"
    )
    (workspace.root / "graft.toml").write_text(text)
    assert parse_config(graft("config").stdout) == parse_config(text)
