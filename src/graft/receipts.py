"""The receipt of an adapter: what it was made of, how it answered, and whether it still is that.

Hashes of weights, base, template and prompt are compared each time an adapter is loaded. The
answers to a few probes, given by the adapter before it was merged, are asked again of every
model that is made of it (merged, quantised, exported), once a model: the result lies beside it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from graft.adapters import read_receipt
from graft.errors import FingerprintMismatch
from graft.files import write_atomically
from graft.formats import sealed, unsealed
from graft.models.cache import hash_file, weights_hash
from graft.prompts import PromptContract
from graft.protocols import Generator
from graft.types import GenerateOptions, Message, TrainingRow

__all__ = [
    "Asked",
    "ask_again",
    "check_prompt",
    "check_stamps",
    "choose_probes",
    "judged",
    "probe_answers",
    "probe_options",
    "recorded",
    "stamps",
]

PROBES = 3  # of rows that were learned, and as many of `dev`
PROBE_TOKENS = 32
MERGED_MAY_CHANGE = 1  # probes; rounding may turn an answer whose two best tokens are alike
RETRAIN = "graft train --force"
WHAT = {
    "weights": "the weights of the adapter",
    "settings": "the settings of the adapter",
    "base_weights": "the weights of the base model",
    "template": "the chat template of the base model",
    "prompt": "the prompt (system text, decline sentence or layout)",
}


def stamps(
    folder: Path, checkpoint: Path, template: str, contract: PromptContract | None = None
) -> dict[str, str]:
    """Return the hashes that tie an adapter to its base; `template` is the chat's own hash."""
    found = {
        "weights": hash_file(folder / "adapter_model.safetensors"),
        "settings": hash_file(folder / "adapter_config.json"),
        "base_weights": weights_hash(checkpoint),
        "template": template,
    }
    return found | ({"prompt": contract.tuned_hash} if contract else {})


def check_stamps(folder: Path, checkpoint: Path, template: str) -> dict[str, Any]:
    """Return the receipt of an adapter whose weights and base are those that it names.

    A receipt that is older than these hashes is not compared.

    Raises:
        FingerprintMismatch: something is not what was trained; it is named.
    """
    receipt = read_receipt(folder)
    if "weights" in receipt:
        _compare(folder, receipt, stamps(folder, checkpoint, template))
    return receipt


def check_prompt(folder: Path, contract: PromptContract) -> None:
    """Refuse an adapter that would be asked with another prompt than it was trained on.

    Raises:
        FingerprintMismatch: the prompt is another one.
    """
    _compare(folder, read_receipt(folder), {"prompt": contract.tuned_hash})


def _compare(folder: Path, receipt: Mapping[str, Any], now: Mapping[str, str]) -> None:
    differ = [name for name, value in now.items() if receipt.get(name, value) != value]
    if differ:
        name = differ[0]
        raise FingerprintMismatch(
            f"{WHAT[name]} is not what the adapter was trained with"
            if name in ("template", "prompt")
            else f"{WHAT[name]} are not those of its receipt",
            where=str(folder),
            why="; ".join(
                f"{WHAT[item]}: {now[item][:12]}, the receipt says {str(receipt[item])[:12]}"
                for item in differ
            ),
            next_step=RETRAIN,
        )


def choose_probes(learned: Sequence[TrainingRow], dev: Sequence[TrainingRow]) -> list[TrainingRow]:
    """Choose the probes: of learned and of `dev` rows the shortest prompts, one a question."""
    chosen: list[TrainingRow] = []
    for rows in (learned, dev):
        own = {row.question_id: row for row in rows if row.question_id}
        lengths = {key: sum(len(item.content) for item in row.messages) for key, row in own.items()}
        chosen += [own[key] for key in sorted(own, key=lambda key: (lengths[key], key))[:PROBES]]
    return chosen


def probe_answers(
    rows: Sequence[TrainingRow], tuned: Sequence[str], base: Sequence[str]
) -> list[dict[str, Any]]:
    """Return the probes as the receipt keeps them: prompt, answer, answer of the plain base."""
    return [
        {
            "question_id": row.question_id,
            "messages": [asdict(item) for item in row.messages],
            "answer": one,
            "base": other,
        }
        for row, one, other in zip(rows, tuned, base, strict=True)
    ]


def probe_options() -> GenerateOptions:
    """Return the settings that probes are asked with: greedy, a few tokens."""
    return GenerateOptions(max_new_tokens=PROBE_TOKENS)


@dataclass(frozen=True, slots=True)
class Asked:
    """What came of asking the probes again: how many, which answers changed, which are the base's.

    `allowed` is the number of changes that is not refused.
    """

    asked: int
    changed: tuple[tuple[str, str, str], ...]  # question, answer before, answer now
    as_base: int
    could_differ: int
    allowed: int

    @property
    def is_refused(self) -> bool:
        """Tell whether the model is not the one that was trained."""
        nothing_left = bool(self.could_differ) and self.as_base == self.could_differ
        return len(self.changed) > self.allowed or (nothing_left and self.could_differ > 1)

    def to_json(self) -> dict[str, Any]:
        """Return plain data for a record."""
        return asdict(self) | {"changed": [list(item) for item in self.changed]}


def judged(probes: Sequence[Mapping[str, Any]], answers: Sequence[str], *, exact: bool) -> Asked:
    """Compare answers with those of the receipt.

    `exact` is for merged weights in the precision of training: at most one answer may change.
    Rounded weights (bf16, F16, Q8_0) may change half of them: an answer of which a model is
    unsure turns with the last digit (docs/export.md).
    """
    changed, as_base, could = [], 0, 0
    for probe, text in zip(probes, answers, strict=True):
        now, before, base = _plain(text), _plain(probe["answer"]), _plain(probe["base"])
        could += base != before
        as_base += base != before and now == base
        if now != before:
            changed.append((str(probe["messages"][-1]["content"])[-200:], before, now))
    allowed = MERGED_MAY_CHANGE if exact else len(probes) // 2
    return Asked(len(probes), tuple(changed), as_base, could, allowed)


def _plain(text: str) -> str:
    return " ".join(str(text).split())


def ask_again(generator: Generator, receipt: Mapping[str, Any], what: str, where: Path) -> Asked:
    """Ask the probes of a receipt again of a model that was made of its adapter.

    Only transformers in float32 is held to the same answers (`judged`).

    Raises:
        FingerprintMismatch: more answers changed than may, or the model answers as the plain
            base does; the first change is named.
    """
    probes = receipt.get("probe_answers", [])
    prompts = [[Message(**item) for item in probe["messages"]] for probe in probes]
    answers = generator.generate_many(prompts, probe_options()) if prompts else []
    exact = generator.identity.startswith("transformers:") and ":float32:" in generator.identity
    asked = judged(probes, [item.text for item in answers], exact=exact)
    if asked.is_refused:
        question, before, now = asked.changed[0]
        like = ", as the base without its adapter does" if asked.as_base else ""
        raise FingerprintMismatch(
            f"{what} does not answer as the adapter did after training",
            where=str(where),
            why=f"{len(asked.changed)} of {asked.asked} probes changed, {asked.allowed} may; "
            f"{question[-80:]!r} was answered {before[:80]!r} and is now {now[:80]!r}{like}",
            next_step=RETRAIN,
        )
    return asked


def recorded(path: Path, generator: Generator, receipt: Mapping[str, Any], what: str) -> None:
    """Ask the probes again unless the record beside the made file says that it was done.

    The record names the weights and the generator that it is of; a torn one is written anew.

    Raises:
        FingerprintMismatch: as `ask_again`.
    """
    if not receipt.get("probe_answers"):
        return  # the adapter is older than probes
    of = {"weights": receipt["weights"], "generator": generator.identity}
    try:
        stored = unsealed(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        stored = {}
    if all(stored.get(name) == value for name, value in of.items()):
        return
    asked = ask_again(generator, receipt, what, path.parent)
    write_atomically(path, json.dumps(sealed(of | asked.to_json()), indent=1))
