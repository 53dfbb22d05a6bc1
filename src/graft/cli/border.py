"""The border of the command line: every exception becomes four lines and an exit code.

Each command runs inside `border`. What Graft foresaw is shown as it stands; what it did not
foresee is written with its traceback to a log file that is named. Nothing passes silently.
"""

from __future__ import annotations

import errno
import os
import tempfile
import time
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import typer

from graft.cli.first_sign import FirstSign
from graft.cli.session import Session
from graft.cli.texts import safe
from graft.errors import GraftError, NoSpaceLeft, UsageError

__all__ = ["INTERRUPTED", "border", "usage_border"]

# The parser's own class of wrong usage; Typer exports only this child of it.
_REFUSED_BY_PARSER = cast("type[Exception]", typer.BadParameter.__mro__[1])
INTERRUPTED = "interrupted; run the same command again to continue"


@contextmanager
def border(session: Session) -> Iterator[None]:
    """Run a command; end it with the exit code that its failure stands for."""
    if not session.verbose:
        warnings.simplefilter("ignore")  # other libraries' advice to their own callers
    try:
        yield
    except (typer.Exit, typer.Abort, BrokenPipeError):
        raise
    except KeyboardInterrupt:
        session.complain(INTERRUPTED)
        raise typer.Exit(130) from None
    except GraftError as error:
        session.complain(_with_traceback(error, session.verbose))
        raise typer.Exit(error.exit_code) from error
    except Exception as error:  # noqa: BLE001 - the border: it becomes a log file and exit 1
        found = _full_disk(error) or _unforeseen(error, session.folder)
        session.complain(_with_traceback(found, session.verbose))
        raise typer.Exit(found.exit_code) from error
    finally:
        session.sign.end()


@contextmanager
def usage_border(sign: object) -> Iterator[None]:
    """Turn what the parser refuses, as an unknown option, into four lines and exit code 2.

    `sign` is the one of life on the terminal, which must end before anything is printed.
    """
    try:
        yield
    except _REFUSED_BY_PARSER as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            raise  # no refusal: a group without a command shows its help
        session = Session(sign=sign) if isinstance(sign, FirstSign) else Session()
        command = getattr(getattr(error, "ctx", None), "command_path", "graft")
        session.complain(
            str(
                UsageError(
                    "the command line is not understood",
                    where=command,
                    why=getattr(error, "format_message", error.__str__)(),
                    next_step=f"{command} --help",
                )
            )
        )
        raise typer.Exit(UsageError.exit_code) from error


def _with_traceback(error: GraftError, verbose: bool) -> str:
    if not verbose:
        return str(error)
    return "".join(traceback.format_exception(error.__cause__ or error)) + str(error)


def _full_disk(error: Exception) -> NoSpaceLeft | None:
    """Return the error of a full disk, from whatever library it came; None for any other."""
    full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    if not full and "No space left on device" not in str(error):
        return None
    found = NoSpaceLeft(
        "no space left on the disk",
        where=str(getattr(error, "filename", None) or "a file of the workspace or of the cache"),
        why=str(error).split("\n", 1)[0],
        next_step="free some space and run the same command again; it continues",
    )
    found.__cause__ = error
    return found


def _unforeseen(error: Exception, folder: Path | None) -> GraftError:
    """Return an unexpected exception in our form, its traceback written to a log file."""
    log = _write_log("".join(traceback.format_exception(error)), folder)
    found = GraftError(
        "Graft failed in a way that it did not foresee",
        where=str(log) if log else "no log file could be written",
        why=f"{type(error).__name__}: {error}",
        next_step="graft doctor   or run the command again with -v to see the traceback",
    )
    found.__cause__ = error
    return found


def _write_log(text: str, folder: Path | None) -> Path | None:
    name = f"graft-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.log"
    for place in (_workspace_logs(folder), Path(tempfile.gettempdir())):
        if place is None:
            continue
        try:
            place.mkdir(parents=True, exist_ok=True)
            (place / name).write_text(safe(text), encoding="utf-8", errors="backslashreplace")
        except OSError:
            continue
        return place / name
    return None


def _workspace_logs(folder: Path | None) -> Path | None:
    """Return the log folder of the workspace around a folder, without opening it."""
    start = (folder or Path.cwd()).resolve()
    for place in (start, *start.parents):
        if (place / "graft.toml").is_file():
            return place / ".graft" / "logs"
    return None
