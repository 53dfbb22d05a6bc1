"""Running out of memory ends a run with a sentence, never with a stack of torch's frames."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from graft.errors import TrainingFailed

__all__ = ["out_of_memory_named"]

_SIGNS = ("out of memory", "can't allocate memory", "not enough memory", "bad_alloc")


@contextmanager
def out_of_memory_named(batch_tokens: int) -> Iterator[None]:
    """Turn a failed allocation into an error that names the setting to lower.

    Raises:
        TrainingFailed: memory ran out.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        text = str(error).lower()
        if not isinstance(error, MemoryError) and not any(sign in text for sign in _SIGNS):
            raise
        half = max(64, batch_tokens // 2)
        raise TrainingFailed(
            "the memory does not suffice for training",
            where=f"batches of {batch_tokens} tokens",
            why=" ".join(str(error).split())[:200] or "an allocation failed",
            next_step=f"set batch_tokens = {half} and accumulate = 2 under [train] in graft.toml",
        ) from error
