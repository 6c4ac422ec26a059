"""The JavaScript of Vega, Vega-Lite and vega-embed, as vl-convert bundles it: one text without any request."""

from __future__ import annotations

import hashlib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from edgebench.ground.errors import MissingPackage
from edgebench.ground.paths import cache_folder, write_atomically

SNIPPET = "window.vegaEmbed = vegaEmbed;"


def vega_library() -> str:
    """Returns the bundle, which sets window.vegaEmbed. Bundling takes over a second, so it is kept in the user's cache.

    Raises MissingPackage without vl-convert.
    """
    kept = _kept()
    try:
        return kept.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        bundle = _bundle()
    _keep(kept, bundle)
    return bundle


def _bundle() -> str:
    import vl_convert

    text: str = vl_convert.javascript_bundle(SNIPPET)
    return text.replace("</script", "<\\/script").replace("<!--", "<\\!--")


def _kept() -> Path:
    """Where the bundle of this version of vl-convert is kept."""
    try:
        name = version("vl-convert-python")
    except PackageNotFoundError as error:
        raise MissingPackage("vl-convert-python", "report", "the report's plots") from error
    marker = hashlib.sha256(SNIPPET.encode()).hexdigest()[:8]
    return cache_folder() / f"vega-{name}-{marker}.js"


def _keep(path: Path, bundle: str) -> None:
    """Writes the bundle; a cache that cannot be written is only slower."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, bundle)
    except OSError:
        return
