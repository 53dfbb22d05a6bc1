"""Asking outside a comparison: an arm exactly as the newest comparison measured it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from graft.adapters import build_of
from graft.arms import ARMS, CONTROLS, TUNED, Arm
from graft.assembly import Assembly
from graft.config import EffortPlan
from graft.errors import ConfigError, FingerprintMismatch, UsageError
from graft.prompts import PromptContract
from graft.types import GenerateOptions, Hit

__all__ = ["AskResult", "Asking", "known_arm"]

NEW_TOKENS = 48  # before any comparison has derived a limit


@dataclass(frozen=True, slots=True)
class AskResult:
    """One arm's answer to one question, with the passages it read."""

    arm: str
    question: str
    answer: str
    declined: bool
    passages: tuple[Hit, ...]
    stage_seconds: Mapping[str, float]


def known_arm(
    name: str, where: str, references: Sequence[str] = (), *, configured: bool = False
) -> None:
    """Raise `UsageError` (`ConfigError` where `graft.toml` says so) for a name that is no arm."""
    known = (*ARMS, *references, *CONTROLS)
    if name not in known:
        raise (ConfigError if configured else UsageError)(
            f"unknown arm {name!r}",
            where=where,
            why="arms are " + ", ".join(known),
            next_step="graft status",
        )


@dataclass(frozen=True, slots=True)
class Asking:
    """Puts arms together from the settings of the newest comparison, else from defaults.

    `settings` are those of the comparison (empty where there is none), `adapters` its adapter
    folders; `index` opens the index only when an arm retrieves.
    """

    assembly: Assembly
    settings: Mapping[str, Any]
    adapters: Mapping[str, Path]
    contract: PromptContract
    plan: EffortPlan
    index: Callable[[], Any]

    def arm(self, name: str) -> Arm:
        """Return an arm.

        Raises:
            UsageError: the arm needs an adapter that no comparison has trained.
            FingerprintMismatch: its adapter is another than the one measured.
        """
        adapter = self.adapters.get(TUNED.get(name, ""))
        if name in TUNED and adapter is None:
            raise UsageError(
                f"the arm {name} is not built yet",
                where=str(self.assembly.state / "adapters"),
                why="no comparison has trained its adapter",
                next_step="graft compare",
            )
        if adapter is not None:
            self._check_build(name, adapter)
        contract, options, plan = self._as_measured()
        reads = self.assembly.reads_index(name)
        retriever = self.assembly.retriever(self.index()) if reads else None
        return self.assembly.arm(name, contract, options, plan, retriever, adapter)

    def _check_build(self, name: str, adapter: Path) -> None:
        """Refuse an adapter that was trained again since the comparison asked it."""
        measured = self.settings.get("builds", {}).get(TUNED[name])
        if measured not in (None, build_of(adapter)):
            raise FingerprintMismatch(
                f"the arm {name} is not the one that was measured",
                where=str(adapter),
                why="its adapter was trained again after the newest comparison",
                next_step="graft compare",
            )

    def _as_measured(self) -> tuple[PromptContract, GenerateOptions, EffortPlan]:
        if not self.settings:
            return self.contract, GenerateOptions(max_new_tokens=NEW_TOKENS), self.plan
        texts = self.settings["contract"]
        examples = tuple((asked, answer) for asked, answer in texts["examples"])
        contract = PromptContract(texts["system"], texts["decline"], examples)
        options = GenerateOptions(**(self.settings["options"] | {"stop": ()}))
        known = {item.name for item in fields(EffortPlan)}
        plan = {key: value for key, value in self.settings["plan"].items() if key in known}
        return contract, options, EffortPlan(**plan)
