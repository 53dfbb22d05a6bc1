from __future__ import annotations

import doctest
import importlib

import pytest

from graft.report import numbers


@pytest.mark.parametrize(
    "name",
    [
        "answers",
        "breakdown",
        "drawing",
        "facts",
        "flags",
        "grid",
        "highlight",
        "markdown",
        "numbers",
        "table",
    ],
)
def test_the_examples_in_docstrings_hold(name: str) -> None:
    found = doctest.testmod(importlib.import_module(f"graft.report.{name}"))
    assert (found.failed, found.attempted > 0) == (0, True)


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (numbers.percent(0.005), "1 %"),
        (numbers.percent(1.0), "100 %"),
        (numbers.points(-0.004), "0"),
        (numbers.points(-0.126), "−13"),
        (numbers.interval(None, 0.5), ""),
        (numbers.latency(None), "–"),
        (numbers.latency(999.7), "1.0 s"),
        (numbers.latency(150_000), "150 s"),
        (numbers.build_time(0), "0 s"),
        (numbers.build_time(60), "60 s"),
        (numbers.build_time(3600), "60 min"),
        (numbers.storage(1_234_000_000), "1,234 MB"),
        (numbers.plain("a\u202eb"), "ab"),
    ],
)
def test_numbers_are_shown_as_readers_expect(shown: str, expected: str) -> None:
    assert shown == expected
