"""`graft config`: every key of the configuration with the value in force."""

from __future__ import annotations

import json
from collections.abc import Mapping

from graft.cli.session import Session
from graft.cli.texts import flattened, plain_data

__all__ = ["EXAMPLES", "config"]

EXAMPLES = ("graft config", "graft config --json")


def config(session: Session) -> None:
    """Print the configuration, defaults included.

    The output is TOML that graft.toml accepts.
    """
    workspace = session.open()
    values = plain_data(workspace.config)
    session.document({"file": workspace.root / "graft.toml", "config": values})
    session.note(f"# {workspace.root / 'graft.toml'}, and the default of what it leaves out")
    for name, value in flattened(values):
        session.show(f"{name} = {_toml(value)}")


def _toml(value: object) -> str:
    """Return a value as TOML; it differs from JSON in tables alone."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{name} = {_toml(item)}" for name, item in value.items()) + " }"
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(value, ensure_ascii=False)
