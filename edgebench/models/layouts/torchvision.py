"""torchvision's layouts (0.28). Our modules have torchvision's names, so every table is empty: the keys are the same.

Arithmetic is the same too. GoogLeNet's `transform_input=True`, with which its weights come, turns ImageNet's
normalisation into (x - 0.5) / 0.5 inside the network: our preprocessing does that before it. Its side classifiers
(aux1, aux2) are dropped unless they are asked for. Where torchvision has a second training (IMAGENET1K_V2), images are
prepared as for the first.
"""

from edgebench.models.layouts.layout import Layout

LAYOUTS = {
    "alexnet_owt": Layout(),
    **{f"vgg{layers}{suffix}": Layout() for layers in (16, 19) for suffix in ("", "_bn")},
    **{f"resnet{layers}": Layout() for layers in (18, 34, 50, 101, 152)},
    "googlenet": Layout(),
    "mobilenetv2": Layout(),
    "efficientnet": Layout(),
    **{f"efficientnet_b{size}": Layout() for size in range(8)},
}
