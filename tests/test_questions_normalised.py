"""What counts as the same question, word for word."""

from __future__ import annotations

import pytest

from graft.question_set import normalised

SAME = [
    ("Which pump?", "which  pump"),
    ("What is \u201cRUN\u201d?", 'what is "run"'),
    ("What's on-call duty?", "what\u2019s on call duty"),
    ("Is it red, or blue?", "is it red or blue"),
    ("What does `ls` do?", "what does ls do"),
    ("Wie gro\u00df?", "WIE GROSS"),
    ("caf\u00e9", "cafe\u0301"),
]
DIFFERENT = [
    ("Which compiler for C?", "Which compiler for C++?"),
    ("Which compiler for C?", "Which compiler for C#?"),
    ("Is x < 5?", "Is x > 5?"),
    ("Which lamp at -5?", "Which lamp at 5?"),
    ("What costs 5 %?", "What costs 5?"),
    ("\u0915\u093f", "\u0915\u0940"),  # two Hindi syllables that differ in the vowel sign
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_case_spaces_and_punctuation_do_not_tell_questions_apart(one, other):
    assert normalised(one) == normalised(other)


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_signs_with_a_meaning_do(one, other):
    assert normalised(one) != normalised(other)


def test_a_question_of_signs_alone_is_itself():
    assert normalised("??") == "??" != normalised("!")
