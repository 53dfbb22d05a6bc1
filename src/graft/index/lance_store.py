"""How a table of LanceDB is opened and kept in order: others are seen soon, caches stay small."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

__all__ = ["bring_up_to_date", "connected"]

_ALL_VERSIONS = datetime.timedelta(days=36_500)
_SEEN_AFTER = datetime.timedelta(seconds=3)
# Each of many small writes leaves what it read of all files before it; a table that is
# searched needs a few kilobytes of it. By default up to 1 GB is kept.
_METADATA = 4 << 20


def connected(folder: Path) -> Any:  # noqa: ANN401 - a store of an untyped library
    """Return the store of a folder; what others write there is seen within a few seconds."""
    import lancedb

    session = lancedb.Session(metadata_cache_size_bytes=_METADATA)
    return lancedb.connect(str(folder), read_consistency_interval=_SEEN_AFTER, session=session)


def bring_up_to_date(table: Any, is_large: bool) -> None:  # noqa: ANN401, FBT001
    """Bring the full text index, and that of vectors if there are many, up to the table.

    No version goes.
    """
    indices = {item.name for item in table.list_indices()}
    if is_large and "vector_idx" not in indices:
        from lancedb.index import HnswSq

        table.create_index("vector", config=HnswSq(distance_type="dot"))
    stats = table.index_stats("shown_idx")
    if stats and stats.num_unindexed_rows:
        table.optimize(cleanup_older_than=_ALL_VERSIONS)
