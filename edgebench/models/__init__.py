"""The networks: families as plain tables, names and scaling points, without torch.

`edgebench.models.build` makes torch modules of them, `edgebench.models.sketch` Graphs.
"""

from edgebench.ground.registry import networks as names
from edgebench.models.user import InputSize, parse_input
from edgebench.models.zoo import FOCUS, family_of, parameters, plan_of, preprocessing, resolve

__all__ = [
    "FOCUS",
    "InputSize",
    "family_of",
    "names",
    "parameters",
    "parse_input",
    "plan_of",
    "preprocessing",
    "resolve",
]
