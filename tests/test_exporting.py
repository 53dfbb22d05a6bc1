"""`graft export` on the tiny model: every format is loaded by the program that it is for."""

from __future__ import annotations

import dataclasses
import json
import shutil

import pytest

from graft.assembly import Assembly
from graft.config import Config, PromptConfig
from graft.errors import BadInput, FingerprintMismatch, UsageError
from graft.exporting import FORMATS, export_adapter, parse_formats
from graft.formats import unsealed
from graft.models.cache import hash_file
from graft.models.chat import Chat
from graft.models.gguf_export import export_gguf
from graft.models.ollama import modelfile, turn_parts
from graft.prompts import PromptContract
from graft.receipts import choose_probes, probe_answers, probe_options, stamps
from graft.results import Results
from graft.tuning import Tuning
from graft.types import Message
from tiny_gguf import write_source

CONTRACT = PromptContract("Answer.", "The documents do not say.")


@pytest.fixture(scope="module")
def root(checkpoint, taught, fact_rows, tmp_path_factory):
    """A workspace's folder: a GGUF base, an adapter that knows eight facts, its receipt."""
    root = tmp_path_factory.mktemp("team")
    write_source(root / "source.gguf", checkpoint)
    export_gguf(checkpoint, root / "source.gguf", root / "base.gguf", {}, "f16")
    assembly = Assembly(root, Config(base_model=str(root / "base.gguf")))
    adapter = root / ".graft" / "adapters" / "finetuned-1"
    shutil.copytree(taught[0], adapter)
    rows = choose_probes(fact_rows[:4], fact_rows[4:])
    prompts = [row.messages for row in rows]
    model = assembly.unmerged(adapter)
    tuned = [item.text for item in model.generate_many(prompts, probe_options())]
    with model.without_adapter():
        base = [item.text for item in model.generate_many(prompts, probe_options())]
    receipt = {"schema": 1, "plan": {"rank": 8}, "created": 1.0}
    receipt |= stamps(adapter, assembly.base.checkpoint, assembly.base.chat.hash, CONTRACT)
    receipt["probe_answers"] = probe_answers(rows, tuned, base)
    assert tuned == [row.answer for row in rows]
    (adapter / "receipt.json").write_text(json.dumps(receipt))
    return root


@pytest.fixture
def assembly(root):
    prompt = PromptConfig(system=CONTRACT.system, decline=CONTRACT.decline)
    made = Assembly(root, Config(base_model=str(root / "base.gguf"), prompt=prompt))
    yield made
    made.close()


@pytest.fixture
def adapter(root):
    return root / ".graft" / "adapters" / "finetuned-1"


@pytest.fixture(scope="module")
def exported(root, tmp_path_factory):
    """All formats, written once."""
    target = tmp_path_factory.mktemp("out") / "model"
    adapter = root / ".graft" / "adapters" / "finetuned-1"
    made = Assembly(root, Config(base_model=str(root / "base.gguf")))
    phases = []
    report = export_adapter(
        made, "finetuned", adapter, CONTRACT, target,
        max_new_tokens=24, on_progress=lambda phase, *_: phases.append(phase),
    )  # fmt: skip
    made.close()
    return target, report, phases


def test_every_format_is_written_and_answers_as_after_training(exported):
    target, report, phases = exported
    assert report.formats == FORMATS
    assert set(report.probes) == {"peft", "merged", "gguf f16", "gguf q8_0"}
    for found in report.probes.values():
        assert (found["asked"], found["changed"], found["could_differ"]) == (6, [], 6)
    assert sorted(item.name for item in target.parent.iterdir()) == ["model"]
    assert {"write peft", "write merged", "ask the merged model"} <= set(phases)


def test_the_record_names_every_file_with_its_hash_and_the_prompt(exported):
    target, report, _ = exported
    stored = unsealed(json.loads((target / "export.json").read_text()))
    assert set(stored["files"]) == set(report.files)
    for name, entry in stored["files"].items():
        assert entry["sha256"] == hash_file(target / name)
    assert stored["prompt"]["system"] == "Answer."
    assert stored["prompt"]["user"] == "Question: QUESTION"
    assert stored["decoding"] == {"temperature": 0, "max_new_tokens": 24, "stop": ["<|im_end|>"]}
    assert stored["probes"]["gguf q8_0"]["asked"] == 6
    assert (target / "receipt.json").is_file()


def answers(model, tokenizer, rows):
    """Ask as a user of transformers does, with the exported tokenizer and its own settings."""
    import torch

    found = []
    for row in rows:
        turns = [{"role": item.role, "content": item.content} for item in row.messages]
        ids = tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_tensors="pt")
        ids = ids["input_ids"] if hasattr(ids, "keys") else ids
        with torch.inference_mode():
            out = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=24)
        found.append(tokenizer.decode(out[0, ids.shape[1] :], skip_special_tokens=True).strip())
    return found


def test_the_peft_folder_loads_in_peft_on_the_base_beside_it(exported, fact_rows):
    from peft import PeftConfig, PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    target = exported[0]
    assert PeftConfig.from_pretrained(target / "peft").base_model_name_or_path == "../base"
    base = AutoModelForCausalLM.from_pretrained(target / "base")
    model = PeftModel.from_pretrained(base, target / "peft").eval()
    tokenizer = AutoTokenizer.from_pretrained(target / "base")
    assert answers(model, tokenizer, fact_rows) == [row.answer for row in fact_rows]


def test_the_peft_folder_is_what_vllm_loads(exported):
    """Plain LoRA on linear layers: no head, no embeddings, no bias, one rank."""
    settings = json.loads((exported[0] / "peft" / "adapter_config.json").read_text())
    assert settings["peft_type"] == "LORA"
    assert settings["bias"] == "none"
    for name in ("modules_to_save", "use_dora", "use_rslora", "rank_pattern", "alpha_pattern"):
        assert not settings[name]
    assert sorted(item.name for item in (exported[0] / "peft").iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
    ]


def test_the_merged_folder_loads_and_stops_by_itself(exported, fact_rows):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    place = exported[0] / "merged"
    model = AutoModelForCausalLM.from_pretrained(place).eval()
    assert model.generation_config.eos_token_id == [2]
    tokenizer = AutoTokenizer.from_pretrained(place)
    assert answers(model, tokenizer, fact_rows) == [row.answer for row in fact_rows]


@pytest.mark.parametrize(("name", "kind"), [("model-f16.gguf", 1), ("model-q8_0.gguf", 7)])
def test_the_gguf_files_say_what_they_are_and_have_template_and_end(exported, chat, name, kind):
    import gguf

    fields = gguf.GGUFReader(str(exported[0] / "gguf" / name)).fields
    value = {key: item.contents() for key, item in fields.items()}
    assert value["general.file_type"] == kind
    assert value["tokenizer.ggml.eos_token_id"] in chat.stop_ids
    assert "<|im_start|>" in value["tokenizer.chat_template"]


def ollama_prompt(text, system, question):
    """Fill in a Modelfile's template as Ollama does for one question."""
    template = text.split('TEMPLATE """')[1].split('"""')[0]
    template = template.split("{{ .Response }}")[0]
    return (
        template.replace("{{ if .System }}", "")
        .replace("{{ end }}", "")
        .replace("{{ .System }}", system)
        .replace("{{ .Prompt }}", question)
    )


def test_the_modelfile_asks_exactly_what_training_asked(exported, chat):
    text = (exported[0] / "gguf" / "Modelfile").read_text()
    assert text.startswith("FROM ./model-q8_0.gguf\n")
    question = "How long may the pump run dry?"
    trained = chat.render(CONTRACT.messages(question))
    assert ollama_prompt(text, CONTRACT.system, question) == trained
    assert 'SYSTEM """Answer."""' in text
    for line in ("temperature 0", 'stop "<|im_end|>"', 'stop "<|im_start|>"', "num_predict 24"):
        assert f"PARAMETER {line}\n" in text


def test_the_readme_shows_the_prompt_and_each_use(exported):
    text = (exported[0] / "README.md").read_text()
    for part in ("Question: QUESTION", "--max-lora-rank 8", "ollama create", "export.json"):
        assert part in text


def test_a_folder_that_is_not_empty_is_left_alone(assembly, adapter, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(BadInput, match="nowhere to go"):
        export_adapter(assembly, "finetuned", adapter, CONTRACT, tmp_path)
    with pytest.raises(BadInput, match="nowhere to go"):
        export_adapter(assembly, "finetuned", adapter, CONTRACT, tmp_path / "mine.txt")
    assert [item.name for item in tmp_path.iterdir()] == ["mine.txt"]


def test_an_empty_folder_is_filled_and_only_what_was_asked_is_written(assembly, adapter, tmp_path):
    (tmp_path / "out").mkdir()
    done = export_adapter(assembly, "finetuned", adapter, CONTRACT, tmp_path / "out", ("peft",))
    names = sorted(item.name for item in (tmp_path / "out").iterdir())
    assert names == ["README.md", "base", "export.json", "peft", "receipt.json"]
    assert set(done.probes) == {"peft"}


def test_what_does_not_answer_as_it_did_is_refused_and_leaves_nothing(
    assembly, adapter, tmp_path, monkeypatch
):
    monkeypatch.setattr("graft.models.merge.merged_weights", lambda *_: {})
    with pytest.raises(FingerprintMismatch, match="the merged model does not answer") as caught:
        export_adapter(assembly, "finetuned", adapter, CONTRACT, tmp_path / "out", ("merged",))
    assert "as the base without its adapter does" in caught.value.why
    assert list(tmp_path.iterdir()) == []


def test_another_prompt_than_that_of_training_is_refused(assembly, adapter, tmp_path):
    other = dataclasses.replace(CONTRACT, system="Be rude.")
    with pytest.raises(FingerprintMismatch, match="the prompt"):
        export_adapter(assembly, "finetuned", adapter, other, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_base_has_no_gguf_and_says_why(root, checkpoint, adapter, tmp_path):
    assembly = Assembly(root, Config(base_model=str(checkpoint), generator="transformers"))
    receipt = json.loads((adapter / "receipt.json").read_text())
    own = tmp_path / "finetuned-2"
    shutil.copytree(adapter, own)
    receipt |= stamps(own, checkpoint, assembly.base.chat.hash, CONTRACT)
    (own / "receipt.json").write_text(json.dumps(receipt))
    with pytest.raises(UsageError, match="cannot export ollama"):
        export_adapter(assembly, "finetuned", own, CONTRACT, tmp_path / "out", ("ollama",))
    done = export_adapter(assembly, "finetuned", own, CONTRACT, tmp_path / "out")
    assert done.formats == ("peft", "merged")
    assert "convert_hf_to_gguf" in done.left_out["gguf"]
    named = json.loads((tmp_path / "out" / "peft" / "adapter_config.json").read_text())
    assert named["base_model_name_or_path"] == str(checkpoint)


def test_served_adapters_are_compared_with_their_receipt_and_asked_once(assembly, adapter):
    generator = assembly.generator(adapter)
    record = assembly.state / "models" / adapter.name / "probes-openvino.json"
    assert json.loads(record.read_text())["asked"] == 6
    assert generator is assembly.generator(adapter)


def test_an_adapter_that_was_changed_is_not_served(root, adapter, tmp_path):
    assembly = Assembly(root, Config(base_model=str(root / "base.gguf")))
    copy = tmp_path / "finetuned-3"
    shutil.copytree(adapter, copy)
    data = bytearray((copy / "adapter_model.safetensors").read_bytes())
    data[-1] ^= 1
    (copy / "adapter_model.safetensors").write_bytes(data)
    with pytest.raises(FingerprintMismatch, match="the weights of the adapter"):
        assembly.generator(copy)
    assert not (assembly.state / "models" / copy.name).exists()


def test_an_export_made_of_other_weights_is_not_served(root, adapter, tmp_path):
    """The GGUF file of the plain base under the adapter's name: a merge that did nothing."""
    assembly = Assembly(root, Config(base_model=str(root / "base.gguf")))
    copy = tmp_path / "finetuned-4"
    shutil.copytree(adapter, copy)
    place = assembly.export(None).parent
    shutil.copytree(place, assembly.state / "models" / copy.name)
    with pytest.raises(FingerprintMismatch, match="does not answer as the adapter did") as caught:
        assembly.generator(copy)
    assert "6 of 6 probes changed" in caught.value.why
    assert not (assembly.state / "models" / copy.name / "probes-openvino.json").exists()


def tuning(assembly, root):
    return Tuning(assembly, Results(root / ".graft"), *[None] * 5)


def test_by_name_the_adapter_or_that_of_an_arm_is_found(assembly, root, tmp_path):
    for number, name in enumerate(("", "finetuned", "bolt-on")):
        done = tuning(assembly, root).export(name, tmp_path / str(number), "peft")
        assert done.adapter == "finetuned"


@pytest.mark.parametrize(
    ("name", "what"),
    [("rag", "no adapter"), ("nothing", "no adapter"), ("hybrid", "not trained yet")],
)
def test_what_cannot_be_exported_is_named(assembly, root, tmp_path, name, what):
    with pytest.raises(UsageError, match=what):
        tuning(assembly, root).export(name, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_formats_are_read_from_a_list():
    assert parse_formats("ollama, peft") == ("peft", "gguf", "ollama")
    for text in ("onnx", ","):
        with pytest.raises(UsageError, match="cannot export"):
            parse_formats(text)


def change(chat, tmp_path, template):
    shutil.copytree(chat.folder, tmp_path / "model")
    path = tmp_path / "model" / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"chat_template": template}))
    return Chat(tmp_path / "model")


LLAMA_3 = (
    "{% for m in messages %}{% if loop.first %}{{ bos_token }}{% endif %}"
    "<|start_header_id|>{{ m.role }}<|end_header_id|>\n\n{{ m.content }}<|eot_id|>{% endfor %}"
    "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)


def test_another_template_is_carried_over(chat, tmp_path):
    own = change(chat, tmp_path, LLAMA_3)
    text = modelfile(own, "./model.gguf", "Be brief.")
    turns = [Message("system", "Be brief."), Message("user", "Why?")]
    assert ollama_prompt(text, "Be brief.", "Why?") == own.render(turns)
    assert turn_parts(own).after_answer == "<|eot_id|>"


@pytest.mark.parametrize(
    "template",
    [
        "{% for m in messages[1:] %}{{ m.content }}{% endfor %}",
        "{{ messages[0].content | upper }}",
        "{% for m in messages %}{{ loop.index }}{{ m.role }}{{ m.content }}{% endfor %}",
    ],
)
def test_a_template_that_cannot_be_carried_over_is_refused(chat, tmp_path, template):
    with pytest.raises(BadInput, match="cannot be written as one of Ollama"):
        turn_parts(change(chat, tmp_path, template))


def test_texts_that_cannot_be_quoted_are_refused(chat):
    with pytest.raises(BadInput, match="cannot be written as one of Ollama"):
        modelfile(chat, "./model.gguf", 'Say """yes""".')
