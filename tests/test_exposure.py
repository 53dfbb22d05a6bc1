from __future__ import annotations

from graft.exposure import Seen, exposures, seen_in
from graft.types import Question, TrainingRow

NOTHING = Seen(frozenset(), frozenset())


def row(kind, answer="90 s", gold="a.md", doc_ids=("a.md",)):
    return TrainingRow(
        f"{kind}-{answer}-{gold}", kind, (), answer, "t1", (gold,) if gold else (), doc_ids
    )


def question(name="q1", answers=("90 s",), doc_ids=("a.md",), answerable=True):
    return Question(name, "How long?", answers, "test", "g", doc_ids, answerable)


def exposure(item, *rows):
    return exposures([item], seen_in(rows))[item.id]


def test_a_learned_answer_of_the_gold_document_is_a_fact():
    for kind in ("closed", "context", "cloze"):
        assert exposure(question(), row(kind)) == "fact"


def test_an_answer_is_the_same_whatever_its_case_spaces_and_full_stop():
    assert exposure(question(answers=("three  Days",)), row("closed", " Three days.")) == "fact"


def test_any_of_several_answers_makes_a_fact():
    assert exposure(question(answers=("1.5 min", "90 s")), row("closed")) == "fact"


def test_any_of_several_gold_documents_makes_a_fact():
    assert exposure(question(doc_ids=("b.md", "a.md")), row("closed")) == "fact"


def test_a_pair_with_several_gold_documents_teaches_the_fact_of_each():
    several = TrainingRow("t", "closed", (), "90 s", "t1", ("a.md", "b.md"), ("a.md", "b.md"))
    assert exposure(question(doc_ids=("b.md",)), several) == "fact"
    shown = TrainingRow("t", "context", (), "90 s", "t1", ("a.md", "b.md"), ("a.md",))
    assert exposure(question(doc_ids=("b.md",)), shown) == "fact"


def test_running_text_of_the_gold_document_is_document():
    assert exposure(question(), row("section", "The pump runs for 90 s dry.")) == "document"


def test_the_gold_document_as_a_distractor_is_document():
    assert exposure(question(), row("context", "blue", "b.md", ("a.md", "b.md"))) == "document"
    no_gold = row("no_gold", "The documents do not say.", "", ("a.md",))
    assert exposure(question(), no_gold) == "document"


def test_the_same_answer_learned_from_another_document_is_no_fact():
    assert exposure(question(doc_ids=("b.md",)), row("closed")) == "unseen"


def test_another_fact_of_the_gold_document_is_document():
    assert exposure(question(answers=("blue",)), row("closed")) == "document"


def test_nothing_of_the_gold_document_is_unseen():
    assert exposure(question()) == "unseen"
    assert exposure(question(), row("section", "text", "b.md", ("b.md",))) == "unseen"


def test_a_learned_decline_sentence_teaches_no_fact():
    decline = row("no_gold", "90 s", "", ())
    assert exposure(question(), decline) == "unseen"


def test_a_question_without_an_answer_is_unanswerable_whatever_was_seen():
    assert exposure(question(answers=(), answerable=False), row("closed")) == "unanswerable"


def test_without_gold_documents_the_answer_alone_counts():
    item = question(doc_ids=())
    assert exposure(item, row("closed", gold="", doc_ids=())) == "fact"
    assert exposure(item, row("section", "The pump runs for 90 s.")) == "unseen"


def test_a_gold_document_counts_even_where_the_row_does_not_list_it():
    assert seen_in([row("closed", doc_ids=())]).documents == {"a.md"}


def test_two_adapters_have_seen_what_either_has():
    one, two = seen_in([row("closed")]), seen_in([row("section", "x", "b.md", ("b.md",))])
    assert (one | two).documents == {"a.md", "b.md"}
    assert (one | two).learned == {("a.md", "90 s")}
    assert (NOTHING | one) == one


def test_every_question_has_an_exposure():
    items = [question("q1"), question("q2", doc_ids=("b.md",)), question("q3", ("blue",))]
    found = exposures(items, seen_in([row("closed")]))
    assert found == {"q1": "fact", "q2": "unseen", "q3": "document"}
