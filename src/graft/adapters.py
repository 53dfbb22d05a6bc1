"""Adapters on the disk: their folders, their receipts, and what a training came to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graft.files import read_stored
from graft.formats import check_format
from graft.train.audit import Audit, SplitAudit
from graft.train.curves import curve_line, curve_sentence
from graft.train.plan import CurvePoint
from graft.types import fingerprint

__all__ = [
    "RECEIPT_NEEDS",
    "RECEIPT_SCHEMA",
    "TrainReport",
    "build_of",
    "curve_of",
    "read_receipt",
    "report_of",
]

RECEIPT_SCHEMA = 1
RECEIPT_NEEDS = "0.1.0"  # the first version of Graft that reads it


@dataclass(frozen=True, slots=True)
class TrainReport:
    """What training an adapter came to; counts are of the run that made it.

    `said` is what its curve means, `line` the training loss in blocks, `rates` and `seeds` what
    was tried, `differing` what kept a run that had been stopped from being gone on with.
    """

    adapter: str
    folder: Path
    reused: bool
    steps: int
    tokens: int
    seconds: float
    dev_answers: float | None
    left_out: Mapping[str, int]
    said: str = ""
    line: str = ""
    audit: Audit = Audit()
    resumed_at: int = 0
    differing: Sequence[str] = ()
    rates: Sequence[Mapping[str, Any]] = ()
    seeds: Sequence[Mapping[str, Any]] = ()


def read_receipt(folder: Path) -> dict[str, Any]:
    """Read an adapter's receipt.

    Raises:
        BadInput: it cannot be read, or is of a newer schema.
    """
    path = folder / "receipt.json"
    anew = f"remove {folder} and run graft train again"
    receipt: dict[str, Any] = read_stored(path, "the receipt of an adapter cannot be read", anew)
    check_format(receipt, RECEIPT_SCHEMA, "the adapter was written", str(path))
    return receipt


def build_of(folder: Path) -> str:
    """Name one training of an adapter: the same inputs trained again are another build."""
    receipt = read_receipt(folder)
    receipt.pop("probes", None)  # asked afterwards
    return f"{folder.name}-{fingerprint(receipt)}"


def curve_of(receipt: Mapping[str, Any]) -> list[CurvePoint]:
    """Return the looks at `dev` of a receipt."""
    return [CurvePoint(**point) for point in receipt["curve"]]


def report_of(folder: Path, name: str, *, reused: bool) -> TrainReport:
    """Tell what an adapter's training came to, from its receipt."""
    receipt = read_receipt(folder)
    curve = curve_of(receipt)
    kept = [point for point in curve if point.step == receipt["kept_step"]]
    audit = receipt.get("audit", {})
    splits = {split: SplitAudit(**counts) for split, counts in audit.get("splits", {}).items()}
    return TrainReport(
        name,
        folder,
        reused,
        receipt["steps"],
        receipt["tokens"],
        receipt["seconds"],
        kept[0].dev_answers if kept else None,
        receipt["left_out"],
        curve_sentence(curve, receipt["kept_step"]),
        curve_line(receipt.get("losses", ())),
        Audit(splits, tuple(audit.get("shown", ()))),
        receipt.get("resumed_at", 0),
        tuple(receipt.get("differing", ())),
        tuple(receipt.get("rates", ())),
        tuple(receipt.get("seeds", ())),
    )
