"""`graft report`: show the newest comparison again, from its files."""

from __future__ import annotations

from graft.cli.comparison import show_result
from graft.cli.gating import read_gates
from graft.cli.options import BaselineOption, GatedArmOption, JunitOption, UnderOption
from graft.cli.session import Session

__all__ = ["EXAMPLES", "report"]

EXAMPLES = (
    "graft report --json > comparison.json",
    "graft report --fail-if-regressed comparison.json",
)


def report(
    session: Session,
    junit: JunitOption = None,
    fail_under: UnderOption = None,
    fail_if_regressed: BaselineOption = None,
    arm: GatedArmOption = None,
) -> None:
    """Show the newest comparison again.

    Its report is written anew from the files; no model is asked. A gate that is not met ends
    it with exit code 100.
    """
    gates = read_gates(junit, fail_under, fail_if_regressed, arm)
    workspace = session.open()
    result = workspace.report()
    show_result(session, result, gates=gates, margin=workspace.config.compare.margin)
