"""How a folder of LanceDB is opened: other processes are seen soon, caches stay small."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

__all__ = ["connected"]

_SEEN_AFTER = datetime.timedelta(seconds=3)
# Each of many small writes leaves what it read of all files before it; a table that is
# searched needs a few kilobytes of it. By default up to 1 GB is kept.
_METADATA = 4 << 20


def connected(folder: Path) -> Any:  # noqa: ANN401 - a store of an untyped library
    """Return the store of a folder; what others write there is seen within a few seconds."""
    import lancedb

    session = lancedb.Session(metadata_cache_size_bytes=_METADATA)
    return lancedb.connect(str(folder), read_consistency_interval=_SEEN_AFTER, session=session)
