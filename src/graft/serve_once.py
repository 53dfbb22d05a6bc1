"""A process of its own that serves an arm once: `python -m graft.serve_once WORKSPACE`.

Started by `graft.probing` to see how long a fresh process takes to its first answer and how
much memory it needs. The task on stdin has `arm`, `settings` (as a comparison stores them),
`adapters` (folders by name) and `questions`; each line on stdout is one of JSON.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from graft.asking import Asking
from graft.config import effort_plan
from graft.errors import GraftError
from graft.probes.coldstart import peak_memory_bytes
from graft.prompts import PromptContract
from graft.workspace import Workspace

__all__ = ["main", "serve_once"]


def serve_once(root: Path, task: Mapping[str, Any], out: IO[str]) -> None:
    """Build the arm as it was measured, answer the questions, write what it took."""
    started = time.monotonic()
    workspace = Workspace.open(root)
    config = workspace.config
    asking = Asking(
        workspace.assembly,
        task["settings"],
        {name: Path(folder) for name, folder in task["adapters"].items()},
        PromptContract.from_config(config.prompt),
        effort_plan("quick", fast_device=False, passages=config.retrieval.passages),
        lambda: workspace.index,
    )
    arm = asking.arm(task["arm"])
    loaded = time.monotonic() - started
    for number, question in enumerate(task["questions"]):
        arm.answer(question)
        if number == 0:
            out.write(json.dumps({"answered": 1}) + "\n")
            out.flush()
    said = {"load_seconds": loaded, "peak_memory_bytes": peak_memory_bytes()}
    out.write(json.dumps(said) + "\n")
    out.flush()


def main() -> None:
    """Serve the task on stdin; whatever libraries print goes to stderr."""
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as out:
        os.dup2(2, 1)
        try:
            serve_once(Path(sys.argv[1]), json.load(sys.stdin), out)
        except GraftError as error:
            sys.stderr.write(f"{error.what}: {error.why}\n")
            sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
