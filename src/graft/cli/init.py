"""`graft init`: make a folder a workspace."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from graft.cli.session import Session

__all__ = ["EXAMPLES", "init"]

EXAMPLES = ("graft init", "graft init handbook --base-model ./models/qwen.gguf")


def init(
    session: Session,
    folder: Annotated[
        Path | None, typer.Argument(help="The folder; else --workspace or the current one.")
    ] = None,
    example: Annotated[
        bool, typer.Option("--example", help="Put documents and questions to try into it.")
    ] = False,
    base_model: Annotated[
        str,
        typer.Option(
            "--base-model", metavar="MODEL", help="A Hugging Face id, a folder or a .gguf file."
        ),
    ] = "",
    force: Annotated[
        bool, typer.Option("--force", "-f", help="Write graft.toml anew where there is one.")
    ] = False,
) -> None:
    """Create a workspace: a graft.toml in a folder."""
    chosen = folder or session.folder or Path()
    workspace = session.create(chosen, example=example, base_model=base_model, force=force)
    session.document({"workspace": workspace.root, "base_model": workspace.config.base_model})
    session.show(f"created the workspace {workspace.root}")
    session.note(f"base model {workspace.config.base_model}")
    here = workspace.root == Path.cwd()
    session.note(
        f"next: {'' if here else f'cd {shlex.quote(str(workspace.root))} && '}graft add docs/"
    )
