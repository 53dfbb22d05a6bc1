"""BEIR folders in, every form out, and back to the same set."""

from __future__ import annotations

import json

import pytest

from graft.errors import BadInput, QuestionFileError, UsageError
from graft.questions import QuestionSet, export_questions, read_questions
from graft.types import Document, Question

QUERIES = {"q1": "How thick is it?", "q2": "How thin is it?", "q3": "Why?", "q4": "When?"}


def beir(folder, *, queries=None, **qrels):
    (folder / "qrels").mkdir(parents=True, exist_ok=True)
    lines = queries or [{"_id": name, "text": text} for name, text in QUERIES.items()]
    (folder / "queries.jsonl").write_text("".join(json.dumps(one) + "\n" for one in lines))
    for name, rows in qrels.items():
        text = "".join("\t".join(map(str, row)) + "\n" for row in rows)
        (folder / "qrels" / f"{name}.tsv").write_text("query-id\tcorpus-id\tscore\n" + text)
    return folder


def by_id(report):
    return {item.id: item for item in report.questions.questions}


def test_a_beir_folder_becomes_questions_with_grades_and_no_answers(tmp_path):
    rows = [("q1", "d1", 2), ("q1", "d2", 1), ("q2", "d1", 1)]
    report = read_questions(beir(tmp_path, test=rows, train=[("q3", "d3", 1)]))
    found = by_id(report)
    assert found["q1"] == Question(
        "q1", "How thick is it?", (), "test", "d1", ("d1", "d2"), True, grades=(2, 1)
    )
    assert (found["q2"].grades, found["q2"].answerable) == ((), True)
    assert (found["q3"].split, found["q3"].doc_ids) == ("train", ("d3",))
    assert report.problems == (
        "Queries without a relevant document or an answer, left out, 1: q4.",
    )


def test_what_a_beir_folder_has_and_a_set_has_not_is_counted(tmp_path):
    folder = beir(
        tmp_path,
        test=[("q1", "d1", 1), ("q2", "d2", 1), ("q9", "d1", 1), ("q3", "d1", 0)],
        train=[("q1", "d7", 1), ("q3", "d3", 1)],
        all=[("q1", "d1", 1)],
    )
    (folder / "corpus.jsonl").write_text('{"_id": "d1", "text": "x"}\n')
    report = read_questions(folder)
    found = by_id(report)
    assert set(found) == {"q1", "q2", "q3"}
    assert (found["q1"].split, found["q1"].doc_ids) == ("test", ("d1",))
    assert found["q3"].split == "train"
    for said in (
        "name no split, not read: all.tsv",
        "left out, 1: q4.",
        "in several splits, kept in the last, 1: q1.",
        "does not have, left out, 1: q9.",
        "(grade 0), left out: 1.",
        "corpus.jsonl were not added",
    ):
        assert any(said in text for text in report.problems), said


def test_answers_in_the_metadata_of_a_query_are_taken(tmp_path):
    queries = [
        {"_id": "a", "text": "A?", "metadata": {"answer": "x", "key_facts": ["k"], "odd": 1}},
        {"_id": "b", "text": "B?", "metadata": {"split": "test", "answerable": False}},
    ]
    report = read_questions(beir(tmp_path, queries=queries, test=[("a", "d", 1)]))
    found = by_id(report)
    assert (found["a"].answers, found["a"].key_facts) == (("x",), ("k",))
    assert (found["b"].answerable, found["b"].split) == (False, "test")
    assert report.problems == ("Fields that Graft does not use: odd.",)


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ([("q1", "d1", "high")], "line 2: not query-id, corpus-id, score"),
        ([("q1", "d1", 1), ("q1", "d1", 2)], "line 3: query q1 grades d1 twice"),
        ([("q1", "0", "d1", 1)], "line 2: not query-id"),
    ],
)
def test_bad_judgements_are_named_with_their_line(tmp_path, rows, why):
    with pytest.raises(QuestionFileError) as caught:
        read_questions(beir(tmp_path, test=rows))
    assert caught.value.where.endswith("test.tsv")
    assert why in caught.value.why


def test_a_folder_that_is_no_beir_set_is_refused(tmp_path):
    with pytest.raises(QuestionFileError, match="as a BEIR set") as caught:
        read_questions(tmp_path)
    assert "qrels/train.tsv" in caught.value.why
    beir(tmp_path, test=[])
    (tmp_path / "queries.jsonl").unlink()
    with pytest.raises(QuestionFileError, match="as a BEIR set") as caught:
        read_questions(tmp_path)
    assert caught.value.why == "there is no queries.jsonl"


AWKWARD = QuestionSet(
    (
        Question(
            "a", 'Which, "or"; which?\r\nReally', ("1|2", "[x]"), "test", "g|h", ("a b/c.md",)
        ),
        Question("b", "Why — 为什么?", (), "test", "b", answerable=False, tags=("t", "u|v")),
        Question("c", "Where?", (), "test", "c", ("d1", "d2", "d3"), grades=(3, 1, 2)),
        Question("d", "Who?", ("Ann\u2028B",), "dev", "d", kind="long", key_facts=("k 1", "k 2")),
        Question("007", "Which label?", ("[red", "true"), "train", "x", kind="label", fact="f1"),
        Question("e", "How?", ("so",), "train", "x", ("d\t9",), fact="f1"),
    )
)


@pytest.mark.parametrize("name", ["x.jsonl", "x.CSV", "beir"])
def test_what_is_written_is_read_back_as_the_same_set(tmp_path, name):
    form = "beir" if name == "beir" else ""
    export_questions(tmp_path / name, AWKWARD, form)
    report = read_questions(tmp_path / name)
    assert report.questions == AWKWARD
    assert report.questions.hash == AWKWARD.hash
    assert report.problems == ()


def test_a_beir_folder_takes_the_documents_along_and_leaves_no_stale_file(tmp_path):
    document = Document("d1", "d1", "Title", "Text", "h", "text")
    beir(tmp_path, dev=[("old", "d", 1)])
    with pytest.raises(BadInput, match="something already") as caught:
        export_questions(tmp_path, AWKWARD, "beir", [document])
    assert "--force" in caught.value.next_step
    only = QuestionSet(AWKWARD.questions[:3])
    export_questions(tmp_path, only, "beir", [document], force=True)
    assert json.loads((tmp_path / "corpus.jsonl").read_text()) == {
        "_id": "d1", "title": "Title", "text": "Text",
    }  # fmt: skip
    assert (tmp_path / "qrels" / "test.tsv").read_text() == (
        "query-id\tcorpus-id\tscore\na\ta b/c.md\t1\nc\td1\t3\nc\td2\t1\nc\td3\t2\n"
    )
    assert not (tmp_path / "qrels" / "dev.tsv").exists()


def test_nothing_is_overwritten_and_no_other_form_is_known(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_text("mine")
    with pytest.raises(BadInput, match="something already"):
        export_questions(path, AWKWARD)
    assert path.read_text() == "mine"
    export_questions(path, AWKWARD, force=True)
    assert path.read_text().count("\n") == len(AWKWARD.questions)
    with pytest.raises(UsageError) as caught:
        export_questions(path, AWKWARD, "xml")
    assert "jsonl, csv, beir" in caught.value.why


def test_lists_in_a_table_are_separated_by_a_bar(tmp_path):
    path = tmp_path / "qa.csv"
    path.write_text(
        "id,question,answers,split,tags,key_facts,doc_ids,grades\n"
        "a,A?,x,test,t | u,one fact|another,d1|d2,2|1\nb,B?,y,test,,,d1,1\n"
    )
    found = by_id(read_questions(path))
    assert (found["a"].tags, found["a"].key_facts) == (("t", "u"), ("one fact", "another"))
    assert (found["a"].grades, found["b"].grades) == ((2, 1), ())


@pytest.mark.parametrize(
    ("grades", "why"),
    [([1], "1 grades for 2 doc_ids"), ([1, 0], "not whole numbers"), ([1, 1.5], "not whole")],
)
def test_grades_that_do_not_fit_their_documents_are_refused(tmp_path, grades, why):
    path = tmp_path / "qa.jsonl"
    line = {"question": "A?", "answers": ["x"], "doc_ids": ["a", "b"], "split": "test"}
    path.write_text(json.dumps(line | {"grades": grades}) + "\n")
    with pytest.raises(QuestionFileError) as caught:
        read_questions(path)
    assert why in caught.value.why
