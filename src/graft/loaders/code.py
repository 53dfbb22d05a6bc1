"""Source code and settings: the text as it stands, cut at the definitions of the top level.

A section begins where a function, a class or a table of settings does, with the comments and
decorators right above it, and has its name as heading. The rules are those of lines, one set
a family of languages; nothing is parsed and nothing is run.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from graft.loaders.text import decode, read_bytes
from graft.types import Document, Section

__all__ = ["CodeLoader"]

LOADER_VERSION = 1
_NAME = r"(?P<name>[\w$~]+(?:(?:\.|::|\\|-)[\w$~]+)*[?!]?)"
# Words and the spaces between them share no character, so that no line takes long to refuse.
_C_WORDS = r"(?:[\w:<>,*&\[\]~.?]+[ \t]+){0,8}[*&]*"
_C_MODIFIERS = (
    r"(?:(?:public|private|protected|internal|static|final|abstract|sealed|partial|open|data|"
    r"export|default|declare|async|override|inline|unsafe|readonly|virtual|extern|const|template|"
    r"suspend|operator|case|implicit|lazy|fileprivate|mutating|strictfp|typedef|pub(?:\([^)]*\))?)"
    r"[ \t]+)*"
)
_KINDS = (
    r"class|interface|enum(?:[ \t]+(?:class|struct))?|struct|trait|object|record|namespace|module"
    r"|protocol|extension|actor|union|impl(?:<[^>]*>)?|mod|macro_rules!|type|function\*?|func|fn"
    r"|fun|def|delegate|annotation[ \t]+class|companion[ \t]+object"
)
# A word in front of the bracket that is no name of a function.
_NO_FUNCTION = re.compile(r"^(?:if|for|while|switch|catch|return|else|do|sizeof|using|new|throw)\b")


class _Family(NamedTuple):
    """How lines of a family of languages begin a definition, and what may stand above one."""

    definition: re.Pattern[str]
    above: re.Pattern[str]


def _family(definition: str, above: str, flags: int = 0) -> _Family:
    return _Family(re.compile(definition, flags), re.compile(above))


_SLASHES = r"^(?://|/\*|\s?\*|@|#\[|\[\w)"
_HASHES = r"^(?:#|@)"
_PYTHON = _family(rf"^(?:async[ \t]+)?(?:def|class)[ \t]+{_NAME}", _HASHES)
_BRACES = _family(
    rf"^{_C_MODIFIERS}(?:{_KINDS})[ \t]+(?:\([^)]*\)[ \t]*)?{_NAME}"
    r"|^(?:export[ \t]+)?(?:const|let|var)[ \t]+(?P<arrow>[\w$]+)[^=;]*=[ \t]*"
    r"(?:async[ \t]*)?(?:function\b|\([^)]*\)[^=;]*=>|[\w$]+[ \t]*=>)",
    _SLASHES,
)
_C = _family(
    rf"^{_C_MODIFIERS}(?:{_KINDS})[ \t]+{_NAME}(?=[^;()]*$)"
    rf"|^{_C_WORDS}(?P<function>[\w:~]+)[ \t]*\([^;]*$"
    r"|^#[ \t]*define[ \t]+(?P<macro>\w+)\(",
    _SLASHES,
)
_RUBY = _family(rf"^(?:def|class|module)[ \t]+{_NAME}", r"^#")
_PERL = _family(rf"^(?:sub|package)[ \t]+{_NAME}", r"^#")
_SHELL = _family(rf"^(?:function[ \t]+)?{_NAME}[ \t]*\(\)|^function[ \t]+(?P<word>[\w-]+)", r"^#")
_SQL = _family(
    r"^[ \t]*(?:create|alter)[ \t]+(?:or[ \t]+replace[ \t]+)?(?:(?:global|local|temp|temporary|"
    r"unique|materialized|unlogged|virtual)[ \t]+)*(?:table|view|index|function|procedure|trigger|"
    r"type|schema|sequence|database|role|policy|extension|package(?:[ \t]+body)?)[ \t]+"
    r"(?:if[ \t]+not[ \t]+exists[ \t]+|only[ \t]+)?(?P<name>[\w.\"`\[\]$]+)",
    r"^(?:--|/\*|\s?\*)",
    re.IGNORECASE,
)
_R = _family(r"^(?P<name>[\w.]+)[ \t]*(?:<-|=)[ \t]*function\b", r"^#")
_LUA = _family(
    rf"^(?:local[ \t]+)?function[ \t]+{_NAME}|^(?P<table>[\w.]+)[ \t]*=[ \t]*function\b", r"^--"
)
_TABLES = _family(r"^\[{1,2}(?P<name>[^\[\]\r\n]{1,200})\]{1,2}", r"^[#;]")
_YAML = _family(r"^(?P<name>[\w./\"'-][^:#\r\n]{0,99}?)[ \t]*:(?=[ \t]*(?:[#|>&!].*)?$)", r"^#")
_CSS = _family(
    r"^@(?P<name>(?:media|supports|layer|container|keyframes|font-face)\b[^{;]*)", r"^/\*"
)
_NONE = _family(r"(?!)", r"(?!)")
_FAMILIES = {
    **dict.fromkeys((".py", ".pyi"), _PYTHON),
    **dict.fromkeys((".js", ".mjs", ".jsx", ".ts", ".tsx", ".java", ".go", ".rs"), _BRACES),
    **dict.fromkeys((".php", ".swift", ".kt", ".kts", ".scala", ".cs"), _BRACES),
    **dict.fromkeys((".c", ".h", ".cc", ".cpp", ".hpp"), _C),
    ".rb": _RUBY,
    **dict.fromkeys((".pl", ".pm"), _PERL),
    **dict.fromkeys((".sh", ".bash"), _SHELL),
    ".sql": _SQL,
    ".r": _R,
    ".lua": _LUA,
    **dict.fromkeys((".toml", ".ini", ".cfg"), _TABLES),
    **dict.fromkeys((".yaml", ".yml"), _YAML),
    ".css": _CSS,
}
_NAME_LENGTH = 120
_LINE_LENGTH = 1_000  # a longer line is written by a machine and defines nothing to look up


class CodeLoader:
    """Reads source code and settings; none of it is run."""

    extensions: tuple[str, ...] = tuple(_FAMILIES)

    def load(self, source: Path, doc_id: str) -> Iterator[Document]:
        """Yield the one document of the file.

        Raises:
            UnreadableDocument: the file cannot be opened or holds no text.
        """
        data = read_bytes(source)
        text, notes = decode(data, source)
        family = _FAMILIES.get(source.suffix.lower(), _NONE)
        yield Document(
            id=doc_id,
            source=str(source),
            title=source.name,
            text=text,
            content_hash=hashlib.sha256(data).hexdigest(),
            loader="code",
            sections=_sections(text, family),
            notes=notes,
        )


def _sections(text: str, family: _Family) -> tuple[Section, ...]:
    """Cut before each definition and what belongs to it above; the run before has no heading."""
    starts: list[tuple[int, tuple[str, ...]]] = [(0, ())]
    position = above = 0
    has_above = False
    for line in text.split("\n"):
        name = _defined(line, family)
        if name:
            start = above if has_above else position
            if start > starts[-1][0] or len(starts) > 1:
                starts.append((start, (name,)))
            else:
                starts[0] = (0, (name,))
        if family.above.match(line) and not name:
            above = above if has_above else position
            has_above = True
        else:
            has_above = False
        position += len(line) + 1
    ends = [start for start, _ in starts[1:]] + [len(text)]
    return tuple(Section(path, start, end) for (start, path), end in zip(starts, ends, strict=True))


def _defined(line: str, family: _Family) -> str:
    """Return the name that a line defines, or nothing."""
    if len(line) > _LINE_LENGTH or _NO_FUNCTION.match(line):
        return ""
    found = family.definition.match(line)
    if not found:
        return ""
    name = next((text for text in found.groupdict().values() if text), "")
    return " ".join(name.strip("\"'`").split())[:_NAME_LENGTH]
