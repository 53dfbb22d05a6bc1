"""The workspace as a Python object, with the fake generator and embedder."""

from __future__ import annotations

import dataclasses
import json
import shutil

import pytest

from graft import Workspace
from graft.arms import CONTROLS
from graft.asking import Asking
from graft.assembly import Assembly
from graft.config import Config, OpenAIConfig
from graft.doctor import examine
from graft.embed.fake import FakeEmbedder
from graft.errors import BadInput, UsageError
from graft.formats import sealed, unsealed
from graft.models.resolve import ModelFiles

# With one passage in the prompt the fake's answer is the last word of the best one.
CONFIG = 'generator = "fake"\nembedder = "fake"\n[retrieval]\npassages = 1\n'
FACTS = 6


def make(root):
    """A workspace whose documents end with their answer, so that the fake `rag` is right."""
    (root / "docs").mkdir(parents=True)
    lines = []
    for number in range(FACTS):
        text = f"# Tarn {number}\n\nThe pump Tarn {number} is tested at {number + 30}.\n"
        (root / "docs" / f"d{number}.md").write_text(text)
        for split in ("train", "test"):
            asked = f"At what pressure is the pump Tarn {number} tested in {split}?"
            line = {"id": f"{split}{number}", "question": asked, "split": split}
            lines.append(line | {"answers": [str(number + 30)], "doc_ids": [f"d{number}.md"]})
    (root / "questions.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    workspace = Workspace.create(root)
    (root / "graft.toml").write_text(CONFIG)
    return Workspace.open(workspace.root)


@pytest.fixture(scope="module")
def origins(tmp_path_factory):
    """Two workspaces to copy: one filled, one compared as well."""
    filled = make(tmp_path_factory.mktemp("filled") / "team")
    filled.add([filled.root / "docs"])
    filled.import_questions(filled.root / "questions.jsonl", {})
    compared = tmp_path_factory.mktemp("compared") / "team"
    shutil.copytree(filled.root, compared)
    Workspace.open(compared).compare()
    return filled.root, compared


@pytest.fixture
def filled(origins, tmp_path):
    return Workspace.open(shutil.copytree(origins[0], tmp_path / "filled"))


@pytest.fixture
def compared(origins, tmp_path):
    return Workspace.open(shutil.copytree(origins[1], tmp_path / "compared"))


def test_create_refuses_a_workspace_and_changes_nothing(filled):
    before = (filled.root / "graft.toml").read_text()
    with pytest.raises(BadInput, match="is a workspace already"):
        Workspace.create(filled.root)
    assert (filled.root / "graft.toml").read_text() == before


def test_create_with_force_writes_the_configuration_and_keeps_the_documents(filled):
    made = Workspace.create(filled.root, force=True, base_model="./model.gguf")
    assert made.config.base_model == "./model.gguf"
    assert made.status()["documents"] == FACTS


def test_create_with_the_example_brings_documents_and_questions(tmp_path):
    made = Workspace.create(tmp_path / "demo", example=True)
    assert (made.root / "questions.jsonl").is_file()
    assert len(list((made.root / "docs").rglob("*.*"))) == 101
    assert not list(made.root.rglob("*.py"))


def test_open_looks_upwards_and_refuses_where_there_is_none(filled, tmp_path):
    below = filled.root / "docs" / "deep" / "deeper"
    below.mkdir(parents=True)
    assert Workspace.open(below).root == filled.root
    with pytest.raises(BadInput, match="no workspace here"):
        Workspace.open(tmp_path.parent)


def test_add_a_second_time_changes_nothing_and_costs_no_embedding(filled):
    report = filled.add([filled.root / "docs"])
    assert (len(report.unchanged), report.added, report.updated) == (FACTS, (), ())
    assert filled.assembly.embedder.calls == []


def test_status_names_the_one_next_action(tmp_path, filled, compared):
    empty = make(tmp_path / "empty")
    assert empty.status()["next"] == "graft add docs/"
    assert empty.status()["questions"] == {"train": 0, "dev": 0, "test": 0}
    empty.add([empty.root / "docs"])
    assert empty.status()["next"] == "graft questions import questions.jsonl"
    assert filled.status()["next"] == "graft compare"
    assert compared.status()["next"] == "graft report"  # nothing is recommended: read why


def test_status_says_what_the_index_was_embedded_with(tmp_path, filled):
    parts = dataclasses.asdict(FakeEmbedder.space)
    found = filled.status()["embeddings"]
    assert found == {"identity": FakeEmbedder.identity, "parts": parts}
    assert filled.assembly.embedded_with() == FakeEmbedder.identity
    empty = make(tmp_path / "empty")
    assert empty.status()["embeddings"] == {"identity": "", "parts": None}


def test_the_embedder_is_told_the_space_of_the_index(filled, monkeypatch):
    asked = {}

    def embedder(folder, **given):
        asked.update(given, folder=folder)
        return FakeEmbedder()

    files = ModelFiles("minilm", filled.root / "minilm", "folder")
    monkeypatch.setattr("graft.assembly.resolve_model", lambda *_, **__: files)
    monkeypatch.setattr("graft.assembly._class", lambda *_: embedder)
    config = dataclasses.replace(filled.config, embedder="minilm")
    assembly = Assembly(filled.root, config, filled.assembly.embedded_with)
    assert isinstance(assembly.embedder, FakeEmbedder)
    assert asked == {"folder": files.path, "like": FakeEmbedder.space, "name": "minilm"}
    assert Assembly(filled.root, config).embedded_with() == ""


def test_status_without_questions_lists_the_arms_that_need_none(tmp_path):
    empty = make(tmp_path / "empty")
    assert empty.arm_names() == ["base", "decline"]
    assert empty.status()["verdict"] == ""
    with pytest.raises(BadInput, match="there are no questions yet"):
        empty.check_questions()


def test_tuned_arms_are_not_applicable_behind_a_server(compared):
    comparison = compared.report().comparison
    reasons = {arm["name"]: arm["not_applicable"] for arm in comparison["arms"]}
    assert list(reasons) == ["base", "finetuned", "rag", "hybrid", *CONTROLS]
    assert {name for name, reason in reasons.items() if reason} == {
        "finetuned",
        "hybrid",
        "bolt-on",
    }
    assert "hybrid" not in compared.arm_names()
    with pytest.raises(UsageError, match="cannot be trained|behind a server"):
        compared.train()


def test_every_arm_answered_every_question_and_the_scores_are_as_expected(compared):
    arms = {arm["name"]: arm for arm in compared.report().comparison["arms"]}
    assert arms["rag"]["headline"]["n"] == FACTS
    assert arms["base"]["headline"]["score"] == 0  # it always declines, and all have answers
    assert arms["rag"]["headline"]["score"] > 0.5  # the last word of the best passage
    assert arms["rag"]["failed"] == 0


def test_recommended_is_empty_before_a_comparison_and_follows_the_newest(filled, compared):
    assert filled.recommended() == ""
    path = next(compared.state.glob("reports/*/comparison.json"))
    data = json.loads(path.read_text())
    assert compared.recommended() == (data["verdict"]["recommended"] or "")
    data["verdict"]["recommended"] = "rag"
    path.write_text(json.dumps(sealed(data)))
    assert compared.recommended() == "rag"
    assert compared.ask("At what pressure is Tarn 3 tested?").arm == "rag"


def test_an_unknown_arm_and_one_not_built_are_refused(filled):
    with pytest.raises(UsageError, match="unknown arm 'ragg'"):
        filled.arm("ragg")
    with pytest.raises(UsageError, match="not built yet"):
        filled.arm("hybrid")
    with pytest.raises(UsageError, match="unknown arm 'ragg'"):
        filled.compare(arms=["base", "ragg"])
    assert not (filled.state / "runs").exists()


def test_ask_gives_the_answer_with_its_passages_and_times(filled):
    found = filled.ask("At what pressure is the pump Tarn 3 tested in service?")
    assert found.arm == "rag"
    assert found.answer == "33"
    assert found.passages[0].passage.doc_id == "d3.md"
    assert found.stage_seconds["total_seconds"] > 0
    assert not found.declined
    assert filled.ask("At what pressure?", "base").declined


def test_ask_all_asks_the_arms_that_are_built(filled):
    assert [item.arm for item in filled.ask_all("Tarn 1?")] == [
        *("base", "rag", "top-passage", "nearest-pair", "decline")
    ]


def test_search_ranks_the_document_first_and_holds_to_the_limit(filled):
    hits = filled.search("pump Tarn 4", limit=2)
    assert len(hits) == 2
    assert hits[0].passage.doc_id == "d4.md"


def test_the_served_arm_is_the_measured_one(compared):
    stored = compared.results.settings()
    arm = compared.arm("rag")
    assert arm.options.max_new_tokens == stored["options"]["max_new_tokens"]
    assert arm.passages == stored["plan"]["passages"]
    record = json.loads(
        next(compared.state.glob("runs/rag-*/records.jsonl")).read_text().splitlines()[0]
    )
    question = next(
        item for item in compared._questions().questions if item.id == record["question_id"]
    )
    assert arm.answer(question.question).text == record["answer"]


def test_a_stored_plan_with_a_field_of_an_older_version_is_read(compared):
    stored = compared.results.settings()
    older = stored | {"plan": stored["plan"] | {"seeds": 3}}
    asking = Asking(compared.assembly, older, {}, None, None, lambda: compared.index)
    assert asking.arm("rag").passages == stored["plan"]["passages"]


def test_a_report_drawn_again_from_its_files_equals_the_first(compared):
    files = sorted(compared.state.glob("reports/*/*"))
    first = {path.name: path.read_bytes() for path in files}
    for path in files:
        if path.name in ("report.html", "report.md"):
            path.unlink()
    again = Workspace.open(compared.root).report()
    assert again.reused
    assert {path.name: path.read_bytes() for path in files} == first
    stored = unsealed(json.loads(first["comparison.json"]))
    assert {**again.comparison, "needs": stored["needs"]} == stored


def test_a_finished_comparison_is_only_read_again(compared):
    before = {path: path.stat().st_mtime_ns for path in compared.state.glob("runs/*/*")}
    again = compared.compare()
    assert again.reused
    assert again.failed == 0
    assert {path: path.stat().st_mtime_ns for path in compared.state.glob("runs/*/*")} == before


def test_a_changed_document_is_asked_anew_of_the_arms_that_read_it(compared):
    (compared.root / "docs" / "d0.md").write_text("# Tarn 0\n\nThe pump is tested at 99.\n")
    compared.add([compared.root / "docs"])
    before = set(compared.state.glob("runs/*"))
    result = compared.compare()
    assert not result.reused
    fresh = {path.name.rpartition("-")[0] for path in set(compared.state.glob("runs/*")) - before}
    assert {"rag", "top-passage"} <= fresh
    assert "base" not in fresh


def test_a_plan_says_steps_seconds_and_settings_before_anything_is_done(filled):
    plan = filled.plan_compare(arms=["base", "rag"], limit=3)
    assert plan.settings["arms"] == ["base", "rag"]
    assert plan.settings["test_questions"] == 3
    assert plan.seconds == pytest.approx(sum(seconds for _, seconds in plan.steps))
    assert not (filled.state / "runs").exists()


def test_a_plan_leaves_out_what_is_measured_already(compared):
    done = compared.plan_compare()
    assert (done.done, done.steps, done.seconds) == (True, (), 0)
    [folder] = compared.state.glob("runs/rag-*")
    shutil.rmtree(folder)
    plan = compared.plan_compare()
    assert not plan.done
    assert [text.split()[:2] for text, _ in plan.steps if text.startswith("ask")] == [
        ["ask", "rag"]
    ]
    assert not compared.plan_compare(limit=2).done


def test_doctor_names_what_it_looked_at(filled):
    checks = {check.name: check for check in filled.doctor()}
    assert checks["embedder"].detail == "fake"
    assert checks["workspace"].ok


@pytest.mark.parametrize(
    ("openai", "lacks"),
    [
        (OpenAIConfig(), "base_url and model"),
        (OpenAIConfig(base_url="http://localhost:1/v1"), "model"),
        (OpenAIConfig(model="m"), "base_url"),
        (OpenAIConfig(base_url="http://localhost:1/v1", model="m"), ""),
    ],
)
def test_doctor_looks_whether_the_server_is_named(tmp_path, openai, lacks):
    config = Config(generator="openai", embedder="fake", openai=openai)
    checks = {check.name: check for check in examine(config, tmp_path, tmp_path)}
    assert checks["base model"].ok == (not lacks)
    if lacks:
        assert checks["base model"].next_step == f"set {lacks} under [openai] in graft.toml"


@pytest.mark.parametrize("example", [False, True])
def test_create_where_nothing_can_be_written_says_so(tmp_path, example):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(BadInput, match="the file cannot be written") as caught:
        Workspace.create(tmp_path / "file", example=example)
    assert caught.value.next_step.endswith(f"write access to {tmp_path}")
    assert (tmp_path / "file").read_text() == "mine"
