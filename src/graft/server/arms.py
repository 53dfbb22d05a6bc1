"""The arms that a server holds: found by model id, loaded once, asked one at a time.

Arms share generators, and those that retrieve share one embedder, whose engines are not made
for two callers; so there is one turn for all of them. Turns are taken on the event loop:
waiting for one holds no thread, so the request that works can always go on.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, NamedTuple

from fastapi.concurrency import run_in_threadpool

from graft.server.failures import Overloaded, UnknownModel

if TYPE_CHECKING:
    from graft.arms import Arm
    from graft.workspace import Workspace

__all__ = ["Served", "ServedArms", "Turns"]

# Requests that may wait for their turn. At a second an answer the last of them waits a
# minute, about as long as clients do.
MAX_WAITING = 64


class Turns:
    """Lets one request at a time ask an arm and a limited number wait."""

    def __init__(self) -> None:
        """Begin with nobody waiting."""
        self._lock = asyncio.Lock()
        self._inside = 0

    @asynccontextmanager
    async def take(self) -> AsyncIterator[None]:
        """Wait for the turn.

        Raises:
            Overloaded: too many are waiting already.
        """
        if self._inside > MAX_WAITING:
            raise Overloaded(self._inside - 1)
        self._inside += 1
        try:
            async with self._lock:
                yield
        finally:
            self._inside -= 1


class Served(NamedTuple):
    """An arm and the turns in which it may be asked."""

    arm: Arm
    turns: Turns


class ServedArms:
    """The arms of a workspace by model id: `<folder>:<arm>`, and `<folder>` for the chosen one."""

    def __init__(self, workspace: Workspace, arm: str = "") -> None:
        """Load nothing yet."""
        self._workspace = workspace
        self._folder = workspace.root.resolve().name
        self._chosen = arm or workspace.recommended()
        self._loaded: dict[str, Served] = {}
        self._turns = Turns()
        self._loading = threading.Lock()

    def model_ids(self) -> list[str]:
        """Return every model id, the bare one first where an arm stands behind it."""
        bare = [self._folder] if self._chosen else []
        return bare + [f"{self._folder}:{name}" for name in self._workspace.arm_names()]

    def load(self, name: str) -> Served:
        """Return an arm, loaded at its first use; this takes a while and blocks."""
        with self._loading:
            if name not in self._loaded:
                self._loaded[name] = Served(self._workspace.arm(name), self._turns)
            return self._loaded[name]

    async def serve(self, model: str) -> Served:
        """Return the arm behind a model id.

        Raises:
            UnknownModel: no arm has that id.
        """
        if model not in self.model_ids():
            raise UnknownModel(model, self.model_ids())
        name = self._chosen if model == self._folder else model[len(self._folder) + 1 :]
        loaded = self._loaded.get(name)
        if loaded is None:
            loaded = await run_in_threadpool(self.load, name)
        return loaded
