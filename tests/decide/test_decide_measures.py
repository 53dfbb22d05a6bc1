"""What stands beside the headline: measures, declining, risk, attribution, slices, failures."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import Any

import pytest
import typer

from graft.cli.commands import app
from graft.decide import decide
from graft.decide.failures import training_wordings
from graft.decide.measures import MEASURES
from graft.decide.risk import MOST_POINTS, risk_coverage
from graft.decide.sheet import ArmSheet
from graft.types import Question, Record

EMPTY = {"score": None, "low": None, "high": None, "n": 0}


def plain(bench: Any, **other: Any) -> Any:
    found = decide(bench.comparand(**other)).to_json()
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    return found


def arm(found: Any, name: str) -> Any:
    return next(item for item in found["arms"] if item["name"] == name)


class TestMeasures:
    def test_every_measure_has_a_cell_and_those_that_do_not_apply_are_empty(
        self, bench: Any
    ) -> None:
        found = plain(bench)
        base, rag = arm(found, "base")["measures"], arm(found, "rag")["measures"]
        assert tuple(base) == tuple(rag) == MEASURES
        assert (rag["exact"]["score"], rag["exact"]["n"]) == (0.6, 100)
        assert rag["exact"]["low"] < 0.6 < rag["exact"]["high"]
        assert (rag["mrr"]["score"], rag["ndcg"]["score"]) == (1.0, 1.0)
        assert base["mrr"] == base["support"] == base["key_fact_recall"] == EMPTY

    def test_an_unanswerable_question_is_in_no_measure(self, bench: Any) -> None:
        bench.answerable, bench.unanswerable = 80, 20
        assert arm(plain(bench), "rag")["measures"]["exact"]["n"] == 80

    def test_a_stored_score_that_is_none_lowers_the_count(self, bench: Any) -> None:
        comparand = bench.comparand()
        runs = [
            replace(
                run,
                records=tuple(
                    replace(made, scores={**made.scores, "f1": float("nan"), "support": 1.0})
                    if number < 10
                    else made
                    for number, made in enumerate(run.records)
                ),
            )
            for run in comparand.runs
        ]
        found = arm(decide(replace(comparand, runs=tuple(runs))).to_json(), "rag")["measures"]
        assert (found["f1"]["n"], found["support"]["n"]) == (90, 10)


def test_a_primary_score_that_is_none_lowers_coverage_and_blocks(bench: Any) -> None:
    comparand = bench.comparand()
    runs = [
        replace(
            run,
            records=tuple(
                replace(made, scores={**made.scores, "primary": None})
                if number < 2 and run.manifest.arm == "rag"
                else made
                for number, made in enumerate(run.records)
            ),
        )
        for run in comparand.runs
    ]
    assert decide(replace(comparand, runs=tuple(runs))).verdict.blocked_by == ("coverage:rag",)


def test_answering_and_declining_are_counted(bench: Any) -> None:
    bench.answerable, bench.unanswerable = 80, 20
    bench.rights["rag"] = set(range(40)) | set(range(80, 95))

    def change(number: int, made: Record) -> Record:
        if 40 <= number < 50:
            return replace(made, declined=True, answer="")
        return replace(made, error="timeout") if number == 79 else made

    bench.records["rag"] = change
    bench.rights["decline"] = set(range(80, 100))
    found = plain(bench)
    assert arm(found, "rag")["abstention"] == {
        "answered_right": 40,
        "answered_wrong": 29,
        "declined_answerable": 10,
        "declined_unanswerable": 15,
        "answered_unanswerable": 5,
        "recall": 15 / 20,
        "precision": 15 / 25,
        "over_refusal": 10 / 79,
        "selective_accuracy": 40 / 74,
    }
    decline = arm(found, "decline")["abstention"]
    assert (decline["selective_accuracy"], decline["over_refusal"]) == (None, 1.0)


class TestRisk:
    def curve(self, *answers: tuple[float | None, float | None]) -> Any:
        """Make a sheet of answers as (confidence, primary score); no score: declined."""
        records = {
            f"q{n}": Record("rag", f"q{n}", "x", score is None, confidence=sure)
            for n, (sure, score) in enumerate(answers)
        }
        primary = {f"q{n}": score or 0.0 for n, (_, score) in enumerate(answers)}
        return risk_coverage(ArmSheet(None, records, primary, 1.0))  # type: ignore[arg-type]

    def test_the_surest_answers_come_first_and_a_declined_one_is_never_covered(self) -> None:
        found = self.curve((-0.3, 0.0), (-0.1, 1.0), (-0.2, 1.0), (-0.9, None))
        assert found.points == [[0.25, 0.0], [0.5, 0.0], [0.75, 1 / 3]]
        assert found.area == pytest.approx(0.25 * (0 + 1 / 3) / 2)
        assert found.n == 3

    def test_equally_sure_answers_come_together(self) -> None:
        found = self.curve((-0.1, 1.0), (-0.1, 0.0))
        assert (found.points, found.area) == ([[1.0, 0.5]], 0.5)

    def test_without_confidence_there_is_no_curve(self) -> None:
        assert self.curve((None, 1.0)) is None
        assert self.curve((float("nan"), 1.0)) is None
        assert self.curve((-0.1, None)) is None

    def test_many_points_are_thinned_and_keep_both_ends(self) -> None:
        found = self.curve(*((-n / 1000, float(n < 100)) for n in range(300)))
        assert len(found.points) == MOST_POINTS
        assert (found.points[0][0], found.points[-1]) == (1 / 300, [1.0, pytest.approx(2 / 3)])


def test_found_against_right(bench: Any) -> None:
    def change(number: int, made: Record) -> Record:
        missed = number % 2 == 0
        made = replace(made, passage_doc_ids=("other.md",)) if missed else made
        return replace(made, declined=True, answer="") if number >= 90 else made

    bench.records["rag"] = change
    found = plain(bench)
    assert arm(found, "rag")["attribution"] == {
        "retrieved_right": 30,
        "retrieved_wrong": 15,
        "retrieved_declined": 5,
        "missed_right": 30,
        "missed_wrong": 15,
        "missed_declined": 5,
    }
    assert arm(found, "base")["attribution"] is None


class TestSlices:
    def test_every_slice_has_its_count_and_each_arms_score(self, bench: Any) -> None:
        bench.answerable, bench.unanswerable = 80, 20
        comparand = bench.comparand()
        questions = tuple(
            replace(
                item,
                kind="label" if number < 30 else "short",
                tags=("hr", "pay") if number % 10 == 0 else (),
                doc_ids=("a.md", "b.md") if number < 5 else item.doc_ids,
            )
            for number, item in enumerate(comparand.questions)
        )
        found = decide(replace(comparand, questions=questions)).to_json()["slices"]
        counts = {item["name"]: item["n"] for item in found}
        assert counts == {
            "kind:short": 50,
            "kind:label": 30,
            "exposure:fact": 40,
            "exposure:unseen": 40,
            "exposure:unanswerable": 20,
            "documents:one": 75,
            "documents:two": 5,
            "tag:hr": 10,
            "tag:pay": 10,
        }
        label = next(item for item in found if item["name"] == "kind:label")
        assert label["scores"]["base"]["score"] == pytest.approx(20 / 30)
        assert set(label["scores"]) == set(bench.rights)

    def test_rare_tags_share_a_slice_and_none_is_lost(self, bench: Any) -> None:
        comparand = bench.comparand()
        questions = tuple(
            replace(item, tags=("all", f"t{number:03}"))
            for number, item in enumerate(comparand.questions)
        )
        found = decide(replace(comparand, questions=questions)).to_json()["slices"]
        tags = {item["name"]: item["n"] for item in found if item["name"].startswith("tag:")}
        assert tags["tag:all"] == 100
        assert tags["tag:61 rare tags together"] == 61
        assert len(tags) == 41


class TestLeakage:
    def test_the_headline_is_given_with_and_without_similar_questions(self, bench: Any) -> None:
        similar = [f"q{number}" for number in range(20)]
        leakage = {"removed": ["t1"], "similar": [*similar, "gone"]}
        found = plain(bench, leakage=leakage)["leakage"]
        assert (found["removed"], found["similar"]) == (1, 20)
        assert set(found) == {"removed", "similar", "with", "without"}
        assert (found["with"]["base"]["score"], found["without"]["base"]["score"]) == (0.2, 0.0)
        assert found["without"]["rag"]["n"] == 80

    def test_without_the_similar_ones_a_half_may_be_gone_and_then_there_is_no_headline(
        self, bench: Any
    ) -> None:
        bench.answerable, bench.unanswerable = 96, 4
        similar = [f"q{number}" for number in range(96, 100)]
        found = plain(bench, leakage={"removed": [], "similar": similar})["leakage"]
        assert found["without"]["rag"]["score"] is None
        assert found["without"]["rag"]["n"] == 0

    def test_without_a_report_there_is_none_and_without_similar_ones_nothing_changes(
        self, bench: Any
    ) -> None:
        assert plain(bench)["leakage"] is None
        found = plain(bench, leakage={"removed": [], "similar": []})["leakage"]
        assert found["with"] == found["without"]


def failures(found: Any, name: str) -> dict[str, Any]:
    return {item["kind"]: item for item in found["failures"] if item["arm"] == name}


class TestFailures:
    def test_every_question_that_was_not_right_is_of_one_kind(self, bench: Any) -> None:
        bench.answerable, bench.unanswerable = 80, 20
        bench.rights["rag"] = set(range(40)) | set(range(80, 90))

        def change(number: int, made: Record) -> Record:
            if 40 <= number < 50:
                return replace(made, passage_doc_ids=("other.md",))
            if 50 <= number < 55:
                return replace(made, declined=True, answer="")
            if 55 <= number < 60:
                return replace(made, answer=f"answer {number}" + " or so" * 20)
            return replace(made, error="GenerationFailed: timeout") if number == 79 else made

        bench.records["rag"] = change
        found = plain(bench)
        kinds = failures(found, "rag")
        assert {kind: item["n"] for kind, item in kinds.items()} == {
            "misread": 19,
            "not_retrieved": 10,
            "should_have_declined": 10,
            "form": 5,
            "over_refusal": 5,
            "failed": 1,
        }
        assert kinds["misread"]["share"] == 0.19
        assert kinds["failed"]["text"].endswith("GenerationFailed: timeout")
        assert kinds["not_retrieved"]["command"] == "graft compare --retrieval"
        assert kinds["misread"]["command"].startswith("graft init larger --base-model ")
        rights = arm(found, "rag")["abstention"]
        right = rights["answered_right"] + rights["declined_unanswerable"]
        assert sum(item["n"] for item in kinds.values()) == 100 - right

    def test_a_trained_fact_with_few_wordings_asks_for_more_of_them(self, bench: Any) -> None:
        few = {f"q{number}": 2 if number < 80 else 3 for number in range(100)}
        kinds = failures(plain(bench, settings={"training_wordings": few}), "finetuned")
        # of the 50 wrong ones every second was trained, and of these 30 of 50 ask in two wordings
        assert (kinds["few_items"]["n"], kinds["wrong"]["n"]) == (15, 35)
        assert kinds["few_items"]["command"] == "graft questions export questions.jsonl"
        assert "few_items" not in failures(plain(bench), "finetuned")
        assert "few_items" not in failures(
            plain(bench, settings={"training_wordings": few}), "base"
        )

    def test_controls_fail_by_design_and_are_not_listed(self, bench: Any) -> None:
        names = {item["arm"] for item in plain(bench)["failures"]}
        assert names == {"base", "finetuned", "rag", "hybrid"}

    def test_a_command_can_be_pasted(self, bench: Any) -> None:
        bench.answerable, bench.unanswerable = 80, 20
        bench.records["hybrid"] = lambda number, made: replace(made, declined=number % 2 == 0)
        commands = {item["command"] for item in plain(bench)["failures"]}
        group = typer.main.get_command(app)
        for line in commands - {"graft compare --retrieval"}:
            _, name, *arguments = line.split()
            command = group.get_command(None, name)  # type: ignore[attr-defined, arg-type]
            if hasattr(command, "commands"):
                command = command.commands[arguments.pop(0)]
            command.make_context(name, arguments)

    def test_wordings_are_counted_by_fact_or_by_document_and_answer(self) -> None:
        def question(name: str, fact: str, answer: str, *documents: str) -> Question:
            return Question(name, "?", (answer,), "train", "g", documents, fact=fact)

        train = [
            question("t1", "f", "x"),
            question("t2", "f", "y"),
            question("t3", "", "90 s.", "a.md"),
            question("t4", "", "90 S", "a.md"),
            question("t5", "", "90 s", "b.md"),
        ]
        test = [
            question("q1", "f", "x"),
            question("q2", "", "90 s", "a.md"),
            question("q3", "", "new", "a.md"),
        ]
        assert training_wordings(test, train) == {"q1": 2, "q2": 2, "q3": 0}


class TestProbes:
    FORGOT = {
        "base": 0.5, "tuned": 0.3, "difference": -0.2, "bound": -0.3, "n": 60, "margin": 0.1,
        "state": "fails", "loss_base": 3.1, "loss_tuned": 3.4,
    }  # fmt: skip

    def test_what_an_adapter_forgot_is_said_of_every_arm_with_it_and_is_a_limit(
        self, bench: Any
    ) -> None:
        found = plain(bench, probes={"forgetting": {"finetuned": self.FORGOT}})
        assert arm(found, "finetuned")["forgetting"] == self.FORGOT
        assert arm(found, "bolt-on")["forgetting"] == self.FORGOT
        assert arm(found, "hybrid")["forgetting"] is None
        assert found["verdict"]["constraints"] == [
            {"arm": "finetuned", "name": "forgetting_margin", "limit": 0.1, "value": 0.2,
             "bound": 0.3, "state": "fails"},
        ]  # fmt: skip

    def test_distractors_and_costs_are_passed_on(self, bench: Any) -> None:
        bench.manifests["rag"] = {
            "peak_memory_bytes": 5, "cold_seconds": 1.5, "price_per_1000": 0.2,
        }  # fmt: skip
        rows = [{"distractors": 0, "score": EMPTY}]
        found = arm(plain(bench, probes={"distractors": {"rag": rows}}), "rag")
        assert found["distractors"] == rows
        assert (found["peak_memory_bytes"], found["cold_seconds"]) == (5, 1.5)
        assert found["price_per_1000"] == 0.2


def test_eight_arms_and_three_hundred_questions_are_decided_in_time(bench: Any) -> None:
    """Three seconds on a slow machine, with every measure graded and one question a cluster."""
    bench.answerable, bench.unanswerable, bench.clusters = 240, 60, 300
    comparand = bench.comparand()
    runs = [
        replace(
            run,
            records=tuple(
                replace(
                    made,
                    confidence=-number / 100,
                    scores={**made.scores, **{name: number / 300 for name in MEASURES}},
                )
                for number, made in enumerate(run.records)
            ),
        )
        for run in comparand.runs
    ]
    questions = tuple(
        replace(item, tags=(f"t{number % 30}",)) for number, item in enumerate(comparand.questions)
    )
    comparand = replace(comparand, runs=tuple(runs), questions=questions)
    started = time.process_time()
    decide(comparand)
    assert time.process_time() - started < 3.0
