"""Rows that begin alike are computed once: prefix trees, packed and length-bucketed.

Rows with the same beginning (system text; or system text and passages) become one tree: the
common tokens, then a branch a row. A branch attends to the common part and to itself, with
positions that go on where the common part ended, so every row sees exactly what it would see
alone, while the passages are computed once instead of once a question. Closed-book rows save
the system text this way. Only answers are learned.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from graft.errors import TrainingFailed
from graft.models.chat import Chat
from graft.types import TrainingRow

if TYPE_CHECKING:
    import torch

__all__ = ["Batch", "Encoded", "Tree", "collate", "encode_rows", "grow_trees", "group_trees"]

MAX_TREE_TOKENS = 256  # attention is quadratic; measured best for short rows on two cores


@dataclass(frozen=True, slots=True)
class Encoded:
    """A row as token ids: `prompt`, then `answer` (which ends with the turn's end)."""

    row: TrainingRow
    prompt: tuple[int, ...]
    answer: tuple[int, ...]

    @property
    def tokens(self) -> int:
        """Tokens of the row alone."""
        return len(self.prompt) + len(self.answer)


@dataclass(slots=True)
class Tree:
    """Rows that share `prefix`, the first tokens of each of their prompts."""

    prefix: tuple[int, ...]
    rows: list[Encoded] = field(default_factory=list)

    @property
    def tokens(self) -> int:
        """Tokens that are computed: the prefix once and every branch."""
        return len(self.prefix) + sum(row.tokens - len(self.prefix) for row in self.rows)


@dataclass(frozen=True, slots=True)
class Batch:
    """Tensors of one step: ids, positions (b, t), mask (b, 1, t, t) and the learned places.

    `learned_from` are flat positions (b * t) whose hidden state predicts `learned_ids`;
    `row_numbers` says to which of `rows` each learned token belongs.
    """

    ids: torch.Tensor
    positions: torch.Tensor
    mask: torch.Tensor
    learned_from: torch.Tensor
    learned_ids: torch.Tensor
    row_numbers: torch.Tensor
    rows: tuple[TrainingRow, ...]
    tokens: int


def encode_rows(rows: Sequence[TrainingRow], chat: Chat, max_tokens: int) -> list[Encoded]:
    """Render and tokenise rows; a row that is too long is an error: shorten it before.

    Raises:
        TrainingFailed: a row has no learned token, or is longer than `max_tokens`.
    """
    encoded = []
    for row in rows:
        prompt = tuple(chat.encode(chat.render(row.messages)))
        answer = tuple(chat.encode(chat.render_answer(row.messages, row.answer)))
        if not row.answer.strip() or len(prompt) + len(answer) > max_tokens:
            problem = "has no answer" if not row.answer.strip() else f"is over {max_tokens} tokens"
            raise TrainingFailed(
                f"a training row {problem}",
                where=f"row {row.id}",
                why=f"{len(prompt)} prompt tokens, {len(answer)} answer tokens",
                next_step="graft questions check",
            )
        encoded.append(Encoded(row, prompt, answer))
    return encoded


def grow_trees(encoded: Iterable[Encoded], max_tokens: int = MAX_TREE_TOKENS) -> list[Tree]:
    """Group rows by equal context and cut the groups to trees of about `max_tokens`.

    Rows belong together when everything before the question is equal: the system text and,
    where the row has passages, the same passages in the same order.
    """
    groups: dict[object, list[Encoded]] = defaultdict(list)
    for item in encoded:
        user = item.row.messages[-1].content
        context = user.rpartition("\n\nQuestion: ")[0]
        groups[(item.row.messages[:-1], context)].append(item)
    trees = []
    for members in groups.values():
        prefix = _common_prefix([item.prompt for item in members])
        tree = Tree(prefix)
        for item in members:
            extra = item.tokens - len(prefix)
            if tree.rows and tree.tokens + extra > max(max_tokens, len(prefix) + 192):
                trees.append(tree)
                tree = Tree(prefix)
            tree.rows.append(item)
        trees.append(tree)
    return trees


def _common_prefix(prompts: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    shortest, longest = min(prompts), max(prompts)
    length = 0
    limit = min(len(prompt) for prompt in prompts) - 1
    while length < limit and shortest[length] == longest[length]:
        length += 1
    return shortest[:length]


def group_trees(trees: Sequence[Tree], batch_tokens: int) -> list[list[Tree]]:
    """Put trees of like length into batches whose padded size stays within `batch_tokens`."""
    batches: list[list[Tree]] = []
    for tree in sorted(trees, key=lambda item: item.tokens):
        last = batches[-1] if batches else []
        if last and tree.tokens * (len(last) + 1) <= batch_tokens:
            last.append(tree)
        else:
            batches.append([tree])
    return batches


def collate(trees: Sequence[Tree]) -> Batch:
    """Turn trees into the tensors of one step."""
    import torch

    width = max(tree.tokens for tree in trees)
    ids = torch.zeros(len(trees), width, dtype=torch.int64)
    positions = torch.zeros(len(trees), width, dtype=torch.int64)
    branch = torch.full((len(trees), width), -1, dtype=torch.int64)  # -1 padding, 0 prefix
    learned_from: list[int] = []
    learned_ids: list[int] = []
    row_numbers: list[int] = []
    rows: list[TrainingRow] = []
    for number, tree in enumerate(trees):
        start = len(tree.prefix)
        ids[number, :start] = torch.tensor(tree.prefix, dtype=torch.int64)
        positions[number, :start] = torch.arange(start)
        branch[number, :start] = 0
        for order, item in enumerate(tree.rows, 1):
            own = item.prompt[len(tree.prefix) :] + item.answer
            end = start + len(own)
            ids[number, start:end] = torch.tensor(own)
            positions[number, start:end] = torch.arange(len(own)) + len(tree.prefix)
            branch[number, start:end] = order
            first = number * width + end - len(item.answer)
            learned_from += range(first - 1, first - 1 + len(item.answer))
            learned_ids += item.answer
            row_numbers += [len(rows)] * len(item.answer)
            rows.append(item.row)
            start = end
    return Batch(
        ids,
        positions,
        _mask(branch),
        torch.tensor(learned_from),
        torch.tensor(learned_ids),
        torch.tensor(row_numbers),
        tuple(rows),
        sum(tree.tokens for tree in trees),
    )


def _mask(branch: torch.Tensor) -> torch.Tensor:
    """Return (b, 1, t, t), true where a token (third axis) may look at another (fourth).

    A token sees the prefix and the earlier tokens of its own branch; padding sees itself,
    since a row of the softmax without any entry would be NaN.
    """
    import torch

    width = branch.shape[1]
    earlier = torch.ones(width, width, dtype=torch.bool).tril()
    same = branch[:, :, None] == branch[:, None, :]
    prefix = (branch == 0)[:, None, :]
    real = (branch >= 0)[:, :, None] & (branch >= 0)[:, None, :]
    allowed = earlier & (same | prefix) & real
    return (allowed | torch.eye(width, dtype=torch.bool))[:, None]
