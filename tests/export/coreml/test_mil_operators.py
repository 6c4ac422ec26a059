"""Each operator against coremltools' own value of it, or against torch's operator that it stands for."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from edgebench.formats.coreml.mil_operators import OPERATORS

X = torch.randn(1, 4, 9, 7, generator=torch.Generator().manual_seed(0))
W = torch.randn(6, 2, 3, 3, generator=torch.Generator().manual_seed(1))
K = [3, 3]

CASES = {
    "conv, custom padding": (
        "conv",
        {"x": X, "weight": W, "strides": [2, 1], "pad_type": "custom", "pad": [1, 0, 2, 1], "groups": 2},
        lambda: functional.conv2d(functional.pad(X, (2, 1, 1, 0)), W, None, (2, 1), groups=2),
    ),
    "conv, same": (
        "conv",
        {"x": X, "weight": W, "strides": [2, 2], "pad_type": "same", "groups": 2},
        lambda: functional.conv2d(functional.pad(X, (1, 1, 1, 1)), W, None, 2, groups=2),
    ),
    "conv, same on an even size": (
        "conv",
        {"x": X[..., :6], "weight": W, "strides": [2, 2], "pad_type": "same", "groups": 2},
        lambda: functional.conv2d(functional.pad(X[..., :6], (0, 1, 1, 1)), W, None, 2, groups=2),
    ),
    "conv, same_lower on an even size": (
        "conv",
        {"x": X[..., :6], "weight": W, "strides": [2, 2], "pad_type": "same_lower", "groups": 2},
        lambda: functional.conv2d(functional.pad(X[..., :6], (1, 0, 1, 1)), W, None, 2, groups=2),
    ),
    "conv, dilated": (
        "conv",
        {"x": X, "weight": W, "dilations": [2, 2], "groups": 2},
        lambda: functional.conv2d(X, W, dilation=2, groups=2),
    ),
    "conv, one axis": (
        "conv",
        {"x": X[:, :, 0], "weight": W[:, :, 0], "pad_type": "custom", "pad": [1, 1], "groups": 2},
        lambda: functional.conv1d(X[:, :, 0], W[:, :, 0], padding=1, groups=2),
    ),
    "max_pool, ceiling": (
        "max_pool",
        {"x": X, "kernel_sizes": K, "strides": [2, 2], "ceil_mode": True},
        lambda: functional.max_pool2d(X, 3, 2, ceil_mode=True),
    ),
    "max_pool, ceiling and padding": (
        "max_pool",
        {"x": X, "kernel_sizes": [2, 2], "strides": [2, 2], "pad_type": "custom", "pad": [1] * 4, "ceil_mode": True},
        lambda: functional.max_pool2d(X, 2, 2, 1, ceil_mode=True),
    ),
    "avg_pool, padding counts": (
        "avg_pool",
        {"x": X, "kernel_sizes": K, "strides": [1, 1], "pad_type": "custom", "pad": [1] * 4},
        lambda: functional.avg_pool2d(X, 3, 1, 1),
    ),
    "avg_pool, padding does not count": (
        "avg_pool",
        {
            "x": X,
            "kernel_sizes": K,
            "strides": [2, 2],
            "pad_type": "custom",
            "pad": [1] * 4,
            "exclude_padding_from_average": True,
        },
        lambda: functional.avg_pool2d(X, 3, 2, 1, count_include_pad=False),
    ),
    "avg_pool, three axes": (
        "avg_pool",
        {"x": X[None], "kernel_sizes": [3, 1, 1], "strides": [1, 1, 1]},
        lambda: functional.avg_pool3d(X[None], (3, 1, 1), 1),
    ),
    "batch_norm": (
        "batch_norm",
        {"x": X, "mean": torch.arange(4.0), "variance": torch.arange(1.0, 5), "gamma": torch.full((4,), 2.0)},
        lambda: (X - torch.arange(4.0).view(4, 1, 1)) / (torch.arange(1.0, 5).view(4, 1, 1) + 1e-5).sqrt() * 2,
    ),
    "local_response_norm": (
        "local_response_norm",
        {"x": X, "size": 3, "alpha": 0.1, "beta": 0.5, "k": 2.0},
        lambda: functional.local_response_norm(X, 3, 0.1, 0.5, 2.0),
    ),
    "linear": (
        "linear",
        {"x": X, "weight": W[:, 0, 0, 0].outer(torch.ones(7))},
        lambda: X @ W[:, 0, 0, 0].outer(torch.ones(7)).T,
    ),
    "matmul": ("matmul", {"x": X, "y": X, "transpose_y": True}, lambda: X @ X.mT),
    "clip": ("clip", {"x": X, "alpha": 0.0, "beta": 0.5}, lambda: X.clamp(0, 0.5)),
    "sigmoid_hard": ("sigmoid_hard", {"x": X, "alpha": 1 / 6, "beta": 0.5}, lambda: functional.hardsigmoid(X)),
    "leaky_relu": ("leaky_relu", {"x": X, "alpha": 0.3}, lambda: functional.leaky_relu(X, 0.3)),
    "elu": ("elu", {"x": X, "alpha": 0.7}, lambda: functional.elu(X, 0.7)),
    "gelu": ("gelu", {"x": X}, lambda: functional.gelu(X)),
    "gelu by tanh": ("gelu", {"x": X, "mode": "TANH_APPROXIMATION"}, lambda: functional.gelu(X, approximate="tanh")),
    "softmax": ("softmax", {"x": X, "axis": 1}, lambda: X.softmax(1)),
    "reduce_mean": ("reduce_mean", {"x": X, "axes": [2, 3], "keep_dims": True}, lambda: X.mean((2, 3), keepdim=True)),
    "reduce_max of all": ("reduce_max", {"x": X}, lambda: X.max()),
    "reduce_sum": ("reduce_sum", {"x": X, "axes": [-1]}, lambda: X.sum(-1)),
    "reshape": ("reshape", {"x": X, "shape": [0, -1, 7]}, lambda: X.reshape(1, 36, 7)),
    "transpose": ("transpose", {"x": X, "perm": [0, 2, 3, 1]}, lambda: X.permute(0, 2, 3, 1)),
    "squeeze": ("squeeze", {"x": X, "axes": [0]}, lambda: X[0]),
    "expand_dims": ("expand_dims", {"x": X, "axes": [-1, 1]}, lambda: X[:, None, ..., None]),
    "concat": ("concat", {"values": [X, X], "axis": 1}, lambda: torch.cat([X, X], 1)),
    "interleaved concat": (
        "concat",
        {"values": [X, -X], "axis": 1, "interleave": True},
        lambda: functional.channel_shuffle(torch.cat([X, -X], 1), 2),
    ),
    "pad": (
        "pad",
        {"x": X, "pad": [1, 2, 3, 4], "constant_val": 5.0},
        lambda: functional.pad(X, (3, 4, 1, 2), value=5.0),
    ),
    "pad, reflected": (
        "pad",
        {"x": X, "pad": [1, 2, 3, 4], "mode": "reflect"},
        lambda: functional.pad(X, (3, 4, 1, 2), mode="reflect"),
    ),
    "slice_by_index": (
        "slice_by_index",
        {
            "x": X,
            "begin": [0, 2, 1, 0],
            "end": [0, 3, 8, 0],
            "stride": [1, 1, 2, 1],
            "begin_mask": [True, False, False, True],
            "end_mask": [True, False, False, True],
            "squeeze_mask": [False, True, False, False],
        },
        lambda: X[:, 2, 1:8:2],
    ),
    "add": ("add", {"x": X, "y": np.float32(2)}, lambda: X + 2),
    "sub": ("sub", {"x": np.float32(2), "y": X}, lambda: 2 - X),
    "mul": ("mul", {"x": X, "y": X}, lambda: X * X),
    "real_div": ("real_div", {"x": X, "y": np.float32(4)}, lambda: X / 4),
    "pow": ("pow", {"x": X.abs(), "y": np.float32(0.75)}, lambda: X.abs() ** 0.75),
    "maximum": ("maximum", {"x": X, "y": np.float32(0)}, lambda: X.clamp(min=0)),
    "minimum": ("minimum", {"x": X, "y": np.float32(0)}, lambda: X.clamp(max=0)),
    "abs": ("abs", {"x": X}, lambda: X.abs()),
    "cast": ("cast", {"x": X, "dtype": "fp16"}, lambda: X),
    "dequantize": ("dequantize", {"input": X.round(), "scale": 0.5, "zero_point": 2}, lambda: (X.round() - 2) / 2),
    "exp": ("exp", {"x": X}, lambda: X.exp()),
    "identity": ("identity", {"x": X}, lambda: X),
    "quantize": (
        "quantize",
        {"input": X, "scale": 0.5, "output_dtype": "int8"},
        lambda: (X * 2).round().clamp(-128, 127),
    ),
    "relu": ("relu", {"x": X}, lambda: X.clamp(min=0)),
    "relu6": ("relu6", {"x": X * 9}, lambda: (X * 9).clamp(0, 6)),
    "sigmoid": ("sigmoid", {"x": X}, lambda: 1 / (1 + (-X).exp())),
    "silu": ("silu", {"x": X}, lambda: X / (1 + (-X).exp())),
    "sqrt": ("sqrt", {"x": X.abs()}, lambda: X.abs() ** 0.5),
    "square": ("square", {"x": X}, lambda: X**2),
    "thresholded_relu": ("thresholded_relu", {"x": X, "alpha": -0.5}, lambda: functional.threshold(X, -0.5, 0)),
    "tanh": ("tanh", {"x": X}, lambda: 1 - 2 / ((2 * X).exp() + 1)),
}


SMALL = X.clamp(-0.9, 0.9)
MASK = X > 0
INDEX = torch.tensor([[2, 0], [-1, 2]])
PLAIN = {  # operators of x alone, or of x and y, whose name in torch is given
    **{name: name for name in ("atan", "ceil", "cos", "erf", "exp2", "floor", "round", "sign", "sin", "tan")},
    **{"greater": "gt", "greater_equal": "ge", "less": "lt", "less_equal": "le", "equal": "eq", "not_equal": "ne"},
    **{name: name for name in ("logical_and", "logical_or", "logical_xor")},
}
Y = X.flip(1).round()
CASES |= {
    name: (name, {"x": X, "y": Y}, lambda torch_name=torch_name: _plain(getattr(torch, torch_name)))
    for name, torch_name in PLAIN.items()
}


def _plain(compute):
    try:
        return compute(X)
    except TypeError:
        return compute(X, Y)


CASES |= {
    "acos": ("acos", {"x": SMALL}, lambda: torch.acos(SMALL)),
    "asin": ("asin", {"x": SMALL}, lambda: torch.asin(SMALL)),
    "clamped_relu": (
        "clamped_relu",
        {"x": X, "alpha": 0.1, "beta": 0.5},
        lambda: functional.leaky_relu(X, 0.1).clamp(max=0.5),
    ),
    "conv_transpose, custom padding": (
        "conv_transpose",
        {"x": X, "weight": W[:4], "strides": [2, 3], "pad_type": "custom", "pad": [1, 0, 2, 1], "groups": 2},
        lambda: functional.conv_transpose2d(X, W[:4], stride=(2, 3), groups=2)[:, :, 1:, 2:-1],
    ),
    "conv_transpose, a given shape": (
        "conv_transpose",
        {
            "x": X,
            "weight": W[:4],
            "bias": torch.ones(2),
            "strides": [2, 2],
            "pad_type": "custom",
            "pad": [1] * 4,
            "output_shape": [1, 2, 18, 14],
        },
        lambda: functional.conv_transpose2d(X, W[:4], torch.ones(2), 2, 1, 1),
    ),
    "conv_transpose, same": (
        "conv_transpose",
        {"x": X, "weight": W[:4], "strides": [2, 2], "pad_type": "same"},
        lambda: functional.conv_transpose2d(X, W[:4], stride=2)[:, :, :18, :14],
    ),
    "crop": ("crop", {"x": X, "crop_height": [1, 2], "crop_width": [0, 3]}, lambda: X[:, :, 1:-2, :-3]),
    "cumsum": ("cumsum", {"x": X, "axis": 2}, lambda: X.cumsum(2)),
    "depth_to_space": (
        "depth_to_space",
        {"x": X, "block_size": 2},
        lambda: functional.pixel_shuffle(X, 2),  # one output channel: both orders are the same
    ),
    "einsum": (
        "einsum",
        {"values": [X, X], "equation": "nchw,nchu->nhwu"},
        lambda: torch.einsum("nchw,nchu->nhwu", X, X),
    ),
    "floor_div": ("floor_div", {"x": X, "y": np.float32(0.3)}, lambda: (X / 0.3).floor()),
    "gather": ("gather", {"x": X, "indices": INDEX, "axis": 2}, lambda: X[:, :, INDEX]),
    "gather_along_axis": (
        "gather_along_axis",
        {"x": X, "indices": MASK.long(), "axis": 1},
        lambda: X.gather(1, MASK.long()),
    ),
    "instance_norm": (
        "instance_norm",
        {"x": X, "beta": torch.ones(4)},
        lambda: functional.instance_norm(X, bias=torch.ones(4)),
    ),
    "inverse": ("inverse", {"x": X, "epsilon": 0.0}, lambda: 1 / X),
    "l2_norm": ("l2_norm", {"x": X}, lambda: X / X.norm()),
    "layer_norm": (
        "layer_norm",
        {"x": X, "axes": [-1], "gamma": torch.arange(7.0), "epsilon": 1e-3},
        lambda: functional.layer_norm(X, (7,), torch.arange(7.0), None, 1e-3),
    ),
    "layer_norm of channels": (
        "layer_norm",
        {"x": X, "axes": [1], "beta": torch.arange(4.0)},
        lambda: functional.layer_norm(X.movedim(1, -1), (4,), None, torch.arange(4.0)).movedim(-1, 1),
    ),
    "linear_activation": ("linear_activation", {"x": X, "alpha": 2.0, "beta": 1.0}, lambda: 2 * X + 1),
    "log": ("log", {"x": X.abs()}, lambda: X.abs().log()),
    "logical_not": ("logical_not", {"x": MASK}, lambda: ~MASK),
    "mod": ("mod", {"x": X, "y": np.float32(0.7)}, lambda: X.remainder(0.7)),
    "pixel_shuffle": ("pixel_shuffle", {"x": X, "upscale_factor": 2}, lambda: functional.pixel_shuffle(X, 2)),
    "pixel_unshuffle": (
        "pixel_unshuffle",
        {"x": X[..., :8, :6], "downscale_factor": 2},
        lambda: functional.pixel_unshuffle(X[..., :8, :6], 2),
    ),
    "prelu": ("prelu", {"x": X, "alpha": torch.arange(4.0)}, lambda: functional.prelu(X, torch.arange(4.0))),
    "reduce_argmax": ("reduce_argmax", {"x": X, "axis": 1, "keep_dims": False}, lambda: X.argmax(1)),
    "reduce_argmin": ("reduce_argmin", {"x": X}, lambda: X.argmin(-1, keepdim=True)),
    "reduce_l1_norm": ("reduce_l1_norm", {"x": X, "axes": [1]}, lambda: X.abs().sum(1)),
    "reduce_l2_norm": ("reduce_l2_norm", {"x": X, "axes": [1, 3]}, lambda: torch.linalg.vector_norm(X, dim=(1, 3))),
    "reduce_log_sum_exp": ("reduce_log_sum_exp", {"x": X, "axes": [1]}, lambda: X.logsumexp(1)),
    "reduce_min": ("reduce_min", {"x": X, "axes": [1]}, lambda: X.amin(1)),
    "reduce_sum_square": ("reduce_sum_square", {"x": X, "axes": [1]}, lambda: (X * X).sum(1)),
    "resize_bilinear": (
        "resize_bilinear",
        {"x": X, "target_size_height": 5, "target_size_width": 14, "sampling_mode": "UNALIGN_CORNERS"},
        lambda: functional.interpolate(X, (5, 14), mode="bilinear"),
    ),
    "resize_bilinear, aligned corners": (
        "resize_bilinear",
        {"x": X, "target_size_height": 5, "target_size_width": 14, "sampling_mode": "STRICT_ALIGN_CORNERS"},
        lambda: functional.interpolate(X, (5, 14), mode="bilinear", align_corners=True),
    ),
    "resize_nearest_neighbor": (
        "resize_nearest_neighbor",
        {"x": X, "target_size_height": 5, "target_size_width": 14},
        lambda: functional.interpolate(X, (5, 14)),
    ),
    "reverse": ("reverse", {"x": X, "axes": [1, 3]}, lambda: X.flip(1, 3)),
    "rsqrt": ("rsqrt", {"x": X.abs() + 1}, lambda: (X.abs() + 1) ** -0.5),
    "select": ("select", {"cond": MASK, "a": X, "b": np.float32(3)}, lambda: X.masked_fill(~MASK, 3)),
    "slice_by_size": (
        "slice_by_size",
        {"x": X, "begin": [0, 1, 2, 3], "size": [1, 2, -1, 4]},
        lambda: X[:, 1:3, 2:, 3:7],
    ),
    "softplus": ("softplus", {"x": X}, lambda: (1 + X.exp()).log()),
    "softsign": ("softsign", {"x": X}, lambda: X / (1 + X.abs())),
    "space_to_depth": (
        "space_to_depth",
        {"x": X[:, :1, :8, :6], "block_size": 2},
        lambda: functional.pixel_unshuffle(X[:, :1, :8, :6], 2),
    ),
    "split by sizes": ("split", {"x": X, "split_sizes": [1, 3], "axis": 1}, lambda: (X[:, :1], X[:, 1:])),
    "split into parts": ("split", {"x": X, "num_splits": 2, "axis": 1}, lambda: (X[:, :2], X[:, 2:])),
    "stack": ("stack", {"values": [X, Y], "axis": 2}, lambda: torch.stack([X, Y], 2)),
    "threshold": ("threshold", {"x": X, "alpha": 0.3}, lambda: X.clamp(min=0.3)),
    "tile": ("tile", {"x": X, "reps": [1, 2, 1, 3]}, lambda: torch.cat([torch.cat([X, X], 1)] * 3, 3)),
    "topk": ("topk", {"x": X, "k": 2, "axis": 1}, lambda: tuple(X.topk(2, 1))),
    "topk, smallest": (
        "topk",
        {"x": X, "k": 3, "axis": -1, "ascending": True, "return_indices": False},
        lambda: (X.sort(-1).values[..., :3],),
    ),
    "upsample_bilinear": (
        "upsample_bilinear",
        {"x": X, "scale_factor_height": 1.5, "scale_factor_width": 2.0, "align_corners": False},
        lambda: functional.interpolate(X, scale_factor=(1.5, 2.0), mode="bilinear"),
    ),
    "upsample_bilinear, aligned corners": (
        "upsample_bilinear",
        {"x": X, "scale_factor_height": 2, "scale_factor_width": 3, "align_corners": True},
        lambda: functional.interpolate(X, scale_factor=(2, 3), mode="bilinear", align_corners=True),
    ),
    "upsample_nearest_neighbor": (
        "upsample_nearest_neighbor",
        {"x": X, "scale_factor_height": 2, "scale_factor_width": 1.5},
        lambda: functional.interpolate(X, scale_factor=(2, 1.5)),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_operator_computes_its_definition(case):
    name, arguments, expected = CASES[case]
    torch.testing.assert_close(OPERATORS[name](arguments), expected(), rtol=1e-5, atol=1e-5)


def test_every_operator_has_a_case():
    assert {name for name, _, _ in CASES.values()} == OPERATORS.keys()


def test_quantize_rounds_to_the_even_and_clips_and_dequantize_reverses_it():
    x = torch.tensor([[-9.0, 0.25, 0.75, 9.0]])
    whole = OPERATORS["quantize"]({"input": x, "scale": 0.5, "output_dtype": "int8"})
    assert whole.tolist() == [[-18.0, 0.0, 2.0, 18.0]]
    assert OPERATORS["quantize"]({"input": x, "scale": 0.01, "output_dtype": "uint8", "zero_point": 7}).tolist() == [
        [0.0, 32.0, 82.0, 255.0]
    ]
    assert OPERATORS["dequantize"]({"input": whole, "scale": 0.5}).tolist() == [[-9.0, 0.0, 1.0, 9.0]]
    scales = torch.tensor([1.0, 2.0, 3.0, 4.0])
    assert OPERATORS["dequantize"]({"input": whole, "scale": scales, "axis": 1}).tolist() == [[-18.0, 0.0, 6.0, 72.0]]
