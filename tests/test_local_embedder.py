from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest

from graft.embed import encoders, local
from graft.embed.encoders import can_run, load_encoder
from graft.embed.local import LocalEmbedder, batches
from graft.errors import BadInput
from graft.models.resolve import resolve_model
from graft.spaces import Space, parsed_space

TEXTS = [
    "The pump runs dry for ninety seconds before the guard trips.",
    "Boilers are inspected every second spring.",
    "pump",
    "| code | meaning |\n| --- | --- |\n| E07 | inlet blocked |\n| E08 | no flow |",
    "The pump may run without water for a minute and a half; then it stops.",
]


def test_no_batch_is_wider_than_its_slots_and_no_row_is_lost():
    lengths = [int(item) for item in np.random.default_rng(7).integers(1, 256, size=500)]
    found = list(batches(lengths, slots=1_000))
    assert sorted(place for part in found for place in part) == list(range(500))
    assert all(len(part) * max(lengths[place] for place in part) <= 1_000 for part in found)
    assert len(found) < sum(lengths) / 1_000 * 1.3


def test_a_row_wider_than_all_slots_stands_alone():
    assert list(batches([5, 90, 4], slots=20)) == [[2, 0], [1]]
    assert list(batches([])) == []


def test_another_pooling_is_refused_before_anything_is_loaded(tmp_path):
    (tmp_path / "1_Pooling").mkdir()
    (tmp_path / "1_Pooling" / "config.json").write_text('{"pooling_mode_mean_tokens": false}')
    with pytest.raises(BadInput, match="does not pool by the mean"):
        LocalEmbedder(tmp_path)


class Timed:
    """An encoder that takes a given time; the clock is moved, not waited for."""

    def __init__(self, precision: str, clock: list[float], seconds: float) -> None:
        self.precision = precision
        self._clock, self._seconds = clock, seconds

    def __call__(self, *_: object) -> None:
        self._clock[0] += self._seconds


@pytest.mark.parametrize(
    ("seconds", "true_enough", "asked", "chosen"),
    [
        ({"f32": 4.0, "bf16": 2.0, "int8": 3.0}, True, None, "bf16"),
        ({"f32": 4.0, "bf16": 2.0, "int8": 1.0}, True, None, "int8"),
        ({"f32": 4.0, "bf16": 2.0, "int8": 1.9}, True, None, "bf16"),
        ({"f32": 4.0, "int8": 3.0}, True, None, "int8"),
        ({"f32": 4.0, "int8": 3.0}, False, None, "f32"),
        ({"f32": 4.0, "int8": 3.9}, True, None, "f32"),
        ({"f32": 4.0, "bf16": 2.0, "int8": 3.0}, True, "int8", "int8"),
        ({"f32": 4.0, "int8": 1.0}, True, "f32", "f32"),
        ({"f32": 4.0, "int8": 1.0}, False, "int8", "f32"),
    ],
)
def test_the_fastest_true_precision_is_measured_and_chosen(
    tmp_path, monkeypatch, seconds, true_enough, asked, chosen
):
    clock = [0.0]
    monkeypatch.setenv("GRAFT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(encoders.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(encoders, "has_bf16", lambda: "bf16" in seconds)
    monkeypatch.setattr(encoders, "int8_graph", lambda *_: tmp_path if true_enough else None)
    monkeypatch.setattr(encoders, "Int8Encoder", lambda _: Timed("int8", clock, seconds["int8"]))
    monkeypatch.setattr(
        encoders, "OpenVinoEncoder", lambda _, __, name: Timed(name, clock, seconds[name])
    )
    assert load_encoder(tmp_path, "digest", asked).precision == chosen
    seconds.update(f32=0.1)  # what was measured once holds
    assert load_encoder(tmp_path, "digest", asked).precision == chosen


@pytest.mark.parametrize(
    ("bf16", "true_enough", "asked", "runs"),
    [
        (True, False, "bf16", True),
        (False, True, "bf16", False),
        (True, True, "int8", True),
        (True, False, "int8", False),
        (False, False, "f32", True),
        (True, True, "of a later version", False),
    ],
)
def test_a_precision_runs_where_processor_and_check_allow_it(
    tmp_path, monkeypatch, bf16, true_enough, asked, runs
):
    monkeypatch.setattr(encoders, "has_bf16", lambda: bf16)
    monkeypatch.setattr(encoders, "int8_graph", lambda *_: tmp_path if true_enough else None)
    monkeypatch.setattr(encoders, "find_spec", lambda _: object())
    assert can_run(tmp_path, "digest", asked) is runs


def small_embedder(folder, monkeypatch, can, **given):
    """Return an embedder of a folder without a real encoder, on a machine that prefers int8."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel

    class Fixed:
        dimension = 4

        def __init__(self, precision):
            self.precision = precision or "int8"

    folder.mkdir(exist_ok=True)
    (folder / "model.safetensors").write_bytes(b"weights")
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 128}')
    Tokenizer(WordLevel({"x": 0}, unk_token="x")).save(str(folder / "tokenizer.json"))
    monkeypatch.setattr(local, "load_encoder", lambda _, __, precision: Fixed(precision))
    monkeypatch.setattr(local, "can_run", lambda _, __, precision: precision in can)
    return LocalEmbedder(folder, **given)


def test_the_identity_has_every_part(tmp_path, monkeypatch):
    embedder = small_embedder(
        tmp_path / "mini", monkeypatch, (), query_prefix="query: ", passage_prefix="text: "
    )
    revision = hashlib.sha256(b"weights").hexdigest()[:16]
    space = Space("mini", revision, "mean", "query: ", "text: ", 128, "int8", 4)
    assert parsed_space(embedder.identity) == embedder.space == space
    assert parsed_space(embedder.identity).model == "mini"


def test_an_index_of_another_precision_is_served_in_that_one_where_it_runs(tmp_path, monkeypatch):
    folder = tmp_path / "mini"
    own = small_embedder(folder, monkeypatch, ()).space
    stored = replace(own, precision="bf16")
    assert small_embedder(folder, monkeypatch, ("bf16",), like=stored).space == stored
    assert small_embedder(folder, monkeypatch, (), like=stored).space == own
    assert small_embedder(folder, monkeypatch, ("bf16",), like=None).space == own
    for other in (replace(stored, max_tokens=64), replace(stored, revision="other")):
        assert small_embedder(folder, monkeypatch, ("bf16",), like=other).space == own
    asked = small_embedder(folder, monkeypatch, ("bf16",), like=stored, precision="f32")
    assert asked.space.precision == "f32"


@pytest.mark.models
@pytest.mark.parametrize("precision", ["int8", "f32"])
def test_vectors_come_in_order_and_near_those_of_the_weights(precision):
    import torch
    from tokenizers import Tokenizer

    from graft.embed.tracing import pooled_encoder

    folder = resolve_model("embedded:all-minilm-l6-v2", setting="embedder").path
    embedder = LocalEmbedder(folder, precision=precision)
    vectors = embedder.embed(TEXTS * 30)
    assert vectors.shape == (150, embedder.dimension)
    assert parsed_space(embedder.identity) == embedder.space
    assert embedder.space == Space(
        "", embedder.space.revision, "mean", "", "", 256, precision, embedder.dimension
    )
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-4)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    module = pooled_encoder(folder)
    for place, text in enumerate(TEXTS):
        ids = torch.tensor([tokenizer.encode(text).ids])
        with torch.inference_mode():
            whole = module(ids, torch.ones_like(ids)).numpy()[0]
        assert whole @ vectors[place] > (0.98 if precision == "int8" else 0.9999)
    near = vectors[:5] @ vectors[0]
    assert list(np.argsort(-near)[:2]) == [0, 4]
    assert embedder.embed([]).shape == (0, embedder.dimension)


@pytest.mark.models
def test_what_was_quantised_says_how_true_it_is():
    from graft.embed.int8 import TRUE_ENOUGH, int8_graph
    from graft.models.cache import hash_file

    folder = resolve_model("embedded:all-minilm-l6-v2", setting="embedder").path
    graph = int8_graph(folder, hash_file(folder / "model.safetensors")[:16])
    assert graph is not None
    check = json.loads((graph.parent / "check.json").read_text(encoding="utf-8"))
    assert TRUE_ENOUGH <= check["mean_cosine"] < 1
    assert graph.stat().st_size < 70e6
