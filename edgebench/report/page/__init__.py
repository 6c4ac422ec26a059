"""One self-contained HTML page: data, plots' descriptions, styles and scripts in one file that asks for nothing."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from pathlib import Path
from string import Template
from types import MappingProxyType
from typing import Any

from edgebench.ground.errors import MissingPackage, UsageError
from edgebench.ground.paths import cache_folder
from edgebench.report import accuracy, output, stored, theme
from edgebench.report.page.payload import PageRequest, payload

SCRIPTS = ("1_elements", "2_numbers", "3_table", "4_charts", "5_overview", "6_matrix", "7_details", "8_rest")


def page(data: dict[str, Any], sections: str = "", more: Mapping[str, Any] = MappingProxyType({})) -> str:
    """The page for a payload (see payload.py). Raises MissingPackage without the packages of the extra `report`.

    `sections` is HTML that stands before the overview; whatever text it holds is escaped already. `more` are the
    descriptions of charts in it.

    The content security policy allows the page's own scripts by their hashes and forbids every request, so that text
    from a record could do nothing even if it became markup.
    """
    library = vega_library()
    # One function, so that none of the scripts' names is global.
    script = '(() => {\n"use strict";\n' + "\n".join(_asset(f"{name}.js") for name in SCRIPTS) + "})();\n"
    digests = (hashlib.sha256(each.encode()).digest() for each in (library, script))
    allowed = " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)
    return Template(_asset("page.html")).substitute(
        policy=f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data: blob:; "
        "base-uri 'none'",
        style=theme.css() + _asset("page.css"),
        data=_embedded(data),
        sections=sections,
        charts=_embedded(_charts() | dict(more)),
        library=library,
        script=script,
    )


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


@cache
def _asset(name: str) -> str:
    return (files("edgebench.report.page") / "assets" / name).read_text("utf-8")


SNIPPET = "window.vegaEmbed = vegaEmbed;"


def vega_library() -> str:
    """Returns the bundle, which sets window.vegaEmbed. Bundling takes over a second, so it is kept in the user's cache.

    Raises MissingPackage without vl-convert.
    """
    try:
        name = version("vl-convert-python")
    except PackageNotFoundError as error:
        raise MissingPackage("vl-convert-python", "report", "the report's plots") from error
    marker = hashlib.sha256(SNIPPET.encode()).hexdigest()[:8]
    kept = cache_folder() / f"vega-{name}-{marker}.js"
    try:
        return kept.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        import vl_convert

        text: str = vl_convert.javascript_bundle(SNIPPET)
        bundle = text.replace("</script", "<\\/script").replace("<!--", "<\\!--")
    with suppress(UsageError):  # a cache that cannot be written is only slower
        output.write(kept, bundle.encode())
    return bundle


def write_report(
    source: str,
    path: Path,
    *,
    base: str | None = None,
    accuracies: Path | None = None,
    choice: Path | None = None,
    latency_budget_s: float | None = None,
    memory_budget_bytes: float | None = None,
    on_warning: Callable[[str], None],
) -> None:
    """Writes the page of the results that `source` names, compared with those of `base` where it is given.

    Both are a file, a folder, or a git revision of either (main:results/baseline). `accuracies` is a CSV file, see
    accuracy.py. `choice` is what `edgebench scale -o` wrote; it becomes a section. Raises UsageError for sources that
    hold no results, and MissingPackage without the extra `report`.
    """
    warnings: list[str] = []

    def warn(sentence: str) -> None:
        warnings.append(sentence)
        on_warning(sentence)

    known = accuracy.read(accuracies) if accuracies else accuracy.Accuracies()
    results = stored.load(source, on_warning=warn)
    comparison = None
    if base:
        from edgebench.compare import sources
        from edgebench.compare.comparing import Settings, compare

        newest = [results.read(points[-1]) for points in results.series.values()]
        comparison = compare(sources.load(base, on_warning=warn), newest, Settings(), names=(base, source))
    given = {"latency_s": latency_budget_s, "memory_bytes": memory_budget_bytes}
    request = PageRequest(
        source=source,
        accuracies=known,
        budgets={name: value for name, value in given.items() if value is not None},
        comparison=comparison,
        warnings=tuple(warnings),
    )
    section, more = "", {}
    if choice is not None:
        from edgebench.report import choice as chosen
        from edgebench.report.plots import described

        read = chosen.read(choice)
        section, more = chosen.section(read), {"choice": described(chosen.chart(read, "page"))}
    output.write(path, page(payload(results, request), section, more).encode())
