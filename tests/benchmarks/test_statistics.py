"""The simulation of the statistics: its generator meets what it promises, its counts repeat."""

from __future__ import annotations

import gzip
import json

import numpy as np
import pytest
from benchmarks.clustered import Cell

from benchmarks import clustered, harness, judging, statistics

SMALL = Cell(50, 0.5, 20, 0.2)


def test_the_grid_has_the_agreed_cells_and_an_icc_only_with_clusters():
    even, uneven = (list(clustered.grid(even=value)) for value in (True, False))
    assert (len(even), len(uneven)) == (84, 72)
    assert all(cell.correlation == 0 for cell in even if cell.clusters == cell.n)
    assert SMALL.name == "n50-p0.5-c20-icc0.2-even"


@pytest.mark.parametrize("cell", [*clustered.grid(even=True), *clustered.grid(even=False)])
def test_the_clusters_of_every_cell_hold_its_questions(cell):
    sizes = clustered.sizes_of(cell)
    assert (len(sizes), sizes.sum()) == (cell.clusters, cell.n)
    assert sizes.min() >= 1
    if cell.even:
        assert sizes.max() - sizes.min() <= 1


def test_shares_and_correlations_are_those_of_the_cell():
    cell = Cell(100, 0.3, 20, 0.3)
    patterns, chances = clustered.answer_patterns(2, 0.3, 0.5)
    counts = clustered.outcomes(np.random.default_rng(1), 4_000, cell, chances)
    a = counts @ patterns[:, 0]
    assert a.mean() / 5 == pytest.approx(0.3, abs=0.01)
    pairs = (a * (a - 1)).mean() / 20  # two questions of a cluster both right
    assert (pairs - 0.09) / 0.21 == pytest.approx(0.3, abs=0.02)
    differ = counts[..., 1] + counts[..., 2]
    assert differ.mean() / 5 == pytest.approx(2 * 0.21 * 0.5, abs=0.01)


def test_a_replicate_is_expanded_to_its_questions():
    clusters, values = clustered.expand(np.array([[2, 1], [0, 1]]), np.array([0.0, 1.0]))
    assert clusters == ("c0000", "c0000", "c0000", "c0001")
    assert values.tolist() == [0.0, 0.0, 1.0, 1.0]


@pytest.mark.parametrize("name", list(statistics.MEASURES))
def test_every_measure_repeats_and_agrees_with_the_public_functions(name):
    cell = Cell(100, 0.5, 20, 0.2, even=False) if name == "graded_pairs" else SMALL
    first, again = (statistics.MEASURES[name](cell, 60, 7) for _ in range(2))
    assert first == again


def test_a_disagreement_with_the_public_functions_ends_the_simulation():
    with pytest.raises(judging.Differs, match="n50-p0.5"):
        judging._same(SMALL, (0.5,), (0.6,))


def test_power_is_compared_with_enumeration_where_few_questions_disagree():
    found = judging.power(Cell(50, 0.5, 50, 0.0), 400, 7)
    assert found["gap"] is None
    assert found["gap_exact"] < 0.08


def test_figures_are_the_worst_and_the_mean_and_name_what_is_missed():
    lines = [
        {"measure": "coverage", "even": True, "covered": value} for value in (0.95, 0.97, 0.91)
    ]
    lines.append({"measure": "coverage", "even": False, "covered": 0.5})
    lines.append({"measure": "power", "even": True, "gap": None})
    assert statistics.summary(lines) == {
        "coverage_mean": 0.9433,
        "coverage_worst": 0.91,
        "coverage_mean_uneven": 0.5,
        "coverage_worst_uneven": 0.5,
        "missed": ["coverage_worst"],
    }


def test_a_run_writes_its_result_and_goes_on_where_it_was_interrupted(
    tmp_path, monkeypatch, capsys
):
    results = tmp_path / "results"
    monkeypatch.setattr(
        statistics, "Result", lambda *values: harness.Result(*values, folder=results)
    )
    given = ["--replicates", "40", "--cells", "n50-p0.5-c20-*", "--only", "coverage", "--json"]
    given += ["--work", str(tmp_path / "work"), "--workers", "1"]
    assert statistics.main(given) == 0
    line = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert line["benchmark"] == "statistics"
    assert line["figures"]["cells"] == 6
    kept = sorted((tmp_path / "work").glob("*.json"))
    assert len(kept) == 6
    changed = json.loads(kept[0].read_text()) | {"covered": 0.0}
    kept[0].write_text(json.dumps(changed))
    assert statistics.main(given) == 0
    raw = next(results.rglob("cells.jsonl.gz"))
    cells = [json.loads(row) for row in gzip.decompress(raw.read_bytes()).splitlines()]
    assert sorted(cell["covered"] for cell in cells)[0] == 0.0


def test_an_unknown_cell_is_an_error_with_a_next_step(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(
        statistics, "Result", lambda *values: harness.Result(*values, folder=tmp_path)
    )
    assert statistics.main(["--cells", "n7-*"]) == 4
    assert "no cell is named n7-*" in capsys.readouterr().err
