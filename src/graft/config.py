"""`graft.toml` as typed values: read, checked as a whole, never guessed.

An unknown key or a value of the wrong type is refused with the near match; all problems of a
file are named at once. Nothing here opens a model or an index: only `workspace.py` turns
these values into objects.
"""

from __future__ import annotations

import difflib
import math
import re
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from graft.addresses import server_problems
from graft.database_settings import DatabaseConfig, database_problems
from graft.efforts import Effort, EffortPlan, effort_plan
from graft.errors import ConfigError

__all__ = [
    "CompareConfig",
    "Config",
    "Effort",
    "EffortPlan",
    "JudgeConfig",
    "LimitsConfig",
    "OpenAIConfig",
    "PromptConfig",
    "ReferenceConfig",
    "RetrievalConfig",
    "TrainConfig",
    "default_toml",
    "effort_plan",
    "parse_config",
    "read_config",
]

T = TypeVar("T")

_WHOLE = 2**53  # whole numbers beyond it have no exact float
_REFERENCE_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,39}")

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
    accumulate: int = 1
    dropout: float = 0.0
    weight_decay: float = 0.01
    warmup_share: float = 0.06
    max_row_tokens: int = 512
    tokens: int = 0
    hold_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LimitsConfig:
    """What an arm must keep to be recommended; 0 means "not set".

    A megabyte has 1,000,000 bytes; `min_decline_recall` and `min_support` are fractions.
    """

    max_p50_ms: float = 0.0
    max_p95_ms: float = 0.0
    max_memory_mb: float = 0.0
    max_storage_mb: float = 0.0
    max_build_minutes: float = 0.0
    min_decline_recall: float = 0.0
    min_support: float = 0.0


@dataclass(frozen=True, slots=True)
class CompareConfig:
    """What is compared and what difference matters (`margin`, as a fraction).

    `target` is the headline that is good enough (0: not set), `forgetting_margin` how many
    general questions an adapter may lose, both as fractions.
    """

    margin: float = 0.05
    arms: tuple[str, ...] = ()
    target: float = 0.0
    forgetting_margin: float = 0.10
    limits: LimitsConfig = field(default_factory=LimitsConfig)


@dataclass(frozen=True, slots=True)
class OpenAIConfig:
    """An OpenAI-compatible server; the key is read from the variable named `api_key_env`."""

    base_url: str = ""
    model: str = ""
    api_key_env: str = "OPENAI_API_KEY"
    timeout_seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class ReferenceConfig:
    """A model behind an OpenAI-compatible server to compare with: the arm `reference:NAME`.

    With `passages` it is given what our retriever finds. Prices are per million tokens, 0
    where none is set. The key is read from the variable named `api_key_env`, if any.
    """

    name: str
    base_url: str
    model: str
    api_key_env: str = ""
    passages: bool = False
    price_in: float = 0.0
    price_out: float = 0.0
    timeout_seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class JudgeConfig:
    """The optional judge behind an OpenAI-compatible server; `instructions` join its prompt."""

    base_url: str = ""
    model: str = ""
    api_key_env: str = ""
    instructions: str = ""
    timeout_seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class Config:
    """A whole `graft.toml`."""

    base_model: str = "embedded:smollm2-135m-instruct"
    embedder: str = "embedded:all-minilm-l6-v2"
    generator: Literal["auto", "openvino", "transformers", "openai", "fake"] = "auto"
    offline: bool = True
    ocr: bool = False  # read pages that are pictures of text, which takes seconds a page
    seed: int = 7
    prompt: PromptConfig = field(default_factory=PromptConfig)
    retrieval: RetrievalConfig = field(default_factory=RetrievalConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    compare: CompareConfig = field(default_factory=CompareConfig)
    openai: OpenAIConfig = field(default_factory=OpenAIConfig)
    references: tuple[ReferenceConfig, ...] = ()
    judge: JudgeConfig = field(default_factory=JudgeConfig)
    sources: Mapping[str, DatabaseConfig] = field(default_factory=dict)


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
    problems += list(_misfits(config, problems))
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
    known = {item.name: item for item in fields(cls)}  # type: ignore[arg-type]
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
        elif (table := _table_of(hints[key])) is not None:
            read = _read_named if get_origin(hints[key]) is Mapping else _read_tables
            values[key] = read(table, value, name, problems)
        else:
            checked = _check(hints[key], value)
            if checked is None:
                problems.append(f"{name!r} is {value!r}, expected {_describe(hints[key])}")
            else:
                values[key] = checked
    for key, item in known.items():
        if _is_required(item) and key not in values:
            if key not in data:
                problems.append(f"{prefix + key!r} is missing")
            values[key] = hints[key]()  # the file is refused, so this value goes nowhere
    return cls(**values)


def _read_tables(table: type[T], value: object, name: str, problems: list[str]) -> tuple[T, ...]:
    """Read a list of tables; the first is called `name[1]`."""
    if not isinstance(value, list) or not all(isinstance(item, Mapping) for item in value):
        problems.append(f"{name!r} must be a list of tables, each under [[{name}]]")
        return ()
    return tuple(
        _read(table, item, f"{name}[{number}].", problems) for number, item in enumerate(value, 1)
    )


def _read_named(table: type[T], value: object, name: str, problems: list[str]) -> Mapping[str, T]:
    """Read tables that have names of their own; one is called `name.NAME`."""
    if not isinstance(value, Mapping) or not all(isinstance(v, Mapping) for v in value.values()):
        problems.append(f"{name!r} must hold tables, each under [{name}.NAME]")
        return {}
    return {key: _read(table, item, f"{name}.{key}.", problems) for key, item in value.items()}


def _table_of(hint: Any) -> type | None:  # noqa: ANN401 - a type annotation of any form
    """Return the class of the tables in a list or mapping of tables, None for other types."""
    for inner in get_args(hint):
        if isinstance(inner, type) and is_dataclass(inner):
            return inner
    return None


def _is_required(item: Field[Any]) -> bool:
    return item.default is MISSING and item.default_factory is MISSING


def _misfits(config: Config, known: Sequence[str]) -> Iterator[str]:
    """Yield what is wrong with values of the right type, beside the problems `known`."""
    compare = config.compare
    shares = {
        "compare.target": compare.target,
        "compare.forgetting_margin": compare.forgetting_margin,
        "compare.limits.min_decline_recall": compare.limits.min_decline_recall,
        "compare.limits.min_support": compare.limits.min_support,
    }
    for name, share in shares.items():
        if share > 1:
            yield f"{name!r} is {share}, expected a fraction from 0 to 1"
    if compare.margin >= 1:
        yield (
            f"'compare.margin' is {compare.margin:g}, expected a share below 1: 0.05 for 5 points"
        )
    if not config.prompt.decline.strip(" ."):
        yield "'prompt.decline' is empty, but an arm needs words to decline with"
    if config.retrieval.passage_tokens == 0:
        yield "'retrieval.passage_tokens' is 0, but a passage needs at least one token"
    yield from server_problems("openai", config.openai.base_url, config.openai.api_key_env)
    for name, source in config.sources.items():
        yield from database_problems(name, source)
    yield from server_problems("judge", config.judge.base_url, config.judge.api_key_env)
    counted = Counter(item.name for item in config.references)
    for number, item in enumerate(config.references, 1):
        place = f"references[{number}]"
        for key in ("name", "base_url", "model"):
            if not getattr(item, key) and not any(f"'{place}.{key}'" in said for said in known):
                yield f"'{place}.{key}' is empty"
        if item.name and not _REFERENCE_NAME.fullmatch(item.name):
            yield f"'{place}.name' may have small letters, digits, '.', '_' and '-' only"
        elif item.name and counted[item.name] > 1:
            yield f"'{place}.name' is {item.name!r} like that of another reference"
        yield from server_problems(place, item.base_url, item.api_key_env)


def _check(hint: Any, value: Any) -> Any:  # noqa: ANN401 - a TOML value of any type
    """Return the value in its declared type, or None where it does not fit."""
    choices = get_args(hint) if not isinstance(hint, type) else ()
    if choices and choices[-1] is Ellipsis:
        fits = isinstance(value, list) and all(isinstance(item, str) for item in value)
        return tuple(value) if fits else None
    if choices:
        return value if value in choices else None
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value) if abs(value) < _WHOLE else math.inf
    if isinstance(value, bool) and hint is not bool:
        return None
    if not isinstance(value, hint):
        return None
    if hint in (int, float) and not 0 <= value < math.inf:
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
target = {config.compare.target}   # the score that is good enough, 0.8 for 80 % (0: not set)
"""
