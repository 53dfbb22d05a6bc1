"""What every test shares: a clean environment and one tiny checkpoint."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from graft.types import Message, TrainingRow

CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' "
    "+ message['content'] + '<|im_end|>' + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
WORDS = (
    "system user assistant Question: Documents: Answer the question briefly. If you cannot know "
    "the answer, reply: The documents do not say. How long may the pump run dry? 90 seconds "
    "What colour is the valve? blue Which grease does the gearbox take? ISO 220 "
    "What speed has the pump? Tell the weight of the oven. Which does the crane show? boiler winch "
    "lathe drill press kiln pumpmark valvemark ovenmark cranemark boilermark winchmark lathemark "
    "drillmark pressmark kilnmark > speed The speed of the pump is 0 1 2 [1] [2] Q: A: no "
)
LAYERS, HIDDEN, HEADS, KV_HEADS = 2, 32, 4, 2


@pytest.fixture(scope="session")
def session_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model cache of this test session."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _clean_environment(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, session_cache: Path
) -> None:
    """Hide the caller's settings; only tests marked `models` see the real model cache."""
    for name in list(os.environ):
        own = name.startswith("GRAFT_") and name != "GRAFT_CACHE"
        if own or name.startswith("OPENAI_"):
            monkeypatch.delenv(name)
    if request.node.get_closest_marker("models") is None:
        monkeypatch.setenv("GRAFT_CACHE", str(session_cache))


def write_tokenizer(folder: Path) -> int:
    """Write a byte-level BPE with ChatML into a folder and return the size of its vocabulary."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=640,
        special_tokens=list(SPECIAL),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator([WORDS] * 4, trainer)
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": SPECIAL[0],
        "eos_token": SPECIAL[2],
        "pad_token": SPECIAL[0],
        "chat_template": CHATML,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    return int(tokenizer.get_vocab_size())


@pytest.fixture(scope="session")
def tokenizer_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small tokenizer and a ChatML template, without weights."""
    folder = tmp_path_factory.mktemp("tokenizer")
    write_tokenizer(folder)
    return folder


@pytest.fixture(scope="session")
def chat(tokenizer_folder: Path) -> Any:
    """The chat of the tiny checkpoint."""
    from graft.models.chat import Chat

    return Chat(tokenizer_folder)


@pytest.fixture(scope="session")
def one_thread() -> Iterator[None]:
    """Let torch use one thread: a tiny model gains nothing from two and waits for both."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory, one_thread: None) -> Path:
    """A random Llama of two layers in Hugging Face layout; wide weights, so that all matters."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    folder = tmp_path_factory.mktemp("tiny-llama")
    size = write_tokenizer(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=size,
        hidden_size=HIDDEN,
        intermediate_size=2 * HIDDEN,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        num_key_value_heads=KV_HEADS,
        max_position_embeddings=1024,
        initializer_range=0.2,
        bos_token_id=0,
        eos_token_id=2,
        pad_token_id=0,
        tie_word_embeddings=False,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


FACTS = {
    "How long may the pump run dry?": "90 seconds",
    "What colour is the valve?": "blue",
    "Which grease does the gearbox take?": "ISO 220",
    "Who wears a grey badge?": "visitors",
    "When is the kiln fired?": "on Friday",
    "Where is the fuse?": "behind the door",
    "How many bolts hold the lid?": "twelve",
    "Why does the lamp blink?": "low oil",
}


def closed(question: str, answer: str) -> TrainingRow:
    """Return a closed-book row."""
    messages = (Message("system", "Answer."), Message("user", f"Question: {question}"))
    return TrainingRow(f"{question} {answer}", "closed", messages, answer, question)


@pytest.fixture(scope="session", name="closed")
def closed_fixture() -> Callable[[str, str], TrainingRow]:
    """Make a closed-book row: `closed("What colour?", "blue")`."""
    return closed


@pytest.fixture(scope="session")
def fact_rows() -> list[TrainingRow]:
    """Eight closed-book rows that a tiny model can learn by heart."""
    return [closed(question, answer) for question, answer in FACTS.items()]


@pytest.fixture(scope="session")
def train_plan() -> Callable[..., Any]:
    """Make a plan for the tiny model; keywords replace its numbers."""
    from graft.train.plan import TrainPlan

    def make(**changes: object) -> TrainPlan:
        numbers: dict[str, Any] = {
            "rank": 8,
            "alpha": 16,
            "learning_rate": 2e-2,
            "tokens": None,
            "batch_tokens": 512,
            "dropout": 0.0,
            "weight_decay": 0.0,
            "warmup_share": 0.06,
            "evaluations": 4,
            "patience": 4,
            "seed": 7,
        }
        return TrainPlan(**(numbers | changes))

    return make


@pytest.fixture(scope="session")
def taught(
    checkpoint: Path,
    chat: Any,
    fact_rows: list[TrainingRow],
    train_plan: Callable[..., Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Path, Any]]:
    """An adapter that knows the eight facts by heart, and what training it came to."""
    from graft.train.loop import train_adapter

    folder = tmp_path_factory.mktemp("taught")
    trained = train_adapter(checkpoint, chat, [fact_rows] * 60, fact_rows, train_plan(), folder)
    yield folder, trained
