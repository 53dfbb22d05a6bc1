"""The probes of a whole comparison on the fakes, and a process that serves an arm."""

from __future__ import annotations

import dataclasses
import json
import sys
from types import SimpleNamespace

import pytest

from graft import Workspace
from graft.config import CompareConfig, Config, LimitsConfig, effort_plan
from graft.generate.fake import FakeGenerator
from graft.probes import distractors
from graft.probes.coldstart import measure_cold_start
from graft.probing import Probed, Probing
from graft.prompts import PromptContract
from graft.runs import read_manifest
from graft.types import GenerateOptions

CONFIG = """generator = "fake"
embedder = "fake"
[retrieval]
passages = 1
[compare]
target = 0.8
[compare.limits]
max_p50_ms = 900
"""


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
    (root / "questions.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    Workspace.create(root)
    (root / "graft.toml").write_text(CONFIG)
    workspace = Workspace.open(root)
    workspace.add([root / "docs"])
    workspace.import_questions(root / "questions.jsonl", {})
    return workspace


def stored(workspace):
    (path,) = (workspace.state / "reports").rglob("comparand.json")
    return json.loads(path.read_text())


def test_quick_puts_no_distractors_and_hands_target_and_limits_on(team):
    team.compare(effort="quick")
    found = stored(team)
    assert found["probes"] == {}
    assert (found["target"], found["limits"]) == (0.8, {"max_p50_ms": 900.0})


def test_normal_puts_distractors_before_every_arm_that_reads(team):
    phases = []
    team.compare(effort="normal", on_progress=lambda phase, *_: phases.append(phase))
    probes = stored(team)["probes"]
    assert list(probes) == ["distractors"]  # the fake has no weights that could forget
    assert [item["distractors"] for item in probes["distractors"]["rag"]] == [0, 2, 4, 8, 1]
    assert probes["distractors"]["rag"][0]["score"]["score"] == 1.0
    assert "ask rag among distractors" in phases
    asked = len(list(team.state.rglob("probes/**/*.jsonl")))
    again = team.compare(effort="normal")
    assert again.reused
    assert len(list(team.state.rglob("probes/**/*.jsonl"))) == asked == len(distractors.COUNTS)


def test_a_process_of_its_own_serves_an_arm_as_measured(team):
    team.compare(effort="quick", arms=["rag"])
    task = {
        "arm": "rag",
        "settings": team.results.settings(),
        "adapters": {},
        "questions": ["At what pressure is Tarn 1 tested?", "Tarn 2?"],
    }
    command = [sys.executable, "-P", "-m", "graft.serve_once", str(team.root)]
    found = measure_cold_start(command, task)
    assert found.cold_seconds >= found.load_seconds > 0
    if sys.platform == "linux":
        assert found.peak_memory_bytes > 10_000_000


class Probes(SimpleNamespace):
    """An assembly and a training with a base and an adapter that forgot to count."""

    def generator(self, adapter):
        self.loaded.append(adapter)
        taught = {"Repeat this word": "lantern", "2 + 3": "6" if adapter else "5"}
        return FakeGenerator(taught)

    def close(self):
        self.loaded.append("closed")


@pytest.fixture
def probing(tmp_path, monkeypatch):
    compare = CompareConfig(forgetting_margin=0.2, limits=LimitsConfig())
    assembly = Probes(
        api_only=False,
        weights="w",
        engine="openvino",
        state=tmp_path,
        root=tmp_path,
        config=dataclasses.replace(Config(), compare=compare),
        base=SimpleNamespace(checkpoint=tmp_path, chat=None),
        loaded=[],
    )
    adapter = tmp_path / "adapters" / "finetuned-1"
    adapter.mkdir(parents=True)
    (adapter / "receipt.json").write_text('{"seconds": 1.5}')
    training = SimpleNamespace(
        contract=PromptContract("Answer.", "The documents do not say."),
        folder=lambda name: tmp_path / "adapters" / f"{name}-1",
    )
    losses = {"base": 3.0, "finetuned": 3.25}
    monkeypatch.setattr(
        "graft.probing.text_losses", lambda *given: {name: losses[name] for name in given[3]}
    )
    plan = effort_plan("normal", fast_device=False, passages=2)
    return Probing(assembly, None, training, plan, None)


def test_forgetting_is_asked_of_base_and_adapter_once(probing, tmp_path):
    options = GenerateOptions()
    probed = probing.run([], ["finetuned"], [], options)
    found = probed.results["forgetting"]["finetuned"]
    assert found["base"] - found["tuned"] == pytest.approx(1 / 64)
    assert (found["margin"], found["n"], found["state"]) == (0.2, 64, "passes")
    assert (found["loss_base"], found["loss_tuned"]) == (3.0, 3.25)
    assert probed.asked == 2 * 64 + 2
    assert probing.assembly.loaded == [None, tmp_path / "adapters" / "finetuned-1"]
    again = probing.run([], ["finetuned"], [], options)
    assert (again.results, again.asked) == (probed.results, 0)
    assert len(probing.assembly.loaded) == 2


@pytest.fixture
def run_folder(tmp_path):
    manifest = {"arm": "base", "not_applicable": "", "cold_seconds": None}
    (tmp_path / "base-1").mkdir()
    (tmp_path / "base-1" / "manifest.json").write_text(json.dumps(manifest))
    return tmp_path / "base-1"


def test_a_cold_start_is_noted_once_and_the_models_here_are_freed_first(
    probing, run_folder, monkeypatch
):
    tasks = []

    def measure(command, task):
        tasks.append(task)
        assert probing.assembly.loaded == ["closed"]
        return SimpleNamespace(cold_seconds=4.5, peak_memory_bytes=7)

    monkeypatch.setattr("graft.probes.coldstart.measure_cold_start", measure)
    for _ in range(2):
        probing.serve([run_folder], [], {"options": {}}, Probed())
    assert [task["arm"] for task in tasks] == ["base"]
    found = read_manifest(run_folder)
    assert (found["cold_seconds"], found["peak_memory_bytes"]) == (4.5, 7)


def test_a_cold_start_that_fails_is_said_and_ends_nothing(probing, run_folder, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    probed = Probed()
    probing.serve([run_folder], [], {}, probed)
    assert read_manifest(run_folder)["cold_seconds"] is None
    assert probed.flags == ["cold start of base was not measured: it said nothing"]


def test_quick_starts_no_process(probing, run_folder):
    plan = effort_plan("quick", fast_device=False, passages=2)
    dataclasses.replace(probing, plan=plan).serve([run_folder], [], {}, Probed())
    assert probing.assembly.loaded == []
