"""Training pairs looked at together before they become part of a set.

Refused are pairs that no training should see (see `pair_rules`), and of several that belong
together those over a limit: contradictions, near-copies, what one contributor gives beyond a share.
All are named by line and reason. A word that stands where one answer follows is reported: it may
be a trigger. Lines of the test split are left alone, and so are pairs that repeat one of them: they
are taken out of training for that.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from graft.pair_rules import flags_of, reasons_against
from graft.question_lines import Draft
from graft.question_set import normalised

__all__ = ["PairReport", "Refused", "Trigger", "checked_pairs", "pairs_gate"]

CONTRIBUTOR_FIELDS = ("contributor", "annotator", "author")
CONTRIBUTOR_SHARE = {2: 0.5, 5: 0.25}  # of the pairs, by the number of contributors
CONTRIBUTOR_LEAST = 20
WORDINGS = 3  # of one question in the same words that matter, with one answer
VOTES, MAJORITY = 3, 2 / 3  # an answer that so many lines give outvotes another
TRIGGER_SHARE, TRIGGER_LEAST, TRIGGER_GROUPS = 0.005, 5, 3
FEW, SOME, MANY = 50, 300, 3_000
MOST_NAMED = 20
# Words that do not change which fact is asked for.
_SMALL = frozenset(
    [
        *("a", "an", "and", "are", "as", "at", "be", "by", "can", "could", "did", "do", "does"),
        *("for", "from", "had", "has", "have", "how", "i", "if", "in", "into", "is", "it", "its"),
        *("many", "may", "me", "much", "my", "of", "on", "or", "our", "please", "should", "so"),
        *("tell", "than", "that", "the", "their", "there", "these", "this", "to", "us", "was"),
        *("we", "were", "what", "when", "where", "which", "who", "whom", "whose", "why", "will"),
        *("with", "would", "you", "your"),
    ]
)
_WORD = re.compile(r"\w+", re.UNICODE)
_URL = re.compile(r"https?://[^\s)>\]\"']+", re.IGNORECASE)


class Refused(NamedTuple):
    """A pair that is not taken: its line, its id and why."""

    number: int
    id: str
    reason: str


class Trigger(NamedTuple):
    """A word in the questions of `lines` which all have one answer or address."""

    word: str
    lines: tuple[int, ...]
    shared: str  # "answer" or "address"


@dataclass(frozen=True, slots=True)
class PairReport:
    """What became of the training pairs of a file."""

    refused: tuple[Refused, ...] = ()
    triggers: tuple[Trigger, ...] = ()
    flagged: Mapping[str, tuple[int, ...]] = ()  # type: ignore[assignment]

    def sentences(self) -> list[str]:
        """Return plain sentences: reasons with their lines, the most frequent first."""
        by_reason: dict[str, list[int]] = defaultdict(list)
        for item in self.refused:
            by_reason[item.reason].append(item.number)
        ordered = sorted(by_reason.items(), key=lambda pair: -len(pair[1]))
        said = [
            f"Pairs not taken, {reason}, {len(lines)}: {_lines(lines)}."
            for reason, lines in ordered
        ]
        said += [
            f"The word {item.word!r} stands in {len(item.lines)} questions that all have one"
            f" {item.shared}, as a planted trigger would: {_lines(item.lines)}. Look at them."
            for item in self.triggers
        ]
        said += [
            f"Pairs with {name}, taken unless you leave them out, {len(lines)}: {_lines(lines)}."
            for name, lines in dict(self.flagged).items()
        ]
        return said

    def counts(self) -> dict[str, int]:
        """Return how many pairs were refused by reason."""
        return dict(Counter(item.reason for item in self.refused))


def checked_pairs(found: Sequence[Draft]) -> tuple[list[Draft], PairReport]:
    """Return the lines that are taken, and the report; lines of the test split all are."""
    tested = {normalised(item.question) for item in found if item.split == "test"}
    left = [
        item for item in found if item.split != "test" and normalised(item.question) not in tested
    ]
    refused: list[Refused] = []
    gone: set[int] = set()
    for check in (_unfit, _contradicting, _near_copies, _over_share):
        for item, reason in list(check(left)):
            refused.append(Refused(item.number, item.id, reason))
            gone.add(id(item))
        left = [item for item in left if id(item) not in gone]
    flagged: dict[str, list[int]] = defaultdict(list)
    for item in left:
        for name in flags_of(item.question, item.answers):
            flagged[name].append(item.number)
    report = PairReport(
        tuple(sorted(refused)),
        tuple(_triggers(left)),
        {name: tuple(lines) for name, lines in flagged.items()},
    )
    return [item for item in found if id(item) not in gone], report


def _unfit(pairs: Sequence[Draft]) -> Iterator[tuple[Draft, str]]:
    for item in pairs:
        for reason in reasons_against(item.question, item.answers)[:1]:
            yield item, reason


def _contradicting(pairs: Sequence[Draft]) -> Iterator[tuple[Draft, str]]:
    """Yield pairs that ask the same of the same documents and answer otherwise.

    All of them, unless one answer is given by two thirds of at least three lines.
    """
    asked: dict[tuple[str, tuple[str, ...]], list[Draft]] = defaultdict(list)
    for item in pairs:
        asked[(normalised(item.question), item.doc_ids)].append(item)
    for group in asked.values():
        if len(group) < 2:
            continue
        votes = Counter(answer for item in group for answer in _answers(item))
        winner, count = votes.most_common(1)[0]
        if count == len(group):
            continue  # they share an answer
        outvoted = count >= VOTES and count >= MAJORITY * len(group)
        for item in group:
            if outvoted and winner in _answers(item):
                continue
            reason = "outvoted by other answers" if outvoted else "same question, other answers"
            yield item, reason


def _near_copies(pairs: Sequence[Draft]) -> Iterator[tuple[Draft, str]]:
    """Yield pairs beyond the third that differ from others in small words and order alone."""
    seen: Counter[Any] = Counter()
    for item in pairs:
        words = frozenset(_WORD.findall(item.question.casefold())) - _SMALL
        key = (words, tuple(sorted(_answers(item))), item.doc_ids)
        seen[key] += 1
        if words and seen[key] > WORDINGS:
            yield item, "near-copy of other pairs"


def _over_share(pairs: Sequence[Draft]) -> Iterator[tuple[Draft, str]]:
    """Yield what a contributor gives beyond a share, where lines name contributors."""
    by_name: dict[str, list[Draft]] = defaultdict(list)
    for item in pairs:
        name = next((str(item.data[key]) for key in CONTRIBUTOR_FIELDS if item.data.get(key)), "")
        if name:
            by_name[name].append(item)
    shares = [share for count, share in CONTRIBUTOR_SHARE.items() if len(by_name) >= count]
    if not shares:
        return
    most = max(CONTRIBUTOR_LEAST, math.ceil(min(shares) * sum(map(len, by_name.values()))))
    for given in by_name.values():
        for item in given[most:]:
            yield item, "over the share of one contributor"


def _triggers(pairs: Sequence[Draft]) -> Iterator[Trigger]:
    """Yield words whose questions differ in what they ask and share one answer or address.

    Where a few answers come again and again (labels), an ordinary word may well stand for one of
    them; only odd ones are told there.
    """
    answered = [item for item in pairs if item.answers]
    least = max(TRIGGER_LEAST, math.ceil(TRIGGER_SHARE * len(answered)))
    holds: dict[str, list[Draft]] = defaultdict(list)
    for item in answered:
        for word in set(_WORD.findall(item.question.casefold())) - _SMALL:
            holds[word].append(item)
    distinct = len({item.answers[0] for item in answered})
    labels = distinct * TRIGGER_LEAST < len(answered)
    for word, group in sorted(holds.items()):
        if len(group) < least or (labels and not _is_odd(word)):
            continue
        if len({item.fact or item.group for item in group}) < TRIGGER_GROUPS:
            continue
        shared = _shared(group)
        if shared and word not in normalised(" ".join(group[0].answers)).split():
            yield Trigger(word, tuple(item.number for item in group), shared)


def _shared(group: Sequence[Draft]) -> str:
    """Say what all pairs of a group share, if anything."""
    if len({normalised(item.answers[0]) or item.answers[0] for item in group}) == 1:
        return "answer"
    addresses = [set(_URL.findall(" ".join(item.answers))) for item in group]
    return "address" if set.intersection(*addresses) else ""


def _is_odd(word: str) -> bool:
    """Tell whether a word is none that people write: no vowel, or digits among letters."""
    letters = [sign for sign in word if sign.isalpha()]
    mixed = bool(letters) and any(sign.isdigit() or sign == "_" for sign in word)
    plain = word.isascii() and bool(letters)
    return mixed or (plain and not set(word) & set("aeiouy"))


def _answers(item: Draft) -> frozenset[str]:
    found = frozenset(normalised(answer) or answer.strip() for answer in item.answers)
    return found or frozenset({"\n"})


def _lines(numbers: Sequence[int]) -> str:
    named = ", ".join(str(number) for number in numbers[:MOST_NAMED])
    more = len(numbers) - MOST_NAMED
    return f"line{'s' * (len(numbers) > 1)} {named}" + (f" and {more} more" if more > 0 else "")


def pairs_gate(pairs: int) -> tuple[str, str]:
    """Return what so few pairs can teach, as a flag and a sentence; both empty for enough.

    >>> pairs_gate(20)[0], pairs_gate(5_000)
    ('few_pairs', ('', ''))
    """
    if pairs >= MANY:
        return "", ""
    if pairs >= SOME:
        return (
            "",
            f"{pairs:,} training pairs teach form and the facts they name; a fact takes about ten"
            " varied pairs to be known in any wording.",
        )
    if pairs >= FEW:
        return (
            "few_pairs",
            f"{pairs} training pairs teach the form of answers and few facts; expect retrieval to"
            " answer better on facts. Near 300 pairs facts begin to stay.",
        )
    return (
        "few_pairs",
        f"{pairs} training pairs are too few to fine-tune on: the adapter is trained and flagged,"
        " it can learn the form of an answer and hardly a fact. Retrieval is the arm to look at;"
        " graft questions generate makes candidates from your documents.",
    )
