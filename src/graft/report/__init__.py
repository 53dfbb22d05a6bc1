"""A comparison shown: on the terminal, as one HTML file, and as Markdown.

Everything here reads the comparison (the verdict as JSON) and, for the HTML file, the runs
behind it. Nothing here measures, decides or calls a model.
"""

from __future__ import annotations

from graft.report.html import write_html
from graft.report.markdown import render_markdown
from graft.report.terminal import render_terminal

__all__ = ["render_markdown", "render_terminal", "write_html"]
