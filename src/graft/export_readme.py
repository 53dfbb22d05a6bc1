"""The README of an export: how each written model is used, with the prompt of training."""

from __future__ import annotations

from collections.abc import Sequence

from graft.prompts import PromptContract
from graft.types import Passage

__all__ = ["readme"]

VLLM_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)


def readme(
    name: str,
    formats: Sequence[str],
    contract: PromptContract,
    *,
    rank: int,
    base: str,
    stops: Sequence[str],
    max_new_tokens: int,
) -> str:
    """Return the text of an export's README in Markdown.

    `base` is the base model as the PEFT folder names it, `stops` the tokens that end an answer.
    """
    parts = [_prompt(name, contract, stops, max_new_tokens)]
    beside = base.removeprefix("../")
    if "peft" in formats:
        parts.append(_peft(beside, rank))
    if "merged" in formats:
        parts.append(_MERGED)
    if "gguf" in formats:
        parts.append(_GGUF)
    if "ollama" in formats:
        ask = _OLLAMA_ALONE if name == "finetuned" else _OLLAMA_PASSAGES
        parts.append(_OLLAMA + ask)
    return "\n\n".join([f"# The adapter {name}", *parts, _CHECKED]) + "\n"


def _prompt(name: str, contract: PromptContract, stops: Sequence[str], max_new_tokens: int) -> str:
    passage = Passage("p", "d", "TEXT OF THE PASSAGE", 0)
    reads = name == "hybrid"
    user = contract.user_text("QUESTION", [passage] if reads else ())
    ends = ", ".join(f"`{item}`" for item in stops)
    more = (
        "\n\nThe passages come from retrieval, best ones first chosen, then in reading order, "
        "numbered from 1. Without passages this adapter was not measured."
        if reads
        else ""
    )
    return (
        "Ask it as it was trained, or it answers worse than it was measured. System message:\n\n"
        f"```text\n{contract.system}\n```\n\nUser message, with the chat template of the model:\n\n"
        f"```text\n{user}\n```{more}\n\n"
        f"Temperature 0, at most {max_new_tokens} new tokens, stop at {ends}. It was trained and "
        "measured on single questions, not on conversations."
    )


def _peft(base: str, rank: int) -> str:
    limit = next((item for item in VLLM_RANKS if item >= rank), rank)
    return f"""\
## peft/: the adapter alone

```python
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

model = AutoModelForCausalLM.from_pretrained("{base}")
model = PeftModel.from_pretrained(model, "peft")
tokenizer = AutoTokenizer.from_pretrained("{base}")
```

With vLLM, whose largest rank is 16 unless told otherwise; ask for the model `tuned`, the name of
the base gives the base's answers:

```sh
vllm serve {base} --enable-lora --max-lora-rank {limit} --lora-modules tuned=peft
```"""


_MERGED = """\
## merged/: one model for transformers, vLLM and TGI

```sh
vllm serve merged
```

The weights have the precision of the base. Do not merge the adapter into a quantised base
yourself: rounding takes a light fine-tune away. Quantise this folder instead."""

_GGUF = """\
## gguf/: llama.cpp, LM Studio and others

```sh
llama-server --model gguf/model-q8_0.gguf --jinja --temp 0
```

`--jinja` uses the chat template that is stored in the file. `model-f16.gguf` is for further
quantising."""

_OLLAMA = """\
## gguf/Modelfile: Ollama

```sh
cd gguf
ollama create tuned -f Modelfile
"""
_OLLAMA_ALONE = """\
ollama run tuned "How long may the pump run dry?"
```

The Modelfile writes what stood before each question in training; ask the question alone."""
_OLLAMA_PASSAGES = """\
```

The Modelfile has system text, template and stops. The user message is the whole text above,
passages and question."""

_CHECKED = """\
## What was checked

`receipt.json` says what the adapter was made of, and how it answered after training. The same
questions were asked again of each model here; `export.json` has the results, and the SHA-256 of
every file. Other engines may turn a word where two are equally likely."""
