"""Files of weights, looked at before any loader opens them.

A pickle runs code when it is opened, so none ever is; of a safetensors file the header is
checked here against the file's own size, so that no loader is led outside it. GGUF files are
checked by `gguf_files`, the folder of an adapter by `adapter_files`. Nothing here needs torch.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

from graft.errors import BadInput

__all__ = [
    "TensorEntry",
    "check_model_folder",
    "check_safetensors",
    "is_pickle",
    "read_settings",
    "refuse_pickle",
    "refused",
]

PICKLE_ENDINGS = frozenset(
    (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".joblib", ".mar", ".npy", ".npz")
)
MAX_HEADER = 32 * 1024**2  # bytes; a model of 100,000 tensors needs half of it
MAX_TENSORS = 200_000
MAX_DIMENSIONS = 8
MAX_ELEMENTS = 2**48
MAX_JSON = 64 * 1024**2  # bytes of a configuration; the tokenizer has a limit of its own
MAX_TOKENIZER = 256 * 1024**2
BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8, "F4": 4,
    "F6_E2M3": 6, "F6_E3M2": 6, "I16": 16, "U16": 16, "F16": 16, "BF16": 16, "I32": 32,
    "U32": 32, "F32": 32, "I64": 64, "U64": 64, "F64": 64, "C64": 64,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class TensorEntry:
    """One tensor of a safetensors file; `start` and `end` are positions in the file."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int


def refused(path: Path, why: str, next_step: str = "") -> BadInput:
    """Return the error for a file of weights that is not opened."""
    return BadInput(
        "the file of weights is refused",
        where=str(path),
        why=why,
        next_step=next_step or "get the file again from where it was published, as safetensors",
    )


def is_pickle(path: Path) -> bool:
    """Tell whether a file is a pickle by its first bytes, whatever it is called."""
    with path.open("rb") as file:
        head = file.read(512)
    if head[:1] == b"\x80" and len(head) > 1 and 1 <= head[1] <= 5:
        return True
    if head[:4] == b"PK\x03\x04":
        return _is_torch_archive(path)
    is_tar = head[257:262] == b"ustar"  # what torch wrote before 2020
    # protocol 0 and 1 have no head: an opening mark, a global or a reduced list
    return is_tar or head[:2] in (b"(d", b"(l", b"(i", b"]q", b"}q") or head[:7] == b"ccopy_r"


def _is_torch_archive(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return True  # an archive that cannot be read is no file of weights that we know
    return any(name.endswith((".pkl", ".pickle", ".npy")) for name in names)


def refuse_pickle(path: Path) -> None:
    """Refuse a pickle, by its ending or by its first bytes.

    Raises:
        BadInput: opening the file could run code.
    """
    named = path.suffix.lower() in PICKLE_ENDINGS
    if named or is_pickle(path):
        what = (
            "its ending is that of a pickle" if named else "its first bytes are those of a pickle"
        )
        raise refused(
            path,
            f"{what}, which can run code when it is opened",
            "name the safetensors or GGUF version of the model",
        )


def check_safetensors(path: Path) -> Mapping[str, TensorEntry]:
    """Return the entries of a safetensors file after checking them against its size.

    Raises:
        BadInput: the file is a pickle, is cut off, or its header leads outside it.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        header, start = _read_header(file, path, size)
    if len(header) > MAX_TENSORS:
        raise refused(path, f"it names {len(header):,} tensors, at most {MAX_TENSORS:,} are read")
    texts = header.pop("__metadata__", {})
    if not isinstance(texts, dict) or not all(isinstance(item, str) for item in texts.values()):
        raise refused(path, "its metadata is more than texts by name")
    entries = {name: _entry(path, name, item, start) for name, item in header.items()}
    _check_places(path, entries, start, size)
    return entries


def _read_header(file: BinaryIO, path: Path, size: int) -> tuple[dict[str, Any], int]:
    """Return the header of a safetensors file and the position of the first tensor."""
    length = int.from_bytes(file.read(8), "little")
    if size < 8 or length > size - 8 or length > MAX_HEADER:
        refuse_pickle(path)
        raise refused(
            path,
            f"its header is said to have {length:,} bytes, the file has {size:,}"
            if length > size - 8
            else f"its header has {length:,} bytes, at most {MAX_HEADER:,} are read",
        )
    try:
        header = json.loads(file.read(length).decode("utf-8"), object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        refuse_pickle(path)
        raise refused(path, f"its header is no JSON: {str(error)[:80]}") from error
    if not isinstance(header, dict):
        raise refused(path, "its header is no JSON object")
    return header, 8 + length


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name stands in it twice")
    return found


def _entry(path: Path, name: str, item: Any, start: int) -> TensorEntry:  # noqa: ANN401 - JSON
    whole = isinstance(item, dict) and set(item) == {"dtype", "shape", "data_offsets"}
    if not whole or not (_are_counts(item["shape"]) and _are_counts(item["data_offsets"])):
        raise refused(path, f"the entry of {name[:80]!r} has not dtype, shape and offsets")
    bits, shape, offsets = BITS.get(str(item["dtype"])), item["shape"], item["data_offsets"]
    if bits is None:
        raise refused(path, f"{name[:80]!r} is of the unknown type {str(item['dtype'])[:20]!r}")
    if len(shape) > MAX_DIMENSIONS or prod(shape) > MAX_ELEMENTS:
        raise refused(path, f"{name[:80]!r} has the shape {str(shape)[:60]}")
    if len(offsets) != 2 or offsets[1] - offsets[0] != (prod(shape) * bits + 7) // 8:
        raise refused(path, f"the bytes of {name[:80]!r} are not those of its shape")
    return TensorEntry(item["dtype"], tuple(shape), start + offsets[0], start + offsets[1])


def _are_counts(items: Any) -> bool:  # noqa: ANN401 - JSON
    return isinstance(items, list) and all(
        type(item) is int and 0 <= item < 2**62 for item in items[: MAX_DIMENSIONS + 1]
    )


def _check_places(path: Path, entries: Mapping[str, TensorEntry], start: int, size: int) -> None:
    """Refuse tensors that overlap, leave a gap, or do not end with the file."""
    at = start
    for name, entry in sorted(entries.items(), key=lambda item: (item[1].start, item[1].end)):
        if entry.start != at:
            how = "overlaps another tensor" if entry.start < at else "leaves bytes before it unused"
            raise refused(path, f"{name[:80]!r} {how}")
        at = entry.end
    if at != size:
        how = (
            f"ends {at - size:,} bytes too early" if at > size else f"has {size - at:,} bytes more"
        )
        raise refused(path, f"the file {how} than its header says")


def check_model_folder(folder: Path) -> None:
    """Check every file of a model's folder that a loader would open.

    Pickles beside safetensors are left unopened; without safetensors they are refused.

    Raises:
        BadInput: a file is refused, with the reason.
    """
    for name in ("config.json", "generation_config.json", "tokenizer_config.json"):
        read_settings(folder / name)
    tokenizer = folder / "tokenizer.json"
    if tokenizer.is_file() and tokenizer.stat().st_size > MAX_TOKENIZER:
        raise refused(tokenizer, f"a tokenizer of more than {MAX_TOKENIZER:,} bytes is not read")
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        for path in sorted(folder.iterdir()):
            if path.is_file() and path.suffix.lower() in PICKLE_ENDINGS:
                refuse_pickle(path)
    for path in weights:
        check_safetensors(path)
    for index in sorted(folder.glob("*.safetensors.index.json")):
        _check_index(index, {path.name for path in weights})


def _check_index(path: Path, known: set[str]) -> None:
    """Refuse an index of shards that names a file which is not one of the folder's own."""
    places = read_settings(path).get("weight_map")
    named = set(places.values()) if isinstance(places, dict) else {"no file"}
    if strange := sorted(str(item) for item in named - known):
        raise refused(path, f"it names {strange[0][:80]!r}, which is no safetensors file beside it")


def read_settings(path: Path) -> dict[str, Any]:
    """Return the JSON object of a model's settings; empty where the file is not there.

    Raises:
        BadInput: it is too large, too deep or no JSON object.
    """
    if not path.is_file():
        return {}
    if path.stat().st_size > MAX_JSON:
        raise refused(path, f"settings of more than {MAX_JSON:,} bytes are not read")
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise refused(path, f"no JSON: {str(error)[:80]}") from error
    if not isinstance(found, dict):
        raise refused(path, "it holds no JSON object")
    return found
