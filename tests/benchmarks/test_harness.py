"""The benchmarks' common ground, and the spine on the fakes: results without text and paths."""

from __future__ import annotations

import gzip
import json
import subprocess

import pytest

from benchmarks import demo, harness, spine
from graft.errors import BadInput

LINE = {"benchmark", "started", "finished", "commit", "machine", "figures"}
ARM = {
    "name": "bolt-on",
    "exposure": {name: {"score": None} for name in ("fact", "document", "unseen")},
    "decline_recall": {"score": 0.5},
    "headline": {"score": 0.25},
}
COMPARISON = {
    "arms": [ARM],
    "verdict": {"recommended": "", "clear": False, "sentence": "No clear winner."},
}


@pytest.fixture
def result(tmp_path):
    return harness.Result("trial", "python -m benchmarks.trial", 7, folder=tmp_path)


def test_the_line_has_the_promised_keys_and_the_file_more(result):
    result.figures["minutes"] = 1.5
    assert set(result.write()) == LINE
    whole = json.loads(result.path.read_text())
    assert set(whole) == LINE | {"schema", "versions", "seed", "command"}
    assert result.path.name == f"trial-{result.started[:10]}.json"
    assert whole["figures"] == {"minutes": 1.5}


def test_a_second_writing_of_the_day_replaces_the_first(result, tmp_path):
    result.write()
    result.figures["minutes"] = 2
    result.write()
    assert json.loads(result.path.read_text())["figures"] == {"minutes": 2}
    assert [path.name for path in tmp_path.iterdir()] == [result.path.name]


def test_with_json_the_last_line_is_one_document(result, capsys):
    result.figures["minutes"] = 1
    harness.finished(result, as_json=True)
    assert set(json.loads(capsys.readouterr().out.splitlines()[-1])) == LINE
    harness.finished(result, as_json=False)
    assert capsys.readouterr().out.split() == ["minutes", "1", "written", result.path.name]


def test_the_machine_is_described_without_host_and_path():
    found = harness.machine()
    assert set(found) == {"processor", "cores", "memory_gb", "instruction_sets", "system"}
    assert found["cores"] >= 1
    assert set(found["instruction_sets"]) <= {"avx2", "avx512", "bf16", "amx"}
    import socket

    assert socket.gethostname() not in json.dumps(found)


def test_versions_name_python_and_graft():
    assert {"python", "graft", "numpy"} <= set(harness.versions())


def test_a_changed_tree_is_marked_and_new_results_do_not_change_it(tmp_path):
    def git(*arguments: str) -> None:
        identity = ("-c", "user.name=a", "-c", "user.email=a@example.org")
        subprocess.run(
            ["git", *identity, *arguments], cwd=tmp_path, check=True, capture_output=True
        )

    assert harness.git_commit(tmp_path) == "unknown"
    git("init", "-q")
    (tmp_path / "a").write_text("1")
    (tmp_path / "benchmarks" / "results").mkdir(parents=True)
    (tmp_path / "benchmarks" / "results" / "b.json").write_text("1")
    git("add", ".")
    git("commit", "-qm", "one")
    clean = harness.git_commit(tmp_path)
    assert len(clean) == 40
    (tmp_path / "benchmarks" / "results" / "b.json").write_text("2")
    assert harness.git_commit(tmp_path) == clean
    (tmp_path / "a").write_text("2")
    assert harness.git_commit(tmp_path) == f"{clean}-dirty"


def test_data_is_found_through_the_variable_and_missing_data_named(tmp_path, monkeypatch):
    monkeypatch.setenv("GRAFT_BENCH_DATA", str(tmp_path))
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "questions.jsonl").write_text("")
    assert harness.data_folder("here") == tmp_path / "here"
    with pytest.raises(BadInput) as caught:
        harness.data_folder("gone")
    assert [line.split()[0] for line in str(caught.value).splitlines()] == [
        "error:",
        "where",
        "why",
        "next",
    ]
    monkeypatch.delenv("GRAFT_BENCH_DATA")
    with pytest.raises(BadInput, match="no-such-collection"):
        harness.data_folder("no-such-collection")


def test_a_missing_collection_ends_a_benchmark_with_4_and_writes_nothing(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("GRAFT_BENCH_DATA", str(tmp_path))
    monkeypatch.setattr(spine, "Result", lambda *values: harness.Result(*values, folder=tmp_path))
    assert spine.main(["--sets", "gone", "--json"]) == 4
    assert capsys.readouterr().out == ""
    assert list(tmp_path.iterdir()) == []


def test_a_published_command_shows_of_a_path_only_its_end():
    given = ["--work", "/home/me/work/", "--sets", "a,b"]
    assert harness.shown_command("spine", given) == (
        "python -m benchmarks.spine --work work --sets a,b"
    )


def test_figures_of_arms_are_named_by_kind_set_arm_and_exposure():
    assert harness.arm_figures(COMPARISON, "news") == {
        "score_news_bolt-on_fact": None,
        "score_news_bolt-on_document": None,
        "score_news_bolt-on_unseen": None,
        "decline_recall_news_bolt-on": 0.5,
        "headline_news_bolt-on": 0.25,
        "recommended_news": "",
        "clear_news": False,
        "sentence_news": "No clear winner.",
    }
    assert harness.arm_figures(COMPARISON)["headline_bolt-on"] == 0.25


def test_the_same_records_give_the_same_bytes(tmp_path):
    for name in ("a.gz", "b.gz"):
        harness.write_lines(tmp_path / name, [{"id": "é"}])
    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()
    assert gzip.decompress((tmp_path / "a.gz").read_bytes()).decode() == '{"id": "é"}\n'


@pytest.mark.parametrize(
    ("talk", "said"),
    [
        ("\nthe demo takes about ten minutes\n", True),
        ("this takes about 9 min:\n", True),
        ("creating the workspace\nthis takes about 9 min\n", False),
        ("a minimal demo\n", False),
        ("", False),
    ],
)
def test_minutes_must_be_said_in_the_first_line(talk, said):
    assert demo.says_minutes_first(talk) is said


def test_the_spine_keeps_numbers_and_no_text_of_the_collection(tmp_path):
    from graft.workspace import Workspace

    data = tmp_path / "data" / "secret-set"
    (data / "docs").mkdir(parents=True)
    lines = []
    for number in range(4):
        text = f"# Kestrel {number}\n\nThe kestrel {number} weighs {number + 30} grams.\n"
        (data / "docs" / f"k{number}.md").write_text(text)
        for split in ("train", "test"):
            asked = f"What does the kestrel {number} weigh in the {split} season?"
            answer = [f"{number + 30} grams"]
            lines.append({"question": asked, "answers": answer, "split": split})
    (data / "questions.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    work = tmp_path / "work" / "secret-set"
    Workspace.create(work / "team")
    (work / "team" / "graft.toml").write_text('generator = "fake"\nembedder = "fake"\n')
    raw = tmp_path / "raw"
    figures = spine.measure("secret-set", data, work, "quick", raw)
    assert figures["continued_secret-set"] is True
    assert figures["minutes_secret-set"] >= 0
    assert figures["headline_secret-set_decline"] == 0
    assert figures["headline_secret-set_hybrid"] is None
    files = sorted(raw.rglob("*.gz"))
    assert "base.records.jsonl.gz" in {path.name for path in files}
    kept = "".join(gzip.decompress(path.read_bytes()).decode() for path in files)
    assert "estrel" not in kept
    assert "grams" not in kept
    lines = gzip.decompress(
        (raw / "secret-set" / "base.latency.jsonl.gz").read_bytes()
    ).splitlines()
    record = json.loads(lines[0])
    assert set(record) == {*spine.KEPT, "failed"}
