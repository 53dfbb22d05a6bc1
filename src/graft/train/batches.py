"""Which rows stand in which step: fixed by the plan before the first one, the same every time."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from graft.train.packing import Tree, group_trees
from graft.train.plan import TrainPlan

__all__ = ["Step", "looks_at", "planned_steps"]

Step = Sequence[Sequence[Tree]]  # the batches whose gradients are summed before the weights move


def planned_steps(forest: Sequence[Sequence[Tree]], plan: TrainPlan) -> list[Step]:
    """Return the steps of all epochs, shuffled anew each, up to the token cap."""
    batches = list(_planned_batches(forest, plan))
    size = max(1, plan.accumulate)
    return [batches[start : start + size] for start in range(0, len(batches), size)]


def _planned_batches(forest: Sequence[Sequence[Tree]], plan: TrainPlan) -> Iterator[list[Tree]]:
    shuffler = random.Random(plan.seed)
    spent = 0
    for trees in forest:
        mixed = list(trees)
        shuffler.shuffle(mixed)
        batches = group_trees(mixed, plan.batch_tokens)
        shuffler.shuffle(batches)
        for batch in batches:
            size = sum(tree.tokens for tree in batch)
            if plan.tokens is not None and spent + size > plan.tokens and spent:
                return
            spent += size
            yield batch


def looks_at(steps: int, evaluations: int) -> set[int]:
    """Return the steps after which `dev` is scored; the last step always is."""
    if not evaluations:
        return set()
    return {max(1, round(steps * (number + 1) / evaluations)) for number in range(evaluations)}
