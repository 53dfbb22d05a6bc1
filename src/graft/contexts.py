"""Rows with passages: what our own retriever finds, gold and distractors, shared by questions.

Several questions are put to one context, because a context is dear to compute and a question
is cheap: those that it answers, and neighbours that it does not answer, which learn to
decline. The retriever sees the corpus without the documents kept out and without the pair of
the question itself; for half of the contexts without any wording of its fact, so that the
model learns to read passages and not only to copy the answer of a similar pair.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from graft.prompts import PromptContract, neutralise
from graft.retrieve import Retriever
from graft.types import Message, Passage, Question, TrainingRow, Where, fingerprint

__all__ = ["ContextBuilder", "ContextRows", "decline_share"]

QUESTIONS_PER_CONTEXT = 6
DECLINE_SHARE = 0.3  # of the rows with passages; more made small models decline too readily
# The next three are set by reason and not measured yet (docs/log.md, handbook-18f).
RARE_DECLINE_SHARE = 0.1  # where no question of the set is to be declined
LONG_ANSWERS = 1 / 3  # what is left of the share where answers are long
MAX_PASSES = 3  # over the questions, each time with other distractors
LONG_OVERLAP = 0.6  # of a long answer's words stand in a passage that holds it
NEAR_SHARE = 0.7  # of the declined questions are about a document that is shown
Count = Callable[[Sequence[Message]], int]


def decline_share(questions: Sequence[Question]) -> float:
    """Return the share of declined rows that suits the questions of `train` and `dev`.

    A long answer can begin in many ways and the decline sentence in one: greedy decoding takes
    the one, so a share that suits short answers makes a model with long ones mute (docs/log.md).
    """
    known = [item for item in questions if item.split != "test"]
    share = RARE_DECLINE_SHARE if all(item.answers for item in known) else DECLINE_SHARE
    answered = [item for item in known if item.answers]
    long = sum(item.kind == "long" for item in answered)
    return share * LONG_ANSWERS if 2 * long > len(answered) else share


@dataclass(frozen=True, slots=True)
class ContextRows:
    """Rows with passages by pass; questions that the budget left out, declines over the share."""

    passes: tuple[tuple[TrainingRow, ...], ...]
    unused: int
    declined_over: int


@dataclass(frozen=True, slots=True)
class ContextBuilder:
    """Builds rows with passages; `passages` and `pairs` are what serving will show.

    `wordings` maps a fact to the ids of its training questions, `by_document` a document to
    its passages; `declined` is the share of rows that decline.
    """

    retriever: Retriever
    contract: PromptContract
    kept_out: frozenset[str]
    passages: int
    pairs: int
    prompt_tokens: int
    seed: int
    wordings: Mapping[str, frozenset[str]]
    by_document: Mapping[str, Sequence[Passage]]
    declined: float = DECLINE_SHARE

    def rows(
        self, questions: Sequence[Question], budget: int | None, count: Count, max_tokens: int
    ) -> ContextRows:
        """Return rows within a token budget, in further passes while some of it is left.

        Questions that have no answer come first in the share of declined rows: they are what is
        met in use. Rows made up from other questions fill what they leave.
        """
        asked, made_up, over = self._shares(questions)
        passes: list[tuple[TrainingRow, ...]] = []
        left, unused = budget, len(asked)
        for number in range(MAX_PASSES):
            if left is not None and left <= 0:
                break
            rows, spent, used, dropped = self._pass(asked, left, count, max_tokens, number, made_up)
            if not rows:
                break
            passes.append(tuple(rows))
            over += dropped
            if number == 0:
                unused = len(asked) - used
            left = None if left is None else left - spent
        return ContextRows(tuple(passes), unused, over)

    def _shares(self, questions: Sequence[Question]) -> tuple[list[Question], float, int]:
        """Return the questions to ask, made-up declined rows for an answered one, those left out.

        Questions without an answer are held to the share of declined rows themselves.
        """
        answered = [item for item in questions if item.answers]
        empty = [item for item in questions if not item.answers]
        ratio = self.declined / (1 - self.declined)
        most = max(1, round(len(answered) * ratio)) if answered else len(empty)
        random.Random(self.seed).shuffle(empty)
        kept = {item.id for item in (*answered, *empty[:most])}
        made_up = max(0.0, ratio - len(empty[:most]) / max(1, len(answered)))
        return [item for item in questions if item.id in kept], made_up, len(empty[most:])

    def _pass(  # noqa: PLR0913 - one pass knows the whole
        self,
        questions: Sequence[Question],
        budget: int | None,
        count: Count,
        max_tokens: int,
        turn: int,
        made_up: float,
    ) -> tuple[list[TrainingRow], int, int, int]:
        """Return the rows of one pass, their tokens, the questions used, the declines dropped."""
        chosen = random.Random(self.seed + turn)
        rows: list[TrainingRow] = []
        empty = {item.id for item in questions if not item.answers}
        spent, used, dropped = 0, 0, 0
        for number, group in enumerate(self._groups(questions, chosen)):
            if budget is not None and spent >= budget:
                break
            context = self._context(group, number + turn, count)
            made = self._ask(group, context, questions, chosen, made_up)
            made = [row for row in made if _tokens(row, count) <= max_tokens]
            within = _within_share(made, rows, empty, made_up)
            dropped += len(made) - len(within)
            used += len(group) if made else 0
            if not within:
                continue
            shared = count([*within[0].messages[:-1], Message("user", "")])
            text = count([Message("user", self.contract.context_text(context))])
            spent += shared + text
            spent += sum(max(8, _tokens(row, count) - shared - text) for row in within)
            rows += within
        return rows, spent, used, dropped

    def dev_rows(
        self, questions: Sequence[Question], count: Count, max_tokens: int
    ) -> list[TrainingRow]:
        """Return rows as serving would build them: whatever the retriever finds, nothing forced."""
        found = self.retriever.find_many(
            [item.question for item in questions], self.passages, self.pairs, Where()
        )
        rows = []
        for item, (hits, _) in zip(questions, found, strict=True):
            passages = self._fit([hit.passage for hit in hits], item.question, count)
            row = self._row(item, passages, answered=_answers(item, passages))
            if _tokens(row, count) <= max_tokens:
                rows.append(row)
        return rows

    def _groups(self, questions: Sequence[Question], chosen: random.Random) -> list[list[Question]]:
        """Group questions that one passage answers; those without one join their document."""
        groups: dict[tuple[str, str], list[Question]] = defaultdict(list)
        homeless: list[Question] = []
        for item in questions:
            gold = self._gold(item)
            if gold is None:
                homeless.append(item)
            else:
                groups[(gold.doc_id, gold.id)].append(item)
        for item in homeless:
            own = [key for key in groups if key[0] in (item.group, *item.doc_ids)]
            groups[chosen.choice(own) if own else (item.group, "")].append(item)
        cut = []
        for members in groups.values():
            members.sort(key=lambda item: (not item.answers, item.id))
            wanted = -(-len(members) // QUESTIONS_PER_CONTEXT)
            cut += [members[start::wanted] for start in range(wanted)]
        chosen.shuffle(cut)
        return cut

    def _gold(self, item: Question) -> Passage | None:
        """Return the passage that answers a question; of several the one most like it."""
        found = [
            passage
            for doc_id in item.doc_ids
            for passage in self.by_document.get(doc_id, ())
            if _answers(item, [passage])
        ]
        words = set(_plain(item.question).split())
        return max(
            found, key=lambda passage: len(words & set(_plain(passage.shown).split())), default=None
        )

    def _context(self, group: Sequence[Question], number: int, count: Count) -> list[Passage]:
        """Return the passages for a group: found for one question, the gold one among them."""
        lead = next((item for item in group if item.answers), group[0])
        own = {item.id for item in group}
        if number % 2:
            facts = {item.fact for item in group if item.fact}
            own = own.union(*(self.wordings[fact] for fact in facts if fact in self.wordings))
        where = Where(self.kept_out, frozenset(own))
        hits, _ = self.retriever.find(lead.question, self.passages, self.pairs, where)
        passages = [hit.passage for hit in hits]
        if lead.answers and not _answers(lead, passages):
            passages = self._with_gold(lead, passages)
        longest = max((item.question for item in group), key=len)
        return self._fit(passages, longest, count)

    def _with_gold(self, lead: Question, passages: list[Passage]) -> list[Passage]:
        """Put the gold passage in place of the last document passage, if there is one."""
        gold = self._gold(lead)
        if gold is None:
            return passages
        documents = [item for item in passages if item.kind == "document"]
        others = [item for item in passages if item.kind != "document"]
        return [*documents[: max(0, self.passages - 1)], gold, *others]

    def _fit(self, passages: list[Passage], question: str, count: Count) -> list[Passage]:
        """Drop passages from the end until the prompt fits; the first always stays."""
        while (
            len(passages) > 1
            and count(self.contract.messages(question, passages)) > self.prompt_tokens
        ):
            passages = passages[:-1]
        return passages

    def _ask(
        self,
        group: Sequence[Question],
        context: list[Passage],
        questions: Sequence[Question],
        chosen: random.Random,
        made_up: float,
    ) -> list[TrainingRow]:
        """Ask a context its own questions and a few that it does not answer."""
        rows = [self._row(item, context, answered=_answers(item, context)) for item in group]
        shown = {item.doc_id for item in context}
        answered = sum(row.kind == "context" for row in rows)
        missed = sum(bool(item.answers) for item in group) - answered
        exact = max(0.0, answered * made_up - missed)
        wanted = int(exact) + (chosen.random() < exact % 1)
        others = [item for item in questions if item not in group and item.answers]
        others = [item for item in others if not _answers(item, context)]
        chosen.shuffle(others)
        others.sort(key=lambda item: not set(item.doc_ids) & shown)
        near = others[: 2 * wanted] if chosen.random() < NEAR_SHARE else others[::-1]
        return rows + [self._row(item, context, answered=False) for item in near[:wanted]]

    def _row(self, item: Question, context: list[Passage], *, answered: bool) -> TrainingRow:
        messages = tuple(self.contract.messages(item.question, context))
        good = answered and bool(item.answers)
        answer = neutralise(item.answers[0]) if good else self.contract.decline
        kind = "context" if good else "no_gold"
        gold = item.doc_ids if good else ()
        documents = {passage.doc_id for passage in context if passage.doc_id}
        name = fingerprint(kind, [turn.content for turn in messages], answer)
        return TrainingRow(name, kind, messages, answer, item.id, gold, tuple(sorted(documents)))


def _within_share(
    made: Sequence[TrainingRow], before: Sequence[TrainingRow], empty: set[str], made_up: float
) -> list[TrainingRow]:
    """Leave out made-up declined rows above their share; those of `empty` questions stay."""
    answered = sum(row.kind == "context" for row in (*before, *made))
    declined = sum(row.kind == "no_gold" and row.question_id not in empty for row in before)
    most = max(0 if empty else 1, round(answered * made_up))
    kept = []
    for row in made:
        if row.kind == "no_gold" and row.question_id not in empty:
            if declined >= most:
                continue
            declined += 1
        kept.append(row)
    return kept


def _tokens(row: TrainingRow, count: Count) -> int:
    return count([*row.messages, Message("assistant", row.answer)])


def _answers(item: Question, passages: Sequence[Passage]) -> bool:
    """Tell whether the passages hold the answer: its text, or for long answers its document."""
    if not item.answers:
        return False
    if item.kind == "long" and item.doc_ids:
        return any(passage.doc_id in item.doc_ids for passage in passages)
    if item.kind == "long":
        words = set(_plain(item.answers[0]).split())
        shown = [len(words & set(_plain(passage.shown).split())) for passage in passages]
        return max(shown, default=0) >= LONG_OVERLAP * len(words)
    texts = [f" {_plain(passage.shown)} " for passage in passages]
    if item.doc_ids:
        texts = [
            text
            for text, passage in zip(texts, passages, strict=True)
            if passage.doc_id in item.doc_ids
        ]
    return any(f" {_plain(answer)} " in text for answer in item.answers for text in texts)


def _plain(text: str) -> str:
    letters = "".join(sign if sign.isalnum() or sign in ".-" else " " for sign in text.lower())
    return " ".join(word.strip(".-") for word in letters.split())
