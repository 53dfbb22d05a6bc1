"""Every exception that Graft raises on purpose, and nothing else.

    GraftError                      exit 1
    ├── UsageError                  exit 2   the command line or a call is wrong
    ├── MissingPrerequisite         exit 3   an extra, device, model or key is not there
    │   └── NoSpaceLeft             exit 3   the disk is full
    ├── BadInput                    exit 4   data or configuration cannot be used
    │   ├── ConfigError             exit 4
    │   ├── UnreadableDocument      exit 4   caught and counted by the corpus
    │   ├── QuestionFileError       exit 4
    │   └── FingerprintMismatch     exit 4   two stored things do not belong together
    ├── GenerationFailed            exit 1   a generator could not answer
    └── TrainingFailed              exit 1

A message has four parts, in this order: what failed, where, why, and the next command
to paste. `str(error)` gives the four lines that the terminal shows; what comes from names of
files cannot add a line to them.
"""

from __future__ import annotations

from graft.showing import on_one_line

__all__ = [
    "BadInput",
    "ConfigError",
    "FingerprintMismatch",
    "GenerationFailed",
    "GraftError",
    "MissingPrerequisite",
    "NoSpaceLeft",
    "QuestionFileError",
    "TrainingFailed",
    "UnreadableDocument",
    "UsageError",
]


class GraftError(Exception):
    """A failure that Graft foresaw; `exit_code` is what the command line returns."""

    exit_code = 1

    def __init__(self, what: str, *, where: str = "", why: str = "", next_step: str = "") -> None:
        self.what = what
        self.where = where
        self.why = why
        self.next_step = next_step
        super().__init__(what)

    def __str__(self) -> str:
        """Return the four-line form; an empty part is left out."""
        lines = [f"error: {on_one_line(self.what)}"]
        parts = (("where", self.where), ("why", self.why), ("next", self.next_step))
        lines += [f"  {name:<6} {on_one_line(text)}" for name, text in parts if text]
        return "\n".join(lines)


class UsageError(GraftError):
    """The command line or the arguments of a call are wrong."""

    exit_code = 2


class MissingPrerequisite(GraftError):
    """An optional package, a device, a model or a key is not there."""

    exit_code = 3


class NoSpaceLeft(MissingPrerequisite):
    """A write failed because the disk is full; what was there before is unchanged."""


class BadInput(GraftError):
    """Data or configuration that cannot be used."""

    exit_code = 4


class ConfigError(BadInput):
    """`graft.toml` cannot be used; all its problems are named at once."""


class UnreadableDocument(BadInput):
    """One document that cannot be read; the corpus counts it and goes on."""


class QuestionFileError(BadInput):
    """A question file that cannot be used; nothing of it was taken."""


class FingerprintMismatch(BadInput):
    """Two stored things do not belong together (adapter and base, run and questions)."""


class GenerationFailed(GraftError):
    """A generator could not answer."""


class TrainingFailed(GraftError):
    """A training run ended without a usable adapter."""
