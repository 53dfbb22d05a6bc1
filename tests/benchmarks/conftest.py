"""Benchmarks are run from the repository's root; tests of them may start anywhere."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
