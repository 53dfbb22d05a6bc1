"""What stands at the head of stored files: the number of their format, and a check sum.

Every head that is written names its format (`schema`) and the first version of Graft that
reads it (`needs`), so that an older one can say what to install. Files that are read as a
whole carry a check sum over the rest (`check`). It opens no file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from graft.errors import BadInput
from graft.types import fingerprint

__all__ = ["check_format", "newer_format", "sealed", "unsealed"]

# What stands in a file becomes part of a command to paste, so it has to be a version.
_VERSION = re.compile(r"[0-9]+(\.[0-9]+)*([a-z]+[0-9]+)?")


def check_format(stored: Mapping[str, Any], reads: int, what: str, where: str) -> None:
    """Refuse a head whose format is above `reads`; one without a number is older than numbers.

    >>> check_format({"schema": 1}, 1, "the run was written", "manifest.json")

    Raises:
        BadInput: the format is newer, or is no number.
    """
    schema = stored.get("schema", 0)
    if type(schema) is not int:
        raise BadInput(
            "the format of a stored file is not known",
            where=where,
            why=f"its schema is {schema!r:.40}, which is no number",
            next_step="put back a copy of the workspace",
        )
    if schema > reads:
        raise newer_format(what, where, schema, reads, str(stored.get("needs", "")))


def newer_format(what: str, where: str, schema: int, reads: int, needs: str) -> BadInput:
    """Return the error for a newer format: `what` was written, and `needs` reads it."""
    known = needs if _VERSION.fullmatch(needs) else ""
    return BadInput(
        f"{what} by a newer Graft",
        where=where,
        why=f"schema {schema}, this version reads up to {reads}"
        + (f"; Graft {known} or newer reads it" if known else ""),
        next_step=f"pip install 'graft>={known}'" if known else "upgrade Graft",
    )


def sealed(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return plain data with a check sum over all of it.

    >>> unsealed(sealed({"seed": 7}))
    {'seed': 7}
    """
    plain: dict[str, Any] = json.loads(json.dumps(data, default=dict))
    plain.pop("check", None)
    return plain | {"check": fingerprint(plain)}


def unsealed(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was sealed; data without a check sum is older than check sums.

    Raises:
        ValueError: the data is not what was sealed.
    """
    plain = {name: value for name, value in data.items() if name != "check"}
    if "check" in data and data["check"] != fingerprint(plain):
        raise ValueError("the file is not what was written")
    return plain
