"""Capture: each covered aten operator, what is folded and fused, and what is refused with which words."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import weight_norm

from edgebench.formats.quantize.replay import Replay
from edgebench.graph import operators as ops
from edgebench.graph.capture import capture
from edgebench.ground.errors import ExportError

IMAGE = (1, 8, 12, 10)


class Calls(nn.Module):
    """A network that is one function of its input and some layers."""

    def __init__(self, function: Callable[..., torch.Tensor], *layers: nn.Module) -> None:
        super().__init__()
        self.function = function
        self.layers = nn.ModuleList(layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.function(x, *self.layers)


class Constant(nn.Module):
    """Holds a buffer, and gives it whatever the input."""

    def __init__(self, value: torch.Tensor) -> None:
        super().__init__()
        self.register_buffer("value", value)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.value


def body(network: nn.Module, shape: tuple[int, ...] = IMAGE) -> tuple[ops.Operator, ...]:
    """The operators behind the input."""
    return capture(network.eval(), shape).operators[1:]


def computes_the_same(network: nn.Module, *shapes: tuple[int, ...]) -> None:
    """Asserts that the captured graph, replayed, gives what the network gives, for each of its outputs."""
    inputs = [torch.randn(shape) for shape in shapes or (IMAGE,)]
    graph = capture(network.eval(), inputs)
    found, expected = Replay(graph)(*inputs), network(*inputs)
    several = expected.values() if isinstance(expected, dict) else [expected]
    for one, other in zip(found if isinstance(found, tuple) else [found], several, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


def kinds(function: Callable[..., torch.Tensor] | nn.Module, *layers: nn.Module) -> list[str]:
    network = function if isinstance(function, nn.Module) else Calls(function, *layers)
    return [operator.kind for operator in body(network)]


def only(function: Callable[..., torch.Tensor] | nn.Module, *layers: nn.Module) -> ops.Operator:
    (operator,) = body(function if isinstance(function, nn.Module) else Calls(function, *layers))
    return operator


def test_convolution_keeps_every_parameter():
    layer = nn.Conv2d(8, 12, (3, 5), stride=(2, 1), padding=(1, 2), dilation=(1, 2), groups=4)
    conv = only(layer)
    assert isinstance(conv, ops.Conv)
    assert (conv.kernel, conv.stride, conv.padding, conv.dilation) == ((3, 5), (2, 1), (1, 1, 2, 2), (1, 2))
    assert (conv.in_channels, conv.groups, conv.weight_shape) == (8, 4, (12, 2, 3, 5))
    assert conv.shape == (1, *layer(torch.zeros(IMAGE)).shape[1:])
    np.testing.assert_array_equal(conv.weight, layer.weight.detach().numpy())
    np.testing.assert_array_equal(conv.bias, layer.bias.detach().numpy())


def test_weights_that_need_no_folding_share_memory_with_torch():
    layer = nn.Conv2d(8, 4, 3)
    assert np.shares_memory(only(layer).weight, layer.weight.detach().numpy())


@pytest.mark.parametrize(
    ("kernel", "padding"), [((3, 3), (1, 1, 1, 1)), ((1, 5), (0, 0, 2, 2)), ((5, 3), (2, 2, 1, 1))]
)
def test_padding_same(kernel, padding):
    assert only(nn.Conv2d(8, 4, kernel, padding="same")).padding == padding


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("layer", [nn.Conv2d(8, 6, 3, bias=True), nn.Conv2d(8, 6, 3, bias=False)])
def test_batch_norm_is_folded_as_exactly_as_float32_holds(layer, affine):
    torch.manual_seed(0)
    norm = nn.BatchNorm2d(6, eps=1e-3, affine=affine)
    norm.running_mean.normal_()
    norm.running_var.uniform_(0.5, 2)
    x = torch.randn(IMAGE, dtype=torch.float64)
    conv = only(nn.Sequential(layer, norm))
    folded = F.conv2d(x, *(torch.from_numpy(value).double() for value in (conv.weight, conv.bias)))
    exact = nn.Sequential(layer, norm).double().eval()(x)
    layer.float()
    assert conv.kind == "conv"
    torch.testing.assert_close(folded, exact, rtol=1e-6, atol=1e-6)


def test_batch_norm_after_a_dense_layer_is_folded():
    assert kinds(lambda x, a, b: b(a(x.mean((2, 3)))), nn.Linear(8, 4), nn.BatchNorm1d(4)) == ["globalpool", "dense"]


def test_batch_norm_beside_a_convolution_that_pads_is_a_depthwise_one():
    norm = nn.BatchNorm2d(8)
    norm.running_var.fill_(3.0)
    lone, conv = body(Calls(lambda x, norm, conv: conv(F.relu(norm(x))), norm, nn.Conv2d(8, 4, 3, padding=1)))
    assert (lone.kind, lone.name, lone.activation, conv.kind) == ("depthwise", "layers.0", "relu", "conv")
    np.testing.assert_allclose(lone.weight.reshape(-1), np.full(8, (3 + 1e-5) ** -0.5), rtol=1e-6)


def test_batch_norm_far_from_convolutions_is_a_scale_and_a_shift():
    graph = capture(Calls(lambda x, norm: torch.tanh(norm(x)), nn.BatchNorm2d(8)).eval(), IMAGE)
    scale, shift, _ = graph.operators[1:]
    assert (scale.kind, shift.kind) == ("mul", "add")
    np.testing.assert_allclose(graph.constants[scale.inputs[1]], np.full((1, 8, 1, 1), (1 + 1e-5) ** -0.5), rtol=1e-6)


def test_batch_norm_is_not_folded_into_a_convolution_that_someone_else_reads():
    conv, norm = nn.Conv2d(8, 8, 1), nn.BatchNorm2d(8)
    assert kinds(lambda x, conv, norm: norm(y := conv(x)) + y, conv, norm) == ["conv", "depthwise", "add"]


@pytest.mark.parametrize(
    ("activate", "function"),
    [
        (F.relu, "relu"),
        (lambda y: F.relu_(y), "relu"),
        (F.relu6, "relu6"),
        (nn.ReLU6(inplace=True), "relu6"),
        (lambda y: y.clamp(0, 6), "relu6"),
        (lambda y: y.clamp(min=0), "relu"),
        (lambda y: y.clamp_min(0), "relu"),
        (nn.Hardtanh(0.0, 6.0), "relu6"),
    ],
)
def test_clamps_are_fused(activate, function):
    assert only(lambda x, conv: activate(conv(x)), nn.Conv2d(8, 4, 1)).activation == function
    assert only(lambda x: activate(x + x)).activation == function
    assert only(lambda x: activate(x * x)).activation == function
    assert only(lambda x: activate(x)).function == function


def test_a_clamp_is_not_fused_where_its_input_is_read_again():
    assert kinds(lambda x, conv: F.relu(y := conv(x)) + y, nn.Conv2d(8, 8, 1)) == ["conv", "activation", "add"]


def test_a_clamp_behind_calls_that_change_nothing_sees_all_readers():
    def network(x, conv):
        y = conv(x)
        return F.relu(F.adaptive_avg_pool2d(y, (12, 10)).contiguous()) + y

    assert kinds(network, nn.Conv2d(8, 8, 1)) == ["conv", "activation", "add"]


@pytest.mark.parametrize(
    ("layer", "function", "slope"),
    [
        (nn.Sigmoid(), "sigmoid", None),
        (nn.SiLU(inplace=True), "silu", None),
        (nn.Tanh(), "tanh", None),
        (nn.Hardswish(), "hardswish", None),
        (nn.Hardsigmoid(), "hardsigmoid", None),
        (nn.GELU(), "gelu", None),
        (nn.ELU(0.5), "elu", 0.5),
        (nn.LeakyReLU(0.2), "leaky_relu", 0.2),
    ],
)
def test_other_activations_stay_operators(layer, function, slope):
    conv, activation = body(nn.Sequential(nn.Conv2d(8, 4, 1), layer))
    assert (conv.activation, activation.function) == (None, function)
    assert slope is None or activation.slope == pytest.approx(slope)


def test_what_is_changed_in_place_is_read_changed():
    """In torch the sum below adds ReLU(x) twice: the second x was overwritten."""

    def network(x, conv):
        y = conv(x)
        F.relu_(y)
        return y + y

    conv, add = body(Calls(network, nn.Conv2d(8, 8, 1)))
    assert (conv.activation, add.inputs) == ("relu", (conv.name, conv.name))


def test_a_change_in_place_behind_a_view_is_followed():
    def network(x, conv):
        y = conv(x)
        F.relu_(y[:, :4])
        return y

    computes_the_same(Calls(network, nn.Conv2d(8, 8, 1)))


def test_a_buffer_that_counts_calls_counts_none_at_capture():
    class Counting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("calls", torch.zeros(1))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.calls += 1
            return x * self.calls

    network = Counting().eval()
    assert (kinds(network), network.calls.item()) == (["mul"], 0)


def test_a_part_under_autocast_is_walked_where_it_stands():
    def network(x, conv):
        with torch.autocast("cpu", enabled=False):
            return F.relu(conv(x)) + 2

    assert kinds(network, nn.Conv2d(8, 8, 1)) == ["conv", "add"]


def test_what_does_not_depend_on_the_input_is_computed_once():
    conv = weight_norm(nn.Conv2d(8, 4, 3))
    found = only(conv)
    np.testing.assert_allclose(found.weight, conv.weight.detach().numpy(), rtol=1e-6)


def test_several_inputs_and_outputs_keep_their_order():
    class Two(nn.Module):
        def forward(self, image: torch.Tensor, mask: torch.Tensor) -> dict[str, torch.Tensor]:
            return {"masked": image * mask, "sum": image + mask}

    graph = capture(Two().eval(), [(1, 4, 6, 6), torch.ones(1, 1, 6, 6)])
    assert [source.name for source in graph.inputs] == ["image", "mask"]
    assert [graph[name].kind for name in graph.outputs] == ["mul", "add"]
    computes_the_same(Two(), (1, 4, 6, 6), (1, 1, 6, 6))


def test_a_program_that_is_exported_already_is_read():
    layer = nn.Conv2d(8, 4, 3)
    program = torch.export.export(layer.eval(), (torch.zeros(IMAGE),))
    assert [operator.kind for operator in capture(program).operators] == ["input", "conv"]


def test_dropout_and_identity_vanish():
    layers = nn.Sequential(nn.Dropout(0.5), nn.Dropout2d(0.5, inplace=True), nn.Identity(), nn.Conv2d(8, 4, 1))
    assert only(layers).inputs == ("input",)


def test_casts_to_float32_vanish():
    assert kinds(lambda x, conv: conv(x.float().type_as(x).to("cpu")), nn.Conv2d(8, 4, 1)) == ["conv"]


@pytest.mark.parametrize(
    ("pool", "expected"),
    [
        (nn.MaxPool2d(3, 2, 1), ("max", (3, 3), (2, 2), (1, 1, 1, 1), False)),
        (nn.MaxPool2d((2, 3)), ("max", (2, 3), (2, 3), (0, 0, 0, 0), False)),
        (nn.MaxPool2d(3, 2, ceil_mode=True), ("max", (3, 3), (2, 2), (0, 1, 0, 1), False)),
        (nn.AvgPool2d(2), ("average", (2, 2), (2, 2), (0, 0, 0, 0), False)),
        (nn.AvgPool2d(3, 1, 1), ("average", (3, 3), (1, 1), (1, 1, 1, 1), True)),
        (nn.AvgPool2d(3, 1, 1, count_include_pad=False), ("average", (3, 3), (1, 1), (1, 1, 1, 1), False)),
        (nn.AvgPool2d(3, 2, ceil_mode=True), ("average", (3, 3), (2, 2), (0, 1, 0, 1), False)),
        (nn.AdaptiveAvgPool2d((6, 5)), ("average", (2, 2), (2, 2), (0, 0, 0, 0), False)),
    ],
)
def test_pooling(pool, expected):
    found = only(pool)
    assert (found.mode, found.window, found.stride, found.padding, found.counts_padding) == expected
    assert found.shape == tuple(pool(torch.zeros(IMAGE)).shape)


@pytest.mark.parametrize(
    ("function", "shape"),
    [
        (lambda x: F.adaptive_avg_pool2d(x, 1), (1, 8, 1, 1)),
        (lambda x: x.mean((2, 3), keepdim=True), (1, 8, 1, 1)),
        (lambda x: x.mean([-1, -2]), (1, 8)),
        (lambda x: F.adaptive_avg_pool2d(x, 1).flatten(1), (1, 8)),
        (lambda x: F.adaptive_avg_pool2d(x, 1).view(x.size(0), -1), (1, 8)),
    ],
)
def test_global_pooling(function, shape):
    found = only(function)
    assert (found.kind, found.shape) == ("globalpool", shape)


def test_adaptive_pooling_to_the_same_size_vanishes():
    assert kinds(lambda x, conv: conv(F.adaptive_avg_pool2d(x, (12, 10))), nn.Conv2d(8, 4, 1)) == ["conv"]


@pytest.mark.parametrize("size", [5, 4])
def test_local_response_norm_as_module_and_as_function(size):
    values = {"alpha": 2e-4, "beta": 0.6, "k": 1.5}
    module = only(nn.LocalResponseNorm(size, **values))
    function = only(lambda x: F.local_response_norm(x, size, **values))
    for found in (module, function):
        assert isinstance(found, ops.LocalResponseNorm)
        assert (found.size, found.alpha, found.beta, found.k) == (size, 2e-4, 0.6, 1.5)


def test_a_flattened_image_tells_the_dense_layer_its_shape():
    reshape, tanh, dense = body(Calls(lambda x, dense: dense(torch.tanh(x.flatten(1))), nn.Linear(960, 4)))
    assert (reshape.shape, tanh.kind, dense.flattened) == ((1, 960), "activation", (8, 12, 10))


def test_a_flattened_image_that_others_read_keeps_torchs_order():
    def network(x, dense):
        y = x.flatten(1)
        return dense(torch.cat([y, x.mean((2, 3))], 1))

    assert body(Calls(network, nn.Linear(968, 4)))[-1].flattened is None


def test_shortcut_without_parameters():
    subsample, pad = body(Calls(lambda x: F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 4, 4))))
    assert (subsample.stride, subsample.shape) == ((2, 2), (1, 8, 6, 5))
    assert (pad.amounts, pad.shape) == (((0, 0), (4, 4), (0, 0), (0, 0)), (1, 16, 6, 5))


def test_zeros_before_a_convolution_become_its_padding():
    conv = only(nn.Sequential(nn.ZeroPad2d((0, 1, 2, 3)), nn.Conv2d(8, 4, 3, padding=1)))
    assert conv.padding == (3, 4, 1, 2)


def test_zeros_that_something_else_reads_stay():
    found = kinds(lambda x, conv: conv(y := F.pad(x, (1, 1, 1, 1))) + y, nn.Conv2d(8, 8, 1))
    assert found == ["pad", "conv", "add"]


@pytest.mark.parametrize(
    ("function", "kind", "constant"),
    [
        (lambda x: x + 3, "add", 3),
        (lambda x: 3 + x, "add", 3),
        (lambda x: x - 3, "add", -3),
        (lambda x: x * 0.5, "mul", 0.5),
        (lambda x: x / 4, "mul", 0.25),
        (lambda x, buffer: x + buffer(x), "add", [2] * 8),
        (lambda x, buffer: buffer(x) * x, "mul", [2] * 8),
    ],
)
def test_arithmetic_with_constants(function, kind, constant):
    layers = [Constant(torch.full((8, 1, 1), 2.0))] if isinstance(constant, list) else []
    graph = capture(Calls(function, *layers).eval(), IMAGE)
    (found,) = graph.operators[1:]
    assert (found.kind, found.inputs[0]) == (kind, "input")
    np.testing.assert_array_equal(graph.constants[found.inputs[1]].reshape(-1), np.atleast_1d(np.float32(constant)))


def test_squeeze_and_excitation_with_explicit_expansion():
    found = kinds(lambda x, conv: x * conv(F.adaptive_avg_pool2d(x, 1)).expand_as(x), nn.Conv2d(8, 8, 1))
    assert found == ["globalpool", "conv", "mul"]


def test_names_are_the_paths_of_modules():
    network = nn.Sequential(nn.Conv2d(8, 8, 1), nn.Sequential(nn.Conv2d(8, 8, 1), nn.SiLU()))
    assert [operator.name for operator in body(network)] == ["0", "1.0", "1.1"]


class Twice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(8, 8, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(self.conv(x))


def test_a_module_that_is_called_twice_gives_two_operators():
    first, second = body(Twice())
    assert (first.module, second.module) == ("conv", "conv")
    assert second.inputs == (first.name,) != (second.name,)


def test_names_are_unique_whatever_modules_are_called():
    class Named(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.input, self.conv2d, self.add = nn.Conv2d(8, 8, 1), nn.Conv2d(8, 8, 1), nn.Conv2d(8, 8, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.add(self.conv2d(self.input(x)))
            return F.conv2d(x, self.add.weight) * x

    found = body(Named())
    assert [operator.kind for operator in found] == ["conv", "conv", "conv", "conv", "mul"]
    assert len({"input", *(operator.name for operator in found)}) == 6


@pytest.mark.parametrize(
    ("function", "layers", "words"),
    [
        (lambda x, conv: conv(x[None]), [nn.Conv3d(1, 1, 3)], r"aten.conv3d in module 'layers.0' \(Conv3d\) is a conv"),
        (lambda x: F.conv_transpose2d(x, x.mean((2, 3)).reshape(8, 1, 1, 1)), [], "weight that depends on the network"),
        (lambda x: x.half() * 2, [], "computes in torch.float16"),
        (lambda x: x.int() & 3, [], "works on the bits of whole numbers"),
        (lambda x: torch.polar(x, x).real, [], "aten.polar in .* complex numbers"),
        (lambda x: torch.cond(x.sum() > 0, lambda y: y + 1, lambda y: y - 1, (x,)), [], "decides by the values"),
        (lambda x: x + torch.rand_like(x), [], "draws random numbers"),
        (lambda x: F.max_unpool2d(*F.max_pool2d(x, 3, 2, 1, return_indices=True), 2), [], "not side by side"),
        (lambda x: x[:, torch.arange(8) > 3], [], "as many values as a mask holds"),
        (lambda x: x + torch.rand(10), [], "draws random numbers"),
        (lambda x: x[x.argmax(1)[0, 0, 0]], [], "aten.item in"),
        (lambda x: F.dropout(x), [], "drops values in evaluation"),
        (lambda x: torch.fft.rfft2(x).abs(), [], "aten.fft_rfft2 in .* computes with complex numbers"),
    ],
)
def test_what_is_not_covered_is_named_with_what_to_do(function, layers, words):
    with pytest.raises(ExportError, match=words) as caught:
        body(Calls(function, *layers))
    nowhere = ("by the values", "mask holds", "aten.item", "complex")  # litert-torch has no way either
    assert ("`converter='litert-torch'`" in str(caught.value)) != any(each in words for each in nowhere)
    assert "compute it outside the network" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda x: x if x.sum() > 0 else x * 2, "decides by the values of a tensor"),
        (lambda x: x * float(x.mean()), "decides by the values of a tensor"),
        (lambda x: x.reshape(7, 7), "torch.export cannot follow the network Calls on an input of shape"),
        (Constant(torch.ones(1, 4)), "does not depend on its input"),
    ],
)
def test_what_cannot_be_exported_is_said_in_one_sentence(function, words, capfd):
    network = function if isinstance(function, nn.Module) else Calls(function)
    with pytest.raises(ExportError, match=words) as caught:
        body(network)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_training_mode_is_refused():
    with pytest.raises(ExportError, match=r"training mode: call its eval\(\) first"):
        capture(nn.Conv2d(8, 4, 1).train(), IMAGE)


def test_a_wrapper_may_be_in_training_mode_where_no_layer_is():
    class Wrapper(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.Sequential(nn.Linear(4, 4), nn.Dropout()).eval()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.layers(x)

    assert capture(Wrapper(), (1, 4)).counts() == {"dense": 1}
    with pytest.raises(ExportError, match="in training mode"):
        capture(Wrapper().train(), (1, 4))


def test_a_network_of_which_one_operator_is_decomposed_keeps_its_batch_norms():
    class Normalised(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.logit(self.norm(self.conv(x)), eps=0.1)

    counts = capture(Normalised().eval(), (1, 3, 8, 8)).counts()
    assert counts["conv"] == 1  # the norm is folded into it
    assert counts["where"] == 2  # of what torch says logit is
