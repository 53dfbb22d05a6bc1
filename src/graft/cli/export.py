"""`graft export`: write an adapter for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from graft.cli.session import Session
from graft.cli.texts import counted, on_one_line, plain_data

__all__ = ["EXAMPLES", "export"]

EXAMPLES = (
    "graft export --to ../handbook-model",
    "graft export finetuned --to ollama-model --formats ollama",
)


def export(
    session: Session,
    to: Annotated[
        Path, typer.Option("--to", metavar="FOLDER", help="A folder that is empty or not there.")
    ],
    name: Annotated[
        str,
        typer.Argument(
            metavar="[ADAPTER|ARM]", help="finetuned, hybrid; else that of the recommended arm."
        ),
    ] = "",
    formats: Annotated[
        str,
        typer.Option("--formats", metavar="A,B", help="peft, merged, gguf, ollama; else all."),
    ] = "",
) -> None:
    """Write a trained model for other programs.

    Its probes are asked again of each written model; one that answers otherwise is not left there.
    """
    workspace = session.open()
    with session.progress() as progress:
        done = workspace.tuning.export(name, to, formats, progress)
    session.document(plain_data(done))
    for made, found in done.probes.items():
        asked, changed = found["asked"], len(found["changed"])
        told = f"{asked - changed} of {asked} probes answered as after training" if asked else ""
        session.show(f"{made}  {told or 'no probes: the adapter is older than they are'}")
    size = sum(done.files.values()) / 1e6
    folder = on_one_line(str(done.folder))
    session.show(f"{counted(len(done.files), 'file')}, {size:,.0f} MB, in {folder}")
    for left, why in done.left_out.items():
        session.note(f"left out: {left}: {why}")
    session.note(f"next: read README.md in {folder}")
