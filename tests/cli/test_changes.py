"""Documents through time, over the real workspace with fake models."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from real_workspace import _real, done, graft, make_workspace  # noqa: F401


@pytest.fixture
def team(tmp_path, monkeypatch) -> Path:
    """A workspace with four documents, which is the current folder."""
    root = make_workspace(tmp_path / "team", stages=1)
    monkeypatch.chdir(root)
    return root


def document(*arguments: str) -> dict:
    return json.loads(done(*arguments, "--json").stdout)


def test_a_removed_document_is_found_no_more_and_stays_out(team):
    assert document("remove", "d1.md")["removed"] == ["d1.md"]
    done("add", "docs")
    assert "d1.md" not in done("search", "Tarn 1 tested", "--json").stdout
    assert (team / "docs" / "d1.md").exists()
    assert document("add", "docs/d1.md")["added"] == ["d1.md"]


def test_removing_what_is_not_there_names_the_near_match(team):
    result = graft("remove", "d11.md")
    assert result.exit_code == 4
    assert "did you mean d1.md" in result.stderr
    assert document("versions")["versions"][-1]["number"] == 1


def test_versions_are_listed_tagged_compared_and_gone_back_to(team):
    done("tag", "first")
    (team / "docs" / "d0.md").write_text("# Pump 0\n\nThe Tarn 0 is tested at 99 bar.\n")
    (team / "docs" / "d3.md").rename(team / "docs" / "other.md")
    done("add", "docs")
    found = document("diff", "first")
    assert (found["changed"], found["renamed"]) == (["d0.md"], [["d3.md", "other.md"]])
    done("rollback", "first")
    listed = document("versions")["versions"]
    assert [item["number"] for item in listed] == [1, 2, 3]
    assert listed[0]["fingerprint"] == listed[2]["fingerprint"]
    assert listed[0]["tag"] == "first"
    assert "99 bar" not in done("search", "Tarn 0 tested").stdout
    again = done("rollback", "first")
    assert "already" in again.stdout


def test_a_version_that_is_not_there_is_refused(team):
    for command in (("rollback", "7"), ("diff", "7"), ("tag", "seven", "7")):
        result = graft(*command)
        assert result.exit_code in (2, 4), command
        assert "next   graft versions" in result.stderr


def test_verify_is_clean_and_tells_what_is_amiss(team):
    assert "as it was written" in done("verify").stdout
    catalog = team / ".graft" / "catalog.sqlite"
    import sqlite3

    with sqlite3.connect(catalog) as store:
        store.execute("UPDATE passages SET text = 'other' WHERE doc_id = 'd0.md'")
    result = graft("verify")
    assert result.exit_code == 1
    assert result.stderr.startswith("error:")
    assert json.loads(graft("verify", "--json").stdout)["problems"]


def test_reindex_says_that_there_is_nothing_to_do(team):
    assert "nothing to do" in done("reindex").stdout
    assert document("reindex")["is_new"] is False
