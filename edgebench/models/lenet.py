"""LeNet-5 (LeCun et al., 1998), in the form everyone trains today.

The paper's C3 connects only some maps and its subsampling has trainable coefficients; here C3 is an ordinary
convolution and subsampling is plain average pooling, C5 a dense layer. `modern=True`: max pooling and ReLU.
"""

from __future__ import annotations

from edgebench.ground.records import ModelSpec
from edgebench.models.family import Family, Member
from edgebench.models.plan import Activation, Conv, Dense, Flatten, Function, Layer, Pool, Sequence, sequence
from edgebench.models.scaling import round_channels

CONVOLUTIONS = (6, 16)  # C1, C3: 5x5, unpadded, each followed by 2x2 pooling
DENSE = (120, 84)  # C5, F6


def plan(spec: ModelSpec) -> Sequence:
    """Returns LeNet-5 at the spec's width; channels round to even numbers, since 6 is no multiple of 8."""
    modern = bool(spec.options.get("modern", False))
    function: Function = "relu" if modern else "tanh"
    layers: dict[str, Layer] = {}
    for index, base in enumerate(CONVOLUTIONS, start=1):
        layers[f"conv{index}"] = Conv(round_channels(base * spec.width, 2), 5, padding=0, bias=True)
        layers[f"act{index}"] = Activation(function)
        layers[f"pool{index}"] = Pool("max" if modern else "average", 2, 2)
    layers["flatten"] = Flatten()
    for index, base in enumerate(DENSE, start=1):
        layers[f"fc{index}"] = Dense(round_channels(base * spec.width, 2))
        layers[f"fc{index}_act"] = Activation(function)
    return sequence(**layers, fc3=Dense(spec.classes))


FAMILY = Family(
    name="lenet",
    members={
        "lenet5": Member(
            resolution=32,
            classes=10,
            channels=1,
            minimum=16,
            options={"modern": (False, True)},
            resize=32,
            mean=(0.0,),
            std=(1.0,),
        )
    },
    plan=plan,
)
