"""The space that vectors of an embedder lie in, as named parts; vectors of two are never mixed.

An embedder says its space in one text, its identity, which is kept with every index and read
back into parts here, so that an error can say which part differs. An embedder of other hands
may say any text; that, and what earlier versions wrote, has no parts and is only compared.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from typing import Any

__all__ = [
    "Space",
    "differences",
    "is_same_space",
    "parsed_space",
    "space_data",
    "told_space",
]

_WORDS = {
    "revision": "weights",
    "pooling": "pooling",
    "query_prefix": "query prefix",
    "passage_prefix": "passage prefix",
    "max_tokens": "longest text in tokens",
    "precision": "precision",
    "dimension": "dimensions",
}


@dataclass(frozen=True, slots=True)
class Space:
    """What decides a vector, beside the text.

    `model` is a name for people: the weights may lie under another one elsewhere, so it is
    not compared. `revision` is the digest of the weights. `max_tokens` is where a text is
    cut, 0 where it never is.

    >>> parsed_space(str(Space("minilm", "1f2e", dimension=384))).dimension
    384
    """

    model: str = field(compare=False)
    revision: str
    pooling: str = "mean"
    query_prefix: str = ""
    passage_prefix: str = ""
    max_tokens: int = 0
    precision: str = "f32"
    dimension: int = 0

    def __str__(self) -> str:
        """Return the one text form, which `parsed_space` reads."""
        return json.dumps(dataclasses.asdict(self), ensure_ascii=False, separators=(",", ":"))


def parsed_space(identity: str) -> Space | None:
    """Return the parts of an identity; None where it has none, or others than are known here."""
    try:
        found = json.loads(identity)
    except ValueError:
        return None
    kinds = {item.name: int if item.type == "int" else str for item in dataclasses.fields(Space)}
    if not isinstance(found, dict) or found.keys() != kinds.keys():
        return None
    if any(type(found[name]) is not kind for name, kind in kinds.items()):
        return None
    return Space(**found)


def is_same_space(one: str, other: str) -> bool:
    """Tell whether vectors of two identities may be compared."""
    space = parsed_space(one)
    return one == other or (space is not None and space == parsed_space(other))


def differences(here: str, stored: str) -> tuple[str, ...]:
    """Say in which parts the identity of an embedder and that of an index differ.

    >>> here, stored = Space("m", "1f2e", precision="int8"), Space("m", "1f2e", precision="bf16")
    >>> differences(str(here), str(stored))
    ('precision: int8 here, bf16 in the index',)
    """
    if is_same_space(here, stored):
        return ()
    own, other = parsed_space(here), parsed_space(stored)
    if own is None or other is None:
        return (f"embeddings: {_named(here)} here, {_named(stored)} in the index",)
    found = []
    for name, words in _WORDS.items():
        mine, theirs = getattr(own, name), getattr(other, name)
        if mine == theirs:
            continue
        if name == "revision":
            mine, theirs = f"{own.model} ({mine})", f"{other.model} ({theirs})"
        elif name == "max_tokens":
            mine, theirs = mine or "no limit", theirs or "no limit"
        elif name.endswith("prefix"):
            mine, theirs = repr(mine) if mine else "none", repr(theirs) if theirs else "none"
        found.append(f"{words}: {mine} here, {theirs} in the index")
    return tuple(found)


def space_data(identity: str) -> dict[str, Any]:
    """Return an identity as JSON has it: its text, and its parts where they are known."""
    space = parsed_space(identity)
    return {"identity": identity, "parts": dataclasses.asdict(space) if space else None}


def told_space(identity: str) -> str:
    """Return an identity in plain words.

    >>> told_space(str(Space("minilm", "1f2e", max_tokens=256, precision="int8", dimension=384)))
    'minilm, weights 1f2e, mean pooling, up to 256 tokens, int8, 384 dimensions, no prefixes'
    """
    space = parsed_space(identity)
    if space is None:
        return _named(identity)
    prefixes = [
        f"{kind} prefix {prefix!r}"
        for kind, prefix in (("query", space.query_prefix), ("passage", space.passage_prefix))
        if prefix
    ]
    length = f"up to {space.max_tokens:,} tokens" if space.max_tokens else "of any length"
    return ", ".join(
        (
            *(space.model, f"weights {space.revision}", f"{space.pooling} pooling", length),
            *(space.precision, f"{space.dimension:,} dimensions"),
            *(prefixes or ["no prefixes"]),
        )
    )


def _named(identity: str) -> str:
    if (space := parsed_space(identity)) is not None:
        return f"{space.model} ({space.revision}, {space.precision})"
    return f"{identity!r} (its parts are not known)" if identity else "nothing known"
