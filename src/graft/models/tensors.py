"""The tensors of a checked safetensors folder, one at a time, as float32.

Reads what merging and exporting need without torch: bf16 (which numpy does not know) is
widened here, and a model in several files is one model.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from graft.models.weight_files import TensorEntry, check_safetensors, refused

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Tensors"]

_KINDS = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}


class Tensors:
    """The weights of one folder or file by name; every header is checked first."""

    def __init__(self, place: Path) -> None:
        """Read the headers of all safetensors files of a folder, or of one file.

        Raises:
            BadInput: there is none, or a file is refused.
        """
        files = [place] if place.is_file() else sorted(place.glob("*.safetensors"))
        if not files:
            raise refused(place, "it has no safetensors file")
        self._places: dict[str, tuple[Path, TensorEntry]] = {}
        for path in files:
            for name, entry in check_safetensors(path).items():
                self._places[name] = (path, entry)

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._places))

    def __contains__(self, name: object) -> bool:
        return name in self._places

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of a tensor."""
        return self._places[name][1].shape

    def dtype(self, name: str) -> str:
        """Return the type of a tensor as safetensors names it."""
        return self._places[name][1].dtype

    def get(self, name: str) -> NDArray[np.float32]:
        """Return a tensor as float32.

        Raises:
            BadInput: its numbers are of a type that cannot be merged (whole or quantised ones).
        """
        import numpy as np

        path, entry = self._places[name]
        if entry.dtype not in _KINDS:
            why = f"{name[:100]!r} is of type {entry.dtype}; floating-point weights are needed"
            raise refused(path, why, "set base_model to the unquantised version of the model")
        with path.open("rb") as file:
            file.seek(entry.start)
            data = file.read(entry.end - entry.start)
        values = np.frombuffer(data, dtype=_KINDS[entry.dtype]).reshape(entry.shape)
        if entry.dtype == "BF16":
            return (values.astype("<u4") << 16).view("<f4")
        return values.astype("<f4")
