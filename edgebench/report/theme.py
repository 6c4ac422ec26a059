"""The look of the plots, as a Vega-Lite configuration: colours are tokens, resolved by the page's CSS or here."""

from __future__ import annotations

from typing import Any, Literal

Look = Literal["light", "dark", "page"]

# Ten hues that stay apart for the common colour blindnesses, in a light and a dark step; after Paul Tol's "muted" and
# "bright" schemes (personal.sron.nl/~pault), darkened or lightened until text of that colour has a contrast of 3.
SERIES = {
    "light": (
        "#33659f", "#c2571a", "#2f7d5b", "#a03b6c", "#7a5fb0",
        "#8a6d1d", "#2a8a99", "#c03d3e", "#5c6b7a", "#6b8e23",
    ),
    "dark": (
        "#7fb0ea", "#f0965c", "#69c49c", "#e58ab8", "#b8a2ec",
        "#d8b75c", "#6fcbd8", "#f28482", "#a7b4c2", "#a9c962",
    ),
}  # fmt: skip
TOKENS = {
    "light": {
        "ink": "#1b1f24", "muted": "#5b6570", "line": "#dfe3e8", "paper": "#ffffff",
        "bad": "#b3261e", "good": "#1f7a4d", "ground": "#f7f8f9", "hover": "#eef3fa",
    },
    "dark": {
        "ink": "#e6e9ec", "muted": "#a0aab4", "line": "#30373e", "paper": "#1a1e22",
        "bad": "#ff8a80", "good": "#6fd3a0", "ground": "#121518", "hover": "#232a32",
    },
}  # fmt: skip
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Liberation Sans', sans-serif"


def colour(token: str, look: Look) -> str:
    """The value of a token: a colour, or for the page the CSS variable that has it in light, dark and print."""
    return f"var(--{token})" if look == "page" else TOKENS[look][token]


def series(look: Look) -> list[str]:
    """The colours of series, in the order in which they are given out."""
    count = len(SERIES["light"])
    return [f"var(--series-{number})" for number in range(count)] if look == "page" else list(SERIES[look])


def config(look: Look) -> dict[str, Any]:
    """The Vega-Lite configuration of a look: quiet axes, no frame, the palette above."""
    ink, muted, line = (colour(token, look) for token in ("ink", "muted", "line"))
    return {
        "background": "transparent" if look == "page" else colour("paper", look),
        "font": FONT,
        "view": {"stroke": None, "continuousHeight": 320},
        "axis": {
            "labelColor": muted, "titleColor": muted, "gridColor": line, "domainColor": line, "tickColor": line,
            "labelFontSize": 11, "titleFontSize": 12, "titleFontWeight": "normal", "titlePadding": 8, "labelLimit": 260,
        },
        "legend": {
            "labelColor": ink, "titleColor": muted, "labelFontSize": 11, "titleFontSize": 11,
            "titleFontWeight": "normal", "symbolStrokeWidth": 1.5, "labelLimit": 200,
            "orient": "top", "columns": 5, "titleOrient": "left", "offset": 8, "padding": 0,
            "symbolBaseFillColor": muted, "symbolBaseStrokeColor": muted,
        },
        "title": {
            "color": ink, "subtitleColor": muted, "anchor": "start", "fontSize": 14, "subtitleFontSize": 12,
            "fontWeight": 600, "offset": 12,
        },
        "text": {"color": ink, "fontSize": 11},
        "rule": {"color": muted},
        "range": {"category": series(look)},
    }  # fmt: skip


def css() -> str:
    """The tokens and series colours as CSS variables: light, dark where the reader prefers it, light in print."""
    light, dark = _variables("light"), _variables("dark")
    return (
        f":root{{color-scheme:light;{light}}}\n"
        f"@media screen and (prefers-color-scheme:dark){{:root{{color-scheme:dark;{dark}}}}}\n"
    )


def _variables(look: str) -> str:
    named = [f"--{token}:{value};" for token, value in TOKENS[look].items()]
    return "".join([*named, *(f"--series-{number}:{value};" for number, value in enumerate(SERIES[look]))])
