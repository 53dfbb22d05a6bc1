from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest

from graft.decide import Verdict, decide
from graft.decide.contrasts import difference_between
from graft.decide.sheet import read_sheet


def verdict(bench: Any, **other: Any) -> Verdict:
    return decide(bench.comparand(**other)).verdict


def level(bench: Any) -> None:
    """Make rag and hybrid differ by 4 of 100, 30 disagreeing."""
    bench.rights["rag"] = set(range(60))
    bench.rights["hybrid"] = set(range(13, 77))


def test_a_clear_winner_is_recommended_with_its_numbers(bench: Any) -> None:
    found = verdict(bench)
    assert (found.clear, found.recommended) == (True, "hybrid")
    assert found.best_set == found.tie_set == ("hybrid",)
    assert found.p_best["hybrid"] > 0.99
    assert (found.blocked_by, found.questions_needed) == ((), 0)
    assert found.sentence.startswith("Use hybrid: it answers 90 % of the questions rightly (")
    assert "n = 100" in found.sentence
    assert "30 points more than rag, the next best (" in found.sentence
    assert found.sentence.endswith("Measured with tiny on 2026-02-03.")


def test_between_level_arms_the_simpler_is_recommended_and_the_questions_named(
    bench: Any,
) -> None:
    level(bench)
    found = verdict(bench)
    assert (found.clear, found.recommended) == (False, "rag")
    assert found.best_set == ("rag", "hybrid")
    assert found.sentence.startswith(
        "No clear winner between rag and hybrid (60 % and 64 %, n = 100); rag is recommended as "
        "the simpler one; about "
    )
    assert "more questions would settle it" in found.sentence
    assert found.questions_needed is not None and found.questions_needed > 1000
    assert found.detectable_difference is not None
    assert 0.1 < found.detectable_difference < 0.3


def test_arms_shown_to_be_within_the_margin_are_practically_level(bench: Any) -> None:
    bench.answerable, bench.clusters = 1000, 500
    bench.rights = {
        "base": set(range(100)),
        "rag": set(range(600)),
        "hybrid": set(range(10, 612)),
        "decline": set(),
    }
    found = verdict(bench)
    assert (found.clear, found.recommended, found.tie_set) == (False, "rag", ("rag", "hybrid"))
    assert "rag and hybrid are practically level, less than 5 points apart" in found.sentence


def test_a_clear_but_small_lead_is_called_possibly_small(bench: Any) -> None:
    bench.rights["hybrid"] = set(range(68))
    found = verdict(bench)
    assert (found.clear, found.recommended) == (True, "hybrid")
    assert "the lead may be less than the 5 points that matter" in found.sentence


def test_equal_scores_leave_the_questions_needed_open(bench: Any) -> None:
    bench.rights["hybrid"] = set(range(20, 80))
    found = verdict(bench)
    assert (found.recommended, found.questions_needed) == ("rag", None)
    assert "too close to say how many more questions" in found.sentence


def test_no_arm_is_recommended_that_is_not_above_the_best_control(bench: Any) -> None:
    bench.answerable, bench.unanswerable = 60, 40
    bench.rights = {
        "base": set(range(20)),
        "rag": set(range(24)),
        "decline": set(range(60, 100)),
    }
    found = verdict(bench)
    assert (found.clear, found.recommended, found.blocked_by) == (False, "", ())
    assert "below_control:base" in found.flags and "below_control:rag" in found.flags
    assert found.sentence.startswith(
        "No arm beats the control decline: it scores 50 %, the best arm, rag, 20 % ("
    )


def test_an_arm_level_with_a_control_is_passed_over_for_the_next_simplest(bench: Any) -> None:
    bench.clusters = 100
    bench.rights = {
        "base": set(range(50)),
        "rag": set(range(25, 80)),
        "top-passage": set(range(50)),
    }
    found = verdict(bench)
    assert found.tie_set == ("base", "rag")
    assert found.recommended == "rag"
    assert found.flags == ("below_control:base",)
    assert "because base is not above the control top-passage" in found.sentence


def test_bolt_on_gates_nothing(bench: Any) -> None:
    bench.rights["bolt-on"] = set(range(100))
    assert verdict(bench).recommended == "hybrid"


def test_a_mute_arm_is_the_control_decline_and_cannot_win(bench: Any) -> None:
    bench.answerable, bench.unanswerable = 60, 40
    bench.rights = {name: set(found) & set(range(60)) for name, found in bench.rights.items()} | {
        "finetuned": set(range(60, 100)),
        "decline": set(range(60, 100)),
    }
    bench.rights["rag"] |= set(range(60, 80))
    bench.records["finetuned"] = lambda number, made: replace(made, answer="", declined=True)
    found = verdict(bench)
    assert "below_control:finetuned" in found.flags
    assert found.recommended == "rag"


BLOCKED = [
    ({"hybrid": {"adapter_changes_answers": False}}, "adapter_no_effect:hybrid", "adapter"),
    ({"rag": {"weights": "w2"}}, "different_weights", "same weights"),
    ({"rag": {"contract": "c2"}}, "different_contract", "same prompt contract"),
    ({"rag": {"questions": "s2"}}, "different_questions", "same questions"),
    ({"rag": {"base_model": "other"}}, "different_base_model", "different base models"),
]


@pytest.mark.parametrize(("manifests", "code", "words"), BLOCKED)
def test_an_unfair_comparison_is_blocked(
    bench: Any, manifests: dict[str, Any], code: str, words: str
) -> None:
    bench.manifests = manifests
    found = verdict(bench)
    assert found.blocked_by == (code,)
    assert (found.clear, found.recommended) == (False, "")
    assert found.sentence.startswith("No recommendation: ")
    assert words in found.sentence


def test_too_few_clusters_block(bench: Any) -> None:
    bench.clusters = 19
    found = verdict(bench)
    assert found.blocked_by == ("clusters:19",)
    assert "only 19 groups, and 20 are needed" in found.sentence
    bench.clusters = 20
    assert verdict(bench).blocked_by == ()


def test_missing_or_failed_records_block_from_one_per_cent_on(bench: Any) -> None:
    bench.records["rag"] = lambda number, made: None if number in {3, 4} else made
    assert verdict(bench).blocked_by == ("coverage:rag",)
    bench.records["rag"] = lambda number, made: (
        replace(made, error="x") if number in {3, 4} else made
    )
    assert verdict(bench).blocked_by == ("coverage:rag",)
    bench.records["rag"] = lambda number, made: None if number == 3 else made
    assert verdict(bench).blocked_by == ()


def test_a_gap_in_bolt_on_is_a_flag_and_in_a_gate_a_blocker(bench: Any) -> None:
    def half(number: int, made: Any) -> Any:
        return made if number % 2 else None

    bench.records["bolt-on"] = half
    found = verdict(bench)
    assert (found.blocked_by, found.flags) == ((), ("coverage:bolt-on",))
    bench.records["decline"] = half
    assert verdict(bench).blocked_by == ("coverage:decline",)


def test_blockers_and_flags_raised_before_are_kept(bench: Any) -> None:
    found = verdict(bench, blockers=("leakage:0.03",), flags=("no_dev",))
    assert found.blocked_by == ("leakage:0.03",)
    assert found.recommended == ""
    assert found.flags == ("no_dev",)


def test_a_retriever_that_misses_is_flagged_with_its_recall(bench: Any) -> None:
    bench.records["rag"] = lambda number, made: (
        replace(made, passage_doc_ids=("other.md",)) if number < 29 else made
    )
    assert verdict(bench).flags == ("retrieval_recall:0.71",)


def test_a_reference_arm_may_run_on_other_weights_and_may_win(bench: Any) -> None:
    bench.rights["reference"] = set(range(100))
    bench.manifests["reference"] = {"weights": "hosted", "base_model": "large"}
    found = verdict(bench)
    assert (found.blocked_by, found.recommended, found.clear) == ((), "reference", True)


def test_one_arm_alone_is_no_clear_winner(bench: Any) -> None:
    bench.rights = {"rag": set(range(60)), "decline": set()}
    found = verdict(bench)
    assert (found.clear, found.recommended) == (False, "rag")
    assert found.flags == ("single_arm",)
    assert found.sentence.startswith("Only rag was measured: it answers 60 %")


def test_few_unanswerable_questions_are_flagged_for_they_weigh_half(bench: Any) -> None:
    bench.answerable, bench.unanswerable = 97, 3
    assert "few_unanswerable:3" in verdict(bench).flags


def test_without_arms_or_questions_nothing_is_recommended(bench: Any) -> None:
    bench.rights = {"decline": set()}
    assert verdict(bench).blocked_by == ("no_arms",)
    bench.rights, bench.answerable = {"base": set(), "rag": set()}, 0
    found = verdict(bench)
    assert set(found.blocked_by) == {"coverage:base", "coverage:rag", "clusters:0"}
    assert found.sentence.startswith("No recommendation: ")


def test_graded_answers_are_said_to_score_and_not_to_be_right(bench: Any) -> None:
    bench.records["hybrid"] = lambda number, made: made
    comparand = bench.comparand()
    runs = tuple(
        replace(
            run,
            records=tuple(
                replace(
                    item, scores={**item.scores, "primary": 0.5 * (item.scores["primary"] or 0)}
                )
                for item in run.records
            ),
        )
        for run in comparand.runs
    )
    found = decide(replace(comparand, runs=runs)).verdict
    assert found.recommended == "hybrid"
    assert found.sentence.startswith("Use hybrid: it scores 45 % (")


def test_an_arm_that_stands_alone_shows_a_lead_above_zero(bench: Any) -> None:
    """Whatever the scores and clusters: `clear` and the interval printed beside it agree."""
    lone = 0
    for seed in range(24):
        chosen = random.Random(seed)
        bench.answerable, bench.unanswerable, bench.clusters = 30, 4, 10
        bench.rights = {
            name: {number for number in range(34) if chosen.random() < share}
            for name, share in (("base", 0.3), ("rag", 0.5), ("hybrid", 0.8))
        }
        questions = bench.questions
        if seed % 2:  # all that is to be declined lies in one cluster
            questions = tuple(
                item if item.answerable else replace(item, group="one") for item in questions
            )
        found = verdict(bench, questions=questions)
        if len(found.best_set) == 1:
            lone += 1
            sheet = read_sheet(bench.comparand(questions=questions))
            others = {"base", "rag", "hybrid"} - set(found.best_set)
            for other in others:
                lead = difference_between(sheet, found.best_set[0], other, 0.05)
                assert lead is not None and lead.low > 0
    assert 0 < lone < 24
