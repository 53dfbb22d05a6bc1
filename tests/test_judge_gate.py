"""The gate over written-down labels: who said what is four counts an arm."""

from __future__ import annotations

import dataclasses
import json

from graft.judge_gate import Gate, Labelled, hold_gate, judged_differences
from graft.types import Question


def rows_of(arm, *, seen, missed, rejected, believed):
    counts = ((seen, True, True), (missed, True, False), (rejected, False, False),
              (believed, False, True))  # fmt: skip
    return [
        Labelled(arm, f"{arm}{number}", human, judge)
        for number, (human, judge) in enumerate(
            (human, judge) for count, human, judge in counts for _ in range(count)
        )
    ]


def test_one_arm_on_which_the_judge_is_blind_misses_the_gate():
    good = rows_of("base", seen=30, missed=0, rejected=30, believed=0)
    blind = rows_of("rag", seen=25, missed=0, rejected=12, believed=13)
    gate = hold_gate([*good, *blind], ["base", "rag"], 100, "c")
    assert gate.kappa is not None and gate.kappa > 0.6
    assert not gate.passed
    assert [arm.passed for arm in gate.arms] == [True, False]
    assert gate.reasons == (
        "rag: sensitivity 1.00 + specificity 0.48 is 1.48, at least 1.5 is needed",
    )


def test_too_few_labels_and_an_arm_without_a_wrong_answer_miss_the_gate():
    gate = hold_gate(rows_of("rag", seen=30, missed=0, rejected=0, believed=0), ["rag"], 100, "c")
    assert "30 answers are labelled, 100 are needed" in gate.reasons
    assert "rag: no labelled answer is wrong" in " ".join(gate.reasons)
    assert gate.kappa is None


def test_a_stored_gate_reads_back():
    gate = hold_gate(rows_of("rag", seen=5, missed=1, rejected=4, believed=0), ["rag"], 10, "c")
    assert Gate.from_json(json.loads(json.dumps(dataclasses.asdict(gate)))) == gate


def test_arms_without_a_common_question_have_no_difference():
    questions = {"q1": Question("q1", "How many?", ("7",), "test", "g")}
    assert judged_differences({"base": {"q1": True}, "rag": {}}, questions, ()) == []
