"""Graft builds a custom LLM in every way there is, measures them and says which to use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graft.errors import GraftError

if TYPE_CHECKING:
    from graft.workspace import Workspace

__all__ = ["GraftError", "Workspace", "__version__"]

__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """Import `Workspace` on first use: `import graft` itself stays under 0.3 seconds."""
    if name == "Workspace":
        from graft.workspace import Workspace

        return Workspace
    raise AttributeError(f"module 'graft' has no attribute {name!r}")
