"""`graft judge`: what each step prints where, and its exit code."""

from __future__ import annotations

import json

import httpx
import pytest

from graft.cli import session
from graft.config import Config, JudgeConfig
from graft.generate.openai import OpenAIGenerator
from graft.judging import Judging
from graft.runs import ArmRun, Comparand, RunManifest
from graft.testing.workspace import FakeWorkspace
from graft.types import Question, Record

CONFIG = Config(judge=JudgeConfig("http://localhost:9/v1", "tiny"))


class Stored:
    """Two arms on 60 questions; `rag` is right twice as often."""

    def comparand(self):
        questions = tuple(
            Question(f"q{at}", f"Question {at}?", (f"gold {at}.",), "test", f"g{at}")
            for at in range(60)
        )
        return Comparand("tiny", "2026-02-03", questions, {}, (self.run("base"), self.run("rag")))

    def run(self, arm):
        manifest = RunManifest(f"run-{arm}", arm, False, "tiny", "w", "fake", "c", "s", "v")
        right = 20 if arm == "base" else 40
        records = [
            Record(
                arm, f"q{at}", f"gold {at}." if at < right else f"{arm} errs", False,
                scores={"primary": float(at < right)},
            )
            for at in range(60)
        ]  # fmt: skip
        return ArmRun(manifest, tuple(records))


def reply(request):
    text = json.loads(request.content)["messages"][1]["content"]
    word = "right" if text.count("gold") == 2 else "wrong"
    return httpx.Response(200, json={"choices": [{"message": {"content": word}}]})


@pytest.fixture
def answer(monkeypatch, workspace):
    """Put a workspace with a judge behind the commands; return what the judge replies with."""
    replies = [reply]

    def connect(config, key):
        transport = httpx.MockTransport(lambda request: replies[-1](request))
        return OpenAIGenerator(config.base_url, config.model, key, transport=transport)

    class Judged(FakeWorkspace):
        @property
        def judging(self):
            return Judging(Stored(), CONFIG, self.root / ".graft", connect)

    monkeypatch.setattr(session, "workspace_class", lambda: Judged)
    return replies


@pytest.fixture
def labels(graft, answer, workspace):
    assert graft("judge", "sample", "labels.jsonl").exit_code == 0
    path = workspace.root / "labels.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    for row in rows:
        row["label"] = "right" if row["answers"][0] in row["answer"] else "wrong"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize("name", ["sample", "gate", "score"])
def test_every_step_has_help_with_two_examples(graft, name):
    result = graft("judge", name, "--help")
    assert result.exit_code == 0
    examples = result.stdout.partition("Examples:\n")[2].strip().splitlines()
    assert len(examples) == 2
    assert all(line.strip().startswith(f"graft judge {name}") for line in examples)


def test_sample_says_what_to_do_and_keeps_what_is_there(graft, answer):
    result = graft("judge", "sample", "labels.jsonl")
    assert result.stdout == "100 answers to label in labels.jsonl\n"
    assert "next: graft judge gate labels.jsonl" in result.stderr
    spaced = graft("judge", "sample", "my labels.jsonl")
    assert "next: graft judge gate 'my labels.jsonl'" in spaced.stderr
    assert graft("judge", "sample", "labels.jsonl").exit_code == 4
    assert graft("judge", "sample", "labels.jsonl", "--force").exit_code == 0


def test_a_passed_gate_shows_kappa_and_both_rates_of_every_arm(graft, labels):
    result = graft("judge", "gate", str(labels))
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[:2] == ["the gate is passed", "kappa 1.00 over 100 labels"]
    assert lines[2].startswith("base  sensitivity 100 % ")
    assert "specificity 100 %" in lines[3]
    assert "the rule: kappa at least 0.6" in result.stderr


def test_a_missed_gate_says_why_and_exits_with_100(graft, answer, labels):
    answer.append(
        lambda request: httpx.Response(200, json={"choices": [{"message": {"content": "right"}}]})
    )
    result = graft("judge", "gate", str(labels))
    assert result.exit_code == 100
    assert result.stdout.startswith("the gate is missed\n  kappa is 0.00, at least 0.6 is needed\n")
    scored = graft("judge", "score")
    assert scored.exit_code == 0
    assert "secondary numbers (judge_gate_missed)" in scored.stderr


def test_score_shows_corrected_shares_and_the_paired_difference(graft, document, labels):
    assert graft("judge", "gate", str(labels)).exit_code == 0
    result = graft("judge", "score")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0] == "judged by tiny at localhost:9; advisory, the verdict stands"
    assert lines[1].startswith("base  corrected 33 % ")
    assert lines[2].endswith("mechanical 67 %, n 60")
    assert lines[3].startswith("rag against base: +33 points (")
    assert document("judge", "score")["secondary"] is False


def test_answers_that_could_not_be_judged_give_exit_code_5(graft, answer):
    calls = []

    def stumbles(request):
        calls.append(request)
        return httpx.Response(503) if len(calls) == 7 else reply(request)

    answer.append(stumbles)
    result = graft("judge", "score")
    assert result.exit_code == 5
    assert result.stdout.count("1 not judged") == 2  # one reply was for an answer of both
    assert "2 answers not judged; the same command asks again" in result.stderr
    assert graft("judge", "score").exit_code == 0
