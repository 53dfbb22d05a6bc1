"""The prompt's examples are chosen on `dev`, once, and never on `test`."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from graft import Workspace
from graft.pilot import candidates_of, headline_of
from graft.prompts import PromptContract
from graft.types import Question, Record

DECLINE = "The documents do not say."
CONFIG = 'generator = "fake"\nembedder = "fake"\n[retrieval]\npassages = 1\n'


def contract(*pairs):
    return PromptContract("Answer.", DECLINE, pairs)


def test_the_orders_differ_only_in_where_the_declined_example_stands():
    orders = candidates_of(contract(("a?", "a"), ("x?", DECLINE), ("b?", "b")))
    assert orders == {
        "declined last": (("a?", "a"), ("b?", "b"), ("x?", DECLINE)),
        "declined first": (("x?", DECLINE), ("a?", "a"), ("b?", "b")),
        "none": (),
    }


@pytest.mark.parametrize("pairs", [(("a?", "a"),), (("x?", DECLINE),)])
def test_examples_of_one_kind_have_no_order(pairs):
    assert candidates_of(contract(*pairs)) == {"as chosen": pairs, "none": ()}


def test_without_examples_nothing_is_tried():
    assert candidates_of(contract()) == {"none": ()}


def test_the_headline_weighs_answering_and_declining_alike():
    asked = [
        Question(name, "?", answers, "dev", "g", answerable=bool(answers))
        for name, answers in {"a": ("1",), "b": ("1",), "c": ("1",), "x": ()}.items()
    ]
    one = Record("rag", "a", "1", False, scores={"primary": 1.0})
    records = [
        one,
        replace(one, question_id="b", scores={"primary": 0.0}),
        replace(one, question_id="c", error="it broke"),
        replace(one, question_id="x"),
        replace(one, question_id="another"),
    ]
    assert headline_of(records, asked) == pytest.approx((1 / 3 + 1) / 2)
    assert headline_of(records[:1], asked) == 1.0
    assert headline_of([], asked) is None


@pytest.fixture
def team(tmp_path):
    root = tmp_path / "team"
    (root / "docs").mkdir(parents=True)
    lines = []
    for number in range(6):
        (root / "docs" / f"d{number}.md").write_text(f"# Tarn {number}\n\nTested at {number}3.\n")
        for split in ("train", "dev", "test"):
            asked = f"At what pressure is Tarn {number} tested in {split}?"
            line = {"id": f"{split}{number}", "question": asked, "split": split}
            lines.append(line | {"answers": [f"{number}3"], "doc_ids": [f"d{number}.md"]})
    (root / "questions.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    Workspace.create(root)
    (root / "graft.toml").write_text(CONFIG)
    workspace = Workspace.open(root)
    workspace.add([root / "docs"])
    workspace.import_questions(root / "questions.jsonl", {})
    return workspace


def test_quick_tries_nothing(team):
    team.compare(effort="quick")
    assert not (team.state / "pilots").exists()


def test_normal_asks_dev_alone_and_compares_with_the_choice(team):
    team.compare(effort="normal")
    (folder,) = (team.state / "pilots").iterdir()
    choice = json.loads((folder / "pilot.json").read_text())
    assert choice["chosen"] == choice["tried"][0]["name"]  # the fake ignores examples: all level
    asked = [json.loads(line) for path in folder.rglob("*.jsonl") for line in path.open()]
    assert {record["question_id"][:3] for record in asked} == {"dev"}
    stored = team.results.settings()["contract"]["examples"]
    assert stored == choice["examples"]


def test_a_choice_is_made_once(team):
    team.compare(effort="normal")
    (folder,) = (team.state / "pilots").iterdir()
    stored = json.loads((folder / "pilot.json").read_text())
    (folder / "pilot.json").write_text(json.dumps(stored | {"examples": []}))
    team.compare(effort="normal")
    assert team.results.settings()["contract"]["examples"] == []
