"""A new workspace on the disk: its configuration and, if wished, the example."""

from __future__ import annotations

import shutil
from dataclasses import replace
from importlib import resources
from pathlib import Path

from graft.config import Config, RetrievalConfig, default_toml
from graft.errors import BadInput
from graft.files import raise_unwritable, write_atomically

__all__ = ["CONFIG_NAME", "make_workspace"]

CONFIG_NAME = "graft.toml"
# The example's documents are short. Two passages hold the answer of 63 of 76 dev questions in
# 133 tokens; with 128 a passage it is 67 in 200 (docs/log.md).
EXAMPLE_PASSAGE = 80


def make_workspace(root: Path, *, example: bool, base_model: str, force: bool) -> None:
    """Write what makes a folder a workspace, `graft.toml` last.

    Raises:
        BadInput: the folder is a workspace already (nothing is changed), or cannot be written.
    """
    path = root / CONFIG_NAME
    if path.exists() and not force:
        raise BadInput(
            "this folder is a workspace already",
            where=str(path),
            why="graft init never overwrites a configuration",
            next_step="graft add docs/   or   graft init --force",
        )
    config = Config(base_model=base_model) if base_model else Config()
    if example:
        config = replace(config, retrieval=RetrievalConfig(passage_tokens=EXAMPLE_PASSAGE))
        source = Path(str(resources.files("graft") / "example"))
        try:
            shutil.copytree(
                source, root, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__*", "*.py")
            )
        except OSError as error:
            raise_unwritable(error, root)
    write_atomically(root / ".graft" / ".gitignore", "*\n")
    write_atomically(path, default_toml(config))
