from __future__ import annotations

from types import SimpleNamespace

import pytest

from graft.fitting import fit_adapter
from graft.rows import RowSet


class Stopped(BaseException):
    """As a kill."""


@pytest.fixture
def fit(checkpoint, chat, train_plan, fact_rows, tmp_path):
    def run(name, *, pilot=False, seeds=1, dev=True, epochs=20, stop_at=0):
        draft = tmp_path / name
        draft.mkdir(exist_ok=True)
        calls = []

        def tell(phase, done, total, note=""):
            calls.append((done, note))
            if len(calls) == stop_at:
                raise Stopped

        rows = RowSet((tuple(fact_rows),) * epochs, tuple(fact_rows) if dev else ())
        fitted = fit_adapter(
            SimpleNamespace(checkpoint=checkpoint, chat=chat),
            rows,
            train_plan(evaluations=2, learning_rate=1e-2),
            draft,
            start_from=None,
            pilot=pilot,
            seeds=seeds,
            on_progress=tell,
        )
        return draft, fitted, calls

    return run


def names(folder):
    return {path.name for path in folder.iterdir()}


ADAPTER = {"adapter_config.json", "adapter_model.safetensors"}


def test_without_pilot_there_is_one_run(fit):
    draft, fitted, calls = fit("one")
    assert names(draft) == ADAPTER
    assert len(calls) == fitted.trained.steps == 20
    assert (list(fitted.trials), list(fitted.seeds)) == ([], [])


def test_the_best_rate_goes_on_from_where_its_pilot_stood(fit):
    draft, fitted, calls = fit("pilot", pilot=True)
    assert names(draft) == ADAPTER
    [chosen] = [trial for trial in fitted.trials if trial.chosen]
    assert fitted.plan.learning_rate == chosen.rate
    losses = {trial.rate: trial.looks[-1][1] for trial in fitted.trials if len(trial.looks) == 2}
    assert losses[chosen.rate] == min(losses.values())
    # three rates a tenth of 20 steps, two of them a fifth, the best one to the end
    assert len(calls) == 3 * 2 + 2 * 2 + 16


def test_a_pilot_that_was_stopped_goes_on_and_ends_alike(fit):
    whole, expected, calls = fit("whole", pilot=True, seeds=2)
    for stop_at in (3, 4, 5, 9, 12):
        with pytest.raises(Stopped):
            fit("stopped", pilot=True, seeds=2, stop_at=stop_at)
    stopped, found, _ = fit("stopped", pilot=True, seeds=2)
    assert found.trials == expected.trials
    assert found.seeds == expected.seeds
    weights = "adapter_model.safetensors"
    assert (stopped / weights).read_bytes() == (whole / weights).read_bytes()


def test_of_three_seeds_the_best_is_kept_and_all_are_told(fit):
    _, fitted, calls = fit("seeds", seeds=3, epochs=10)
    assert [item["seed"] for item in fitted.seeds] == [7, 8, 9]
    best = max(fitted.seeds, key=lambda item: (item["dev_answers"], -item["dev_loss"]))
    assert fitted.plan.seed == best["seed"]
    assert calls[0][1].startswith("seed 7, ")


def test_without_dev_rows_there_is_no_pilot(fit):
    _, fitted, calls = fit("none", pilot=True, dev=False, epochs=3)
    assert list(fitted.trials) == []
    assert len(calls) == 3
