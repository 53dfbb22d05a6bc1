"""Messages to a bank, one of 77 labels each: where fine-tuning should win.

    python -m benchmarks.banking77 --json
    python -m benchmarks.banking77 --effort quick --limit 40 --work /tmp/banking   # a trial

`minutes` are those of `graft train finetuned`, with its rows; `accuracy_ARM` is the share of
test messages with exactly the right label.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from benchmarks.collection import measured_collection

ARMS = ("base", "finetuned", "rag", "hybrid")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print the result."""
    return measured_collection("banking77", "banking77-intents", "accuracy", ARMS, arguments)


if __name__ == "__main__":
    sys.exit(main())
