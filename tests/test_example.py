"""The example that ships: enough of everything, nothing from a template, nothing leaking.

Documents are read as the corpus reads them, so that a PDF counts like any other.
"""

import json
import re
from collections import Counter, defaultdict
from importlib import resources
from itertools import combinations
from math import sqrt
from pathlib import Path

import pytest

from graft.exposure import Seen, exposures
from graft.loaders import loader_for
from graft.questions import read_questions
from graft.rows import kept_out_documents
from graft.workspace import Workspace

EXAMPLE = Path(str(resources.files("graft") / "example"))
MOST_SIMILAR = 0.5  # a page with names and numbers swapped scores above 0.9, ours under 0.1
RARE = 10  # documents, a tenth: a word in no more of them says what a question is about
MOST_BYTES = 1_000_000
SHORT_WORDS = 8
TWO = "two-documents"

_WORD = re.compile(r"\w+(?:[.,:]\d+)*")
_HTML_BLOCK = re.compile(r"<(h[1-6]|p|table|caption|ul|ol|dl|blockquote|pre)\b")
_MARKDOWN_BLOCKS = (
    ("fence", r"```"),
    ("check", r"(?:[-*+] )?\[[ x]\]"),
    ("quote", r">"),
    ("table", r"\||.* \| .* \| "),
    ("rule", r"(?:-{3,}|\* \* \*|={3,})$"),
    ("lead", r"\*\*"),
    ("bullet", r"[-*+] "),
    ("number", r"\d+[.)] "),
    ("clause", r"\d+\.\d+ "),
    ("define", r": "),
    ("note", r"[*_]\w"),
)
_TEXT_BLOCKS = (
    ("check", r"\[ \]"),
    ("quote", r">"),
    ("rule", r"(?:-{3,}|\* \* \*|~)$"),
    ("bullet", r"\* "),
    ("number", r"\d+[.)]? "),
    ("capitals", r"[^a-z]*[A-Z][^a-z]*$"),
    ("entry", r"[A-Z][a-z]+ \d\d:\d\d "),
    ("field", r"[A-Z][\w ]{0,20}:"),
)


def read_texts():
    """Return the text of every document by id, through the loaders."""
    found = {}
    for path in sorted((EXAMPLE / "docs").rglob("*.*")):
        name = path.relative_to(EXAMPLE / "docs").as_posix()
        found[name] = "\n".join(item.text for item in loader_for(path).load(path, name))
    return found


@pytest.fixture(scope="module")
def texts():
    return read_texts()


@pytest.fixture(scope="module")
def report():
    return read_questions(EXAMPLE / "questions.jsonl")


@pytest.fixture(scope="module")
def questions(report):
    return report.questions.questions


@pytest.fixture(scope="module")
def changes():
    lines = (EXAMPLE / "changes.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def seen_documents(questions):
    return {doc for item in questions if item.split == "train" for doc in item.doc_ids}


def unseen_documents(questions):
    asked = {doc for item in questions for doc in item.doc_ids}
    return asked - seen_documents(questions)


def of_test(questions):
    return [item for item in questions if item.split == "test"]


def words(text):
    return [word.casefold() for word in _WORD.findall(text)]


def stands_in(phrase, text):
    """Tell whether a phrase stands in a text as whole words and numbers."""
    plain = " ".join(text.casefold().split())
    return bool(re.search(rf"(?<![\w.,]){re.escape(phrase.casefold())}(?![\w]|[.,]\d)", plain))


def masked(text):
    """Return the words of a text, names and numbers as one sign; neighbouring signs are one."""
    found = []
    for word in _WORD.findall(text):
        plain = "#" if word[0].isupper() or any(map(str.isdigit, word)) else word.casefold()
        if plain != "#" or found[-1:] != ["#"]:
            found.append(plain)
    return found


def pattern(question, names):
    """Return a wording without its names and numbers, the first word's capital forgiven."""
    found = []
    for place, word in enumerate(_WORD.findall(question)):
        is_name = word.casefold() in names if place == 0 else word[0].isupper()
        plain = "#" if is_name or any(map(str.isdigit, word)) else word.casefold()
        if plain != "#" or found[-1:] != ["#"]:
            found.append(plain)
    return " ".join(found)


def trigrams(text):
    found = masked(text)
    return Counter(zip(found, found[1:], found[2:], strict=False))


def cosine(one, other):
    shared = sum(count * other[gram] for gram, count in one.items() if gram in other)
    sizes = [sqrt(sum(count * count for count in grams.values())) for grams in (one, other)]
    return shared / (sizes[0] * sizes[1]) if all(sizes) else 0.0


def block_kind(line, kinds):
    heading = re.match(r"(#{1,6}) ", line)
    if heading and kinds is _MARKDOWN_BLOCKS:
        return f"h{len(heading[1])}"
    return next((kind for kind, rule in kinds if re.match(rule, line)), "p")


def skeleton(path):
    """Return a file's layout: its format and its headings and blocks in order, runs as one."""
    text = path.read_text(encoding="utf-8", errors="replace")
    if path.suffix == ".html":
        blocks = _HTML_BLOCK.findall(text)
    elif path.suffix == ".pdf":
        blocks = [path.name]  # drawn, not marked up: each stands for itself
    else:
        kinds = _MARKDOWN_BLOCKS if path.suffix == ".md" else _TEXT_BLOCKS
        paragraphs = [part.splitlines() for part in re.split(r"\n\s*\n", text.strip())]
        blocks = []
        for lines in paragraphs:
            found = [block_kind(line.strip(), kinds) for line in lines]
            blocks += found[:1] + [kind for kind in found[1:] if kind != "p"]
    runs = [kind for place, kind in enumerate(blocks) if blocks[place - 1 : place] != [kind]]
    return (path.suffix, *runs)


def test_the_example_is_as_large_as_the_page_about_it_says(texts, questions, changes):
    test = of_test(questions)
    facts = defaultdict(Counter)
    for item in questions:
        if item.split == "train" and item.answerable:
            facts[item.fact]["train"] += 1
    for item in questions:
        if item.fact in facts and item.split != "train":
            facts[item.fact][item.split] += 1
    unseen = unseen_documents(questions)
    assert len(texts) >= 100
    assert {Path(name).suffix for name in texts} == {".md", ".txt", ".html", ".pdf"}
    assert len(facts) == 120
    assert all(counts == {"train": 3, "dev": 1, "test": 1} for counts in facts.values())
    assert sum(set(item.doc_ids) <= unseen for item in test if item.answerable) == 80
    assert sum(not item.answerable for item in test) == 60
    assert sum(TWO in item.tags for item in test) == 20
    assert len(test) == 120 + 80 + 60 + 20
    assert len({item["fact"] for item in changes}) >= 30
    assert sum(path.stat().st_size for path in EXAMPLE.rglob("*.*")) < MOST_BYTES


def test_the_question_file_is_taken_without_a_complaint(report, texts, questions):
    assert report.problems == report.duplicates == report.removed_from_train == ()
    assert {doc for item in questions for doc in item.doc_ids} <= set(texts)
    assert {item.group for item in questions} <= set(texts)


def test_every_document_is_asked_about(texts, questions):
    assert set(texts) == {doc for item in questions for doc in item.doc_ids}


def test_no_two_documents_are_one_text_with_other_names_and_numbers(texts):
    grams = {name: trigrams(text) for name, text in texts.items()}
    scores = {(a, b): cosine(grams[a], grams[b]) for a, b in combinations(grams, 2)}
    closest = max(scores, key=scores.__getitem__)
    assert scores[closest] < MOST_SIMILAR, closest


def test_the_measure_of_similarity_catches_a_template():
    page = "The {0} holds {1} litres and is cleaned by {2} every {1} days with soft soap."
    one = page.format("Tarn 40", "12", "Maud Ellerin")
    other = page.format("Corrie", "3.5", "Hector")
    assert cosine(trigrams(one), trigrams(other)) > 0.9


def test_no_test_wording_repeats_the_pattern_of_a_training_wording(texts, questions):
    written = [*texts.values(), *(item.question for item in questions)]
    found = {word for text in written for word in _WORD.findall(text)}
    names = {word.casefold() for word in found} - {word for word in found if word.islower()}
    one = pattern("How much oil goes into a Kestrin 22?", names)
    assert one == pattern("How much oil goes into a Brandal 250?", names)
    trained = {pattern(item.question, names) for item in questions if item.split == "train"}
    again = [item.id for item in of_test(questions) if pattern(item.question, names) in trained]
    assert again == []


def test_no_answer_serves_for_more_than_three_facts(questions):
    facts = defaultdict(set)
    for item in questions:
        for answer in item.answers[:1]:
            facts[answer.casefold()].add(item.fact)
    assert {answer: len(found) for answer, found in facts.items() if len(found) > 3} == {}


def test_answers_are_short(questions):
    longest = max(len(answer.split()) for item in questions for answer in item.answers)
    assert longest <= SHORT_WORDS


def test_every_gold_answer_stands_in_a_gold_document(texts, questions):
    missing = [
        item.id
        for item in questions
        if item.answerable
        and not any(
            stands_in(answer, texts[doc]) for answer in item.answers for doc in item.doc_ids
        )
    ]
    assert missing == []


def test_seen_and_unseen_documents_differ_in_layout(questions):
    shapes = {skeleton(EXAMPLE / "docs" / doc): doc for doc in seen_documents(questions)}
    again = [
        (doc, shapes[skeleton(EXAMPLE / "docs" / doc)])
        for doc in unseen_documents(questions)
        if skeleton(EXAMPLE / "docs" / doc) in shapes
    ]
    assert again == []


def test_exposure_tells_trained_facts_from_unseen_documents(texts, questions):
    kept_out = kept_out_documents(questions, sorted(texts), (), 7)
    assert kept_out == unseen_documents(questions)
    learned = {
        (item.doc_ids[0], item.answers[0].casefold())
        for item in questions
        if item.split == "train" and item.answerable
    }
    seen = Seen(frozenset(learned), frozenset(texts) - kept_out)
    found = Counter(exposures(of_test(questions), seen).values())
    assert found == {"fact": 120, "document": 20, "unseen": 80, "unanswerable": 60}


def test_a_question_over_two_documents_needs_both(texts, questions):
    """The first document leads to the second, which alone has the answer.

    The question says something that only the first has, and does not name what the two
    documents share: without the first nobody knows where in the second to look.
    """
    spread = Counter(word for text in texts.values() for word in set(words(text)))
    for item in (item for item in questions if TWO in item.tags):
        first, second = (texts[doc] for doc in item.doc_ids)
        asked = set(words(item.question))
        only_first = (asked & set(words(first))) - set(words(second))
        assert any(spread[word] <= RARE for word in only_first), item.id
        bridges = {
            word.casefold()
            for word in _WORD.findall(first)
            if (word[0].isupper() or word[0].isdigit()) and word in _WORD.findall(second)
        }
        rare = {word for word in bridges - asked if spread[word] <= RARE}
        assert rare, item.id
        assert any(stands_in(answer, second) for answer in item.answers), item.id
        assert not any(stands_in(answer, first) for answer in item.answers), item.id


def test_an_unanswerable_question_asks_about_something_that_is_there(texts, questions):
    spread = Counter(word for text in texts.values() for word in set(words(text)))
    asked = {" ".join(words(item.question)) for item in questions if item.answerable}
    for item in (item for item in questions if not item.answerable):
        names = {word.casefold() for word in _WORD.findall(item.question)[1:] if word[0].isupper()}
        about = names | (set(words(item.question)) & set(words(texts[item.group])))
        assert any(1 <= spread[word] <= RARE for word in about), item.id
        assert " ".join(words(item.question)) not in asked


def test_a_changed_document_differs_in_the_changed_values_alone(questions, texts, changes):
    by_fact = defaultdict(list)
    for item in questions:
        by_fact[item.fact].append(item)
    of_document = defaultdict(list)
    for change in changes:
        of_document[change["document"], change["replacement"]].append(change)
        gold = by_fact[change["fact"]]
        assert change["replacement"] == f"changes/{change['document']}"
        assert gold[0].doc_ids == (change["document"],)
        assert tuple(change["old_answers"]) == gold[0].answers
        assert set(change["questions"]) <= {item.question for item in gold}
        assert not set(change["old_answers"]) & set(change["new_answers"])
    for (document, replacement), found in of_document.items():
        now = (EXAMPLE / "docs" / document).read_text(encoding="utf-8")
        then = (EXAMPLE / replacement).read_text(encoding="utf-8")
        for change in found:
            assert now.count(change["old"]) == 1, change["id"]
            assert stands_in(change["new_answers"][0], then), change["id"]
            assert not any(stands_in(answer, then) for answer in change["old_answers"][:1])
            now = now.replace(change["old"], change["new"])
        assert now == then


def test_no_changed_document_is_added_with_the_documents(tmp_path):
    made = Workspace.create(tmp_path / "demo", example=True)
    docs = made.root / "docs"
    there = {path.relative_to(docs).as_posix() for path in docs.rglob("*.*")}
    assert there == set(read_texts())
    assert (made.root / "changes.jsonl").is_file()
    assert list((made.root / "changes").rglob("*.md"))
