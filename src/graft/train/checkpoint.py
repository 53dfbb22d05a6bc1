"""A run that can be stopped at any moment: what it needs to go on lies whole on the disk.

A state is one file of tensors (adapter, moments of the optimiser, random numbers) and one
sealed JSON that names it and its check sum; the JSON is replaced last, so a kill between any two
writes leaves the older state. It goes on only with the same base, rows, settings, device and
packages; else the run starts anew and says what differs. No pickle is written or read.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from graft.formats import sealed, unsealed

if TYPE_CHECKING:
    import torch

__all__ = ["Checkpoints", "Saved", "save_adapter", "weights_digest"]

STATE = "state.json"
SCHEMA = 1
EVERY_SECONDS = 5.0
WRITE_SHARE = 0.02  # of the time of a run that may go into states


class Saved(NamedTuple):
    """A state as it was saved: plain values and tensors by name."""

    values: dict[str, Any]
    tensors: dict[str, torch.Tensor]


class Checkpoints:
    """The states of one run in a folder; `inputs` names what may not differ to go on.

    After `load`, `differing` says what differed from the run that was found, or that its files
    are broken; empty where nothing was there or it goes on.
    """

    def __init__(
        self, folder: Path, inputs: Mapping[str, str], every: float = EVERY_SECONDS
    ) -> None:
        self.folder, self.inputs = folder, dict(inputs)
        self.differing: tuple[str, ...] = ()
        self._every = self._wait = every
        self._last = time.monotonic()

    def load(self) -> Saved | None:
        """Return the state to go on from; anything else in the folder is removed."""
        try:
            found = json.loads((self.folder / STATE).read_text(encoding="utf-8"))
            values = unsealed(found)
            before = values["inputs"]
            if values["schema"] != SCHEMA:
                self.differing = ("the version of Graft",)
            else:
                names = sorted(self.inputs.keys() | before.keys())
                self.differing = tuple(
                    name for name in names if self.inputs.get(name) != before.get(name)
                )
            if not self.differing:
                return Saved(values["values"], self._tensors(values["file"], values["digest"]))
        except FileNotFoundError:
            if self.folder.exists() and any(self.folder.glob("state-*")):
                self.differing = ("its files, which are not whole",)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            self.differing = ("its files, which are broken",)
        shutil.rmtree(self.folder, ignore_errors=True)
        return None

    def _tensors(self, name: str, digest: str) -> dict[str, torch.Tensor]:
        from safetensors.torch import load

        path = self.folder / Path(name).name
        data = path.read_bytes() if path.is_file() else b""
        if hashlib.sha256(data).hexdigest() != digest:
            raise ValueError("the tensors are not what was written")
        tensors: dict[str, torch.Tensor] = load(data)
        return tensors

    def due(self) -> bool:
        """Tell whether so much time has passed that a state is worth its writing."""
        return time.monotonic() - self._last >= self._wait

    def save(self, values: Mapping[str, Any], tensors: Mapping[str, torch.Tensor]) -> None:
        """Write a state, then drop the one before.

        Raises:
            OSError: it cannot be written; the state before stands.
        """
        from safetensors.torch import save

        started = time.monotonic()
        self.folder.mkdir(parents=True, exist_ok=True)
        name = f"state-{values['step']}.safetensors"
        data = save({key: item.detach().cpu().contiguous() for key, item in tensors.items()})
        _write(self.folder / name, data)
        head = sealed(
            {
                "schema": SCHEMA,
                "inputs": self.inputs,
                "file": name,
                "digest": hashlib.sha256(data).hexdigest(),
                "values": values,
            }
        )
        _write(self.folder / STATE, json.dumps(head).encode())
        wanted = {name, STATE, self.kept(values["kept_step"]).name}
        for item in self.folder.iterdir():
            if item.name not in wanted:
                shutil.rmtree(item, ignore_errors=True) if item.is_dir() else item.unlink()
        self._last = time.monotonic()
        self._wait = max(self._every, (self._last - started) / WRITE_SHARE)

    def kept(self, step: int) -> Path:
        """Return where the adapter of a step is kept as the best so far."""
        return self.folder / f"kept-{step}"


def _write(path: Path, data: bytes) -> None:
    """Write a whole file under its name, or leave what was there."""
    draft = path.with_name(path.name + ".part")
    try:
        with draft.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise


def save_adapter(model: Any, folder: Path) -> None:  # noqa: ANN401 - a PEFT model
    """Write a PEFT folder.

    Raises:
        OSError: it cannot be written, as one and the same error for settings and weights.
    """
    from safetensors import SafetensorError

    try:
        model.save_pretrained(folder)
    except SafetensorError as error:
        full = "No space left" in str(error)
        raise OSError(errno.ENOSPC if full else errno.EIO, str(error), str(folder)) from error
    (folder / "README.md").unlink(missing_ok=True)  # a form that nobody has filled in


def weights_digest(folder: Path) -> str:
    """Name the weights of a folder by sizes, heads and tails of its files.

    Cheap for large models, and no two that were trained apart share it.
    """
    digest = hashlib.sha256()
    for path in sorted([*folder.glob("*.safetensors"), *folder.glob("*config.json")]):
        size = path.stat().st_size
        digest.update(f"{path.name}:{size};".encode())
        with path.open("rb") as file:
            digest.update(file.read(2**20))
            file.seek(max(0, size - 2**20))
            digest.update(file.read(2**20))
    return digest.hexdigest()
