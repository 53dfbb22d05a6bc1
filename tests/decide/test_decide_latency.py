from __future__ import annotations

import pytest

from graft.decide.latency import latency_of
from graft.types import Record


def timed(*, error: str = "", **stages: float) -> Record:
    return Record("rag", "q", "x", False, stage_seconds=stages, error=error)


def test_the_whole_is_the_sum_of_the_stages_where_it_was_not_timed() -> None:
    found = latency_of([timed(search_seconds=0.01, decode_seconds=0.2)] * 5)
    assert found.p50 == pytest.approx(210)
    assert found.stages == pytest.approx({"search": 10.0, "decode": 200.0})


def test_p95_is_given_from_59_runs_on() -> None:
    runs = [timed(total_seconds=number / 1000) for number in range(1, 60)]
    assert latency_of(runs[:58]).p95 is None
    found = latency_of(runs)
    assert (found.p95, found.p95_note) == (pytest.approx(57.0), "")


def test_failed_answers_and_answers_without_times_do_not_count() -> None:
    runs = [timed(total_seconds=0.1)] * 5 + [timed(total_seconds=9.0, error="x")] * 5 + [timed()]
    found = latency_of(runs)
    assert (found.n, found.p50) == (5, pytest.approx(100.0))


def test_too_few_runs_have_no_median() -> None:
    assert latency_of([timed(total_seconds=0.1)] * 4).p50 is None
    assert latency_of([]).n == 0
