"""Limits, target, frontier and flips: what stands between the best score and a recommendation."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from graft.decide import Verdict, decide
from graft.decide.constraints import state_of
from graft.decide.latency import quantile_bounds
from graft.decide.pareto import frontier
from graft.decide.sheet import read_sheet


def verdict(bench: Any, **other: Any) -> Verdict:
    return decide(bench.comparand(**other)).verdict


def timed(comparand: Any, seconds: dict[str, float], count: int = 60) -> Any:
    """Give arms a latency pass of `count` answers that all take the same time."""
    runs = tuple(
        replace(
            run,
            latency=tuple(
                replace(item, stage_seconds={"total_seconds": seconds[run.manifest.arm]})
                for item in run.records[:count]
            ),
        )
        if run.manifest.arm in seconds
        else run
        for run in comparand.runs
    )
    return replace(comparand, runs=runs)


def states(found: Verdict, name: str) -> dict[str, str]:
    return {item.arm: item.state for item in found.constraints if item.name == name}


@pytest.mark.parametrize(
    ("count", "share", "low", "high"),
    [(4, 0.5, None, None), (5, 0.5, 1, 5), (58, 0.95, 52, None), (59, 0.95, 53, 59)],
)
def test_the_bounds_of_a_quantile_are_order_statistics(
    count: int, share: float, low: int | None, high: int | None
) -> None:
    assert quantile_bounds([float(number) for number in range(1, count + 1)], share) == (low, high)


@pytest.mark.parametrize(
    ("value", "bound", "at_least", "state"),
    [
        (900.0, 950.0, False, "passes"),
        (900.0, 1000.0, False, "passes"),
        (900.0, 1050.0, False, "not shown"),
        (900.0, None, False, "not shown"),
        (1001.0, 1001.0, False, "fails"),
        (None, None, False, "not shown"),
        (1100.0, 1050.0, True, "passes"),
        (1100.0, 950.0, True, "not shown"),
        (999.0, 900.0, True, "fails"),
    ],
)
def test_keeping_a_limit_failing_it_and_not_being_shown_to_keep_it_are_three_things(
    value: float | None, bound: float | None, at_least: bool, state: str
) -> None:
    assert state_of(value, bound, 1000.0, at_least=at_least) == state


def test_the_best_arm_is_passed_over_where_it_breaks_a_limit(bench: Any) -> None:
    comparand = timed(bench.comparand(limits={"max_p50_ms": 800.0}), {"hybrid": 2.0})
    found = decide(comparand).verdict
    assert (found.recommended, found.clear) == ("rag", True)
    assert "hybrid" not in (*found.tie_set, *found.best_set, *found.pareto)
    assert found.flags == ("limit_failed:max_p50_ms:hybrid",)
    assert states(found, "max_p50_ms") == {
        "base": "passes",
        "rag": "passes",
        "finetuned": "passes",
        "hybrid": "fails",
    }
    assert found.sentence.startswith("Use rag: it answers 60 %")
    assert "; hybrid scores 90 % but breaks the limit on the median time. M" in found.sentence


def test_too_few_timed_answers_show_nothing_and_the_recommendation_says_so(bench: Any) -> None:
    found = verdict(bench, limits={"max_p95_ms": 800.0})  # 20 answers each, 59 are needed
    assert found.recommended == "hybrid"
    assert found.flags == ("limit_not_shown:max_p95_ms:hybrid",)
    [item] = [item for item in found.constraints if item.arm == "hybrid"]
    assert (item.limit, item.value, item.bound, item.state) == (800.0, None, None, "not shown")
    enough = decide(timed(bench.comparand(limits={"max_p95_ms": 800.0}), {"hybrid": 0.5})).verdict
    assert enough.flags == ()


def test_memory_storage_and_build_time_go_by_their_value(bench: Any) -> None:
    bench.manifests["hybrid"] = {"peak_memory_bytes": 900_000_000, "build_seconds": 90.0}
    limits = {"max_memory_mb": 900.0, "max_storage_mb": 0.0005, "max_build_minutes": 1.0}
    found = verdict(bench, limits=limits)
    assert states(found, "max_memory_mb")["hybrid"] == "passes"
    assert states(found, "max_memory_mb")["rag"] == "not shown"
    assert states(found, "max_build_minutes")["hybrid"] == "fails"
    assert set(states(found, "max_storage_mb").values()) == {"fails"}
    assert found.recommended == ""
    assert found.sentence.startswith("No recommendation: every arm breaks a limit: base (storage)")


def test_declining_is_bounded_by_its_interval(bench: Any) -> None:
    bench.answerable, bench.unanswerable = 60, 40
    bench.rights["rag"] = set(range(50)) | set(range(60, 92))  # declines 32 of 40
    bench.rights["hybrid"] = set(range(60)) | set(range(60, 70))  # declines 10 of 40
    found = verdict(bench, limits={"min_decline_recall": 0.75})
    rows = {item.arm: item for item in found.constraints}
    assert (rows["rag"].value, rows["rag"].state) == (pytest.approx(0.8), "not shown")
    assert rows["rag"].bound is not None and 0.6 < rows["rag"].bound < 0.75
    assert rows["hybrid"].state == "fails"
    assert verdict(bench, limits={"min_decline_recall": 0.5}).constraints[1].state == "passes"


def forgot(difference: float, bound: float, state: str) -> dict[str, Any]:
    probe = {"difference": difference, "bound": bound, "margin": 0.1, "n": 64, "state": state}
    return {"forgetting": {"hybrid": probe}}


def test_an_adapter_that_forgets_more_than_the_margin_is_passed_over(bench: Any) -> None:
    found = verdict(bench, probes=forgot(-0.25, -0.35, "fails"))
    assert found.recommended == "rag"
    assert found.flags == ("limit_failed:forgetting_margin:hybrid",)
    assert "hybrid scores 90 % but breaks the limit on forgetting" in found.sentence
    doubtful = verdict(bench, probes=forgot(-0.05, -0.15, "not shown"))
    assert doubtful.recommended == "hybrid"
    assert doubtful.flags == ("limit_not_shown:forgetting_margin:hybrid",)
    [item] = verdict(bench, probes=forgot(0.02, -0.1, "passes")).constraints
    assert (item.arm, item.limit, item.value, item.state) == ("hybrid", 0.1, -0.02, "passes")


def test_where_only_one_arm_keeps_the_limits_it_is_clear_and_says_why(bench: Any) -> None:
    bench.manifests = {name: {"storage_bytes": 5_000_000} for name in ("base", "rag", "finetuned")}
    found = verdict(bench, limits={"max_storage_mb": 1.0})
    assert (found.recommended, found.clear, found.questions_needed) == ("hybrid", True, 0)
    assert found.sentence.startswith("hybrid is the only arm that keeps every limit: it answers 90")


def test_no_limits_and_no_target_leave_nothing_to_report(bench: Any) -> None:
    found = verdict(bench)
    assert (found.target, found.reaches_target, found.constraints) == (None, [], [])


@pytest.mark.parametrize(
    ("target", "reaches", "words"),
    [
        (0.99, [], "; none reaches 99 %. Measured"),
        (0.88, [], "; none reaches 88 % beyond doubt. Measured"),
        (0.75, ["hybrid"], "; it is shown to reach 75 %, the target. Measured"),
        (0.35, ["rag", "finetuned", "hybrid"], "the simpler rag and finetuned are shown to reach"),
    ],
)
def test_the_target_tells_good_enough_from_best(
    bench: Any, target: float, reaches: list[str], words: str
) -> None:
    found = verdict(bench, target=target)
    assert (found.target, found.reaches_target) == (target, reaches)
    assert words in found.sentence
    assert found.recommended == "hybrid"
    assert found.sentence.count(". ") == 1


def test_an_arm_beaten_in_every_respect_is_off_the_frontier(bench: Any) -> None:
    bench.manifests = {
        "base": {"build_seconds": 0.0, "storage_bytes": 100},
        "rag": {"build_seconds": 10.0, "storage_bytes": 200},
        "finetuned": {"build_seconds": 300.0, "storage_bytes": 300},
    }
    bench.rights["finetuned"] = set(range(30))
    seconds = {"base": 0.1, "rag": 0.5, "finetuned": 0.9, "hybrid": 1.5}
    comparand = timed(bench.comparand(), seconds)
    names = ["base", "rag", "finetuned", "hybrid"]
    assert frontier(comparand, read_sheet(comparand), names) == ["base", "rag", "hybrid"]
    same_speed = timed(bench.comparand(), seconds | {"finetuned": 0.5})
    assert frontier(same_speed, read_sheet(same_speed), names) == names
    assert decide(comparand).verdict.pareto == ["base", "rag", "hybrid"]


def test_flips_show_what_the_recommended_arm_wins_and_loses(bench: Any) -> None:
    bench.rights["hybrid"] = set(range(2, 90))
    bench.records["hybrid"] = lambda number, made: (
        replace(made, error="timeout") if number == 0 else made
    )
    found = verdict(bench).flips
    assert found is not None
    assert (found.arm, found.other) == ("hybrid", "rag")
    assert [item.question_id for item in found.right] == ["q60", "q61", "q62"]
    assert [item.question_id for item in found.wrong] == ["q0", "q1"]
    first, failed = found.right[0], found.wrong[0]
    assert (first.question, first.gold) == ("Question 60?", "answer 60")
    assert (first.answer, first.other_answer) == ("answer 60", "something else")
    assert failed.answer == "failed: timeout"


def test_the_whole_verdict_is_plain_json(bench: Any) -> None:
    limits = {"max_p50_ms": 800.0, "min_support": 0.5}
    plain = decide(bench.comparand(target=0.8, limits=limits)).to_json()["verdict"]
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert set(plain["constraints"][0]) == {"arm", "name", "limit", "value", "bound", "state"}
    assert set(plain["flips"]) == {"arm", "other", "right", "wrong"}
