from __future__ import annotations

import json

import numpy as np
import pytest

from graft.embed import encoders
from graft.embed.encoders import load_encoder
from graft.embed.local import LocalEmbedder, batches
from graft.errors import BadInput
from graft.models.resolve import resolve_model

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
    assert embedder.identity.endswith(f":{precision}")
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
