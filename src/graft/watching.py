"""When documents should be looked at again: when a file changed, and from time to time anyway.

File systems tell of changes, but not always: network drives, containers and full queues lose
some, and a database tells of nothing. So there is a sweep besides. It reads and adds nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

__all__ = ["SWEEP_SECONDS", "rounds"]

SWEEP_SECONDS = 60.0
# Changes closer together than this are one round: editors write a file in several steps.
_SETTLED_MILLISECONDS = 400
_LOOK_MILLISECONDS = 50


def rounds(
    paths: Sequence[Path],
    *,
    without: Path,
    sweep: float = SWEEP_SECONDS,
    stop: threading.Event | None = None,
) -> Iterator[str]:
    """Yield "change" or "sweep" whenever `paths` should be looked at, until `stop` is set.

    `without` is a folder whose changes count for nothing (the workspace's own state); `sweep`
    is the longest time in seconds between two rounds. Without paths there are sweeps only.

    Raises:
        KeyboardInterrupt: Ctrl-C.
    """
    stop = stop or threading.Event()
    if not paths:
        while not stop.wait(sweep):
            yield "sweep"
        return
    from watchfiles import watch

    # A file is watched through its folder: editors put a new file in the place of the old.
    whole = [path.resolve() for path in paths if path.is_dir()]
    single = {path.resolve() for path in paths if not path.is_dir()}
    places = [*whole, *sorted({path.parent for path in single})]
    hidden = without.resolve()

    def counts(_change: object, name: str) -> bool:
        path = Path(name)
        if path.is_relative_to(hidden):
            return False
        return path in single or any(path.is_relative_to(folder) for folder in whole)

    for changed in watch(
        *places,
        watch_filter=counts,
        debounce=_SETTLED_MILLISECONDS,
        step=_LOOK_MILLISECONDS,
        rust_timeout=max(1, round(sweep * 1_000)),
        yield_on_timeout=True,
        stop_event=stop,
        ignore_permission_denied=True,
    ):
        if stop.is_set():
            return
        yield "change" if changed else "sweep"
