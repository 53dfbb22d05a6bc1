"""Which styles hide text, in an attribute or in the style sheet of a page.

It reads declarations, not pages: what hides only on some screens, or by what stands around it,
is taken to be seen. Each step is linear in the length of the style.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator

__all__ = ["HIDING_STYLE", "hidden_selectors", "hides"]

HIDING_STYLE = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*(?:hidden|collapse)|content-visibility\s*:\s*hidden"
    r"|(?<![\w-])opacity\s*:\s*(?:0++(?:\.0++)?|\.0++)(?![.\d])|font-size\s*:\s*(?:0++(?:\.0++)?|\.0++)(?![.\d])"
    r"|(?<![\w-])font\s*:\s*0(?![.\d])|(?<![\w-])color\s*:\s*transparent"
    r"|(?:left|top|text-indent)\s*:\s*-(?:\d{3,}|\d{2}(?:\.\d+)?(?:em|rem|vw|vh))"
    r"|(?<![\w-])clip\s*:\s*rect\(\s*[01](?![.\d])|clip-path\s*:\s*inset\(\s*(?:50|100)%"
    r"|clip-path\s*:\s*circle\(\s*0|transform\s*:\s*scale\(\s*0\s*[,)]"
    r"|transform\s*:\s*translate[xy]?\(\s*-\d{4,}",
    re.IGNORECASE,
)
# What a style sheet hides on every screen; a page that hides all of itself shows it by a script.
_SIMPLE_SELECTOR = re.compile(
    r"(?!(?:html|body)$)[a-z][\w-]*+(?:[.#][\w-]+)?|[.#][\w-]+", re.IGNORECASE
)
_ALWAYS = re.compile(r"@(?:media\s*(?:only\s+)?(?:all|screen)?|layer\b[^{}]*)\s*", re.IGNORECASE)
_CSS_MARK = re.compile(r"[{};]")
_CSS_ESCAPE = re.compile(r"\\(?:([0-9a-fA-F]{1,6})\s?|(.))")


def hidden_selectors(sheet: str) -> Iterator[str]:
    """Yield the tags, classes and ids that a style sheet hides outright.

    >>> list(hidden_selectors(".x, p .y { display: none } @media print { .z { display: none } }"))
    ['.x']
    """
    for selectors, rules in _style_rules(sheet):
        if hides(rules):
            for name in map(str.strip, selectors.split(",")):
                if _SIMPLE_SELECTOR.fullmatch(name):
                    yield name


def _style_rules(text: str) -> Iterator[tuple[str, str]]:
    """Yield selectors with their declarations, without those that hold only sometimes."""
    text = _without_comments(text)
    heads: list[str] = []
    sometimes = 0
    start = 0
    for mark in _CSS_MARK.finditer(text):
        before = text[start : mark.start()]
        if mark[0] == ";" and heads and not heads[-1].startswith("@"):
            continue
        start = mark.end()
        if mark[0] == "{":
            heads.append(before.strip())
            sometimes += _is_conditional(heads[-1])
        elif mark[0] == "}" and heads:
            head = heads.pop()
            sometimes -= _is_conditional(head)
            if not sometimes and not head.startswith("@"):
                yield head, before


def _is_conditional(head: str) -> bool:
    return head.startswith("@") and _ALWAYS.fullmatch(head) is None


def _without_comments(style: str) -> str:
    first, *others = style.split("/*")
    return first + "".join(part.partition("*/")[2] for part in others)


def hides(style: str) -> bool:
    r"""Tell whether declarations hide what they are for.

    >>> hides("color: red; d\\69splay: /**/ none"), hides("opacity: 0.5")
    (True, False)
    """
    style = _without_comments(style)
    if "\\" in style:
        style = _CSS_ESCAPE.sub(_css_character, style)
    return HIDING_STYLE.search(style) is not None


def _css_character(found: re.Match[str]) -> str:
    number = int(found[1], 16) if found[1] else 0
    return found[2] or (chr(number) if number <= sys.maxunicode else "")
