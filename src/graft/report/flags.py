"""Blockers and flags in words that a reader understands without the manual.

A code is `name` or `name:detail`; what is a sentence already stays as it is. Many of a kind
are told in one line, so that a verdict is not lost among its warnings.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from graft.report import numbers
from graft.report.breakdown import LIMITS

__all__ = ["warning_text", "warning_texts"]

NAMED = 3  # flags of a kind; the others are counted
_WORDS = {
    "adapter_has_no_effect": "the adapter changes no answer",
    "adapter_no_effect": "the adapter changes no answer",
    "below_control": "not above the best control, so it cannot be recommended",
    "coverage": "has no score for more than 1 % of the questions",
    "different_base_model": "the arms were built on different base models",
    "different_contract": "the arms were not asked with the same prompt contract",
    "different_corpus": "the arms read different versions of the documents",
    "different_questions": "the arms were not asked the same questions",
    "different_weights": "the arms did not run on the same weights",
    "few_clusters": "too few groups of questions for a verdict",
    "mute": "declines nearly every question that has an answer",
    "no_arms": "no arm was measured",
    "no_controls": "no control was measured, so nothing shows that a model is needed",
    "no_dev": "no dev questions: nothing was held out to stop the training",
    "single_arm": "only one arm was measured, so there is nothing to compare it with",
}
_COUNTED = {
    "clusters": "the questions come from only {} groups, too few for a verdict",
    "few_unanswerable": "only {} questions have no answer, and they weigh half of the headline",
    "retrieval_recall": "retrieval finds only {} of the gold documents",
    "few_pairs": "{} training pairs are few: an adapter learns the form of answers, hardly facts",
    "retrieval_only": "{} questions without an answer to compare with were left out",
    "skipped_documents": "{} documents were skipped",
}
_LIMIT_FLAGS = {"limit_failed": "breaks the limit on", "limit_not_shown": "not shown to keep"}


def warning_text(code: object) -> str:
    """Return a flag in words; a sentence stays as it is.

    >>> warning_text("below_control:finetuned")
    'finetuned: not above the best control, so it cannot be recommended'
    >>> warning_text("retrieval_recall:0.72")
    'retrieval finds only 72 % of the gold documents'
    """
    text = numbers.plain(code)
    name, _, rest = text.partition(":")
    detail = rest.strip()
    if " " in name:
        return text
    if name == "leakage":
        return _leakage(detail)
    if name in _COUNTED and detail:
        return _COUNTED[name].format(_fraction(detail))
    words = _WORDS.get(name, name.replace("_", " "))
    if not detail:
        return words
    return f"{words}: {detail}" if detail[:1].isdigit() else f"{detail}: {words}"


def warning_texts(codes: Iterable[object]) -> list[str]:
    """Return flags in words, limits in one line each, many of another kind cut short.

    >>> warning_texts(["limit_failed:max_p50_ms:rag", "limit_failed:min_support:rag"])
    ['rag breaks the limit on p50 time, supported answers']
    """
    kinds: dict[str, list[object]] = defaultdict(list)
    for code in codes:
        kinds[str(code).partition(":")[0]].append(code)
    found = []
    for kind, members in kinds.items():
        if kind in _LIMIT_FLAGS:
            found.append(_limits(_LIMIT_FLAGS[kind], members))
            continue
        shown = members if len(members) <= NAMED + 1 else members[:NAMED]
        found += [warning_text(code) for code in shown]
        if more := len(members) - len(shown):
            found[-1] += f", and {more:,} more like it"
    return found


def _limits(words: str, codes: Sequence[object]) -> str:
    """Return all limits of one kind of flag, arm by arm."""
    arms: dict[str, list[str]] = defaultdict(list)
    for code in codes:
        name, _, arm = numbers.plain(code).partition(":")[2].partition(":")
        arms[arm].append(LIMITS.get(name, name.replace("_", " ")))
    return "; ".join(f"{arm} {words} {', '.join(names)}" for arm, names in arms.items())


def _leakage(detail: str) -> str:
    share = _fraction(detail)
    if share.endswith("%"):
        return f"{share} of the test questions stood in the training questions"
    return f"training saw the test question {detail}" if detail else "training saw test questions"


def _fraction(detail: str) -> str:
    """Return a fraction as per cent, anything else as it is."""
    try:
        value = float(detail)
    except ValueError:
        return detail
    return numbers.percent(value) if "." in detail and 0 <= value <= 1 else detail
