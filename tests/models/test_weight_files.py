from __future__ import annotations

import io
import json
import pickle
import shutil
import tarfile
import zipfile

import numpy as np
import pytest

from graft.errors import BadInput
from graft.models.tensors import Tensors
from graft.models.weight_files import check_model_folder, check_safetensors, is_pickle


class Harm:
    """Unpickling it would end the test run."""

    def __reduce__(self):
        return (pytest.exit, ("a pickle was opened",))


def zipped(name="archive/data.pkl"):
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr(name, pickle.dumps(Harm()))
    return held.getvalue()


def tarred():
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w") as archive:
        item = tarfile.TarInfo("pickle")
        item.size = 4
        archive.addfile(item, io.BytesIO(b"data"))
    return held.getvalue()


PICKLES = {f"protocol {number}": pickle.dumps(Harm(), number) for number in range(2, 6)}
PICKLES |= {"protocol 0": pickle.dumps({"a": 1}, 0), "a zip of torch": zipped(), "a tar": tarred()}
PICKLES["a zip of arrays"] = zipped("weight.npy")
PICKLES["a torn zip"] = zipped()[:30]


@pytest.mark.parametrize("name", PICKLES)
def test_case_49_a_pickle_is_told_by_its_bytes_whatever_it_is_called(tmp_path, name):
    path = tmp_path / "model.safetensors"
    path.write_bytes(PICKLES[name])
    assert is_pickle(path)
    with pytest.raises(BadInput, match="is refused") as caught:
        check_safetensors(path)
    assert "run code" in caught.value.why or "header" in caught.value.why
    assert caught.value.where == str(path)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "x.pth", "m.CKPT", "m.pkl"])
def test_case_49_a_folder_with_pickles_alone_is_refused(tmp_path, name):
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / name).write_bytes(b"anything")
    with pytest.raises(BadInput) as caught:
        check_model_folder(tmp_path)
    assert name in caught.value.where
    assert "ending" in caught.value.why
    assert "safetensors" in caught.value.next_step


def test_pickles_beside_safetensors_are_left_unopened(checkpoint, tmp_path):
    from graft.models.loading import load_model

    copy = tmp_path / "model"
    shutil.copytree(checkpoint, copy)
    (copy / "pytorch_model.bin").write_bytes(pickle.dumps(Harm()))
    assert load_model(copy).config.num_hidden_layers == 2


def written(path, header, data=b"", length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes((len(text) if length is None else length).to_bytes(8, "little") + text + data)
    return path


def entry(shape, start, end, dtype="F32"):
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


DEEP = b'{"a":' + b"[" * 200_000 + b"]" * 200_000 + b"}"
BROKEN = {
    "overlapping": ({"a": entry([2], 0, 8), "b": entry([2], 4, 12)}, 12, "overlaps"),
    "one place twice": ({"a": entry([2], 0, 8), "b": entry([2], 0, 8)}, 8, "overlaps"),
    "a gap": ({"a": entry([2], 0, 8), "b": entry([2], 12, 20)}, 20, "unused"),
    "trailing bytes": ({"a": entry([2], 0, 8)}, 9, "more"),
    "cut off": ({"a": entry([2], 0, 8)}, 7, "too early"),
    "bytes not of the shape": ({"a": entry([3], 0, 8)}, 8, "not those of its shape"),
    "offsets turned round": ({"a": entry([2], 8, 0)}, 8, "not those of its shape"),
    "a negative shape": ({"a": entry([-2], 0, 8)}, 8, "has not dtype, shape"),
    "a huge shape": ({"a": entry([2**40, 2**40], 0, 8)}, 8, "shape"),
    "a huge number": ({"a": entry([10**400], 0, 8)}, 8, "has not dtype, shape"),
    "many dimensions": ({"a": entry([1] * 9, 0, 4)}, 4, "shape"),
    "an unknown type": ({"a": entry([2], 0, 8, "OBJECT")}, 8, "unknown type"),
    "a shape that is no list": ({"a": entry("2", 0, 8)}, 8, "has not dtype, shape"),
    "more than an entry has": ({"a": entry([2], 0, 8) | {"code": "x"}}, 8, "has not dtype"),
    "a list": ([1], 0, "no JSON object"),
    "no JSON": (b"{", 0, "no JSON"),
    "no text": (b"\xff\xfe{}", 0, "no JSON"),
    "a name twice": (b'{"a": 1, "a": 2}', 0, "twice"),
    "deep": (DEEP, 0, "no JSON"),
    "metadata that is no text": ({"__metadata__": {"format": 1}}, 0, "metadata"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_case_49_a_header_that_leads_astray_is_refused(tmp_path, name):
    header, size, why = BROKEN[name]
    path = written(tmp_path / "model.safetensors", header, bytes(size))
    with pytest.raises(BadInput, match="file of weights is refused") as caught:
        check_safetensors(path)
    assert why in caught.value.why


@pytest.mark.parametrize(
    ("length", "size"), [(100 * 1024**2, 0), (2**63, 0), (100 * 1024**2, 101 * 1024**2)]
)
def test_case_49_a_header_of_100_megabytes_is_not_read(tmp_path, length, size):
    path = written(tmp_path / "model.safetensors", b"{}", length=length)
    with path.open("r+b") as file:
        file.truncate(max(size, 10))  # sparse: nothing is written
    with pytest.raises(BadInput) as caught:
        check_safetensors(path)
    assert "header" in caught.value.why


@pytest.mark.parametrize("content", [b"", b"\x01", b"12345678"])
def test_a_file_without_a_header_is_refused(tmp_path, content):
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    with pytest.raises(BadInput, match="is refused"):
        check_safetensors(path)


def test_what_safetensors_writes_is_read_back(tmp_path):
    from safetensors.numpy import save_file

    values = {
        "b": np.arange(6, dtype=np.float32).reshape(2, 3),
        "a": np.array([1.5], np.float16),
        "empty": np.zeros((0, 4), np.float32),
    }
    save_file(values, tmp_path / "model.safetensors", {"format": "pt"})
    found = Tensors(tmp_path)
    assert list(found) == ["a", "b", "empty"]
    for name, expected in values.items():
        assert found.shape(name) == expected.shape
        assert found.get(name).tolist() == expected.tolist()


def test_bf16_is_widened_and_several_files_are_one_model(tmp_path):
    import torch
    from safetensors.torch import save_file

    weight = torch.randn(3, 5).to(torch.bfloat16)
    save_file({"a": weight}, tmp_path / "model-00001-of-00002.safetensors")
    save_file({"b": torch.ones(2)}, tmp_path / "model-00002-of-00002.safetensors")
    found = Tensors(tmp_path)
    assert list(found) == ["a", "b"]
    assert np.array_equal(found.get("a"), weight.float().numpy())


def test_whole_numbers_are_not_merged(tmp_path):
    from safetensors.numpy import save_file

    save_file({"a": np.ones(2, np.int8)}, tmp_path / "model.safetensors")
    with pytest.raises(BadInput) as caught:
        Tensors(tmp_path).get("a")
    assert "I8" in caught.value.why
    with pytest.raises(BadInput):
        Tensors(tmp_path / "nothing")


@pytest.mark.parametrize("name", ["../../secret.safetensors", "model.bin", "/etc/passwd"])
def test_an_index_of_shards_names_files_of_its_folder_alone(checkpoint, tmp_path, name):
    copy = tmp_path / "model"
    shutil.copytree(checkpoint, copy)
    index = {"metadata": {}, "weight_map": {"lm_head.weight": name}}
    (copy / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(BadInput) as caught:
        check_model_folder(copy)
    assert name in caught.value.why


@pytest.mark.parametrize("text", ["[1]", "{", '{"a":' * 100_000])
def test_settings_that_are_no_object_are_refused(tmp_path, text):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(BadInput) as caught:
        check_model_folder(tmp_path)
    assert caught.value.where.endswith("config.json")


def test_a_model_that_needs_code_of_its_own_is_refused_and_its_code_does_not_run(
    checkpoint, tmp_path
):
    from graft.models.loading import load_model

    copy = tmp_path / "model"
    shutil.copytree(checkpoint, copy)
    config = json.loads((copy / "config.json").read_text())
    own = {"AutoConfig": "code.Config", "AutoModelForCausalLM": "code.Model"}
    (copy / "config.json").write_text(json.dumps(config | {"model_type": "own", "auto_map": own}))
    (copy / "code.py").write_text("raise SystemExit('the code of a model ran')")
    with pytest.raises(BadInput, match="cannot be loaded") as caught:
        load_model(copy)
    assert "its own code never runs" in caught.value.next_step
