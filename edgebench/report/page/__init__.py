"""One self-contained HTML page: data, plots' descriptions, styles and scripts in one file that asks for nothing."""

from __future__ import annotations

import base64
import hashlib
import json
from functools import cache
from importlib.resources import files
from string import Template
from typing import Any

from edgebench.report import theme
from edgebench.report.page.library import vega_library

SCRIPTS = ("1_elements", "2_numbers", "3_table", "4_charts", "5_overview", "6_details", "7_rest")


def page(data: dict[str, Any], sections: str = "") -> str:
    """The page for a payload (see payload.py). Raises MissingPackage without the packages of the extra `report`.

    `sections` is HTML that stands before the overview; whatever text it holds is escaped already.

    The content security policy allows the page's own scripts by their hashes and forbids every request, so that text
    from a record could do nothing even if it became markup.
    """
    library, script = vega_library(), _script()
    return _template().substitute(
        policy=_policy(library, script),
        style=theme.css() + _asset("page.css"),
        data=_embedded(data),
        sections=sections,
        charts=_embedded(_charts()),
        library=library,
        script=script,
    )


def _policy(*scripts: str) -> str:
    digests = (hashlib.sha256(script.encode()).digest() for script in scripts)
    allowed = " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)
    return f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data: blob:; base-uri 'none'"


def _embedded(value: Any) -> str:
    """JSON that cannot end the script element that holds it: < is escaped, so there is no tag and no comment in it."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _charts() -> dict[str, Any]:
    """The plots' descriptions without rows; the page fills them in."""
    from edgebench.report import plots

    made = {f"pareto-{name}": plots.pareto([], y=name, look="page") for name in plots.TRADES}
    made |= {"latency": plots.latency([], look="page"), "spread": plots.spread([], look="page")}
    made |= {"operators": plots.operators([], look="page"), "history": plots.history([], look="page")}
    made |= {"operators-counted": plots.operators([], counted=True, look="page")}
    made |= {"comparison": plots.comparison([], look="page")}
    return {name: plots.described(chart) for name, chart in made.items()}


def _script() -> str:
    """The page's scripts as one function, so that none of their names is global."""
    return '(() => {\n"use strict";\n' + "\n".join(_asset(f"{name}.js") for name in SCRIPTS) + "})();\n"


def _template() -> Template:
    return Template(_asset("page.html"))


@cache
def _asset(name: str) -> str:
    return (files("edgebench.report.page") / "assets" / name).read_text("utf-8")
