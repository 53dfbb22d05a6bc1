"""Nine ways to spoil a comparison; the verdict names each and recommends nothing false."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from graft.decide import Verdict, decide
from graft.exposure import trained_on_test
from graft.types import Question


def verdict(bench: Any, **other: Any) -> Verdict:
    return decide(bench.comparand(**other)).verdict


def rescored(comparand: Any, arm: str, **scores: float) -> Any:
    """Put scores into every record of an arm."""
    runs = tuple(
        replace(
            run,
            records=tuple(replace(item, scores={**item.scores, **scores}) for item in run.records),
        )
        if run.manifest.arm == arm
        else run
        for run in comparand.runs
    )
    return replace(comparand, runs=runs)


def test_a_test_question_in_training_is_found_by_id_and_by_its_words() -> None:
    questions = [
        Question("t1", "Which pump runs dry?", ("A",), "train", "g1"),
        Question("t2", "Which valve is blue?", ("B",), "train", "g2"),
        Question("e1", "which  PUMP runs dry", ("A",), "test", "g1"),
        Question("e2", "Which oven is hot?", ("C",), "test", "g3"),
        Question("e3", "Which lathe is new?", ("D",), "test", "g4"),
    ]
    assert trained_on_test({"t2"}, questions) == ()
    assert trained_on_test({"t1", "t2"}, questions) == ("e1",)
    assert trained_on_test({"e3"}, questions) == ("e3",)


def test_a_test_question_in_training_blocks_and_is_named(bench: Any) -> None:
    found = verdict(bench, blockers=("leakage:q7",))
    assert (found.recommended, found.clear) == ("", False)
    assert found.sentence.startswith("No recommendation: training saw the test question q7. ")
    many = verdict(bench, blockers=tuple(f"leakage:q{number}" for number in range(9)))
    assert len(many.blocked_by) == 9
    assert "test question q2, and 6 more like it. " in many.sentence


def test_an_adapter_that_was_not_applied_blocks_and_is_named(bench: Any) -> None:
    bench.rights["finetuned"] = bench.rights["base"]
    bench.manifests["finetuned"] = {"adapter_changes_answers": False}
    found = verdict(bench)
    assert (found.recommended, found.blocked_by) == ("", ("adapter_no_effect:finetuned",))
    assert "the adapter of finetuned changes no answer" in found.sentence


def test_arms_on_different_weights_block_and_are_named(bench: Any) -> None:
    bench.manifests["hybrid"] = {"weights": "another checkpoint"}
    found = verdict(bench)
    assert (found.recommended, found.blocked_by) == ("", ("different_weights",))
    assert "did not run on the same weights" in found.sentence


def test_an_adapter_that_only_declines_is_named_mute_and_never_recommended(bench: Any) -> None:
    bench.answerable, bench.unanswerable = 50, 50
    bench.rights = {name: set(found) & set(range(50)) for name, found in bench.rights.items()}
    bench.rights |= {"finetuned": set(range(50, 100)), "decline": set(range(50, 100))}
    bench.records["finetuned"] = lambda number, made: replace(made, answer="", declined=True)
    found = verdict(bench)
    assert {"mute:finetuned", "below_control:finetuned"} <= set(found.flags)
    assert found.recommended == ""  # the headline of declining alone is 50 %, hybrid has 50 % too
    bench.rights["hybrid"] |= set(range(50, 60))
    assert verdict(bench).recommended == "hybrid"


def test_an_arm_that_declines_a_little_less_is_not_mute(bench: Any) -> None:
    bench.records["finetuned"] = lambda number, made: replace(made, declined=number < 94)
    assert not any(code.startswith("mute") for code in verdict(bench).flags)


def test_a_judge_that_always_says_yes_changes_nothing_but_a_flag(bench: Any) -> None:
    plain = bench.comparand()
    judged = rescored(plain, "base", judge=1.0, judged=1.0)
    found = decide(replace(judged, flags=("judge_gate_missed",))).verdict
    honest = decide(plain).verdict
    assert found.flags == ("judge_gate_missed",)
    assert replace(found, flags=()) == replace(honest, flags=())


@pytest.mark.parametrize("broken", [math.nan, math.inf, -0.5, 1.5])
def test_a_measure_that_returns_nonsense_is_no_score_and_blocks(bench: Any, broken: float) -> None:
    found = decide(rescored(bench.comparand(), "rag", primary=broken))
    assert "coverage:rag" in found.verdict.blocked_by
    assert found.verdict.recommended == ""
    assert "rag has a score for less than 99 % of the questions" in found.verdict.sentence
    [rag] = [arm for arm in found.arms if arm.name == "rag"]
    assert (rag.headline.score, rag.headline.n) == (None, 0)


def test_five_clusters_block_and_are_named(bench: Any) -> None:
    bench.clusters = 5
    found = verdict(bench)
    assert (found.recommended, found.blocked_by) == ("", ("clusters:5",))
    assert "only 5 groups, and 20 are needed" in found.sentence


def test_a_reference_whose_server_failed_is_out_and_blocks_nobody(bench: Any) -> None:
    bench.rights["reference:large"] = set(range(100))
    bench.manifests["reference:large"] = {"weights": "hosted", "base_model": "large"}
    bench.records["reference:large"] = lambda number, made: (
        replace(made, error="503") if number < 4 else made
    )
    found = verdict(bench)
    assert (found.recommended, found.blocked_by) == ("hybrid", ())
    assert found.flags == ("coverage:reference:large",)
    assert "reference:large" not in found.best_set
