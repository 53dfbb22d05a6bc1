"""Reference arms: a model behind a server to compare with, plain or with our passages.

`reference:NAME` answers through the same prompt contract and examples as `base`, so that only
the model differs; its weights differ on purpose. What is asked leaves this machine, so offline
only a server on the machine itself is called. The key is read from the environment when the
model is first asked and stored nowhere.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from graft.addresses import is_loopback, public_url
from graft.config import Config, ReferenceConfig
from graft.errors import ConfigError, MissingPrerequisite, UsageError
from graft.types import Record, fingerprint

__all__ = [
    "REFERENCE",
    "check_reference",
    "find_reference",
    "is_reference",
    "key_of",
    "price_per_1000",
    "reference_names",
    "reference_weights",
]

REFERENCE = "reference:"
PRICED_TOKENS = 1_000_000  # prices are given for so many
PRICED_QUESTIONS = 1_000


def is_reference(arm: str) -> bool:
    """Tell whether an arm's name is that of a reference."""
    return arm.startswith(REFERENCE)


def reference_names(config: Config) -> tuple[str, ...]:
    """Return the names of the reference arms, in the order of `graft.toml`."""
    return tuple(REFERENCE + item.name for item in config.references)


def find_reference(config: Config, arm: str) -> ReferenceConfig:
    """Return what `graft.toml` says of a reference arm.

    Raises:
        UsageError: it says nothing of that name.
    """
    for item in config.references:
        if REFERENCE + item.name == arm:
            return item
    known = ", ".join(reference_names(config)) or "none"
    raise UsageError(
        f"unknown arm {arm!r}",
        where="graft.toml",
        why=f"the references under [[references]] are: {known}",
        next_step="add a table [[references]] with name, base_url and model",
    )


def check_reference(config: Config, arm: str) -> ReferenceConfig:
    """Return a reference that may be asked and can be, before anything is computed.

    Raises:
        UsageError: there is none of that name.
        ConfigError: `offline = true`, and the server is not on this machine.
        MissingPrerequisite: the variable that should hold the key is not set.
    """
    item = find_reference(config, arm)
    if config.offline and not is_loopback(item.base_url):
        raise ConfigError(
            f"{arm} cannot be asked offline",
            where="graft.toml",
            why=f"offline = true, and {public_url(item.base_url)} is not on this machine: the "
            "questions, and with passages = true the documents, would leave it",
            next_step="set offline = false, or leave it out: graft compare --arms base,rag,hybrid",
        )
    key_of(item)
    return item


def key_of(reference: ReferenceConfig) -> str:
    """Return the key of a reference, empty where it needs none.

    Raises:
        MissingPrerequisite: `api_key_env` names a variable that is not set.
    """
    if not reference.api_key_env:
        return ""
    key = os.environ.get(reference.api_key_env, "").strip()
    if not key:
        raise MissingPrerequisite(
            f"there is no key for {REFERENCE}{reference.name}",
            where=f"the environment variable {reference.api_key_env}",
            why="it is not set or empty",
            next_step=f"export {reference.api_key_env}=... and run the command again",
        )
    return key


def reference_weights(reference: ReferenceConfig) -> str:
    """Name what answers: server and model, never a key."""
    return fingerprint(public_url(reference.base_url), reference.model)


def price_per_1000(records: Sequence[Record], price_in: float, price_out: float) -> float | None:
    """Return the price of 1,000 questions at prices per million prompt and answer tokens.

    From the mean tokens of the answers that did not fail; None where no price is set or the
    server counted no tokens.

    >>> answered = Record("reference:large", "q1", "blue", False, prompt_tokens=400,
    ...     completion_tokens=10)
    >>> price_per_1000([answered], 2.5, 10.0)
    1.1
    """
    counted = [item for item in records if not item.error and item.prompt_tokens > 0]
    if not counted or not (price_in or price_out):
        return None
    tokens_in = sum(item.prompt_tokens for item in counted) / len(counted)
    tokens_out = sum(item.completion_tokens for item in counted) / len(counted)
    price = tokens_in * price_in + tokens_out * price_out
    return price * PRICED_QUESTIONS / PRICED_TOKENS
