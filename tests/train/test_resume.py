from __future__ import annotations

import json
import shutil

import pytest

from graft.errors import TrainingFailed
from graft.train import loop
from graft.train.checkpoint import Checkpoints
from graft.train.loop import train_adapter


class Stopped(BaseException):
    """As a kill: nothing of the loop catches it."""


@pytest.fixture
def run(checkpoint, chat, train_plan, fact_rows, tmp_path, monkeypatch):
    """`run(stop_at=(3, 5))` is stopped after these steps in turn and then goes on to the end."""
    monkeypatch.setattr("graft.train.checkpoint.EVERY_SECONDS", 0.0)
    monkeypatch.setattr(Checkpoints, "due", lambda self: True)

    def train(name="", stop_at=(), epochs=8, dev=None, base=checkpoint, start_from=None, **changes):
        folder = tmp_path / (name or f"run-{len(list(tmp_path.iterdir()))}")
        folder.mkdir(exist_ok=True)
        plan = train_plan(**{"batch_tokens": 128, "evaluations": 3, "adapted_share": 0.5} | changes)
        rows = [fact_rows] * epochs if isinstance(epochs, int) else epochs

        def once(until):
            def tell(phase, done, total, note=""):
                if done == until:
                    raise Stopped

            return train_adapter(
                base,
                chat,
                rows,
                fact_rows if dev is None else dev,
                plan,
                folder,
                start_from=start_from,
                on_progress=tell,
            )

        for until in stop_at:
            with pytest.raises(Stopped):
                once(until)
        return folder, once(0)

    return train


def content(folder):
    return (folder / "adapter_model.safetensors").read_bytes()


def told(trained):
    curve = [
        (point.step, point.tokens, point.train_loss, point.dev_loss, point.dev_answers)
        for point in trained.curve
    ]
    return trained.losses, curve, trained.kept_step, trained.tokens, trained.learned_tokens


def test_a_run_stopped_at_every_step_ends_like_its_twin(run):
    whole, expected = run("whole")
    assert expected.steps >= 8
    stopped, found = run("stopped", stop_at=range(1, expected.steps + 1))
    assert content(stopped) == content(whole)
    assert told(found) == told(expected)
    assert (expected.resumed_at, found.resumed_at) == (0, expected.steps - 1)


@pytest.mark.parametrize("changes", [{"dropout": 0.1}, {"accumulate": 2}, {"adapted_share": 1.0}])
def test_random_numbers_and_sums_of_gradients_go_on_too(run, changes):
    whole, expected = run("whole", **changes)
    stopped, found = run("stopped", stop_at=(2, 3), **changes)
    assert content(stopped) == content(whole)
    assert found.losses == expected.losses


def test_nothing_of_the_states_is_left_at_the_end(run):
    folder, _ = run(stop_at=(3,))
    assert {path.name for path in folder.iterdir()} == {
        "adapter_config.json",
        "adapter_model.safetensors",
    }


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"learning_rate": 1e-4}, "the settings"),
        ({"batch_tokens": 64}, "the settings"),
        ({"seed": 8}, "the settings"),
        ({"dev": []}, "the dev rows"),
        ({"epochs": 7}, "the training rows"),
    ],
)
def test_changed_settings_or_data_start_anew_and_are_named(run, changes, named, monkeypatch):
    leave(run, monkeypatch, "folder")
    folder, found = run("folder", **changes)
    twin, expected = run("twin", **changes)
    assert found.differing == (named,)
    assert found.resumed_at == 0
    assert content(folder) == content(twin)


def leave(run, monkeypatch, name):
    """Stop a run after its third step and leave it so."""
    original = loop._Run._learn

    def learn(self, number, step, steps):
        if number == 4:
            raise Stopped
        original(self, number, step, steps)

    with monkeypatch.context() as patch:
        patch.setattr(loop._Run, "_learn", learn)
        with pytest.raises(Stopped):
            run(name)


def test_another_base_starts_anew(run, monkeypatch, checkpoint, tmp_path):
    from safetensors.numpy import load_file, save_file

    leave(run, monkeypatch, "folder")
    other = tmp_path / "other"
    shutil.copytree(checkpoint, other)
    tensors = load_file(other / "model.safetensors")
    tensors["model.norm.weight"] = tensors["model.norm.weight"] * 1.5
    save_file(tensors, other / "model.safetensors", {"format": "pt"})
    _, found = run("folder", base=other)
    assert found.differing == ("the base model",)


def test_another_adapter_to_start_from_starts_anew(run, monkeypatch, taught):
    leave(run, monkeypatch, "folder")
    before, _ = taught
    _, found = run("folder", start_from=before)
    assert found.differing == ("the adapter to start from",)


@pytest.mark.parametrize("damage", ["torn", "flipped", "no head", "torn head", "no tensors"])
def test_broken_states_are_not_gone_on_from(run, monkeypatch, tmp_path, damage):
    leave(run, monkeypatch, "folder")
    states = tmp_path / "folder" / ".resume"
    head, tensors = states / "state.json", next(states.glob("state-*.safetensors"))
    if damage == "torn":
        tensors.write_bytes(tensors.read_bytes()[:-7])
    elif damage == "flipped":
        data = bytearray(tensors.read_bytes())
        data[-9] ^= 255
        tensors.write_bytes(bytes(data))
    elif damage == "no head":
        head.unlink()
    elif damage == "torn head":
        head.write_text(head.read_text()[:-20])
    else:
        tensors.unlink()
    folder, found = run("folder")
    twin, _ = run("twin")
    assert found.resumed_at == 0
    assert "its files" in found.differing[0]
    assert content(folder) == content(twin)


def test_a_state_names_no_file_outside_of_its_folder(run, monkeypatch, tmp_path):
    from graft.formats import sealed, unsealed

    leave(run, monkeypatch, "folder")
    head = tmp_path / "folder" / ".resume" / "state.json"
    values = unsealed(json.loads(head.read_text()))
    values["file"] = "../../elsewhere.safetensors"
    head.write_text(json.dumps(sealed(values)))
    (tmp_path / "elsewhere.safetensors").write_bytes(b"x")
    _, found = run("folder")
    assert found.differing == ("its files, which are broken",)


def test_a_full_disk_leaves_the_state_before(run, monkeypatch, tmp_path):
    from graft.train import checkpoint as module

    original, calls = module._write, []

    def write(path, data):
        calls.append(path)
        if len(calls) == 6:
            raise OSError(28, "No space left on device")
        original(path, data)

    with monkeypatch.context() as patch:
        patch.setattr(module, "_write", write)
        with pytest.raises(OSError, match="No space left"):
            run("folder")
    folder, found = run("folder")
    twin, expected = run("twin")
    assert 0 < found.resumed_at < expected.steps
    assert content(folder) == content(twin)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried 9 GB"),
        MemoryError(),
    ],
)
def test_running_out_of_memory_names_the_setting_to_lower(run, monkeypatch, error):
    def allocate(*_):
        raise error

    monkeypatch.setattr("graft.train.forward.Forward.logits", allocate)
    with pytest.raises(TrainingFailed, match="memory does not suffice") as caught:
        run()
    assert "batch_tokens = 64" in caught.value.next_step


def test_other_failures_of_the_engine_stay_what_they_are(run, monkeypatch):
    def broken(*_):
        raise RuntimeError("shapes do not fit")

    monkeypatch.setattr("graft.train.forward.Forward.logits", broken)
    with pytest.raises(RuntimeError, match="shapes"):
        run()


def test_a_run_told_to_stop_goes_on_to_the_same_end(
    checkpoint, chat, train_plan, fact_rows, tmp_path
):
    plan = train_plan(batch_tokens=128, evaluations=2)

    def train(folder, share=0.0):
        folder.mkdir(exist_ok=True)
        return train_adapter(
            checkpoint, chat, [fact_rows] * 4, fact_rows, plan, folder, stop_share=share
        )

    expected = train(tmp_path / "whole")
    early = train(tmp_path / "parts", 0.5)
    again = train(tmp_path / "parts", 0.5)
    assert early.stopped is not None
    assert early.stopped == again.stopped
    assert early.steps == again.steps == 2
    assert not (tmp_path / "parts" / "adapter_config.json").exists()
    found = train(tmp_path / "parts")
    assert found.stopped is None
    assert told(found) == told(expected)
    assert content(tmp_path / "parts") == content(tmp_path / "whole")
