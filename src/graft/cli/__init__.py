"""The command line: parse, call one workspace method, show.

`main` is the entry point. It says on a terminal that it is alive before the libraries of the
command line are imported, so it imports nothing at the top. The commands stand one a file
and come together in `commands.py`; what goes wrong in one meets `border.py`.
"""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line and end the process with its exit code."""
    from graft.cli.first_sign import FirstSign

    sign = FirstSign(sys.stderr)
    sign.begin(sys.argv[1:])
    try:
        from graft.cli.commands import app

        app(obj=sign)
    except KeyboardInterrupt:
        sign.end()
        sys.exit(130)
