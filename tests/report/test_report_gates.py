from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from graft.errors import UsageError
from graft.report.gates import Drop, paired_drop, regression_gates, score_gate
from graft.report.junit import render_junit
from graft.runs import append_lines


def store(state: Path, name: str, comparand: Any, wrong: int) -> Path:
    """Write a comparison of rag as its files lie on the disk, with so many wrong answers."""
    run = next(item for item in comparand.runs if item.manifest.arm == "rag")
    run_id = f"rag-{name}"
    folder = state / "runs" / run_id
    folder.mkdir(parents=True)
    manifest = dataclasses.replace(run.manifest, run_id=run_id)
    (folder / "manifest.json").write_text(json.dumps(dataclasses.asdict(manifest)))
    scored = [
        dataclasses.replace(item, scores={"primary": float(place >= wrong)})
        for place, item in enumerate(run.records)
    ]
    append_lines(folder / "records.jsonl", scored)
    report = state / "reports" / name
    report.mkdir(parents=True)
    questions = [dataclasses.asdict(item) for item in comparand.questions]
    data = {"questions": questions, "runs": [{"run_id": run_id}]}
    (report / "comparand.json").write_text(json.dumps(data))
    return report


def test_a_drop_on_the_same_questions_is_paired(tmp_path: Path, make: Any) -> None:
    comparand = make(200)
    before, now = store(tmp_path, "one", comparand, 0), store(tmp_path, "two", comparand, 30)
    drop = paired_drop(before, now, "rag")
    assert drop is not None
    assert drop.paired
    assert drop.estimate == pytest.approx(0.15)
    assert 0.05 < drop.low < 0.15 < drop.high < 0.25
    assert paired_drop(before, now, "hybrid") is None
    assert paired_drop(tmp_path / "absent", now, "rag") is None


def test_a_paired_drop_is_taken_before_the_intervals(comparison: dict[str, Any]) -> None:
    comparison["questions"] = "a41f"
    drops = {"hybrid": Drop(0.12, 0.04, 0.2, True)}
    gates = regression_gates(comparison, comparison, 0.05, drops=drops)
    assert [(gate.arm, gate.met) for gate in gates] == [("hybrid", False)]
    assert gates[0].text == (
        "hybrid is 12 points lower (−20 to −4; the same questions paired), "
        "a drop beyond the margin of 5"
    )


def test_a_baseline_without_a_recommendation_is_checked_arm_by_arm(
    comparison: dict[str, Any],
) -> None:
    comparison["questions"] = "a41f"
    verdict = comparison["verdict"] | {"recommended": ""}
    arms = [item for item in comparison["arms"] if item["name"] != "whole-text"]
    before = comparison | {"verdict": verdict, "arms": arms}
    gates = regression_gates(comparison, before, 0.05)
    assert [gate.arm for gate in gates] == ["hybrid", "base", "finetuned", "rag"]
    comparison["arms"] = [item for item in comparison["arms"] if item["name"] != "rag"]
    gates = regression_gates(comparison, before, 0.05, "rag")
    assert [gate.text for gate in gates] == ["rag has no score any more"]


def test_a_baseline_that_names_no_questions_is_refused(comparison: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="too old"):
        regression_gates(comparison | {"questions": "a41f"}, comparison, 0.05)


def test_a_score_just_under_the_asked_one_is_not_rounded_up(comparison: dict[str, Any]) -> None:
    comparison["arms"][0]["headline"]["score"] = 0.7996
    gate = score_gate(comparison, 0.8)
    assert (gate.met, gate.text) == (False, "hybrid scores 80.0 %, under the 80 % asked for")


def test_the_xml_holds_what_documents_say_as_text(full: dict[str, Any]) -> None:
    full["verdict"]["flags"].append("<b> & \x1b \x00")
    root = ElementTree.fromstring(render_junit(full).encode())
    assert "<b> &" in (root[0].findtext("system-out") or "")
    base = root.find("testsuite[@name='whole-text']/testcase/skipped")
    assert base is not None
    assert base.get("message") == "not applicable: the corpus does not fit the window"
    failed = root.find("testsuite[@name='rag']//error")
    assert failed is not None
    assert failed.get("message") == "2 questions failed"
