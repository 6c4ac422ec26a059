"""A network in hand: copied, named, told from others, and left as it was."""

import copy

import pytest
import torch
from torch import nn

from edgebench.ground.errors import UsageError
from edgebench.ground.records import Beside
from edgebench.models import in_hand
from edgebench.models.build import build
from edgebench.models.user import Inputs, InputSize
from edgebench.models.zoo import resolve


class Tiny(nn.Module):
    def __init__(self, out: int = 12) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.norm = nn.BatchNorm2d(8)
        self.head = nn.Linear(8, out)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, 3, H, W) -> (N, out)."""
        self.seen: torch.Tensor = self.conv(x)  # no leaf, as old hooks leave behind
        return self.head(self.norm(self.seen).relu().mean((2, 3)))


@pytest.fixture
def module() -> Tiny:
    torch.manual_seed(0)
    made = Tiny()
    made(torch.rand(2, 3, 8, 8)).sum().backward()
    return made


def test_a_copy_is_in_evaluation_and_the_module_stays_as_it_was(module: Tiny) -> None:
    module.half().norm.eval()
    module.head.bias.requires_grad_(False)
    before = copy.deepcopy({name: value.detach() for name, value in module.state_dict().items()})
    own = in_hand.copied(module)
    own.conv.weight.data.zero_()
    assert not any(part.training for part in own.modules())
    assert own(torch.zeros(1, 3, 8, 8)).dtype is torch.float32
    assert (module.training, module.norm.training, module.head.bias.requires_grad) == (True, False, False)
    assert module.conv.weight.grad is not None and own.conv.weight.grad is None
    assert all(torch.equal(before[name], value) for name, value in module.state_dict().items())


def test_shared_values_stay_shared(module: Tiny) -> None:
    module.again = module.conv
    own = in_hand.copied(module)
    assert own.again.weight is own.conv.weight is not module.conv.weight


def test_hooks_belong_to_what_is_computed(module: Tiny) -> None:
    module.head.register_forward_hook(lambda part, given, output: output * 0 + 7)
    assert torch.all(in_hand.copied(module)(torch.rand(1, 3, 8, 8)) == 7)
    assert len(module.head._forward_hooks) == 1


def test_a_digest_tells_layers_and_code_apart_and_not_values(module: Tiny) -> None:
    class Other(Tiny):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            """Without the norm."""
            return self.head(self.conv(x).relu().mean((2, 3)))

    other = Other()
    other.__class__.__name__ = "Tiny"
    digests = [in_hand.digest_of(each) for each in (module, Tiny(), Tiny(10), other)]
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3


def test_what_a_module_is_called() -> None:
    network = build(resolve("lenet5"))
    assert in_hand.name_of(network) == "edgebench.models.layers:lenet5"
    assert in_hand.input_of(network).image == InputSize(1, 32, 32)
    timm = Tiny()
    timm.pretrained_cfg = {"architecture": "tiny_050", "input_size": (3, 96, 64)}  # type: ignore[assignment]
    assert in_hand.name_of(timm).endswith(":tiny_050")
    assert in_hand.input_of(timm).image == InputSize(3, 96, 64)
    assert in_hand.name_of(in_hand.opened(nn.DataParallel(timm))).endswith(":tiny_050")
    assert in_hand.input_of(Tiny()) is None
    timm.pretrained_cfg = {"architecture": "net-12.opset"}  # as that of a file
    assert in_hand.name_of(timm).endswith(":net_12_opset")


def test_a_program_tells_its_input_and_computes_the_same(module: Tiny) -> None:
    module.eval()
    x = torch.rand(1, 3, 8, 8)
    program = torch.export.export(in_hand.copied(nn.Sequential(module.conv, nn.Flatten())), (x,))
    opened = in_hand.opened(program)
    assert in_hand.input_of(opened).image == InputSize(3, 8, 8)
    assert torch.equal(in_hand.copied(program)(x), module.conv(x).flatten(1))


IMAGE = torch.zeros(2, 1, 6, 5)


@pytest.mark.parametrize(
    ("example", "beside"),
    [
        (IMAGE, ()),
        ((IMAGE,), ()),
        ([IMAGE, torch.zeros(2, 10).double()], (Beside(shape=(10,)),)),
        ((IMAGE, torch.zeros(2, 7, 4, dtype=torch.int64)), (Beside(shape=(7, 4), dtype="int64"),)),
    ],
)
def test_an_example_tells_the_inputs(example: object, beside: tuple[Beside, ...]) -> None:
    assert in_hand.input_of(Tiny(), example) == Inputs(InputSize(1, 6, 5), beside)


@pytest.mark.parametrize("other", [torch.zeros(2), torch.zeros(2, 3, dtype=torch.complex64)])
def test_inputs_beside_the_image_have_a_batch_and_a_type_that_files_have(other: torch.Tensor) -> None:
    with pytest.raises(UsageError, match=r"input 2 is .*: give float32, int64, int32 or bool, with the batch in front"):
        in_hand.input_of(Tiny(), (IMAGE, other))


@pytest.mark.parametrize("example", [torch.zeros(3, 8, 8), (torch.zeros(2, 10), torch.zeros(1, 3, 8, 8)), "3x8x8", ()])
def test_other_examples_are_refused(example: object) -> None:
    with pytest.raises(UsageError, match=r"give a tensor \(N, C, H, W\)"):
        in_hand.input_of(Tiny(), example)


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (Tiny, "the class Tiny is no network"),
        (3, "a int is no network"),
        (nn.Conv2d(3, 4, 3, device="meta"), "meta device"),
        (nn.LazyConv2d(4, 3), "lazy layers"),
        (
            nn.Sequential(type("Linear", (nn.Linear,), {"__module__": "torch.ao.nn.quantized.dynamic"})(2, 2)),
            "torch quantised: give it in float",
        ),
    ],
)
def test_what_is_no_network_is_refused(found: object, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        in_hand.digest_of(in_hand.opened(found))
        in_hand.copied(found)
