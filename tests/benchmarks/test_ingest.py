"""The arithmetic of the ingest benchmark, and that what it makes is what it says."""

from __future__ import annotations

import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks import ingest, ingest_steps


def run(name, rate, **more):
    return {"contestant": name, "round": 0, "rate": rate, **more}


def test_the_median_rates_are_compared_and_a_lacking_one_gives_no_ratio():
    runs = [run("graft", rate, precision="f32") for rate in (90.0, 60.0, 10.0)]
    runs += [run("haystack", rate, versions={"torch": "1"}) for rate in (20.0, 30.0, 40.0)]
    found = ingest.contest_figures(runs)
    assert (found["rate_graft"], found["rate_haystack"], found["ratio_haystack"]) == (60, 30, 2)
    assert found["rate_llamaindex"] is None and found["ratio_llamaindex"] is None
    assert found["precision"] == "f32"
    assert found["peer_versions"] == {"haystack": {"torch": "1"}}


def test_every_contestant_is_first_in_some_round():
    names = ["graft", "llamaindex", "haystack"]
    assert {ingest.rotated(names, turn)[0] for turn in range(3)} == set(names)
    assert all(sorted(ingest.rotated(names, turn)) == sorted(names) for turn in range(3))


def test_one_vector_that_differs_is_seen(tmp_path):
    whole = np.eye(3, dtype=np.float32)
    other = whole.copy()
    other[1] = (0.0, 1.0, 1.0)
    np.save(tmp_path / "reference.npy", whole)
    np.save(tmp_path / "graft.npy", 2 * whole)
    np.save(tmp_path / "haystack.npy", other)
    assert ingest.agreement(tmp_path, {"graft"}) == {"cosine_graft": 1.0, "vectors_agree": True}
    found = ingest.agreement(tmp_path, {"graft", "haystack"})
    assert found["cosine_haystack"] == pytest.approx(0.7071, abs=1e-4)
    assert not found["vectors_agree"]


def test_shares_are_medians_of_each_run():
    add = {"files": 4, "raw_seconds": 8.0, "embedder_flops": 3e10, "matmul_flops": 1e11}
    found = ingest.add_figures([add | {"add_seconds": seconds} for seconds in (10.0, 16.0, 8.0)])
    assert (found["raw_share"], found["matmul_share"], found["files_added"]) == (0.8, 0.3, 4)


def test_a_worse_precision_has_a_delta_below_zero():
    found = ingest.ndcg_figures({"questions": 2, "shipped": 0.35, "fp32": 0.36})
    assert found["ndcg_delta"] == -0.01


def test_the_larger_memory_ratio_counts():
    peaks = [(False, 1_000, 100), (False, 5_000, 110), (True, 1_000, 50), (True, 20_000, 60)]
    runs = [{"fake": fake, "files": files, "peak": peak} for fake, files, peak in peaks]
    found = ingest.memory_figures(runs)
    assert (found["peak_memory_ratio_real"], found["peak_memory_ratio_fake"]) == (1.1, 1.2)
    assert found["peak_memory_ratio"] == 1.2


def test_a_process_that_fails_says_why():
    said = "import sys; print('half'); print('no such model', file=sys.stderr); sys.exit(3)"
    with pytest.raises(ingest.Failed, match="no such model"):
        ingest.last_line([sys.executable, "-c", said])
    assert ingest.last_line([sys.executable, "-c", "print('warm'); print('[1]')"]) == [1]


def test_choices_are_even_and_whole_where_there_are_no_more():
    assert ingest_steps.strided(range(10), 5) == [0, 2, 4, 6, 8]
    assert ingest_steps.strided(range(3), 5) == [0, 1, 2]


def test_ndcg_is_that_of_the_definition():
    scores = np.array([[0.9, 0.1, 0.5], [0.1, 0.2, 0.3], [1.0, 0.0, 0.0]])
    found = ingest_steps.mean_ndcg(scores, ["a", "b", "c"], [{"a"}, {"b"}, set()])
    assert found == pytest.approx((1 + 1 / np.log2(3)) / 2)


def test_entries_keep_what_is_shown(tmp_path):
    lines = [
        {"id": "2", "doc_id": "a", "text": "two", "shown": "H\ntwo", "position": 1},
        {"id": "3", "doc_id": "b", "text": "three", "shown": "three", "position": 0},
        {"id": "1", "doc_id": "a", "text": "one", "shown": "one", "position": 0},
    ]
    paths = (["H"], [], [])
    given = [line | {"heading_path": path} for line, path in zip(lines, paths, strict=True)]
    (tmp_path / "texts.jsonl").write_text("".join(json.dumps(item) + "\n" for item in given))
    entries = ingest_steps.entries_of(ingest_steps.read_lines(tmp_path / "texts.jsonl"))
    assert [[item.id for item in entry.passages] for entry in entries] == [["1", "2"], ["3"]]
    shown = {item.id: item.shown for entry in entries for item in entry.passages}
    assert shown == {line["id"]: line["shown"] for line in given}


def test_generated_files_are_the_same_again_and_all_differ():
    first = list(ingest_steps.made_files(50))
    assert first == list(ingest_steps.made_files(50))
    assert len({name for name, _ in first}) == len({text for _, text in first}) == 50
    assert {name.rsplit(".", 1)[1] for name, _ in first} == {"md", "txt"}


def test_every_part_reaches_the_result_and_what_is_left_out_is_named(tmp_path, monkeypatch):
    def step(name, *arguments):
        given = dict(zip(arguments[::2], arguments[1::2], strict=False))
        if name in ("graft", "reference"):
            np.save(given["--vectors"], np.eye(2, dtype=np.float32))
        return {
            "cut": {"distinct": 20, "documents": 10, "passages": 4},
            "reference": {},
            "graft": {"seconds": 2.0, "passages": 4, "precision": "f32"},
            "files": {
                "files": given.get("--files"),
                "add_seconds": 4.0,
                "raw_seconds": 3.0,
                "embedder_flops": 1.0,
                "matmul_flops": 2.0,
            },
            "ndcg": {"questions": 1, "shipped": 0.5, "fp32": 0.5},
            "memory": {"files": given.get("--files"), "fake": "--fake" in arguments, "peak": 9},
        }[name]

    monkeypatch.setattr(ingest, "step", step)
    monkeypatch.setattr(ingest, "model_folder", lambda folder: folder)
    monkeypatch.setattr(ingest, "environments", lambda _: ({}, {"haystack": "no network"}))
    result = ingest.Result("ingest", "", 7, folder=tmp_path / "results")
    options = SimpleNamespace(passages=4, repeats=2, skip_memory=False)
    ingest.measure(result, tmp_path, options)
    found = result.figures
    assert (found["rate_graft"], found["ratio_haystack"]) == (2.0, None)
    assert found["left_out"] == {"haystack": "no network"}
    assert (found["raw_share"], found["files_added"], found["ndcg_delta"]) == (0.75, 2, 0.0)
    assert found["peak_memory_ratio"] == 1.0 and found["vectors_agree"]
    assert len(list(result.raw.iterdir())) == 3
