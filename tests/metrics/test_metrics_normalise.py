from __future__ import annotations

import re
import string

import pytest

from graft.metrics.normalise import has_run, normalise, words_of

SAME = [
    ("1,200", "1200"),
    ("38 bar", "38bar"),
    ("38 bar", "38 BAR."),
    ("-5 °C", "−5°C"),
    ("minus 5", "-5"),
    ("ninety seconds", "90 s"),
    ("ninety-five", "95"),
    ("two hundred and five", "205"),
    ("fourteen months", "14 months"),
    ("£63,000", "63000 pounds"),
    ("$8.7 billion", "8,700,000,000 dollars"),
    ("£34m", "34 million pounds"),
    ("18 million", "18,000,000"),
    ("98.6 per cent", "98.6%"),
    ("1½ hours", "1.5 h"),
    ("1.50 m", "1.5 metres"),
    ("26 m³", "26 cubic metres"),
    ("32 N·m", "32 Nm"),
    ("£310 an hour", "£310 per hour"),
    ("0.8 m/min", "0.8 metres per minute"),
    ("35 °C per hour", "35 degrees Celsius an hour"),
    ("5\u00a0140 rpm", "5,140 rpm"),
    ("M22 × 1.5", "M22x1.5"),
    ("18 October 2024", "October 18th, 2024"),
    ("18 October 2024", "2024-10-18"),
    ("18/10/2024", "10/18/2024"),
    ("18 Oct", "October 18"),
    ("v3.11", "3.11"),
    ("E-61", "e61"),
    ("a blue dot", "Blue dot."),
    ("water-glycol", "water glycol"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_two_spellings_of_one_thing_are_the_same(one: str, other: str) -> None:
    assert words_of(one) == words_of(other)


DIFFERENT = [
    ("1.5", "15"),
    ("-5", "5"),
    ("3.10", "3.1"),
    ("3.11.2", "3.11"),
    ("12 MW", "12 mW"),
    ("C++", "C"),
    ("90 seconds", "90 minutes"),
    ("1/2", "12"),
    ("14:30", "1430"),
    ("10⁵", "105"),
    ("12a", "12"),
    ("A-12", "12"),
    ("Form A", "Form B"),
    ("5-10", "510"),
    ("1970s", "1970"),
    ("18 October", "18 November"),
]


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_two_things_stay_apart(one: str, other: str) -> None:
    assert words_of(one) != words_of(other)


def test_a_hyphen_between_numbers_is_a_range_and_no_minus() -> None:
    assert words_of("5-10 bar") == ("5", "10", "bar")
    assert words_of("30%–50%") == ("30", "%", "50", "%")
    assert words_of("(-5 to -2)") == ("-5", "to", "-2")


def test_plain_english_is_normalised_as_squad_does() -> None:
    def squad(text: str) -> str:
        bare = "".join(sign for sign in text.lower() if sign not in set(string.punctuation))
        return " ".join(re.sub(r"\b(a|an|the)\b", " ", bare).split())

    for text in ("The Normans, a people.", "It's  Beyoncé's album!", "an apple (red)", "Yes"):
        assert normalise(text) == squad(text)


def test_text_that_is_only_an_article_or_nothing_does_not_vanish_into_the_other() -> None:
    assert words_of("A") == ("a",)
    assert words_of(" ... ") == ()


def test_a_number_is_not_found_within_another_number_or_code() -> None:
    assert not has_run(words_of("it runs at 1.5 bar"), words_of("5"))
    assert not has_run(words_of("see form E-61"), words_of("61"))
    assert not has_run(words_of("it may reach -5 °C"), words_of("5 °C"))
    assert has_run(words_of("in October 1973, it began"), words_of("1973"))
    assert has_run(words_of("on 18 October 2024"), words_of("18 October"))
    assert not has_run(("a",), ())


def test_long_text_without_meaning_takes_no_time() -> None:
    for text in ("1," * 20_000, "a-1" * 20_000, "-" * 50_000, "one hundred and " * 5_000):
        words_of(text)


def test_a_currency_before_a_letter_is_no_unit_of_temperature():
    for text in ("$FILE", "Set $CONFIG_DIR", "%F", "€C"):
        assert words_of(text)
