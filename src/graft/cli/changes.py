"""`graft remove`, `versions`, `tag`, `rollback`, `diff` and `verify`: documents through time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from graft.cli.session import Session
from graft.cli.texts import counted, on_one_line, plain_data
from graft.errors import GraftError

if TYPE_CHECKING:
    from graft.versions import Diff

__all__ = [
    "DIFF_EXAMPLES",
    "REMOVE_EXAMPLES",
    "ROLLBACK_EXAMPLES",
    "TAG_EXAMPLES",
    "VERIFY_EXAMPLES",
    "VERSIONS_EXAMPLES",
    "diff",
    "remove",
    "rollback",
    "tag",
    "verify",
    "versions",
]

REMOVE_EXAMPLES = ("graft remove handbook.md", 'graft remove "drafts/*" --json')
VERSIONS_EXAMPLES = ("graft versions", "graft versions --json")
TAG_EXAMPLES = ("graft tag before-audit", "graft tag audited 12")
ROLLBACK_EXAMPLES = ("graft rollback 12", "graft rollback before-audit")
DIFF_EXAMPLES = ("graft diff 12", "graft diff before-audit 14 --json")
VERIFY_EXAMPLES = ("graft verify", "graft verify --json")
_SHOWN = 20
_VersionArgument = Annotated[str, typer.Argument(help="A number or a tag of graft versions.")]


def remove(
    session: Session,
    documents: Annotated[
        list[str],
        typer.Argument(metavar="DOCUMENT...", help="Ids, patterns of ids, files or folders."),
    ],
) -> None:
    """Take documents out of the workspace.

    Files on the disk are left alone. A removed file stays out when its folder is added again,
    until it is added by its own path.
    """
    removed = session.open().changes.remove(documents)
    session.document({"removed": list(removed)})
    _list(session, "-", removed)
    session.show(f"{counted(len(removed), 'document')} removed")
    session.note("next: graft rollback undoes it; see graft versions")


def versions(session: Session) -> None:
    """List the versions of the documents.

    The newest twenty and all tagged ones are kept.
    """
    found = session.open().changes.versions()
    session.document({"versions": [plain_data(item) for item in found]})
    for item in found:
        name = f"  {item.tag}" if item.tag else ""
        size = f"{counted(item.documents, 'document')}, {counted(item.passages, 'passage')}"
        session.show(f"{item.number:>5}  {item.created}  {item.reason:<8}  {size}{name}")
    if not found:
        session.show("no version yet")
        session.note("next: graft add docs/")


def tag(
    session: Session,
    name: Annotated[str, typer.Argument(help="The name to give.")],
    version: Annotated[str, typer.Argument(help="Its number; the newest by default.")] = "",
) -> None:
    """Name a version, so that it is kept for good."""
    changes = session.open().changes
    number = version or _newest(session)
    changes.tag(name, number)
    session.document({"tag": name, "version": int(number) if number.isdecimal() else number})
    session.show(f"version {number} is called {name}")


def rollback(session: Session, version: _VersionArgument) -> None:
    """Make the documents what they were at a version.

    It is a new version, so nothing of the newer ones is lost. Files on the disk are left alone:
    graft add takes in what lies there now.
    """
    workspace = session.open()
    with session.progress() as progress:
        changed = workspace.changes.rollback(version, progress)
    session.document({"changed": plain_data(changed) if changed else None})
    if changed is None:
        session.show(f"the documents are those of version {version} already")
        return
    _show_diff(session, changed)


def diff(
    session: Session,
    before: _VersionArgument,
    after: Annotated[str, typer.Argument(help="Another; the newest by default.")] = "",
) -> None:
    """Show which documents differ between two versions."""
    found = session.open().changes.diff(before, after or _newest(session))
    session.document(plain_data(found))
    _show_diff(session, found)


def verify(session: Session) -> None:
    """Compare catalogue and index piece by piece.

    The exit code is 1 where something is amiss.
    """
    problems = session.open().changes.verify()
    session.document({"problems": [plain_data(item) for item in problems]})
    for item in problems:
        times = f" ({item.count:,} times)" if item.count > 1 else ""
        error = GraftError(item.what + times, where=item.example, next_step=item.next_step)
        session.complain(str(error))
    if problems:
        raise typer.Exit(1)
    session.show("every passage is in the index once, and all is as it was written")


def _newest(session: Session) -> str:
    found = session.open().changes.versions()
    return str(found[-1].number) if found else "1"


def _show_diff(session: Session, found: Diff) -> None:
    _list(session, "+", found.added)
    _list(session, "-", found.removed)
    _list(session, "~", found.changed)
    _list(session, ">", [f"{old} is now {new}" for old, new in found.renamed])
    counts = (
        (len(found.added), "added"),
        (len(found.removed), "removed"),
        (len(found.changed), "changed"),
        (len(found.renamed), "renamed"),
    )
    said = ", ".join(f"{count:,} {name}" for count, name in counts if count) or "nothing differs"
    passages = f"{found.passages_added:,} passages came, {found.passages_removed:,} went"
    session.show(f"version {found.before} to {found.after}: {said}; {passages}")


def _list(session: Session, sign: str, names: list[str] | tuple[str, ...]) -> None:
    for name in names[:_SHOWN]:
        session.show(f"{sign} {on_one_line(name)}")
    if len(names) > _SHOWN:
        session.show(f"{sign} and {len(names) - _SHOWN:,} more")
