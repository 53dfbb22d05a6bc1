"""Stored comparisons: written, scored again, drawn again, and read where they are broken."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from graft.comparing import Measured
from graft.errors import BadInput, FingerprintMismatch, UsageError
from graft.files import write_atomically
from graft.metrics import Sources, score_record
from graft.results import CompareResult, Results
from graft.runs import ArmRun, Comparand, RunManifest, append_lines, read_records
from graft.types import Question, Record

COUNT = 40
QUESTIONS = tuple(
    Question(f"q{number}", f"Weight of {number}?", (f"{number} kg",), "test", f"g{number // 2}",
             (f"d{number}.md",))
    for number in range(COUNT)
)  # fmt: skip
DOCUMENTS = {f"d{number}.md": (f"It weighs {number} kg.",) for number in range(COUNT)}
RIGHT = {"base": 10, "rag": 36, "decline": 0}


def stored_run(state: Path, arm: str) -> ArmRun:
    """Write a run; its scores are those of a measure that called everything wrong."""
    manifest = RunManifest(
        f"{arm}-1", arm, arm == "decline", "tiny", "w1", "fake", "c1", "s1", "v1",
        uses_index=arm == "rag",
    )  # fmt: skip
    records = []
    for number, item in enumerate(QUESTIONS):
        text = f"It weighs {number} kg." if number < RIGHT[arm] else "It is blue."
        found = ("p1",) if arm == "rag" else ()
        made = Record(arm, item.id, text, arm == "decline", found, item.doc_ids if found else ())
        scores = {name: 0.0 if name == "primary" else value for name, value in _scores(made, item)}
        records.append(replace(made, scores=scores | {"judge": 0.25}, reason="an old reason"))
    folder = state / "runs" / manifest.run_id
    write_atomically(folder / "manifest.json", json.dumps(asdict(manifest)))
    append_lines(folder / "records.jsonl", records)
    return ArmRun(manifest, tuple(records))


def _scores(record: Record, item: Question) -> list[tuple[str, float | None]]:
    return list(score_record(record, item).items())


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / ".graft"


@pytest.fixture
def stored(state: Path) -> CompareResult:
    return Results(state).store(measured(state))


def measured(state: Path, **changes: Any) -> Measured:
    runs = tuple(stored_run(state, arm) for arm in RIGHT if not (state / "runs" / arm).exists())
    comparand = Comparand("tiny", "2026-01-02", QUESTIONS, {}, runs, {"p1": "It weighs 1 kg."})
    return Measured(replace(comparand, **changes), reused=False, failed=0)


def gold(questions: Any) -> Sources:
    return Sources(documents=DOCUMENTS)


def test_answers_are_scored_again_and_the_verdict_follows(state: Path, stored: Any) -> None:
    assert stored.comparison["verdict"]["recommended"] == ""  # everything was called wrong
    before = read_records(state / "runs" / "rag-1" / "records.jsonl")
    found = Results(state).rescore(sources=gold, corpus="v1")
    assert (found.records, found.kept) == (3 * COUNT, ())
    assert found.changed == {"primary": 10 + 36, "support": 2 * COUNT}
    assert found.result.comparison["verdict"]["recommended"] == "rag"
    after = read_records(state / "runs" / "rag-1" / "records.jsonl")
    assert [item.answer for item in after] == [item.answer for item in before]
    assert (after[0].scores["primary"], after[0].scores["support"]) == (1.0, 1.0)
    assert after[0].reason.startswith("contains '0 kg'")
    assert after[0].scores["judge"] == 0.25  # nobody but a judge can give it again
    assert Results(state).rescore(sources=gold, corpus="v1").changed == {}
    assert Results(state).newest()["verdict"]["recommended"] == "rag"


def test_without_the_documents_of_then_scores_of_grounding_stay(state: Path, stored: Any) -> None:
    Results(state).rescore(sources=gold, corpus="v1")
    found = Results(state).rescore(sources=gold, corpus="v2")
    assert (found.changed, found.kept) == ({}, ("base", "rag", "decline"))
    assert read_records(state / "runs" / "rag-1" / "records.jsonl")[0].scores["support"] == 1.0


def test_a_comparison_is_named_by_its_folder(state: Path, stored: Any) -> None:
    name = stored.report.parent.name
    assert Results(state).rescore(name).report_id == name
    for wrong in ("nope", "../reports"):
        with pytest.raises(UsageError) as caught:
            Results(state).rescore(wrong)
        assert f"comparisons are {name}" in caught.value.why


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ("questions", "questions of rag were s1, now other"),
        ("weights", "weights of rag were w1, now other"),
        ("contract", "contract of rag were c1, now other"),
    ],
)
def test_a_run_that_is_not_the_stored_one_is_refused(
    state: Path, stored: Any, part: str, said: str
) -> None:
    path = state / "runs" / "rag-1" / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {part: "other"}))
    records = (state / "runs" / "base-1" / "records.jsonl").read_text()
    with pytest.raises(FingerprintMismatch) as caught:
        Results(state).rescore()
    assert caught.value.why == said
    assert four_lines(caught.value)
    assert (state / "runs" / "base-1" / "records.jsonl").read_text() == records


def test_questions_changed_by_hand_are_refused(state: Path, stored: Any) -> None:
    path = stored.report.parent / "comparand.json"
    text = path.read_text().replace('"39 kg"', '"40 kg"')
    path.write_text(text)
    with pytest.raises(BadInput) as caught:
        Results(state).rescore()
    assert caught.value.why.startswith("the file is not what was written")
    data = json.loads(text)
    del data["check"]
    path.write_text(json.dumps(data))
    with pytest.raises(FingerprintMismatch, match="not those that the comparison stored"):
        Results(state).rescore()


def test_a_comparison_of_an_older_version_is_scored_as_it_is(state: Path, stored: Any) -> None:
    path = stored.report.parent / "comparand.json"
    data = json.loads(path.read_text())
    del data["asked"], data["check"]
    data["runs"] = [{"run_id": run["run_id"], "changes": run["changes"]} for run in data["runs"]]
    path.write_text(json.dumps(data))
    assert Results(state).rescore().records == 3 * COUNT


def test_another_target_is_another_comparison_and_its_price_is_kept(state: Path) -> None:
    first = Results(state).store(measured(state))
    plain = measured(state, target=0.8, limits={"max_p50_ms": 100.0})
    priced = [
        replace(run, manifest=replace(run.manifest, price_per_1000=1.5))
        for run in plain.comparand.runs
    ]
    comparand = replace(plain.comparand, runs=tuple(priced))
    second = Results(state).store(replace(plain, comparand=comparand))
    assert first.report.parent != second.report.parent
    again = Results(state).redraw()
    assert again.comparison["verdict"]["target"] == 0.8
    assert again.comparison == second.comparison


@pytest.mark.parametrize("broken", ["", "{", "[]", "\x00", '{"verdict": 3}'])
def test_a_broken_comparison_is_a_plain_error_and_the_report_mends_it(
    state: Path, stored: Any, broken: str
) -> None:
    path = stored.report.parent / "comparison.json"
    path.write_text(broken)
    for read in (Results(state).newest, Results(state).recommended):
        with pytest.raises(BadInput) as caught:
            read()
        assert four_lines(caught.value)
        assert (caught.value.where, caught.value.next_step) == (str(path), "graft report")
    assert Results(state).redraw().comparison == stored.comparison
    assert Results(state).recommended() == ""


@pytest.mark.parametrize("broken", ["", "{", "[]", "{}", '{"runs": 3, "questions": []}', "\x00"])
def test_a_broken_comparand_is_a_plain_error_and_a_comparison_mends_it(
    state: Path, stored: Any, broken: str
) -> None:
    path = stored.report.parent / "comparand.json"
    path.write_text(broken)
    for read in (Results(state).redraw, Results(state).rescore):
        with pytest.raises(BadInput) as caught:
            read()
        assert four_lines(caught.value)
        assert (caught.value.where, caught.value.next_step) == (str(path), "graft compare")
    again = Results(state).store(measured(state))
    assert again.comparison["verdict"] == stored.comparison["verdict"]
    assert Results(state).settings() == {}


def test_bytes_that_are_no_text_are_a_plain_error(state: Path, stored: Any) -> None:
    (stored.report.parent / "comparison.json").write_bytes(b"\xff\xfe")
    with pytest.raises(BadInput, match="cannot be read"):
        Results(state).newest()


def test_without_a_comparison_there_is_nothing_to_score(state: Path) -> None:
    with pytest.raises(BadInput, match="no comparison yet"):
        Results(state).rescore()
    with pytest.raises(UsageError, match="there is no comparison 'x'"):
        Results(state).rescore("x")


def four_lines(error: BadInput) -> bool:
    return [line.split()[0] for line in str(error).splitlines()] == [
        "error:", "where", "why", "next",
    ]  # fmt: skip
