"""What every command is handed: its common options, its streams and the way to a workspace.

Results go to stdout, all talk to stderr. `workspace_class` is the one seam to the layer
below; it imports it when a command runs, so that `graft --help` stays quick. A test puts
`graft.testing.workspace.FakeWorkspace` there.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graft.cli.first_sign import FirstSign, is_coloured
from graft.cli.texts import plain_data, safe
from graft.showing import as_json

if TYPE_CHECKING:
    from graft.protocols import Progress
    from graft.workspace import Workspace

__all__ = ["SCHEMA", "Session", "workspace_class"]

SCHEMA = 1


def workspace_class() -> type[Workspace]:
    """Return the class that opens and creates workspaces."""
    from graft.workspace import Workspace

    return Workspace


@dataclass(frozen=True, slots=True)
class Session:
    """One run of one command; `folder` is what `--workspace` named, if anything."""

    json: bool = False
    quiet: bool = False
    verbose: bool = False
    folder: Path | None = None
    sign: FirstSign = field(default_factory=lambda: FirstSign(sys.stderr))

    def open(self, folder: Path | None = None) -> Workspace:
        """Open a workspace: of a folder, else the named one, else the one around us."""
        return workspace_class().open(folder or self.folder)

    def create(
        self, folder: Path, *, example: bool = False, base_model: str = "", force: bool = False
    ) -> Workspace:
        """Make a folder a workspace."""
        return workspace_class().create(folder, example=example, base_model=base_model, force=force)

    def show(self, text: str) -> None:
        """Print a result on stdout; nothing with `--json`, whose document is the result."""
        if not self.json:
            self._write(safe(text))

    def show_rendered(self, text: str) -> None:
        """Print a result that may hold colours of our own making."""
        if not self.json:
            self._write(text)

    def document(self, values: Mapping[str, Any]) -> None:
        """Print the one JSON document of `--json`; nothing without it."""
        if self.json:
            data = {"schema": SCHEMA, **plain_data(values)}
            self._write(as_json(data, indent=2))

    def note(self, text: str) -> None:
        """Say something on stderr, unless asked to be quiet."""
        if not self.quiet:
            self.complain(text)

    def complain(self, text: str) -> None:
        """Say on stderr what even a quiet command says: errors and what was left out."""
        self.sign.end()
        print(safe(text), file=sys.stderr, flush=True)  # noqa: T201 - this is the terminal

    @contextmanager
    def progress(self) -> Iterator[Progress]:
        """Show how far the work inside is."""
        from graft.cli.progress import terminal_progress

        self.sign.end()
        with terminal_progress(self.quiet) as progress:
            yield progress

    @property
    def coloured(self) -> bool:
        """Tell whether results may have colour."""
        return is_coloured(sys.stdout)

    def _write(self, text: str) -> None:
        self.sign.end()
        print(text.rstrip("\n"), flush=True)  # noqa: T201 - this is the terminal
