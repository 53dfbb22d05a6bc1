"""`graft reindex`: embed everything anew with the embedder that is configured."""

from __future__ import annotations

from graft.cli.session import Session
from graft.cli.texts import counted, on_one_line, plain_data

__all__ = ["EXAMPLES", "reindex"]

EXAMPLES = ("graft reindex", "graft reindex --json --workspace ../handbook")


def reindex(session: Session) -> None:
    """Embed all passages anew with another embedder.

    The new index is built beside the old one, which is used until the new one is whole.
    Run it again after an interruption and it continues.
    """
    workspace = session.open()
    with session.progress() as progress:
        done = workspace.changes.reindex(progress)
    session.document(plain_data(done))
    for path in done.left:
        session.complain(f"warning: {path} is needed no more but cannot be removed")
    if not done.is_new:
        session.show("nothing to do: the index was made with the embedder that is configured")
        return
    kept = f", {done.kept:,} of them by a run before" if done.kept else ""
    session.show(f"{counted(done.passages, 'passage')} embedded{kept}; the new index is in use")
    session.show(f"why: {on_one_line(done.why)}")
    session.note("next: graft compare measures again what retrieval finds")
