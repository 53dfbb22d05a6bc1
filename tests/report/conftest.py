"""A comparison and a comparand small enough to check by eye."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from graft.runs import ArmRun, Comparand, RunManifest
from graft.types import Question, Record

HOSTILE = "<script>alert(1)</script>"


def score(value: float | None, n: int = 40, half: float = 0.08) -> dict[str, Any]:
    if value is None:
        return {"score": None, "low": None, "high": None, "n": 0}
    return {"score": value, "low": max(0, value - half), "high": min(1, value + half), "n": n}


def arm(name: str, facts: float, unseen: float, decline: float, **other: Any) -> dict[str, Any]:
    headline = ((facts + unseen) / 2 + decline) / 2
    data: dict[str, Any] = {
        "name": name,
        "control": False,
        "not_applicable": "",
        "exposure": {
            "fact": score(facts, 40),
            "document": score(None),
            "unseen": score(unseen, 60),
            "all": score((facts + unseen) / 2, 100),
        },
        "decline_recall": score(decline, 20, 0.2),
        "headline": score(headline, 120),
        "latency_ms": {
            "p50": 780.0,
            "p95": None,
            "stages": {"search": 12.0, "first token": 400.0, "rest": 368.0},
            "n": 20,
            "p95_note": "needs 59",
        },
        "build_seconds": 0.0,
        "storage_bytes": 0,
        "retrieval_hit": None,
        "retrieval_recall": None,
        "failed": 0,
        "declined_share": 0.2,
        "exact": 0.3,
        "f1": 0.4,
    }
    return data | other


def timed(p50: float | None) -> dict[str, Any]:
    return {"p50": p50, "p95": None, "stages": {}, "n": 20, "p95_note": "needs 59"}


def contrast(a: str, b: str, difference: float, half: float, **other: Any) -> dict[str, Any]:
    low, high = difference - half, difference + half
    clear = low > 0 or high < 0
    data = {
        "a": a,
        "b": b,
        "difference": difference,
        "low": low,
        "high": high,
        "p": 0.0004 if clear else 0.41,
        "p_holm": 0.0012 if clear else 0.41,
        "n": 120,
        "clusters": 31,
        "won": 38,
        "lost": 9,
        "tied": 73,
        "family": "planned",
        "exploratory": False,
    }
    return data | other


@pytest.fixture
def comparison() -> dict[str, Any]:
    found = {"retrieval_hit": 0.9, "retrieval_recall": 0.82}
    missing = {
        "exposure": {key: score(None) for key in ("fact", "document", "unseen", "all")},
        "decline_recall": score(None),
        "headline": score(None),
        "latency_ms": None,
        "build_seconds": None,
        "storage_bytes": None,
    }
    return {
        "schema": 1,
        "base_model": "SmolLM2-135M-Instruct",
        "created": "2026-08-22T10:15:00Z",
        "arms": [
            arm("hybrid", 0.72, 0.6, 0.7, build_seconds=412.0, storage_bytes=152_000_000, **found),
            arm("base", 0.05, 0.04, 0.5, latency_ms=timed(390.0)),
            arm("finetuned", 0.6, 0.05, 0.3, build_seconds=200.0, storage_bytes=145_000_000),
            arm(
                "rag", 0.48, 0.5, 0.6, build_seconds=6.2, storage_bytes=3_400_000, failed=2, **found
            ),
            arm("bolt-on", 0.5, 0.3, 0.4, control=True, latency_ms=timed(1240.0)),
            arm("top-passage", 0.1, 0.12, 0.0, control=True, latency_ms=timed(9.0)),
            arm("decline", 0.0, 0.0, 1.0, control=True, latency_ms=timed(0.1)),
            arm(
                "whole-text",
                0,
                0,
                0,
                not_applicable="the corpus does not fit the window",
                **missing,
            ),
        ],
        "contrasts": [
            contrast("rag", "base", 0.24, 0.1),
            contrast("finetuned", "base", -0.02, 0.08, won=12, lost=14, tied=94),
            contrast("hybrid", "rag", 0.11, 0.09, won=25, lost=12, tied=83),
            contrast("hybrid", "bolt-on", 0.2, 0.1, exploratory=True, family="exploratory"),
        ],
        "interaction": {"difference": 0.13, "low": 0.02, "high": 0.24, "p": 0.02},
        "verdict": {
            "clear": True,
            "recommended": "hybrid",
            "tie_set": ["hybrid"],
            "best_set": ["hybrid"],
            "p_best": {"hybrid": 0.97, "rag": 0.03},
            "blocked_by": [],
            "flags": ["below_control:finetuned", "3 documents were skipped: \x1b[31mold.pdf"],
            "sentence": "Use hybrid: headline 68 % (60–76) on 120 test questions, 11 points "
            "(2 to 20) above rag, 780 ms an answer.",
            "questions_needed": None,
            "detectable_difference": 0.09,
        },
    }


MEASURED = ("base", "finetuned", "rag", "hybrid")


def whole(comparison: dict[str, Any]) -> dict[str, Any]:
    """Fill every part that a comparison may have; two texts in it are hostile."""
    arms = {item["name"]: item for item in comparison["arms"]}
    for place, name in enumerate(MEASURED):
        arms[name] |= {
            "measures": {
                "contains": score(0.4 + place / 10, 100),
                "exact": score(0.3 + place / 10, 100),
                "f1": score(0.45 + place / 10, 100),
                "key_fact_recall": score(None),
                "support": score(0.5 + place / 10 if name in ("rag", "hybrid") else None, 90),
            },
            "abstention": {
                "answered_right": 30 + 10 * place, "answered_wrong": 40 - 8 * place,
                "declined_answerable": 30 - 2 * place, "declined_unanswerable": 8 + 3 * place,
                "answered_unanswerable": 12 - 3 * place, "recall": 0.4 + 0.15 * place,
                "precision": 0.3 + 0.1 * place, "over_refusal": 0.3 - 0.02 * place,
                "selective_accuracy": 0.43 + 0.12 * place,
            },
            "risk_coverage": {
                "points": [
                    [step / 20, min(1.0, (0.62 - place / 8) * (step / 20) ** 0.5 + 0.02)]
                    for step in range(1, 21)
                ],
                "area": 0.4 - place / 12, "n": 100,
            },
            "peak_memory_bytes": 410_000_000 + 90_000_000 * place,
            "cold_seconds": 1.4 + place, "price_per_1000": 0.012 * (place + 1),
        }  # fmt: skip
    for name in ("rag", "hybrid"):
        hits = {"retrieved_right": 44, "retrieved_wrong": 22, "retrieved_declined": 16}
        misses = {"missed_right": 1, "missed_wrong": 12, "missed_declined": 5}
        arms[name]["attribution"] = hits | misses
        arms[name]["distractors"] = [
            *({"distractors": k, "score": score(0.8 - k / 30, 48)} for k in (0, 2, 4, 8)),
            {"distractors": 4, "gold": False, "score": score(0.6, 48)},
        ]
    for name, state in (("finetuned", "fails"), ("hybrid", "not shown")):
        arms[name]["forgetting"] = {
            "base": 0.62, "tuned": 0.56, "difference": -0.06, "bound": -0.11, "n": 100,
            "margin": 0.05, "state": state, "loss_base": 2.91, "loss_tuned": 3.04,
        }  # fmt: skip
    names = ("exposure:fact", "exposure:unseen", "kind:short", "tag:pumps", f"tag:{HOSTILE}")
    sizes = (40, 60, 100, 31, 6)
    comparison["slices"] = [
        {"name": name, "n": n,
         "scores": {arm: score(place / 9 + n / 400, n) for place, arm in enumerate(MEASURED)}}
        for name, n in zip(names, sizes, strict=True)
    ]  # fmt: skip
    comparison["leakage"] = {
        "removed": 3, "similar": 14,
        "with": {arm: score(0.3 + place / 10, 120) for place, arm in enumerate(MEASURED)},
        "without": {arm: score(0.28 + place / 10, 106) for place, arm in enumerate(MEASURED)},
    }  # fmt: skip
    comparison["failures"] = [
        {"arm": "hybrid", "kind": "misread", "n": 22, "share": 0.18,
         "text": "A passage of a gold document was given, and the answer is wrong.",
         "command": "graft compare --effort normal"},
        {"arm": "rag", "kind": "not_retrieved", "n": 18, "share": 0.15,
         "text": "No passage of a gold document was among those given.",
         "command": "graft search \"How much does the pump deliver?\""},
        {"arm": "rag", "kind": "should_have_declined", "n": 1, "share": 0.01,
         "text": "The documents do not say, and it answered.", "command": "graft questions check"},
    ]  # fmt: skip
    constraint = {"name": "max_p50_ms", "limit": 800.0, "bound": 860.0}
    comparison["verdict"] |= {
        "target": 0.6,
        "reaches_target": ["hybrid"],
        "constraints": [
            constraint | {"arm": "base", "value": 390.0, "bound": 420.0, "state": "passes"},
            constraint | {"arm": "rag", "value": 900.0, "bound": 990.0, "state": "fails"},
            constraint | {"arm": "hybrid", "value": 780.0, "state": "not shown"},
            {"arm": "hybrid", "name": "max_memory_mb", "limit": 1000.0, "value": None,
             "bound": None, "state": "not shown"},
        ],
        "pareto": ["base", "rag", "hybrid"],
        "flips": {
            "arm": "hybrid", "other": "rag",
            "right": [{"question_id": "q1", "question": "How much does the pump deliver?",
                       "answer": "40 litres", "other_answer": HOSTILE, "gold": "40 litres"}],
            "wrong": [{"question_id": "q3", "question": "Who founded the canteen?",
                       "answer": "Anna Berg", "other_answer": "Not in the documents.", "gold": ""}],
        },
    }  # fmt: skip
    return comparison


@pytest.fixture
def full(comparison: dict[str, Any]) -> dict[str, Any]:
    """A comparison with every part filled."""
    return whole(comparison)


def manifest(name: str, control: bool = False, **other: Any) -> RunManifest:
    values: dict[str, Any] = {
        "run_id": f"run-{name}",
        "arm": name,
        "control": control,
        "base_model": "SmolLM2-135M-Instruct",
        "weights": "w0ffee",
        "generator": "openvino",
        "contract": "c0de",
        "questions": "a41f00",
        "corpus": "v3",
        "uses_index": name in {"rag", "hybrid", "bolt-on", "top-passage"},
        "adapter": "ad4p7e" if name in {"finetuned", "hybrid", "bolt-on"} else "",
    }
    return RunManifest(**(values | other))


def make_comparand(questions: list[Question], records: dict[str, list[Record]]) -> Comparand:
    controls = {"bolt-on", "top-passage", "nearest-pair", "decline"}
    runs = [
        ArmRun(manifest(name, name in controls), tuple(found)) for name, found in records.items()
    ]
    runs.append(ArmRun(manifest("whole-text", not_applicable="does not fit"), ()))
    curve = [
        {"step": step, "train_loss": 3 / (1 + step / 20), "dev_loss": 3.1 / (1 + step / 30),
         "dev_answers": min(0.7, step / 200)}
        for step in range(0, 240, 20)
    ]  # fmt: skip
    return Comparand(
        base_model="SmolLM2-135M-Instruct",
        created="2026-08-22T10:15:00Z",
        questions=tuple(questions),
        exposure={
            item.id: "unanswerable" if not item.answerable else ("fact", "unseen")[place % 2]  # type: ignore[misc]
            for place, item in enumerate(questions)
        },
        runs=tuple(runs),
        passages={
            "p1": f"The pump delivers 40 litres. {HOSTILE}",
            "p2": "The kiln is fired on Mondays.",
            "p3": "Holidays are agreed with the foreman.",
        },
        flags=("no_dev",),
        settings={"effort": "quick", "k": 2, "training": {"epochs": 3, "rank": 16}},
        curves={"finetuned": curve, "hybrid": [*curve[:4], {"step": 90, "train_loss": 0.9}]},
    )


@pytest.fixture
def comparand() -> Comparand:
    questions = [
        Question("q1", f"How much does the pump deliver? {HOSTILE}", ("40 litres",), "test", "pump",
                 ("pump.md",)),
        Question("q2", "When is the kiln fired?", ("Mondays", "on Mondays"), "test", "kiln",
                 ("kiln.md",), tags=("plant",)),
        Question("q3", "Who founded the canteen?", (), "test", "canteen", answerable=False),
    ]  # fmt: skip

    def record(name: str, question: str, answer: str, right: float | None, **other: Any) -> Record:
        return Record(name, question, answer, other.pop("declined", False),
                      scores={"primary": right}, **other)  # fmt: skip

    seen = {"passages": ("p1", "p2"), "passage_doc_ids": ("pump.md", "kiln.md")}
    lost = {"passages": ("p3",), "passage_doc_ids": ("leave.md",)}
    decline = {"declined": True}
    return make_comparand(
        questions,
        {
            "base": [
                record("base", "q1", "12 litres", 0.0),
                record("base", "q2", "I cannot answer that.", 0.0, **decline),
                record("base", "q3", "Anna Berg", 0.0),
            ],
            "finetuned": [
                record("finetuned", "q1", HOSTILE, 0.0),
                record("finetuned", "q2", "on Mondays", 1.0),
                record("finetuned", "q3", "", None, error="the model ran out of memory"),
            ],
            "rag": [
                record("rag", "q1", "40 litres", 1.0, **seen),
                record("rag", "q2", "in spring, perhaps on Mondays", 0.4, **lost),
                record("rag", "q3", "Not in the documents.", 1.0, **decline, **lost),
            ],
            "decline": [record("decline", "q1", "Not in the documents.", 0.0, **decline)],
        },
    )


@pytest.fixture
def make() -> Callable[..., Comparand]:
    """Return a maker of comparands of nine arms, with 400 passages of one text."""

    def comparand_of(
        count: int, *, passage: str = "forty litres", answer: str = "Forty litres.", **other: Any
    ) -> Comparand:
        numbers = range(count)
        questions = [
            Question(
                f"q{i}", f"What does paragraph {i} say?", (f"{i} litres",), "test", f"g{i % 40}"
            )
            for i in numbers
        ]
        names = ["base", "finetuned", "rag", "hybrid", "whole-text"]
        names += ["bolt-on", "top-passage", "nearest-pair", "decline"]
        records = {
            name: [
                Record(name, f"q{i}", answer, False, (f"p{i}", f"p{i + 100}"), ("a.md", "b.md"),
                       scores={"primary": float(i % (place + 1) == 0)})
                for i in numbers
            ]
            for place, name in enumerate(names)
        }  # fmt: skip
        passages = {f"p{i}": f"{i} {passage}" for i in range(400)}
        return dataclasses.replace(make_comparand(questions, records), passages=passages, **other)

    return comparand_of
