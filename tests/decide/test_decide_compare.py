from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from graft.decide import Comparison, decide
from graft.stats import wilson

ARM_KEYS = {
    "name",
    "control",
    "not_applicable",
    "exposure",
    "decline_recall",
    "headline",
    "latency_ms",
    "build_seconds",
    "storage_bytes",
    "retrieval_hit",
    "retrieval_recall",
    "failed",
    "declined_share",
    "exact",
    "f1",
    "measures",
    "abstention",
    "risk_coverage",
    "attribution",
    "forgetting",
    "distractors",
    "peak_memory_bytes",
    "cold_seconds",
    "price_per_1000",
}
CONTRAST_KEYS = {
    "a",
    "b",
    "difference",
    "low",
    "high",
    "p",
    "p_holm",
    "n",
    "clusters",
    "won",
    "lost",
    "tied",
    "family",
    "exploratory",
}
VERDICT_KEYS = {
    "clear",
    "recommended",
    "tie_set",
    "best_set",
    "p_best",
    "blocked_by",
    "flags",
    "sentence",
    "questions_needed",
    "detectable_difference",
    "target",
    "reaches_target",
    "constraints",
    "pareto",
    "flips",
}


def arm(comparison: Comparison, name: str) -> Any:
    return next(item for item in comparison.to_json()["arms"] if item["name"] == name)


def contrast(comparison: Comparison, a: str, b: str) -> Any:
    return next(
        item for item in comparison.to_json()["contrasts"] if (item["a"], item["b"]) == (a, b)
    )


def test_the_comparison_is_plain_json_of_the_agreed_form(bench: Any) -> None:
    plain = decide(bench.comparand()).to_json()
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert set(plain) == {
        "schema",
        "base_model",
        "created",
        "arms",
        "contrasts",
        "interaction",
        "verdict",
        "slices",
        "leakage",
        "failures",
        "questions",
        "margin",
    }
    assert plain["schema"] == 1
    assert [item["name"] for item in plain["arms"]] == list(bench.rights)
    assert all(set(item) == ARM_KEYS for item in plain["arms"])
    assert all(set(item) == CONTRAST_KEYS for item in plain["contrasts"])
    assert set(plain["verdict"]) == VERDICT_KEYS
    assert set(plain["arms"][0]["exposure"]) == {"fact", "document", "unseen", "all"}
    assert set(plain["arms"][0]["headline"]) == {"score", "low", "high", "n"}
    assert set(plain["arms"][0]["latency_ms"]) == {"p50", "p95", "stages", "n", "p95_note"}


def test_the_same_runs_give_the_same_comparison(bench: Any) -> None:
    assert decide(bench.comparand()) == decide(bench.comparand())


def test_scores_are_split_by_exposure_and_an_empty_split_has_no_score(bench: Any) -> None:
    found = arm(decide(bench.comparand()), "rag")["exposure"]
    assert (found["fact"]["score"], found["fact"]["n"]) == (0.6, 50)
    assert (found["unseen"]["score"], found["unseen"]["n"]) == (0.6, 50)
    assert (found["all"]["score"], found["all"]["n"]) == (0.6, 100)
    assert found["document"] == {"score": None, "low": None, "high": None, "n": 0}


def test_with_one_question_a_cluster_the_interval_is_wilsons(bench: Any) -> None:
    bench.clusters = 100
    found = arm(decide(bench.comparand()), "rag")["headline"]
    expected = wilson(60, 100)
    assert (found["low"], found["high"]) == pytest.approx((expected.low, expected.high))


def test_without_unanswerable_questions_the_headline_is_the_accuracy(bench: Any) -> None:
    found = arm(decide(bench.comparand()), "hybrid")
    assert found["headline"]["score"] == found["exposure"]["all"]["score"] == 0.9
    assert found["decline_recall"]["score"] is None


def test_with_unanswerable_questions_answering_and_declining_weigh_the_same(bench: Any) -> None:
    bench.answerable, bench.unanswerable = 80, 20
    bench.rights["rag"] = set(range(40)) | set(range(80, 85))
    bench.rights["decline"] = set(range(80, 100))
    comparison = decide(bench.comparand())
    rag, decline = arm(comparison, "rag"), arm(comparison, "decline")
    assert rag["decline_recall"]["score"] == 0.25
    assert rag["headline"]["score"] == pytest.approx((0.5 + 0.25) / 2)
    assert rag["headline"]["n"] == 100
    assert decline["headline"]["score"] == pytest.approx(0.5)
    assert decline["declined_share"] == 1.0
    found = contrast(comparison, "rag", "base")
    assert found["difference"] == pytest.approx((0.5 + 0.25) / 2 - 0.25 / 2)


def test_the_family_is_corrected_together_and_all_else_is_exploratory(bench: Any) -> None:
    plain = decide(bench.comparand()).to_json()
    family = [item for item in plain["contrasts"] if item["family"]]
    assert [(item["a"], item["b"]) for item in family] == [
        ("rag", "base"),
        ("finetuned", "base"),
        ("hybrid", "rag"),
    ]
    for item in plain["contrasts"]:
        assert item["exploratory"] == (not item["family"])
        assert (item["p_holm"] is None) == item["exploratory"]
    others = {(item["a"], item["b"]) for item in plain["contrasts"] if item["exploratory"]}
    assert {("hybrid", "finetuned"), ("bolt-on", "finetuned"), ("hybrid", "base")} <= others
    assert all(item["p_holm"] >= item["p"] for item in family)


def test_a_contrast_counts_the_questions_won_lost_and_tied(bench: Any) -> None:
    bench.rights["rag"] = set(range(10, 70))
    found = contrast(decide(bench.comparand()), "rag", "base")
    assert (found["won"], found["lost"], found["tied"], found["n"]) == (50, 10, 40, 100)
    assert found["difference"] == pytest.approx(0.4)
    assert found["low"] < 0.4 < found["high"]


def test_the_interaction_says_whether_the_gains_add(bench: Any) -> None:
    found = decide(bench.comparand()).to_json()["interaction"]
    assert found["difference"] == pytest.approx((0.9 - 0.6) - (0.5 - 0.2))
    assert found["family"] is True
    del bench.rights["finetuned"]
    assert decide(bench.comparand()).to_json()["interaction"]["difference"] is None


def test_an_arm_that_could_not_be_built_is_named_and_has_no_numbers(bench: Any) -> None:
    bench.manifests["finetuned"] = {"not_applicable": "no training pairs"}
    comparison = decide(bench.comparand())
    found = arm(comparison, "finetuned")
    assert found["not_applicable"] == "no training pairs"
    assert found["headline"]["score"] is None
    assert found["exposure"]["all"]["n"] == 0
    assert found["build_seconds"] is None
    assert not any("finetuned" in (item.a, item.b) for item in comparison.contrasts)
    assert comparison.verdict.recommended == "hybrid"


def test_a_failed_record_scores_nothing_and_is_counted(bench: Any) -> None:
    bench.records["hybrid"] = lambda number, made: (
        replace(made, error="timeout") if number == 0 else made
    )
    found = arm(decide(bench.comparand()), "hybrid")
    assert found["failed"] == 1
    assert found["headline"]["score"] == pytest.approx(0.89)
    assert found["headline"]["n"] == 100


def test_retrieval_is_not_applicable_to_an_arm_without_it(bench: Any) -> None:
    comparison = decide(bench.comparand())
    assert arm(comparison, "base")["retrieval_recall"] is None
    assert arm(comparison, "rag")["retrieval_recall"] == 1.0


def test_latency_comes_from_its_own_pass_and_p95_needs_59_runs(bench: Any) -> None:
    found = arm(decide(bench.comparand()), "rag")["latency_ms"]
    assert found == {
        "p50": 500.0,
        "p95": None,
        "stages": {"search": 100.0},
        "n": 20,
        "p95_note": "needs 59",
    }
