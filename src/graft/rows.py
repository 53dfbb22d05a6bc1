"""Training rows from documents, pairs and our own retriever, without a leak.

Rows of the `finetuned` arm: the pairs asked closed-book, sentences with a gap and sections of
the documents. Rows of the `hybrid` arm: the same questions with what our own retriever finds
(gold and distractors), with the gold passage missing (answer: the decline sentence), and
closed-book. Documents kept out of training are invisible here: not in the index that builds
contexts, not as text, not as pairs.
"""

from __future__ import annotations

import fnmatch
import itertools
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from graft.contexts import ContextBuilder
from graft.prompts import PromptContract, neutralise
from graft.types import Document, Message, Passage, Question, TrainingRow, fingerprint

__all__ = ["RowSet", "RowSources", "build_rows", "kept_out_documents"]

UNSEEN_SHARE = 0.2  # of the answerable test questions, if fewer would be unseen by themselves
SECTION_SHARE = 0.05  # of the closed-book token budget
MAX_EPOCHS = 6  # passes over the pairs; dev answers still rise at the fifth (docs/log.md)
MIN_PASSES = 5  # that a small budget buys of fewer pairs
DISTINCT = 0.5  # answers by facts; under it few answers come again and again
CLOSED_SHARE = 0.3  # of the hybrid's token budget
CLOZE_PROMPT = "Fill the gap."
SECTION_PROMPT = "Write the section"


def kept_out_documents(
    questions: Sequence[Question], documents: Sequence[str], patterns: Sequence[str], seed: int
) -> frozenset[str]:
    """Choose the documents that no training row may touch.

    Always: documents that match `patterns`, and those that test or dev questions ask about
    and training questions do not. Where that leaves under a fifth of the answerable test
    questions unseen, whole documents are added in a seeded order until it does not: the
    question "does it work on documents that came later?" is always asked.
    """
    asked: dict[str, Counter[str]] = defaultdict(Counter)
    for item in questions:
        for doc_id in item.doc_ids:
            asked[doc_id][item.split] += 1
    kept = {doc for doc in documents if any(fnmatch.fnmatch(doc, rule) for rule in patterns)}
    kept |= {doc for doc, counts in asked.items() if not counts["train"]}
    test = [item for item in questions if item.split == "test" and item.answerable and item.doc_ids]
    if patterns or not test:
        return frozenset(kept)
    candidates = sorted(doc for doc, counts in asked.items() if counts["test"] and doc not in kept)
    random.Random(seed).shuffle(candidates)
    most = len(asked) // 2
    while candidates and len(kept & asked.keys()) < most:
        unseen = sum(1 for item in test if set(item.doc_ids) <= kept)
        if unseen >= UNSEEN_SHARE * len(test):
            break
        kept.add(candidates.pop())
    return frozenset(kept)


@dataclass(frozen=True, slots=True)
class RowSources:
    """All that rows are made of; `count` gives the tokens of a prompt.

    `pair_tokens` are what closed-book rows may cost. Both adapters learn the same facts, so
    that "trained on" means the same for both.
    """

    train: Sequence[Question]
    dev: Sequence[Question]
    documents: Sequence[Document]
    passages: Sequence[Passage]
    kept_out: frozenset[str]
    contract: PromptContract
    contexts: ContextBuilder
    count: Callable[[Sequence[Message]], int]
    seed: int
    max_row_tokens: int
    pair_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class RowSet:
    """Rows an epoch each, rows for `dev`, and what had to be left out, counted by reason."""

    epochs: tuple[tuple[TrainingRow, ...], ...]
    dev: tuple[TrainingRow, ...]
    left_out: Mapping[str, int] = field(default_factory=dict)

    @property
    def rows(self) -> list[TrainingRow]:
        """Every distinct row."""
        return list({row.id: row for rows in self.epochs for row in rows}.values())

    @property
    def hash(self) -> str:
        """Name the data: order, texts and epochs."""
        return fingerprint([[row.id for row in rows] for rows in self.epochs])


def build_rows(sources: RowSources, *, hybrid: bool, budget: int | None, dev_rows: int) -> RowSet:
    """Build the rows of the `finetuned` or the `hybrid` adapter within a token budget."""
    left_out: Counter[str] = Counter()
    allowed = [item for item in sources.train if not set(item.doc_ids) & sources.kept_out]
    left_out["of a document kept out of training"] = len(sources.train) - len(allowed)
    usable = learnable(allowed, sources.contract, sources.count, sources.pair_tokens, sources.seed)
    left_out["pair over the budget"] = len(allowed) - len(usable)
    closed = _closed_rows(sources, usable, left_out)
    chosen = random.Random(sources.seed)
    dev = _dev_rows(sources, usable, hybrid, dev_rows)
    if not hybrid:
        epochs = _closed_epochs(sources, closed, budget, chosen, left_out)
    else:
        epochs = _hybrid_epochs(sources, usable, closed, budget, chosen, left_out)
    kinds = {name: count for name, count in left_out.items() if count}
    return RowSet(tuple(tuple(rows) for rows in epochs if rows), tuple(dev), kinds)


def learnable(
    questions: Sequence[Question],
    contract: PromptContract,
    count: Callable[[Sequence[Message]], int],
    budget: int | None,
    seed: int,
) -> list[Question]:
    """Choose whole facts of which the budget buys `MIN_PASSES`, all questions if it suffices.

    A fact is learned by repetition: half of the facts in five passes are learned, all of them
    in two are not (docs/log.md). Where the same few answers come again and again (labels),
    every row repeats them already, and all rows stay.
    """
    answered = [item for item in questions if item.answers]
    distinct = {(item.fact or item.id, item.answers[0]) for item in answered}
    if budget is None or len({answer for _, answer in distinct}) < DISTINCT * len(distinct):
        return list(questions)
    rows = {item.id: closed_row(contract, item) for item in questions}
    shared = count(contract.messages("")) - 4
    cost = {name: _cost(row_tokens(count, row), shared) for name, row in rows.items()}
    if sum(cost.values()) * MIN_PASSES <= budget:
        return list(questions)
    facts: dict[str, list[Question]] = defaultdict(list)
    for item in questions:
        facts[item.fact or item.id].append(item)
    names = sorted(facts)
    random.Random(seed).shuffle(names)
    chosen, spent = set[str](), 0
    for name in names:
        price = MIN_PASSES * sum(cost[item.id] for item in facts[name])
        if chosen and spent + price > budget:
            continue
        chosen |= {item.id for item in facts[name]}
        spent += price
    return [item for item in questions if item.id in chosen]


def closed_row(contract: PromptContract, item: Question) -> TrainingRow:
    """Return the closed-book row of a question; an unanswerable one learns to decline."""
    answer = neutralise(item.answers[0]) if item.answers else contract.decline
    messages = tuple(contract.messages(item.question))
    name = fingerprint("closed", item.id, [turn.content for turn in messages], answer)
    kind = "closed" if item.answers else "no_gold"
    return TrainingRow(name, kind, messages, answer, item.id, item.doc_ids, item.doc_ids)


def _closed_rows(
    sources: RowSources, usable: Sequence[Question], left_out: Counter[str]
) -> list[TrainingRow]:
    """Return a row a question; of those to be declined only as many as suit the others."""
    rows = []
    for item in usable:
        row = closed_row(sources.contract, item)
        if row_tokens(sources.count, row) > sources.max_row_tokens:
            left_out["too long"] += 1
        else:
            rows.append(row)
    share = sources.contexts.declined
    answered = sum(row.kind == "closed" for row in rows)
    most = max(1, round(answered * share / (1 - share)))
    declined = [row for row in rows if row.kind == "no_gold"]
    random.Random(sources.seed).shuffle(declined)
    over = {row.id for row in declined[most:]} if answered else set()
    left_out["declined question over its share"] += len(over)
    return [row for row in rows if row.id not in over]


def row_tokens(count: Callable[[Sequence[Message]], int], row: TrainingRow) -> int:
    """Count prompt and answer; the answer is counted as an assistant turn."""
    return count([*row.messages, Message("assistant", row.answer)])


def _closed_epochs(
    sources: RowSources,
    closed: list[TrainingRow],
    budget: int | None,
    chosen: random.Random,
    left_out: Counter[str],
) -> list[list[TrainingRow]]:
    """Spend a small share of the budget on document text once, the rest on the pairs."""
    sections = _document_rows(sources)
    chosen.shuffle(sections)
    fitting = _within(sources, sections, None if budget is None else int(budget * SECTION_SHARE))
    left_out["section or gap over the budget"] = len(sections) - len(fitting)
    spent = sum(row_tokens(sources.count, row) for row in fitting)
    rest = None if budget is None else max(0, budget - spent)
    epochs = _passes(sources, closed, rest, chosen, left_out)
    if not epochs:
        return [fitting]
    share = -(-len(fitting) // len(epochs))
    return [
        rows + fitting[number * share : (number + 1) * share] for number, rows in enumerate(epochs)
    ]


def _passes(
    sources: RowSources,
    rows: list[TrainingRow],
    budget: int | None,
    chosen: random.Random,
    left_out: Counter[str],
) -> list[list[TrainingRow]]:
    """Repeat rows up to `MAX_EPOCHS` times within a budget, the last pass in part if need be."""
    if not rows:
        return []
    rows = list(rows)
    chosen.shuffle(rows)
    cost = closed_cost(sources, rows)
    if budget is None:
        return [rows] * MAX_EPOCHS
    if cost > budget:
        drawn = list(rows)
        chosen.shuffle(drawn)
        kept = drawn[: max(1, int(len(rows) * budget / cost))]
        left_out["pair over the budget"] += len(rows) - len(kept)
        return [kept]
    whole = min(MAX_EPOCHS, budget // max(1, cost))
    drawn = list(rows)
    chosen.shuffle(drawn)
    part = drawn[: int(len(rows) * (budget / cost - whole))] if whole < MAX_EPOCHS else []
    return [rows] * whole + [part] * bool(part)


def closed_cost(sources: RowSources, rows: Sequence[TrainingRow]) -> int:
    """Estimate the tokens that a pass computes: what rows share is computed once a tree."""
    shared = sources.count(sources.contract.messages("")) - 4
    return sum(_cost(row_tokens(sources.count, row), shared) for row in rows)


def _cost(tokens: int, shared: int) -> int:
    return max(8, tokens - shared * 7 // 8)


def _within(
    sources: RowSources, rows: Sequence[TrainingRow], budget: int | None
) -> list[TrainingRow]:
    kept, spent = [], 0
    for row in rows:
        size = row_tokens(sources.count, row)
        if size > sources.max_row_tokens or (budget is not None and spent + size > budget):
            continue
        spent += size
        kept.append(row)
    return kept


def _document_rows(sources: RowSources) -> list[TrainingRow]:
    """Return sections to write out and sentences with a gap, of documents not kept out."""
    rows = []
    for passage in sources.passages:
        if passage.doc_id in sources.kept_out or passage.kind != "document":
            continue
        path = " > ".join(passage.heading_path) or passage.doc_id
        messages = tuple(sources.contract.messages(f"{SECTION_PROMPT} {path!r}."))
        text = neutralise(passage.text.strip())
        name = fingerprint("section", passage.id)
        rows.append(
            TrainingRow(name, "section", messages, text, "", (passage.doc_id,), (passage.doc_id,))
        )
    return rows


def _hybrid_epochs(
    sources: RowSources,
    usable: Sequence[Question],
    closed: list[TrainingRow],
    budget: int | None,
    chosen: random.Random,
    left_out: Counter[str],
) -> list[list[TrainingRow]]:
    """Make passes over contexts with their questions, closed-book rows beside them."""
    share = None if budget is None else int(budget * (1 - CLOSED_SHARE))
    known = {item.id for item in usable}
    empty = [item for item in sources.train if not item.answers and item.id not in known]
    asked = [*usable, *(item for item in empty if not set(item.doc_ids) & sources.kept_out)]
    found = sources.contexts.rows(asked, share, sources.count, sources.max_row_tokens)
    left_out["question over the budget"] += found.unused
    left_out["declined question over its share"] += found.declined_over
    rest = None if budget is None else int(budget * CLOSED_SHARE)
    passes = _passes(sources, closed, rest, chosen, left_out)
    count = max(1, len(found.passes))
    return [
        [row for rows in (*found.passes[turn : turn + 1], *passes[turn : turn + 1]) for row in rows]
        for turn in range(count)
    ]


def _dev_rows(
    sources: RowSources, learned: Sequence[Question], hybrid: bool, limit: int
) -> list[TrainingRow]:
    """Return rows to look at during training, never learned.

    Closed-book: further wordings of learned facts (a fact that was kept out is unknowable).
    Hybrid, with passages: questions on documents kept out, on the others, and questions without
    an answer in turn, so that a model which only answers and one that only declines both lose.
    """
    questions = list(sources.dev)
    random.Random(sources.seed).shuffle(questions)
    if not hybrid:
        facts = {item.fact for item in learned}
        known = [
            item
            for item in questions
            if not set(item.doc_ids) & sources.kept_out and (not item.fact or item.fact in facts)
        ]
        return [closed_row(sources.contract, item) for item in known[:limit]]
    kinds: dict[str, list[Question]] = {"unseen": [], "seen": [], "empty": []}
    for item in questions:
        is_unseen = bool(set(item.doc_ids) & sources.kept_out)
        kinds["empty" if not item.answers else "unseen" if is_unseen else "seen"].append(item)
    in_turn = itertools.zip_longest(*kinds.values())
    mixed = [item for turn in in_turn for item in turn if item is not None]
    return sources.contexts.dev_rows(mixed[:limit], sources.count, sources.max_row_tokens)
