"""Which embedder an index was made with: kept beside it, checked whenever it is opened.

The table of an index says so itself. A small file in its folder says it again, for those who
ask without opening the table, which costs a second.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from graft.errors import FingerprintMismatch
from graft.files import write_atomically
from graft.formats import check_format
from graft.spaces import differences, is_same_space

__all__ = ["check_identity", "note_identity", "stored_identity"]

FILE = "embeddings.json"


def check_identity(
    stored: Mapping[str, Any], identity: str, dimension: int, schema: int, where: Path
) -> None:
    """Refuse an index of a newer schema or of another embedder.

    Raises:
        BadInput: the schema is newer than this version reads.
        FingerprintMismatch: its vectors are of another embedder.
    """
    check_format(stored, schema, "the index was written", str(where))
    before, size = str(stored.get("identity") or ""), stored.get("dimension")
    if is_same_space(before, identity) and size == dimension:
        return
    parts = list(differences(identity, before))
    if size != dimension and not any(part.startswith("dimensions:") for part in parts):
        parts.append(f"dimensions: {dimension} here, {size} in the index")
    raise FingerprintMismatch(
        "the index and the embedder do not belong together",
        where=str(where),
        why="; ".join(parts),
        next_step="graft reindex   or set the embedder back in graft.toml",
    )


def note_identity(folder: Path, identity: str) -> None:
    """Write down which embedder the index of a folder is made with."""
    write_atomically(folder / FILE, json.dumps({"schema": 1, "identity": identity}))


def stored_identity(folder: Path) -> str:
    """Return which embedder the index of a folder was made with; empty where there is none."""
    try:
        found = json.loads((folder / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return _identity_of_table(folder)
    identity = found.get("identity") if isinstance(found, dict) else None
    return identity if isinstance(identity, str) else _identity_of_table(folder)


def _identity_of_table(folder: Path) -> str:
    """Ask the table itself: indexes of earlier versions have no such file."""
    if not any(folder.glob("*.lance")):
        return ""
    import lancedb

    try:
        table = lancedb.connect(str(folder)).open_table("passages")
        stored = json.loads((table.schema.metadata or {}).get(b"graft", b"{}"))
    except (OSError, RuntimeError, ValueError):
        return ""  # whoever opens it for use says what is wrong with it
    return str(stored.get("identity") or "")
