"""What a comparison reuses and what it asks anew, on the fakes."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from types import SimpleNamespace

import pytest

from graft import Workspace
from graft.adapters import build_of
from graft.asking import Asking
from graft.embed.fake import FakeEmbedder
from graft.errors import BadInput, FingerprintMismatch
from graft.manifests import note
from graft.runs import append_lines, read_records
from graft.training import Training

CONFIG = 'generator = "fake"\nembedder = "fake"\n[retrieval]\npassages = 1\n'


@pytest.fixture
def team(tmp_path):
    root = tmp_path / "team"
    (root / "docs").mkdir(parents=True)
    lines = []
    for number in range(6):
        (root / "docs" / f"d{number}.md").write_text(f"# Tarn {number}\n\nTested at {number}3.\n")
        for split in ("train", "test"):
            asked = f"At what pressure is Tarn {number} tested in {split}?"
            line = {"id": f"{split}{number}", "question": asked, "split": split}
            lines.append(line | {"answers": [f"{number}3"], "doc_ids": [f"d{number}.md"]})
    write_questions(root, lines)
    Workspace.create(root)
    (root / "graft.toml").write_text(CONFIG)
    workspace = Workspace.open(root)
    workspace.add([root / "docs"])
    workspace.import_questions(root / "questions.jsonl", {})
    return workspace


def write_questions(root, lines):
    (root / "questions.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def lines_of(root):
    return [json.loads(line) for line in (root / "questions.jsonl").read_text().splitlines()]


def flags(team):
    [path] = (team.state / "reports").rglob("comparand.json")
    return json.loads(path.read_text())["flags"]


def test_a_run_says_what_its_index_was_embedded_with(team):
    team.compare(arms=["rag", "decline"])
    manifests = [json.loads(path.read_text()) for path in team.state.glob("runs/*/manifest.json")]
    found = {item["arm"]: item["embeddings"] for item in manifests}
    assert found["rag"] == FakeEmbedder.identity
    assert found["decline"] == ""


class TestQuestionsForRetrievalAlone:
    def test_they_are_asked_of_no_arm_and_counted(self, team):
        lines = lines_of(team.root)
        asked = {"question": "Where is Tarn 9?", "split": "test", "doc_ids": ["d1.md"]}
        write_questions(team.root, [*lines, {"id": "where", "answerable": True, **asked}])
        team.import_questions(team.root / "questions.jsonl", {})
        result = team.compare(arms=["rag", "decline"])
        [folder] = (team.state / "runs").glob("rag-*")
        assert len(read_records(folder / "records.jsonl")) == 6
        assert "retrieval_only:1" in flags(team)
        assert "1 questions without an answer" in result.markdown.read_text()

    def test_alone_they_are_refused_with_the_command_that_measures_them(self, team):
        lines = [
            {"id": f"t{n}", "question": f"Where is {n}?", "split": "test", "answerable": True}
            | {"doc_ids": [f"d{n}.md"]}
            for n in range(6)
        ]
        write_questions(team.root, lines)
        team.import_questions(team.root / "questions.jsonl", {})
        with pytest.raises(BadInput, match="no test question has an answer") as caught:
            team.compare()
        assert caught.value.next_step == "graft compare --retrieval"
        assert not (team.state / "runs").exists()


class TestWhatIsAskedAnew:
    @pytest.mark.parametrize("setting", ["candidates = 5", "rrf_k = 1"])
    def test_other_ways_to_search_are_other_runs(self, team, setting):
        team.compare(arms=["base", "rag"])
        (team.root / "graft.toml").write_text(CONFIG + setting + "\n")
        before = {path.name for path in (team.state / "runs").iterdir()}
        Workspace.open(team.root).compare(arms=["base", "rag"])
        [fresh] = {path.name for path in (team.state / "runs").iterdir()} - before
        assert fresh.startswith("rag-")

    def test_a_question_that_failed(self, team):
        team.compare(arms=["rag", "decline"])
        [folder] = (team.state / "runs").glob("rag-*")
        [first, *_] = read_records(folder / "records.jsonl")
        failed = replace(first, answer="", error="OSError: gone", scores={"primary": 0.0})
        append_lines(folder / "records.jsonl", [failed])
        again = Workspace.open(team.root).compare(arms=["rag", "decline"])
        assert (again.reused, again.failed) == (False, 0)
        assert read_records(folder / "records.jsonl")[0].answer == first.answer

    def test_scores_of_older_measures_are_made_anew_and_no_question_is_asked(self, team):
        team.compare(arms=["rag", "decline"])
        [folder] = (team.state / "runs").glob("rag-*")
        records = read_records(folder / "records.jsonl")
        old = [replace(item, scores={**item.scores, "primary": 0.0}) for item in records]
        append_lines(folder / "records.jsonl", old)
        note(folder, {"metrics": 0})
        again = Workspace.open(team.root).compare(arms=["rag", "decline"])
        assert again.reused
        assert read_records(folder / "records.jsonl") == records
        assert json.loads((folder / "manifest.json").read_text())["metrics"] > 0


class TestAdapters:
    @pytest.fixture
    def training(self, team, monkeypatch):
        """Training that writes a receipt and no weights; every build takes another second."""
        seconds = iter(range(100))

        def train(self, name, draft, start_from, on_progress):
            receipt = {"seconds": next(seconds), "curve": [], "kept_step": 0}
            build = build_of(start_from) if start_from else ""
            receipt |= {"steps": 1, "tokens": 1, "left_out": {}, "started_from_build": build}
            (draft / "receipt.json").write_text(json.dumps(receipt))

        monkeypatch.setattr(Training, "_train", train)
        monkeypatch.setattr(Training, "folder", lambda self, name: team.state / "adapters" / name)
        return team._preparing.comparing(team._questions(), "quick", (), None).training

    def test_trained_again_it_is_another_build_and_nothing_of_the_old_one_is_left(self, training):
        folder = training.ensure("finetuned").folder
        export = training.assembly.state / "models" / folder.name
        export.mkdir(parents=True)
        first = build_of(folder)
        assert training.ensure("finetuned").reused and export.exists()
        training.ensure("finetuned", force=True)
        assert build_of(folder) != first
        assert not export.exists()

    def test_the_hybrid_goes_on_from_the_build_that_is_there(self, training):
        training.ensure("hybrid")
        assert training.ensure("hybrid").reused
        training.ensure("finetuned", force=True)
        assert not training.ensure("hybrid").reused

    def test_answers_asked_afterwards_leave_the_build_as_it_is(self, training):
        folder = training.ensure("finetuned").folder
        first = build_of(folder)
        receipt = json.loads((folder / "receipt.json").read_text())
        (folder / "receipt.json").write_text(json.dumps(receipt | {"probes": [1]}))
        assert build_of(folder) == first

    def test_one_trained_again_after_it_was_measured_is_not_served(self, training):
        folder = training.ensure("finetuned").folder
        settings = {"builds": {"finetuned": build_of(folder)}}
        training.ensure("finetuned", force=True)
        asking = Asking(training.assembly, settings, {"finetuned": folder}, None, None, None)
        with pytest.raises(FingerprintMismatch, match="not the one that was measured"):
            asking.arm("finetuned")

    def test_without_a_usable_pair_there_is_no_hybrid(self, team):
        comparing = team._preparing.comparing(team._questions(), "quick", (), None)
        assembly = SimpleNamespace(api_only=False)
        without = SimpleNamespace(usable=[], questions=comparing.training.questions)
        there = replace(comparing, assembly=assembly)
        assert there.not_applicable("hybrid") == ""
        nothing = replace(there, training=without)
        assert "no training pairs" in nothing.not_applicable("hybrid")
        assert nothing.not_applicable("finetuned") == ""

    def test_the_hybrid_alone_has_seen_what_its_first_stage_learned(self, team):
        comparing = team._preparing.comparing(team._questions(), "quick", ("hybrid",), None)
        weights = SimpleNamespace(api_only=False, config=comparing.assembly.config)
        there = replace(comparing, assembly=weights)
        assert there.adapters == ["hybrid"]
        assert there._stages == ["finetuned", "hybrid"]


def test_pairs_shown_to_an_arm_are_kept_so_that_citations_can_be_scored_again(team):
    team.compare(arms=["nearest-pair", "rag"])
    [path] = (team.state / "reports").rglob("comparand.json")
    texts = json.loads(path.read_text())["passages"]
    for folder in (team.state / "runs").iterdir():
        shown = {name for item in read_records(folder / "records.jsonl") for name in item.shown}
        assert shown <= texts.keys()
    before = {
        folder.name: read_records(folder / "records.jsonl")
        for folder in (team.state / "runs").iterdir()
    }
    shutil.rmtree(team.state / "index", ignore_errors=True)
    assert team.score().changed == {}
    for name, records in before.items():
        assert read_records(team.state / "runs" / name / "records.jsonl") == records
