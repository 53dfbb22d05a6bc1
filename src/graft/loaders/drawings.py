"""Text in the drawings of Word and PowerPoint files: paragraphs, charts, diagrams, formulas.

A chart becomes its title and one row a category, from the values that are stored with it. A
formula becomes one line of plain characters, close to how it is said.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from graft.loaders.ooxml import Package, clean, local_name, namespace, shown_choice

if TYPE_CHECKING:
    from lxml.etree import _Element as Element

__all__ = [
    "chart_lines",
    "diagram_lines",
    "formula",
    "graphic_lines",
    "outermost",
    "paragraph_text",
]

_A, _C, _DGM = namespace("a"), namespace("c"), namespace("dgm")
_M, _R = namespace("m"), namespace("r")
_MAX_POINTS = 2_000
_MAX_CELLS = 20_000  # a few values in very many series would make rows of empty cells alone
_TINY = 100  # hundredths of a point: text of one point is not there to be read
_MATH_MARKS = {
    **dict.fromkeys(("sSub", "sSubSup", "limLow"), "_"),
    **dict.fromkeys(("sSup", "limUpp"), "^"),
    "f": "/",
    "func": " ",
}


def paragraph_text(package: Package, paragraph: Element) -> str:
    """Return the text of a paragraph of a drawing; runs that make no sense are passed over."""
    parts: list[str] = []
    after_hidden = False
    for item in paragraph:
        name = local_name(item)
        if name in ("r", "fld") and _is_hidden(item):
            package.count("piece of hidden text", int(not after_hidden))
            after_hidden = True
        elif name in ("r", "fld"):
            after_hidden = False
            parts += [text.text or "" for text in item.iter(f"{_A}t")]
        elif name == "br":
            parts.append("\n")
        elif name == "AlternateContent":
            branch = shown_choice(item)
            parts.append(paragraph_text(package, branch) if branch is not None else "")
        elif item.find(f".//{_M}oMath") is not None:
            parts += [formula(math) for math in item.iter(f"{_M}oMath")]
    lines = (" ".join(line.split()) for line in clean("".join(parts)).split("\n"))
    return "\n".join(line for line in lines if line)


def _is_hidden(run: Element) -> bool:
    """Say whether a run has text that is too small to see, or without any ink."""
    properties = run.find(f"{_A}rPr")
    if properties is None or not any((text.text or "").strip() for text in run.iter(f"{_A}t")):
        return False
    size = properties.get("sz") or ""
    is_tiny = size.isascii() and size.isdigit() and int(size) <= _TINY
    has_line = properties.find(f"{_A}ln") is not None
    alphas = (item.get("val") for item in properties.iterfind(f"{_A}solidFill/*/{_A}alpha"))
    is_clear = properties.find(f"{_A}noFill") is not None or any(item == "0" for item in alphas)
    return is_tiny or (is_clear and not has_line)


def graphic_lines(package: Package, part: str, drawing: Element, seen: set[str]) -> list[str]:
    """Return the lines of the charts and diagrams that a drawing shows, each part once."""
    lines: list[str] = []
    wanted = [(item.get(f"{_R}id"), chart_lines) for item in drawing.iter(f"{_C}chart")]
    wanted += [(item.get(f"{_R}dm"), diagram_lines) for item in drawing.iter(f"{_DGM}relIds")]
    relations = package.relations(part) if wanted else {}
    for relation_id, read in wanted:
        target = relations.get(relation_id or "")
        if target is None or target.part in seen:
            continue
        seen.add(target.part)
        root = package.xml(target.part)
        lines += read(package, root) if root is not None else ()
    return lines


def chart_lines(package: Package, root: Element) -> Iterator[str]:
    """Yield the titles of a chart and a row for each category: the name and all its values."""
    for title in root.iter(f"{_C}title"):
        text = " ".join(paragraph_text(package, item) for item in title.iter(f"{_A}p")).strip()
        if text or (text := " ".join(_points(title.find(f"{_C}tx")).values())):
            yield text
    header: tuple[str, ...] | None = None
    for plot in root.iter(f"{_C}plotArea"):
        for chart in plot:
            series = chart.findall(f"{_C}ser")
            if not series:
                continue
            names = tuple(" ".join(_points(item.find(f"{_C}tx")).values()) for item in series)
            if any(names) and names != header:
                yield " | ".join(("", *names)).strip()
            header = names
            yield from _chart_rows(package, series)


def _chart_rows(package: Package, series: list[Element]) -> Iterator[str]:
    categories = next(
        (found for item in series if (found := _points(_one(item, "cat", "xVal")))), {}
    )
    values = [_points(_one(item, "val", "yVal")) for item in series]
    places = sorted({place for points in values for place in points} | set(categories))
    most = min(_MAX_POINTS, _MAX_CELLS // (len(series) + 1))
    package.count("row of a chart", max(0, len(places) - most))
    for place in places[:most]:
        cells = [categories.get(place, ""), *(points.get(place, "") for points in values)]
        if any(cells):
            yield " | ".join(cells)


def _one(series: Element, *names: str) -> Element | None:
    return next((item for item in series if local_name(item) in names), None)


def _points(holder: Element | None) -> dict[int, str]:
    """Return the stored values by their place; those of more levels are joined."""
    found: dict[int, str] = {}
    if holder is None:
        return found
    for point in holder.iter(f"{_C}pt"):
        place = point.get("idx") or ""
        value = " ".join(clean(point.findtext(f"{_C}v") or "").split())
        if value and place.isascii() and place.isdigit() and len(place) < 8:
            before = found.get(int(place))
            found[int(place)] = f"{value} {before}" if before else value
    if not found and (direct := holder.findtext(f"{_C}v")):
        found[0] = " ".join(clean(direct).split())
    return found


def diagram_lines(package: Package, root: Element) -> Iterator[str]:
    """Yield the texts of the shapes of a diagram."""
    for paragraph in root.iter(f"{_A}p"):
        text = paragraph_text(package, paragraph)
        if text:
            yield text


def outermost(drawing: Element) -> Iterator[Element]:
    """Yield the text boxes, pictures and objects of a drawing, not those within a text box."""
    for item in drawing:
        name = local_name(item)
        if name in ("txbxContent", "pic", "imagedata", "OLEObject"):
            yield item
        elif name == "AlternateContent":
            branch = shown_choice(item)
            yield from outermost(branch) if branch is not None else ()
        else:
            yield from outermost(item)


def formula(math: Element) -> str:
    """Return a formula on one line, parts of a fraction parted by a slash."""
    return " ".join(clean(_formula(math)).split())


def _formula(element: Element) -> str:
    name = local_name(element)
    if name == "t":
        return element.text or ""
    if name.endswith("Pr"):
        return ""
    inner = [text for item in element if (text := _formula(item))]
    if name in _MATH_MARKS:
        return _MATH_MARKS[name].join(_grouped(text) for text in inner)
    if name == "nary":
        sign = element.find(f"{_M}naryPr/{_M}chr")
        limits = [element.find(f"{_M}{limit}") for limit in ("sub", "sup")]
        texts = [_formula(limit) if limit is not None else "" for limit in limits]
        below, above = (
            mark + _grouped(text) if text else "" for mark, text in zip("_^", texts, strict=True)
        )
        over = element.find(f"{_M}e")
        written = (sign.get(f"{_M}val") or "") if sign is not None else "∫"
        return f"{written}{below}{above} {_formula(over) if over is not None else ''}"
    if name == "rad":
        return f"√{_grouped(inner[-1])}" if inner else ""
    if name == "d":
        return f"({', '.join(inner)})"
    return "".join(inner)


def _grouped(text: str) -> str:
    is_one = len(text) < 2 or text.isalnum() or (text[0] == "(" and text.find(")") == len(text) - 1)
    return text if is_one else f"({text})"
