"""What a run will learn, counted in its own tensors before the first step.

Loss and gradient look plausible when the mask is wrong and nothing, or the prompt, is learned.
So the batches themselves are read: for each row, how many tokens are learned, whether they are
the answer of that row and nothing else, and three rows are shown with the learned part marked.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from graft.errors import TrainingFailed
from graft.models.chat import Chat
from graft.train.packing import Batch, Encoded, Tree, collate

__all__ = ["Audit", "SplitAudit", "audit_rows"]

SHOWN = 3
MARKS = ("⟦", "⟧")


@dataclass(frozen=True, slots=True)
class SplitAudit:
    """Learned tokens per row of a split: least, median, most, and all tokens that are read."""

    rows: int
    learned_tokens: int
    read_tokens: int
    least: int
    median: int
    most: int


@dataclass(frozen=True, slots=True)
class Audit:
    """The counts of each split and a few rows as the model reads them, learned part in ⟦ ⟧."""

    splits: Mapping[str, SplitAudit] = field(default_factory=dict)
    shown: tuple[str, ...] = ()


def audit_rows(splits: Mapping[str, Sequence[Sequence[Tree]]], chat: Chat) -> Audit:
    """Count the learned tokens of every row in the batches of each split; empty splits are left.

    Raises:
        TrainingFailed: a split has a row that learns nothing, or something else than its answer.
    """
    counted = {name: _split(name, groups, chat) for name, groups in splits.items() if groups}
    first = [item for group in splits.get("train", ()) for tree in group for item in tree.rows]
    by_kind = list({item.row.kind: item for item in reversed(first)}.values())
    chosen = [*by_kind, *(item for item in first if item not in by_kind)][:SHOWN]
    return Audit(counted, tuple(_marked(item, chat) for item in chosen))


def _split(name: str, groups: Sequence[Sequence[Tree]], chat: Chat) -> SplitAudit:
    counts: list[int] = []
    read = 0
    for group in groups:
        batch = collate(group)
        encoded = [item for tree in group for item in tree.rows]
        counts += _checked(name, batch, encoded, chat)
        read += batch.tokens
    ordered = sorted(counts)
    middle = ordered[len(ordered) // 2]
    return SplitAudit(len(counts), sum(counts), read, ordered[0], middle, ordered[-1])


def _checked(name: str, batch: Batch, encoded: Sequence[Encoded], chat: Chat) -> list[int]:
    """Return the learned tokens of each row of a batch after comparing them with its answer."""
    flat = batch.ids.reshape(-1)
    after = flat[(batch.learned_from + 1).clamp(max=len(flat) - 1)]
    counts = []
    for number, item in enumerate(encoded):
        mine = batch.row_numbers == number
        learned, stands = batch.learned_ids[mine].tolist(), after[mine].tolist()
        counts.append(len(learned))
        answer = chat.decode(learned)
        if not learned or not answer.strip():
            raise _refused(name, item, "no token of it is learned")
        if learned != stands:
            raise _refused(name, item, "what is learned does not stand where it is learned")
        if _plain(item.row.answer) not in _plain(answer):
            raise _refused(name, item, f"what is learned is not the answer: {answer[:80]!r}")
    return counts


def _plain(text: str) -> str:
    """Return a text as tokenizers that normalise may give it back, without white space."""
    return "".join(unicodedata.normalize("NFKC", text).split())


def _refused(name: str, item: Encoded, why: str) -> TrainingFailed:
    return TrainingFailed(
        f"the {name} rows would teach nothing, or the wrong thing",
        where=f"row {item.row.id}, answer {item.row.answer[:40]!r}",
        why=why,
        next_step="compare the base model's chat template with graft questions check",
    )


def _marked(item: Encoded, chat: Chat) -> str:
    learned = chat.decode(list(item.answer))
    return f"{chat.decode(list(item.prompt))}{MARKS[0]}{learned}{MARKS[1]}"
