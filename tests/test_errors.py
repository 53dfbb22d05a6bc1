from __future__ import annotations

import pytest

from graft import errors
from graft.errors import BadInput, GraftError, NoSpaceLeft

EXIT_CODES = {
    "GraftError": 1,
    "GenerationFailed": 1,
    "TrainingFailed": 1,
    "UsageError": 2,
    "MissingPrerequisite": 3,
    "NoSpaceLeft": 3,
    "BadInput": 4,
    "ConfigError": 4,
    "FingerprintMismatch": 4,
    "QuestionFileError": 4,
    "UnreadableDocument": 4,
}


def test_an_error_has_four_lines_in_a_fixed_order():
    error = BadInput("no questions", next_step="graft add", why="it is empty", where="qa.jsonl")
    assert str(error).splitlines() == [
        "error: no questions",
        "  where  qa.jsonl",
        "  why    it is empty",
        "  next   graft add",
    ]


def test_an_empty_part_is_left_out():
    assert str(GraftError("no", next_step="graft doctor")) == "error: no\n  next   graft doctor"
    assert str(GraftError("no")) == "error: no"


def test_the_parts_can_be_read_one_by_one():
    error = GraftError("what", where="where", why="why", next_step="next")
    assert (error.what, error.where, error.why, error.next_step) == ("what", "where", "why", "next")
    assert error.args == ("what",)


@pytest.mark.parametrize(("name", "code"), EXIT_CODES.items())
def test_every_error_has_its_exit_code(name, code):
    assert getattr(errors, name)("x").exit_code == code


def test_the_table_names_every_error_and_nothing_else():
    assert set(errors.__all__) == set(EXIT_CODES)
    assert all(issubclass(getattr(errors, name), GraftError) for name in errors.__all__)


def test_a_full_disk_can_be_caught_as_a_missing_prerequisite():
    with pytest.raises(errors.MissingPrerequisite):
        raise NoSpaceLeft("full")
