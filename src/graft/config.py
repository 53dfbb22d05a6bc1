"""`graft.toml` as typed values: read, checked as a whole, never guessed.

An unknown key or a value of the wrong type is refused with the near match; all problems of a
file are named at once. Nothing here opens a model or an index: only `workspace.py` turns
these values into objects.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_type_hints

from graft.errors import ConfigError

__all__ = [
    "CompareConfig",
    "Config",
    "Effort",
    "EffortPlan",
    "OpenAIConfig",
    "PromptConfig",
    "RetrievalConfig",
    "TrainConfig",
    "default_toml",
    "effort_plan",
    "parse_config",
    "read_config",
]

Effort = Literal["quick", "normal", "thorough"]

T = TypeVar("T")

DECLINE = "The documents do not say."
SYSTEM = f"Answer the question briefly. If you cannot know the answer, reply: {DECLINE}"


@dataclass(frozen=True, slots=True)
class PromptConfig:
    """The texts of the prompt contract."""

    system: str = SYSTEM
    decline: str = DECLINE
    examples: int = 4


@dataclass(frozen=True, slots=True)
class RetrievalConfig:
    """How passages are cut and found; sizes in the embedder's tokens."""

    passage_tokens: int = 128
    passages: int = 3
    pairs: int = 1
    candidates: int = 20
    rrf_k: int = 60


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """LoRA and its schedule; 0 means "derive it from data and effort"."""

    rank: int = 16
    targets: str = "all-linear"
    adapted_share: float = 0.0
    alpha: int = 32
    learning_rate: float = 0.0
    epochs: int = 0
    batch_tokens: int = 256
    dropout: float = 0.0
    weight_decay: float = 0.01
    warmup_share: float = 0.06
    max_row_tokens: int = 512
    tokens: int = 0
    hold_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CompareConfig:
    """What is compared and what difference matters (`margin`, as a fraction)."""

    margin: float = 0.05
    arms: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OpenAIConfig:
    """An OpenAI-compatible server; the key is read from the variable named `api_key_env`."""

    base_url: str = ""
    model: str = ""
    api_key_env: str = "OPENAI_API_KEY"
    timeout_seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class Config:
    """A whole `graft.toml`."""

    base_model: str = "embedded:smollm2-135m-instruct"
    embedder: str = "embedded:all-minilm-l6-v2"
    generator: Literal["auto", "openvino", "transformers", "openai", "fake"] = "auto"
    offline: bool = True
    seed: int = 7
    prompt: PromptConfig = field(default_factory=PromptConfig)
    retrieval: RetrievalConfig = field(default_factory=RetrievalConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    compare: CompareConfig = field(default_factory=CompareConfig)
    openai: OpenAIConfig = field(default_factory=OpenAIConfig)


def parse_config(text: str, where: str = "graft.toml") -> Config:
    """Read TOML into a `Config`.

    Raises:
        ConfigError: broken TOML, unknown keys or wrong types; every problem is named.
    """
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(
            "the configuration is not valid TOML",
            where=where,
            why=str(error),
            next_step=f"mend {where} and run the command again",
        ) from error
    problems: list[str] = []
    config = _read(Config, data, "", problems)
    if problems:
        raise ConfigError(
            f"the configuration has {len(problems)} problem{'s' * (len(problems) > 1)}",
            where=where,
            why="; ".join(problems),
            next_step=f"mend {where} and run the command again",
        )
    return config


def read_config(path: Path) -> Config:
    """Read a configuration file.

    Raises:
        ConfigError: it is not UTF-8, or `parse_config` refuses it.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(
            "the configuration is not UTF-8 text",
            where=str(path),
            why=f"byte {error.start} is {error.reason}",
            next_step=f"save {path.name} as UTF-8 and run the command again",
        ) from error
    return parse_config(text, str(path))


def _read(cls: type[T], data: Mapping[str, Any], prefix: str, problems: list[str]) -> T:
    hints = get_type_hints(cls)
    known = {item.name for item in fields(cls)}  # type: ignore[arg-type]
    values: dict[str, Any] = {}
    for key, value in data.items():
        name = prefix + key
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f", did you mean {prefix + near[0]!r}?" if near else ""
            problems.append(f"unknown key {name!r}{hint}")
        elif is_dataclass(hints[key]):
            if isinstance(value, Mapping):
                values[key] = _read(hints[key], value, name + ".", problems)
            else:
                problems.append(f"{name!r} must be a table")
        else:
            checked = _check(hints[key], value)
            if checked is None:
                problems.append(f"{name!r} is {value!r}, expected {_describe(hints[key])}")
            else:
                values[key] = checked
    return cls(**values)


def _check(hint: Any, value: Any) -> Any:  # noqa: ANN401 - a TOML value of any type
    """Return the value in its declared type, or None where it does not fit."""
    choices = get_args(hint) if not isinstance(hint, type) else ()
    if choices and choices[-1] is Ellipsis:
        fits = isinstance(value, list) and all(isinstance(item, str) for item in value)
        return tuple(value) if fits else None
    if choices:
        return value if value in choices else None
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, bool) and hint is not bool:
        return None
    if not isinstance(value, hint):
        return None
    if hint in (int, float) and value < 0:
        return None
    return value


def _describe(hint: Any) -> str:  # noqa: ANN401 - a type annotation of any form
    choices = get_args(hint) if not isinstance(hint, type) else ()
    if choices and choices[-1] is Ellipsis:
        return "a list of strings"
    if choices:
        return "one of " + ", ".join(repr(choice) for choice in choices)
    names = {
        int: "a whole number from 0",
        float: "a number from 0",
        str: "a string",
        bool: "true or false",
    }
    return names[hint]


def default_toml(config: Config | None = None) -> str:
    """Return the `graft.toml` that `graft init` writes: the choices people change first."""
    config = config or Config()
    return f"""# What Graft builds on. Every key has a default; `graft config` prints them all.
base_model = "{config.base_model}"   # or a Hugging Face id, a folder, a .gguf file
embedder = "{config.embedder}"
offline = {str(config.offline).lower()}
seed = {config.seed}

[retrieval]
passage_tokens = {config.retrieval.passage_tokens}

[compare]
margin = {config.compare.margin}   # the smallest difference that matters to you
"""


@dataclass(frozen=True, slots=True)
class EffortPlan:
    """What one setting of the dial stands for; caps of None mean "no cap"."""

    effort: Effort
    train_tokens: int | None
    test_questions: int | None
    prompt_tokens: int
    passages: int
    latency_questions: int
    pilot: bool
    seeds: int
    adapted_share: float


def effort_plan(effort: Effort, *, fast_device: bool, passages: int) -> EffortPlan:
    """Return the plan of an effort.

    `train_tokens` is the cap in all for `quick` and per adapter for `normal`. Two cores
    without bf16 in hardware train 170 tokens a second where those of the design page train
    400 (docs/log.md), so caps are lower there and `quick` adapts the upper half of the layers
    only (`adapted_share`): later passes then cost half. The ten minutes are the promise.
    """
    if effort == "quick":
        cap, share, timed = (90_000, 1.0, 20) if fast_device else (40_000, 0.5, 12)
        return EffortPlan("quick", cap, 150, 400, min(2, passages), timed, False, 1, share)
    if effort == "normal":
        cap = 250_000 if fast_device else 120_000
        return EffortPlan("normal", cap, 300, 1_024, passages, 60, True, 1, 1.0)
    return EffortPlan("thorough", None, None, 2_048, passages, 100, True, 3, 1.0)
