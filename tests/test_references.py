from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

from graft.arms import GeneratorArm
from graft.assembly import Assembly
from graft.config import Config, PromptConfig, ReferenceConfig, effort_plan
from graft.errors import ConfigError, MissingPrerequisite, UsageError
from graft.generate.openai import OpenAIGenerator
from graft.prompts import PromptContract
from graft.references import (
    check_reference,
    key_of,
    price_per_1000,
    reference_names,
    reference_weights,
)
from graft.types import GenerateOptions, Question, Record

LOCAL = ReferenceConfig("own", "http://127.0.0.1:9/v1", "m")
HOSTED = ReferenceConfig("large", "https://api.example.com/v1", "m", "LARGE_KEY", True, 2.0, 8.0)
EXAMPLE = Question("e1", "What is an example?", ("this",), "train", "g")


def config(*, offline: bool = False) -> Config:
    return Config(generator="fake", embedder="fake", offline=offline, references=(LOCAL, HOSTED))


def arm_of(root: Path, name: str, retriever: object = None) -> GeneratorArm:
    contract = PromptContract.from_config(PromptConfig(), [EXAMPLE])
    plan = effort_plan("quick", fast_device=False, passages=3)
    found = Assembly(root, config()).arm(name, contract, GenerateOptions(), plan, retriever)  # type: ignore[arg-type]
    assert isinstance(found, GeneratorArm)
    return found


@pytest.mark.parametrize("name", ["references", "addresses"])
def test_the_examples_in_docstrings_hold(name: str) -> None:
    found = doctest.testmod(importlib.import_module(f"graft.{name}"))
    assert (found.failed, found.attempted > 0) == (0, True)


def test_every_reference_is_an_arm_of_its_own_name() -> None:
    assert reference_names(config()) == ("reference:own", "reference:large")


def test_offline_only_this_machine_is_asked() -> None:
    assert check_reference(config(offline=True), "reference:own") == LOCAL
    with pytest.raises(ConfigError) as caught:
        check_reference(config(offline=True), "reference:large")
    assert caught.value.what == "reference:large cannot be asked offline"
    assert "https://api.example.com/v1 is not on this machine" in caught.value.why


def test_a_key_that_is_named_and_not_there_is_missed_before_anything_is_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("LARGE_KEY", raising=False)
    with pytest.raises(MissingPrerequisite) as caught:
        check_reference(config(), "reference:large")
    assert "LARGE_KEY" in caught.value.where
    monkeypatch.setenv("LARGE_KEY", " secret\n")
    assert key_of(check_reference(config(), "reference:large")) == "secret"
    assert key_of(LOCAL) == ""


def test_a_reference_that_is_not_configured_is_refused_with_those_that_are() -> None:
    with pytest.raises(UsageError, match="reference:other") as caught:
        check_reference(config(), "reference:other")
    assert "reference:own, reference:large" in caught.value.why


def test_a_reference_arm_is_asked_as_base_is_and_may_be_given_passages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LARGE_KEY", "secret")
    retriever = object()
    plain = arm_of(tmp_path, "reference:own", retriever)
    fed = arm_of(tmp_path, "reference:large", retriever)
    assert (plain.with_examples, plain.control, plain.retriever) == (True, False, None)
    assert (fed.with_examples, fed.retriever) == (True, retriever)
    assert isinstance(fed.generator, OpenAIGenerator)
    assert "secret" not in repr(fed)
    assert "secret" not in fed.generator.identity


def test_the_weights_of_a_reference_differ_and_hold_no_password(tmp_path: Path) -> None:
    assembly = Assembly(tmp_path, config())
    names = ("base", "rag", "reference:own", "reference:large")
    assert len({assembly.weights_of(name) for name in names}) == 3
    hidden = ReferenceConfig("large", "https://me:x@api.example.com/v1", "m")
    assert reference_weights(hidden) == reference_weights(HOSTED)
    assert [assembly.reads_index(name) for name in names] == [False, True, False, True]


def test_the_price_follows_the_mean_tokens_and_is_open_where_nothing_is_known() -> None:
    def record(tokens_in: int, tokens_out: int, error: str = "") -> Record:
        return Record(
            "a", "q", "x", False, prompt_tokens=tokens_in, completion_tokens=tokens_out, error=error
        )

    asked = [record(100, 10), record(300, 30), record(9000, 0, error="timeout"), record(0, 0)]
    assert price_per_1000(asked, 2.0, 8.0) == pytest.approx(0.2 * 2.0 + 0.02 * 8.0)
    assert price_per_1000(asked, 0.0, 0.0) is None
    assert price_per_1000([record(0, 0)], 2.0, 8.0) is None
    assert price_per_1000([], 2.0, 8.0) is None
