"""Worked cases of entailment, claims, key facts, support and citations."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from graft.metrics import Sources, score_record
from graft.metrics.claims import claims_of
from graft.metrics.entailment import entails, says_something
from graft.types import Question, Record

DRY = "The Tarn 40 pump may run dry for up to 90 seconds at most."
VALVE = "Close valve B before opening the housing. The seal was changed on 18 October 2024."
TABLE = "Model | Pressure (bar) | Weight (kg)\nTarn 40 | 38 | 120"
ASKED = Question("q", "What?", ("90 seconds",), "test", "g", ("d.md",))

ENTAILED = [
    (DRY, "90 seconds", True),
    (DRY, "ninety s", True),
    (DRY, "90 minutes", False),  # the unit is part of a number
    (DRY, "The pump may run dry for 90 seconds.", True),
    (DRY, "The Tarn 50 pump may run dry for 90 seconds.", False),
    (DRY, "Pumps run dry", True),  # a plural s
    (DRY, "The Ovre pump may run dry for 90 seconds.", False),  # a name is missing
    (DRY, "90", True),
    (DRY, "9", False),
    (VALVE, "18 October 2024", True),
    (VALVE, "2024-10-18", True),
    (VALVE, "October 2024", True),
    (VALVE, "in 2024", True),
    (VALVE, "19 October 2024", False),
    (VALVE, "18 November 2024", False),
    (VALVE, "Close valve A before opening the housing.", False),
    (TABLE, "38 bar", True),  # the unit stands in the head of the table
    (TABLE, "38 psi", False),
    (TABLE, "120 kg", True),
    ("The range is 5-10 bar.", "5 to 10 bar", True),
    ("The range is 5-10 bar.", "5 bar", True),
    ("It costs £1,200 a year.", "GBP 1200", True),
    ("It costs £1,200 a year.", "$1200", False),
    ("It cools to -5 °C.", "5 °C", False),
    # four of five content words are 80 %, three of five are not
    ("drain oil, close valve, open lid", "drain oil close valve slowly", True),
    ("drain oil, close valve, open lid", "drain oil close hatch slowly", False),
    # it cannot see negation: both hold
    ("The lid may not be opened.", "The lid may be opened.", True),
    ("The lid may be opened.", "The lid may not be opened.", True),
    (DRY, "Yes.", False),
    (DRY, "", False),
    ("", "90 seconds", False),
]


@pytest.mark.parametrize(("text", "statement", "holds"), ENTAILED)
def test_lexical_entailment(text: str, statement: str, holds: bool) -> None:
    assert entails(text, statement) is holds


def test_a_statement_without_content_says_nothing() -> None:
    assert not says_something("Yes, it is.")
    assert says_something("Yes, 5.")


def test_an_answer_is_cut_into_claims_with_what_they_cite() -> None:
    answer = (
        "Dr. Ellerin founded it, e.g. in No. 7. It weighs 1.5 kg. [2][1]\n"
        "1. Close valve B [1, 3].\n- Yes.\nRinse it for 5 min. Then dry it"
    )
    assert [(claim.text, claim.citations) for claim in claims_of(answer)] == [
        ("Dr. Ellerin founded it, e.g. in No. 7.", ()),
        ("It weighs 1.5 kg.", (2, 1)),
        ("Close valve B.", (1, 3)),
        ("Rinse it for 5 min.", ()),
        ("Then dry it", ()),
    ]


def scores(
    answer: str, asked: Question = ASKED, sources: Sources | None = None, **other: object
) -> dict[str, float | None]:
    made = replace(Record("rag", "q", answer, False), **other)  # type: ignore[arg-type]
    return dict(score_record(made, asked, sources or Sources()))


FACTS = ("90 seconds", "close valve B", "18 October 2024")
KEY_FACTS = [
    # answer, declined, share of the three facts
    ("Close valve B; run it for ninety seconds.", False, 2 / 3),
    ("On 18 October 2024, valve B was to close for 90 s.", False, 1.0),
    ("90 minutes", False, 0.0),
    ("", True, 0.0),
]


@pytest.mark.parametrize(("answer", "declined", "expected"), KEY_FACTS)
def test_key_fact_recall(answer: str, declined: bool, expected: float) -> None:
    facts = list(FACTS)
    random.Random(7).shuffle(facts)
    for order in (FACTS, tuple(facts), FACTS[::-1]):
        asked = replace(ASKED, key_facts=order)
        assert scores(answer, asked, declined=declined)["key_fact_recall"] == pytest.approx(
            expected
        )


def test_key_facts_do_not_apply_without_any() -> None:
    assert scores("90 seconds")["key_fact_recall"] is None
    assert scores("x", replace(ASKED, key_facts=FACTS), error="x")["key_fact_recall"] == 0.0


GOLD = Sources(documents={"d.md": (DRY, VALVE), "z.md": ("It is green.",)})
SUPPORTED = [
    ("90 seconds", 1.0),
    ("90 minutes", 0.0),
    ("It may run dry for 90 seconds. It is green. Close valve B.", 2 / 3),
    ("It is green.", 0.0),  # true elsewhere, not in a gold document
    ("Run dry for 90 seconds and close valve B.", 0.0),  # no passage says both
    ("Yes.", None),
]


@pytest.mark.parametrize(("answer", "expected"), SUPPORTED)
def test_support_is_the_share_of_claims_that_the_gold_documents_hold(
    answer: str, expected: float | None
) -> None:
    assert scores(answer, sources=GOLD)["support"] == pytest.approx(expected)


def test_support_does_not_apply_without_an_answer_or_a_text() -> None:
    assert scores("", sources=GOLD, declined=True)["support"] is None
    assert scores("", sources=GOLD, error="timeout")["support"] is None
    assert scores("90 seconds")["support"] is None
    assert scores("90 seconds", replace(ASKED, doc_ids=()), GOLD)["support"] is None
    unanswerable = replace(ASKED, answers=(), answerable=False)
    assert scores("90 seconds", unanswerable, GOLD)["support"] is None


SHOWN = Sources(shown=(DRY, VALVE, "It is green."))
CITED = [
    # answer, precision, recall, validity
    ("It may run dry for 90 seconds [1].", 1.0, 1.0, 1.0),
    ("It may run dry for 90 seconds [2].", 0.0, 0.0, 1.0),
    ("It may run dry for 90 seconds [1][3].", 0.5, 1.0, 1.0),  # [3] is of no use
    ("It may run dry for 90 seconds [1, 9].", 0.5, 1.0, 0.5),  # there is no [9]
    ("It may run dry for 90 seconds. Close valve B [2].", 1.0, 0.5, 1.0),
    ("Run dry for 90 seconds, then close valve B [1][2].", 1.0, 1.0, 1.0),  # both are needed
    ("It may run dry for 90 seconds. [1] It is red [3].", 0.5, 0.5, 1.0),
    ("It may run dry for 90 seconds [0].", 0.0, 0.0, 0.0),
]
CITATION_SCORES = ("citation_precision", "citation_recall", "citation_validity")


@pytest.mark.parametrize(("answer", "precision", "recall", "validity"), CITED)
def test_citations(answer: str, precision: float, recall: float, validity: float) -> None:
    found = scores(answer, sources=SHOWN)
    assert [found[name] for name in CITATION_SCORES] == pytest.approx([precision, recall, validity])


def test_an_answer_that_cites_nothing_falls_short_only_where_the_prompt_asks_for_it() -> None:
    plain = "It may run dry for 90 seconds."
    assert [scores(plain, sources=SHOWN)[name] for name in CITATION_SCORES] == [None] * 3
    asked = scores(plain, sources=replace(SHOWN, asks_citations=True))
    assert [asked[name] for name in CITATION_SCORES] == [0.0, 0.0, None]


def test_citations_do_not_apply_without_passages_or_an_answer() -> None:
    for found in (
        scores("90 seconds [1]"),
        scores("90 seconds [1]", sources=SHOWN, declined=True),
        scores("", sources=SHOWN, error="timeout"),
    ):
        assert [found[name] for name in CITATION_SCORES] == [None] * 3
