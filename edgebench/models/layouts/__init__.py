"""Weights published in other libraries' layouts: their keys, and where their arithmetic is not ours.

`library` holds the tables, `adapting` applies what is not a name, `reference` fetches what a user writes for
`--weights`. A file does not say which training it holds: preprocessing is that of the library's default weights.
"""

from edgebench.models.layouts.adapting import adapted, preprocessing
from edgebench.models.layouts.library import LAYOUT_KEY, LIBRARIES, Layout, hint, layout

__all__ = ["LAYOUT_KEY", "LIBRARIES", "Layout", "adapted", "hint", "layout", "preprocessing"]
