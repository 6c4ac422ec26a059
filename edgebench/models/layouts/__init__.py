"""Weights published in other libraries' layouts: their keys, and where their arithmetic is not ours.

One table per family and library (torchvision.py, timm.py); `keys` applies a table, `reference` reads what a user
writes for `--weights`, `download` fetches. A file does not say which training it holds: preprocessing is that of the
library's default weights of the network.
"""

from edgebench.models.layouts.adapting import adapted, preprocessing
from edgebench.models.layouts.layout import LAYOUT_KEY, Layout
from edgebench.models.layouts.library import LIBRARIES, hint, layout

__all__ = ["LAYOUT_KEY", "LIBRARIES", "Layout", "adapted", "hint", "layout", "preprocessing"]
