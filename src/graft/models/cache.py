"""The cache of converted weights: folders made whole or not at all, checked by hash.

A folder of the cache is written beside its place and renamed into it, with a `manifest.json`
that has the SHA-256 of every file; a folder without one, or with a file of another size, is
made anew. The hashes themselves are checked by `graft doctor`, not at every start: reading
half a gigabyte costs a second.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from graft.errors import GraftError
from graft.files import raise_no_space, write_atomically
from graft.types import fingerprint

__all__ = ["SHA256_DIGITS", "cache_root", "damaged_files", "hash_file", "made_once", "weights_hash"]

FORMAT = 1
SHA256_DIGITS = 64


def cache_root() -> Path:
    """Return the cache folder: `GRAFT_CACHE`, else `XDG_CACHE_HOME`/graft, else ~/.cache/graft."""
    if own := os.environ.get("GRAFT_CACHE"):
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "graft"


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def weights_hash(folder: Path) -> str:
    """Return a hash of a model's weights and configuration, whatever the folder is called.

    The hash of each file is kept in the cache by path, size and time of change, so that a
    second start does not read half a gigabyte again.
    """
    parts = []
    for path in sorted(folder.glob("*.safetensors")):
        stat = path.stat()
        key = fingerprint(str(path.resolve()), stat.st_size, stat.st_mtime_ns)
        marker = cache_root() / "weights-hash" / f"{key}.txt"
        digest = marker.read_text(encoding="utf-8").strip() if marker.is_file() else ""
        if len(digest) != SHA256_DIGITS:
            digest = hash_file(path)
            write_atomically(marker, digest)
        parts.append((path.name, digest))
    return fingerprint(parts, hash_file(folder / "config.json"))


def made_once(folder: Path, make: Callable[[Path], None]) -> Path:
    """Return `folder`, calling `make(draft)` to fill it if it is not there whole.

    Raises:
        NoSpaceLeft: the disk is full; nothing half-made is left behind.
    """
    if _is_whole(folder):
        return folder
    draft = _draft(folder)
    try:
        make(draft)
        files = sorted(path for path in draft.rglob("*") if path.is_file())
        listing = {
            str(path.relative_to(draft)): {"bytes": path.stat().st_size, "sha256": hash_file(path)}
            for path in files
        }
        text = json.dumps({"format": FORMAT, "files": listing}, indent=1)
        (draft / "manifest.json").write_text(text, encoding="utf-8")
        if folder.exists():
            shutil.rmtree(folder)
        os.replace(draft, folder)
    except OSError as error:
        if _is_whole(folder):  # another process was faster
            return folder
        raise_no_space(error, folder)
        raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return folder


def _draft(folder: Path) -> Path:
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    except OSError as error:
        raise_no_space(error, folder)
        raise


def _is_whole(folder: Path) -> bool:
    listing = _listing(folder)
    return bool(listing) and all(
        (folder / name).is_file() and (folder / name).stat().st_size == entry["bytes"]
        for name, entry in listing.items()
    )


def _listing(folder: Path) -> dict[str, dict[str, object]]:
    try:
        data = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError):
        return {}
    files: dict[str, dict[str, object]] = data["files"] if data.get("format") == FORMAT else {}
    return files


def damaged_files(folder: Path) -> list[str]:
    """Return the files of a cache folder whose content is not what was written."""
    listing = _listing(folder)
    if not listing:
        raise GraftError("not a folder of the model cache", where=str(folder))
    return [
        name
        for name, entry in listing.items()
        if not (folder / name).is_file() or hash_file(folder / name) != entry["sha256"]
    ]
