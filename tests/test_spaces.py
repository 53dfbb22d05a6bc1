"""Identities of embedders: one text, read back into parts, and compared by part."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import replace

import pytest

from graft.embed.fake import FakeEmbedder
from graft.errors import BadInput, FingerprintMismatch
from graft.index.identity import check_identity, note_identity, stored_identity
from graft.spaces import (
    Space,
    differences,
    is_same_space,
    parsed_space,
    space_data,
    told_space,
)

SPACE = Space("minilm", "1f2e", "mean", "query: ", "", 256, "int8", 384)
OLD = "1f2e3d4c5b6a7980:mean:::int8"


@pytest.mark.parametrize(
    "space",
    [SPACE, replace(SPACE, query_prefix='a:b"{}\n', passage_prefix="Ü 東", max_tokens=0)],
)
def test_every_part_comes_back_from_the_text(space):
    found = parsed_space(str(space))
    assert dataclasses.asdict(found) == dataclasses.asdict(space)
    assert str(found) == str(space)


@pytest.mark.parametrize(
    "text",
    [
        *("", "fake", OLD, "{}", "[]", "null", "12"),
        json.dumps({**dataclasses.asdict(SPACE), "of_a_later_version": 1}),
        json.dumps({**dataclasses.asdict(SPACE), "dimension": "384"}),
        json.dumps({**dataclasses.asdict(SPACE), "max_tokens": True}),
    ],
)
def test_a_text_of_other_hands_or_versions_has_no_parts_and_is_compared_whole(text):
    assert parsed_space(text) is None
    assert is_same_space(text, text) and differences(text, text) == ()
    assert not is_same_space(text, str(SPACE))
    assert len(differences(str(SPACE), text)) == len(differences(text, str(SPACE))) == 1
    assert space_data(text) == {"identity": text, "parts": None}
    assert told_space(text)


def test_each_part_that_differs_is_named_with_both_values():
    other = Space("gte", "77aa", "cls", "", "text: ", 0, "bf16", 768)
    assert differences(str(SPACE), str(other)) == (
        "weights: minilm (1f2e) here, gte (77aa) in the index",
        "pooling: mean here, cls in the index",
        "query prefix: 'query: ' here, none in the index",
        "passage prefix: none here, 'text: ' in the index",
        "longest text in tokens: 256 here, no limit in the index",
        "precision: int8 here, bf16 in the index",
        "dimensions: 384 here, 768 in the index",
    )
    for item in dataclasses.fields(Space):
        changed = replace(SPACE, **{item.name: getattr(other, item.name)})
        expected = 0 if item.name == "model" else 1
        assert len(differences(str(SPACE), str(changed))) == expected, item.name


def test_the_same_weights_under_another_name_are_the_same_space():
    assert is_same_space(str(SPACE), str(replace(SPACE, model="/models/minilm")))


def test_what_is_refused_names_the_part_and_the_next_command(tmp_path):
    stored = {"schema": 1, "identity": str(replace(SPACE, precision="bf16")), "dimension": 384}
    with pytest.raises(FingerprintMismatch) as caught:
        check_identity(stored, str(SPACE), 384, 1, tmp_path)
    assert caught.value.why == "precision: int8 here, bf16 in the index"
    assert caught.value.next_step.startswith("graft reindex")
    check_identity({**stored, "identity": str(SPACE)}, str(SPACE), 384, 1, tmp_path)
    with pytest.raises(FingerprintMismatch, match="do not belong together") as caught:
        check_identity({"identity": OLD, "dimension": 8}, OLD, 4, 1, tmp_path)
    assert caught.value.why == "dimensions: 4 here, 8 in the index"
    with pytest.raises(BadInput, match="newer Graft"):
        check_identity({**stored, "schema": 2}, str(SPACE), 384, 1, tmp_path)


def test_the_identity_beside_an_index_is_read_without_opening_it(tmp_path):
    assert stored_identity(tmp_path / "none") == ""
    note_identity(tmp_path, str(SPACE))
    assert stored_identity(tmp_path) == str(SPACE)
    (tmp_path / "embeddings.json").write_text("broken")
    assert stored_identity(tmp_path) == ""


def test_the_fake_embedder_has_an_identity_with_parts():
    space = parsed_space(FakeEmbedder().identity)
    assert space == FakeEmbedder.space
    assert space.dimension == FakeEmbedder().embed(["x"]).shape[1]
    assert told_space(FakeEmbedder.identity) == (
        "fake, weights hashed-words-1, sum pooling, of any length, f32, 64 dimensions, no prefixes"
    )
