"""Health questions with long answers: token F1 of each arm beside the best passage.

    python -m benchmarks.medquad --json
    python -m benchmarks.medquad --effort quick --limit 40 --work /tmp/medquad   # a trial

`f1_ARM` is the mean F1 of the words of answer and reference, the better of several references.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from benchmarks.collection import measured_collection

ARMS = ("finetuned", "rag", "hybrid")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print the result."""
    return measured_collection("medquad", "medquad-nih", "f1", ARMS, arguments)


if __name__ == "__main__":
    sys.exit(main())
