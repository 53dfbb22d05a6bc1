"""The comparison as JUnit XML: one suite for the verdict and one for every arm.

A case fails where CI should stop: a blocker, a gate that is not met, a limit that the gated
arm breaks. What another arm breaks is skipped with its reason, for nobody is about to use
that arm. It writes what it is handed and decides nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from graft import __version__
from graft.report import numbers
from graft.report.breakdown import limit_value, limit_words
from graft.report.flags import warning_text
from graft.report.gates import Gate
from graft.report.table import ArmRow, arm_rows, warnings

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

__all__ = ["render_junit"]


def render_junit(comparison: Mapping[str, Any], gates: Sequence[Gate] = (), arm: str = "") -> str:
    """Return the XML; `arm` is the gated one, else it is the recommended one."""
    from xml.etree.ElementTree import Element, indent, tostring

    verdict = comparison.get("verdict") or {}
    chosen = arm or str(verdict.get("recommended") or "")
    root = Element("testsuites", name="graft")
    root.append(_verdict_suite(comparison, verdict, [gate for gate in gates if not gate.arm]))
    for row in arm_rows(comparison):
        own = [gate for gate in gates if gate.arm == row.data["name"]]
        root.append(_arm_suite(comparison, row, own, chosen))
    for suite in root:
        _count(suite)
    for key in ("tests", "failures", "errors", "skipped"):
        root.set(key, str(sum(int(suite.get(key, "0")) for suite in root)))
    indent(root)
    text: str = tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


def _suite(name: str, comparison: Mapping[str, Any]) -> Element:
    from xml.etree.ElementTree import Element, SubElement

    suite = Element("testsuite", name=numbers.plain(name))
    if created := numbers.plain(comparison.get("created") or ""):
        suite.set("timestamp", created if "T" in created else f"{created}T00:00:00")
    held = SubElement(suite, "properties")
    values = {"graft": __version__, "base_model": comparison.get("base_model")}
    values["questions"] = comparison.get("questions")
    for key, value in values.items():
        if value:
            SubElement(held, "property", name=key, value=numbers.plain(value))
    return suite


def _case(suite: Element, name: str, state: str = "", message: str = "") -> None:
    """Add a case: passed, or with the state `failure`, `error` or `skipped` and its reason."""
    from xml.etree.ElementTree import SubElement

    place = f"graft.{suite.get('name')}"
    case = SubElement(suite, "testcase", classname=place, name=numbers.plain(name), time="0")
    shown = numbers.plain(message)
    if state:
        found = SubElement(case, state, message=shown)
        if state != "skipped":
            found.set("type", name.partition(" ")[0])
            found.text = shown
    elif shown:
        SubElement(case, "system-out").text = shown


def _verdict_suite(
    comparison: Mapping[str, Any], verdict: Mapping[str, Any], gates: Sequence[Gate]
) -> Element:
    from xml.etree.ElementTree import SubElement

    suite = _suite("verdict", comparison)
    sentence = verdict.get("sentence") or "No verdict."
    blocked = verdict.get("blocked_by") or ()
    for code in blocked:
        _case(suite, f"blocker {code}", "failure", warning_text(code))
    if verdict.get("recommended"):
        _case(suite, "recommendation", "", sentence)
    else:
        _case(suite, "recommendation", "skipped", sentence)
    target, reached = verdict.get("target"), verdict.get("reaches_target") or ()
    if target:
        name = f"target {numbers.percent(target)}"
        words = f"reached by {', '.join(reached)}" if reached else "no arm is shown to reach it"
        _case(suite, name, "" if reached else "failure", words)
    for gate in gates:
        _case(suite, gate.name, "" if gate.met else "failure", gate.text)
    found = "\n".join(item.text for item in warnings(comparison) if not item.blocker)
    if found:
        SubElement(suite, "system-out").text = found
    return suite


def _arm_suite(
    comparison: Mapping[str, Any], row: ArmRow, gates: Sequence[Gate], chosen: str
) -> Element:
    name = str(row.data["name"])
    suite = _suite(name, comparison)
    if row.not_applicable:
        _case(suite, "headline", "skipped", f"not applicable: {row.not_applicable}")
        return suite
    headline = row.scores["headline"]
    span = f" ({headline.interval}, n {headline.n:,})" if headline.interval else ""
    _case(suite, "headline", "" if headline.score is not None else "skipped", headline.value + span)
    failed = int(row.data.get("failed") or 0)
    words = f"{failed:,} question{'' if failed == 1 else 's'} failed" if failed else ""
    _case(suite, "every question answered", "error" if failed else "", words)
    for gate in gates:
        _case(suite, gate.name, "" if gate.met else "failure", gate.text)
    for item in (comparison.get("verdict") or {}).get("constraints") or ():
        if item["arm"] == name:
            _case(suite, *_limit(item, name == chosen))
    return suite


def _limit(item: Mapping[str, Any], gated: bool) -> tuple[str, str, str]:
    """Return the case of a limit; only the gated arm fails by it."""
    title = f"limit {limit_words(item['name'], item['limit'])}"
    value = limit_value(item["name"], item.get("value"))
    state = str(item.get("state") or "not shown")
    if state == "passes":
        return title, "", value
    if state == "fails":
        return title, "failure" if gated else "skipped", f"fails with {value}"
    return title, "skipped", f"not shown to pass: {value}"


def _count(suite: Element) -> None:
    """Write into a suite how many cases it has of each outcome."""
    suite.set("tests", str(len(suite.findall("testcase"))))
    for key, state in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(key, str(len(suite.findall(f"testcase/{state}"))))
    suite.set("time", "0")
