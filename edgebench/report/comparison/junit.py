"""JUnit XML, as GitLab, Jenkins and GitHub's test reporters read it: one test case a line."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from edgebench.report.comparison.sheet import Line, Sheet

# Characters that XML 1.0 cannot hold, not even escaped.
_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(sheet: Sheet) -> str:
    """A failing line is a failure, an undecided one an error, and what was not judged is skipped."""
    outcomes = [line.outcome for line in sheet.lines]
    suite = ElementTree.Element(
        "testsuite",
        name=_legal(sheet.title),
        tests=str(len(outcomes)),
        failures=str(outcomes.count("fail")),
        errors=str(outcomes.count("undecided")),
        skipped=str(outcomes.count("info")),
    )
    for line in sheet.lines:
        _case(suite, line)
    root = ElementTree.Element("testsuites")
    root.append(suite)
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _case(suite: ElementTree.Element, line: Line) -> None:
    name = _legal(line.aspect or line.verdict)
    case = ElementTree.SubElement(suite, "testcase", classname=_legal(line.name), name=name)
    kind = {"fail": "failure", "undecided": "error", "info": "skipped"}.get(line.outcome)
    if kind is None:
        return
    told = ElementTree.SubElement(case, kind, message=_legal(f"{line.verdict}: {line.reason}"))
    if kind != "skipped":
        told.set("type", _legal(line.verdict))
        told.text = _legal("\n".join((" | ".join(line.texts), *line.details)))


def _legal(text: str) -> str:
    return _ILLEGAL.sub("\ufffd", text)
