"""The folders of a user that edgebench keeps things in."""

from __future__ import annotations

from pathlib import Path

from platformdirs import user_cache_path


def cache_folder() -> Path:
    """The user's cache folder for edgebench, where the platform keeps such: $XDG_CACHE_HOME or ~/.cache on Linux."""
    return user_cache_path("edgebench", appauthor=False)
