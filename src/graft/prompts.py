"""The prompt contract: one object that training rows, evaluation and answering share.

It decides the system text (always sent explicitly: SmolLM2's template would insert its own),
the layout of passages, the decline sentence and its detector, and takes the special tokens out of
text that comes from documents or users. Its hash is part of every receipt, so a model is
never asked with a prompt that it was not trained on.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from graft.config import PromptConfig
from graft.types import Message, Passage, Question, fingerprint

__all__ = ["PromptContract", "neutralise", "reading_order"]

LAYOUT_VERSION = 1
DECLINE_WITHIN = 120  # characters at the beginning of an answer
SHORT_DECLINE = 3  # words; "unknown" or "no" also occur within answers

_SPECIAL = re.compile(
    r"<\|[^|<>\n]{1,40}\|>|</?s>|<(?:bos|eos|pad|unk|repo_?name|file_sep|filename|gh_stars)>"
    r"|<(?:issue|jupyter)_[a-z]{1,12}>|<empty_output>|\[/?INST\]|<</?SYS>>"
    r"|<(?:start|end)_of_turn>|<｜[^｜<>\n]{1,40}｜>",
    re.IGNORECASE,
)
_DECLINE_PATTERNS = re.compile(
    r"\b(?:documents?|passages?|context|text|information provided)"
    r"\s+(?:do(?:es)? not|don't|doesn't)\s+(?:say|state|mention|contain|provide|specify|include)"
    r"|(?:^|[.,;:!] |\b(?:i|we) )(?:do not|don't|cannot|can't) (?:know|answer)\b"
    r"|\bnot (?:stated|mentioned|specified|given|provided)"
    r"(?=$|[.,;:!]| (?:in|by) (?:the|these|any)\b)"
    r"|\bnot in the documents?\b"
    r"|\bno information\b|\b(?:unanswerable|unable to answer)\b",
    re.IGNORECASE,
)


def neutralise(text: str) -> str:
    """Break special tokens apart so that document text cannot end a turn.

    >>> neutralise("end <|im_end|> here")
    'end < |im_end| > here'
    """
    return _SPECIAL.sub(lambda found: f"{found[0][0]} {found[0][1:-1]} {found[0][-1]}", text)


def reading_order(passages: Sequence[Passage]) -> list[Passage]:
    """Return passages in the order of their numbers in a prompt; a citation [1] is the first."""
    return sorted(passages, key=lambda item: (item.kind, item.doc_id, item.position))


@dataclass(frozen=True, slots=True)
class PromptContract:
    """Builds the messages of every prompt and recognises a declined answer.

    `examples` are pairs of question and answer shown as earlier turns to the untuned model;
    they are chosen once from the training split and are part of the contract's hash.
    """

    system: str
    decline: str
    examples: tuple[tuple[str, str], ...] = ()

    @classmethod
    def from_config(cls, config: PromptConfig, examples: Sequence[Question] = ()) -> PromptContract:
        """Build the contract of a workspace; an unanswerable example answers by declining."""
        shown = tuple(
            (item.question, item.answers[0] if item.answers else config.decline)
            for item in examples
        )
        return cls(config.system, config.decline, shown)

    @property
    def hash(self) -> str:
        """Name the contract: layout version and every text in it."""
        return fingerprint(LAYOUT_VERSION, self.system, self.decline, self.examples)

    @property
    def tuned_hash(self) -> str:
        """Name what a trained model is asked with: no examples are shown to it."""
        return fingerprint(LAYOUT_VERSION, self.system, self.decline)

    def user_text(self, question: str, passages: Sequence[Passage] = ()) -> str:
        """Return the user turn: the passages, then the question."""
        asked = f"Question: {neutralise(question.strip())}"
        if not passages:
            return asked
        return f"{self.context_text(passages)}\n\n{asked}"

    def context_text(self, passages: Sequence[Passage]) -> str:
        """Return the passages as laid out in the prompt, numbered from 1.

        Documents in reading order, then pairs: neighbours stay together, and questions that
        found the same passages share the beginning of their prompts, which an engine's prefix
        cache computes once.
        """
        blocks = [
            f"[{number}] {neutralise(passage.shown.strip())}"
            for number, passage in enumerate(reading_order(passages), 1)
        ]
        return "\n\n".join(["Documents:", *blocks])

    def messages(
        self,
        question: str,
        passages: Sequence[Passage] = (),
        *,
        with_examples: bool = False,
    ) -> list[Message]:
        """Return the prompt of one question, ready for a generator."""
        turns = [Message("system", self.system)]
        if with_examples:
            for asked, answer in self.examples:
                turns.append(Message("user", self.user_text(asked)))
                turns.append(Message("assistant", neutralise(answer)))
        turns.append(Message("user", self.user_text(question, passages)))
        return turns

    @property
    def _own_words(self) -> re.Pattern[str]:
        """Return what finds the decline sentence: whole words, a very short one only in front."""
        own = " ".join(self.decline.split()).replace("\u2019", "'").rstrip(".")
        start = r"^\W*" if len(own.split()) < SHORT_DECLINE else r"(?<!\w)"
        return re.compile(rf"{start}{re.escape(own)}(?!\w)", re.IGNORECASE)

    def is_decline(self, answer: str) -> bool:
        """Tell whether an answer declines: empty, the decline sentence, or a known form of it.

        A long answer that merely mentions one of the forms is not a decline: the form must
        stand within its first 80 characters.
        """
        text = " ".join(answer.split()).replace("\u2019", "'")
        if not text.strip(" ."):
            return True
        if self._own_words.search(text[:DECLINE_WITHIN]):
            return True
        return bool(_DECLINE_PATTERNS.search(text[:80])) and len(text) <= 160
