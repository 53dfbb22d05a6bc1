from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from graft.cli import gating
from graft.errors import UsageError
from graft.report.gates import regression_gates
from graft.testing.workspace import FakeWorkspace


@pytest.fixture
def compared(workspace: FakeWorkspace) -> FakeWorkspace:
    """The fake comparison: base 30 %, finetuned 40 %, rag 50 %, hybrid 60 %, each ± 5 points."""
    workspace.compare()
    return workspace


def baseline(workspace: FakeWorkspace, **changes: object) -> str:
    """Store the comparison, with another headline of hybrid, and return where it lies."""
    data = workspace.report().comparison | {
        key: value for key, value in changes.items() if key == "questions"
    }
    if "hybrid" in changes:
        score = float(str(changes["hybrid"]))
        cell = {"score": score, "low": score - 0.05, "high": score + 0.05, "n": 50}
        data["arms"] = [
            item | ({"headline": cell} if item["name"] == "hybrid" else {}) for item in data["arms"]
        ]
    Path("baseline.json").write_text(json.dumps(data), encoding="utf-8")
    return "baseline.json"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--fail-under", "0.6"), 0),
        (("--fail-under", "60%"), 0),
        (("--fail-under", "61"), 100),
        (("--fail-under", "0.35", "--arm", "base"), 100),
        (("--fail-under", "0.35", "--arm", "finetuned"), 0),
    ],
)
def test_a_headline_under_the_asked_score_exits_with_100(graft, compared, arguments, code):
    result = graft("report", *arguments)
    assert result.exit_code == code
    assert result.stdout.startswith("Use hybrid")
    assert ("error: a gate is not met\n  where  --fail-under" in result.stderr) == (code == 100)


def test_without_a_recommendation_the_gate_is_not_met(graft, undecided):
    result = graft("report", "--fail-under", "0.1")
    assert result.exit_code == 100
    assert "no arm is recommended, and 10 % was asked for" in result.stderr


@pytest.mark.parametrize(
    ("before", "code", "said"),
    [
        (0.80, 100, "hybrid is 20 points lower (−27 to −13; the intervals of both compared)"),
        (0.66, 0, "hybrid is 6 points lower (−13 to 1;"),
        (0.60, 0, "hybrid is unchanged"),
        (0.30, 0, "hybrid is 30 points higher"),
    ],
)
def test_only_a_clear_drop_beyond_the_margin_is_a_regression(graft, compared, before, code, said):
    result = graft("report", "--fail-if-regressed", baseline(compared, hybrid=before))
    assert result.exit_code == code
    assert said in result.stderr


def test_other_questions_are_refused_after_the_result(graft, compared):
    path = baseline(compared, questions="others")
    result = graft("report", "--fail-if-regressed", path)
    assert result.exit_code == 2
    assert "the baseline was measured on other questions" in result.stderr
    assert result.stdout.startswith("Use hybrid")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--fail-under", "good"), 2),
        (("--fail-under", "101"), 2),
        (("--fail-under", "1.5"), 2),
        (("--fail-under", ""), 2),
        (("--fail-under", "0.1", "--arm", ""), 2),
        (("--junit", ""), 2),
        (("--junit", "graft.toml/graft.xml"), 2),
        (("--arm", "hybrid"), 2),
        (("--fail-under", "0.1", "--arm", "hybird"), 2),
        (("--fail-if-regressed", "absent.json"), 4),
        (("--fail-if-regressed", "graft.toml"), 4),
    ],
)
def test_a_gate_that_cannot_be_checked_is_an_error_of_four_lines(graft, compared, arguments, code):
    result = graft("report", "-q", *arguments)
    assert result.exit_code == code
    assert result.stderr.startswith("error: ")
    assert "\n  next   " in result.stderr
    assert len(result.stderr.splitlines()) <= 4


@pytest.mark.parametrize(
    "line",
    [
        "--fail-under good",
        "--fail-under 0.5 --arm nosuch",
        "--fail-under 0.5 --arm rag --arms base,hybrid",
        "--junit graft.toml/graft.xml",
    ],
)
def test_a_wrong_option_is_told_before_anything_is_measured(graft, workspace, monkeypatch, line):
    monkeypatch.setattr(FakeWorkspace, "compare", lambda self, **settings: pytest.fail("measured"))
    result = graft("compare", *line.split())
    assert (result.exit_code, result.stdout) == (2, "")
    if "--arm " in line:
        assert "next   graft report --fail-under 0.8 --arm base" in result.stderr


def test_a_folder_that_cannot_be_written_is_told_before(graft, workspace, monkeypatch):
    monkeypatch.setattr(gating.os, "access", lambda path, mode: False)
    result = graft("compare", "--junit", "out/graft.xml")
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"the folder {workspace.root} cannot be written" in result.stderr


def without_score(data, *names):
    arms = [item | ({"headline": None} if item["name"] in names else {}) for item in data["arms"]]
    return data | {"arms": arms, "verdict": data["verdict"] | {"recommended": ""}}


def test_without_a_recommendation_arms_without_a_score_are_not_compared(compared):
    data = compared.report().comparison
    before, now = without_score(data, "finetuned", "hybrid"), without_score(data, "rag")
    found = regression_gates(now, before, 0.05)
    assert [(gate.arm, gate.met) for gate in found] == [("base", True)]
    with pytest.raises(UsageError) as caught:
        regression_gates(now, before, 0.05, "hybrid")
    assert caught.value.why == "it has a score of base, rag"
    with pytest.raises(UsageError, match="no arm has a score in both") as caught:
        regression_gates(without_score(data, "base", "rag"), before, 0.05)
    assert "finetuned" not in caught.value.why


def test_a_gate_that_cannot_be_checked_fails_in_the_xml_and_the_others_are_told(graft, compared):
    path = baseline(compared, questions="others")
    result = graft(
        "report", "--fail-if-regressed", path, "--fail-under", "0.9", "--junit", "graft.xml"
    )
    assert result.exit_code == 2
    assert "hybrid scores 60.0 %, under the 90 % asked for" in result.stderr
    page = compared.report().report
    assert f'next   open {page}, its part "Why"' in result.stderr
    root = ElementTree.parse("graft.xml").getroot()
    failed = {
        case.get("name") for case in root.iter("testcase") if case.find("failure") is not None
    }
    assert failed == {"regression", "fail-under"}


def test_a_score_between_a_share_and_a_per_cent_is_refused(graft, compared):
    assert (
        "why    1.5 is neither a share nor a per cent"
        in graft("report", "--fail-under", "1.5").stderr
    )
    assert graft("report", "--fail-under", "1.5 %").exit_code == 0


def test_json_stays_one_document_and_names_the_gates(document, graft, compared):
    data = json.loads(graft("report", "--json", "--fail-under", "0.9").stdout)
    assert [(item["name"], item["arm"], item["met"]) for item in data["gates"]] == [
        ("fail-under", "hybrid", False)
    ]
    assert "gates" not in document("report")


def test_junit_has_a_suite_for_the_verdict_and_for_every_arm(graft, compared):
    compared.change_verdict(
        constraints=[
            {"arm": name, "name": "max_p50_ms", "limit": 50.0, "value": 100.0, "bound": 120.0,
             "state": "fails"}
            for name in ("base", "hybrid")
        ],
        target=0.7,
        reaches_target=[],
        blocked_by=["clusters:3"],
    )  # fmt: skip
    graft("report", "--junit", "out/graft.xml", "--fail-under", "0.65")
    root = ElementTree.parse("out/graft.xml").getroot()
    names = ["verdict", "base", "finetuned", "rag", "hybrid"]
    assert [suite.get("name") for suite in root] == names
    found = {
        (suite.get("name"), case.get("name")): [child.tag for child in case]
        for suite in root
        for case in suite.iter("testcase")
    }
    assert found["verdict", "blocker clusters:3"] == ["failure"]
    assert found["verdict", "target 70 %"] == ["failure"]
    assert found["hybrid", "limit p50 time ≤ 50 ms"] == ["failure"]
    assert found["base", "limit p50 time ≤ 50 ms"] == ["skipped"]
    assert found["hybrid", "fail-under"] == ["failure"]
    assert ("base", "fail-under") not in found
    assert root.get("tests") == str(len(found))
    assert root.get("failures") == "4"


def test_the_examples_in_docstrings_hold():
    import doctest

    assert doctest.testmod(gating).failed == 0
