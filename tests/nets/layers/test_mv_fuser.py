"""MVFuser: golden numbers of the authors' module, its options, its size, what reaches what."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from mfnet_lite.nets.layers.mv_fuser import MVFuser
from tests.golden.fill import numbers, sines

# Shape of the sines with which each weight is filled: factor, frequency, offset.
FILLS: dict[str, dict[str, tuple[float, float, float]]] = {
    "G2": {
        "w_in": (0.30, 0.37, 0), "conv_x": (0.50, 0.53, 0.1), "conv_z": (0.50, 0.59, 0.1),
        "w_x": (0.40, 0.41, 0), "w_dt.weight": (0.30, 0.61, 0), "w_dt.bias": (0.50, 0.43, -1),
        "w_out": (0.35, 0.47, 0), "norm": (0.10, 0.29, 1), "d": (0.10, 0.23, 1),
        "scale": (0, 0, 0.5),
    },
    "G2b": {
        "w_in": (0.60, 0.37, 0), "conv_x": (0.80, 0.53, 0.1), "conv_z": (0.80, 0.59, 0.1),
        "w_x": (1.5, 0.41, 0), "w_dt.weight": (0.80, 0.61, 0), "w_dt.bias": (0.50, 0.43, -0.5),
        "w_out": (0.70, 0.47, 0), "norm": (0.10, 0.29, 1), "d": (0, 0, 0), "scale": (0, 0, 1),
    },
}  # fmt: skip


@torch.no_grad()
def fill(module: nn.Module, fills: dict[str, tuple[float, float, float]]) -> None:
    """Fill the weights of an MVFuser."""
    for name, parameter in module.named_parameters():
        if name != "a_log":
            parameter.copy_(
                sines(
                    parameter.shape,
                    *fills[name.removesuffix(".weight") if name not in fills else name],
                )
            )


def tokens() -> Tensor:
    return torch.cat([sines((1, 3, 8), 1, 0.21), sines((1, 2, 8), 1, 0.27)], dim=1)


def filled(which: str, **options: bool) -> MVFuser:
    module = MVFuser(8, states=4, **options).double().eval()
    fill(module, FILLS[which])
    return module


# The authors' module, commit cd8ef85, in double precision, with the reference scan of mamba_ssm 2.3.2.post1.
G2 = """
0.066013 0.088780 -0.120044 -0.015721 0.129612 -0.063161 -0.091172 0.118648
0.071287 -0.029354 -0.053423 0.061867 0.015771 -0.071465 0.027723 0.054593
0.007760 0.002164 -0.009077 0.003360 0.007032 -0.007639 -0.002382 0.009089
0.005803 0.009529 -0.011602 -0.002468 0.013104 -0.005507 -0.009752 0.011443
0.029631 -0.004435 -0.026932 0.020826 0.014257 -0.029503 0.003698 0.027252"""
G2B = """
1.343877 2.061139 -2.598287 -0.479821 2.890306 -1.279220 -2.111772 2.564445
1.491736 -0.881806 -0.955068 1.463061 0.064649 -1.502406 0.849716 0.985269
0.044243 0.093002 -0.100844 -0.031628 0.120093 -0.041460 -0.094860 0.099192
0.088963 0.019258 -0.100684 0.042018 0.075111 -0.087731 -0.021718 0.100949
0.488264 -0.256458 -0.332183 0.458625 0.053064 -0.490919 0.245710 0.341380"""
ONCE = {
    0: "1.349797 2.077528 -2.614181 -0.486536 2.910287 -1.284665 -2.128439 2.580034",
    4: "0.471633 -0.243786 -0.323264 0.440525 0.055161 -0.474096 0.233374 0.332064",
}
GRADIENTS = {
    "a_log": 0.103428, "scale": -0.077670, "w_in.weight": 4.121490, "w_x.weight": -0.041265,
    "w_dt.weight": 0.067277, "w_dt.bias": 0.144745, "w_out.weight": 12.102798,
    "conv_x.weight": 0.179483, "conv_z.weight": 0.754732, "norm.weight": -0.042457,
}  # fmt: skip


@pytest.mark.parametrize(("which", "expected"), [("G2", G2), ("G2b", G2B)])
def test_golden_numbers_of_the_authors_module(which, expected):
    out = filled(which, official=True)(tokens())
    assert (out.flatten() - numbers(expected)).abs().max() < 1e-6


def test_golden_residuals():
    x = tokens()
    streams = (x + filled("G2", official=True)(x)).split([3, 2], dim=1)
    for stream, total, first in (
        (streams[0], 2.944585, 0.274473),
        (streams[1], 4.672191, 0.272534),
    ):
        assert stream.sum().item() == pytest.approx(total, abs=1e-6)
        assert stream[0, 0, 0].item() == pytest.approx(first, abs=1e-6)


def test_golden_numbers_with_the_bias_once():
    out = filled("G2b")(tokens())[0]
    assert out.sum().item() == pytest.approx(4.659267, abs=2e-6)
    for row, expected in ONCE.items():
        assert (out[row] - numbers(expected)).abs().max() < 1e-6


def test_golden_gradients():
    module, x = filled("G2b", official=True), tokens().requires_grad_()
    (module(x) * sines((1, 5, 8), 1, 0.31)).sum().backward()
    assert x.grad.sum().item() == pytest.approx(-0.809194, abs=1e-5)
    assert x.grad.abs().sum().item() == pytest.approx(3.417468, abs=1e-5)
    for name, expected in GRADIENTS.items():
        found = module.get_parameter(name).grad.sum().item()
        assert found == pytest.approx(expected, abs=1e-5), name


def test_single_precision_agrees():
    module = filled("G2b", official=True)
    expected = module(tokens())
    found = module.float()(tokens().float())
    assert (found.double() - expected).abs().max() < 2e-6


@pytest.mark.parametrize(("channels", "count"), [(1024, 1_667_585), (256, 109_697), (8, 417)])
def test_number_of_parameters(channels, count):
    with torch.device("meta"):
        module = MVFuser(channels, states=16)
    # at 8 channels by hand: 64 + 4 * 33 + 4 + 4 + 32 + 24 + 64 + 8 + 1 = 333
    assert sum(p.numel() for p in module.parameters()) == (333 if channels == 8 else count)


def reached(module: MVFuser, token: int) -> set[int]:
    """Which of eight tokens change with one of them."""
    x = torch.randn(1, 8, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    other = x.clone()
    other[:, token] += 1
    changed = (module(x) - module(other)).abs().amax(dim=(0, 2)) > 0
    return set(changed.nonzero().flatten().tolist())


def test_a_forward_scan_reaches_back_by_one_token_only():
    """The convolution looks one token ahead; all else comes from earlier tokens."""
    module = filled("G2b", official=True)
    assert reached(module, 5) == {4, 5, 6, 7}
    assert reached(module, 0) == set(range(8))


def test_both_directions_reach_everything():
    module = MVFuser(8, states=4, direction="both").double().eval()
    fill(module, FILLS["G2b"])
    assert reached(module, 5) == set(range(8))
    # a sequence turned round, with kernels turned round, comes out turned round
    turned = MVFuser(8, states=4, direction="both").double().eval()
    turned.load_state_dict(module.state_dict())
    with torch.no_grad():
        for conv in (turned.conv_x, turned.conv_z):
            conv.weight.copy_(conv.weight.flip(-1))
    x = tokens()
    assert torch.allclose(turned(x.flip(1)), module(x).flip(1), atol=1e-12)


def test_gate_once_is_another_gate():
    once = MVFuser(8, states=4, gate_twice=False).double().eval()
    fill(once, FILLS["G2"])
    twice = filled("G2")
    x = tokens()
    # the rest is equal: the ratio of the two is that of the gates
    kept = {}
    for name, module in (("once", once), ("twice", twice)):
        module.w_out.register_forward_pre_hook(
            lambda _, args, name=name: kept.update({name: args[0]})
        )
        module(x)
    z = twice.w_in(x).mT.chunk(2, dim=1)[1]
    z = nn.functional.silu(twice.conv_z(z)).mT
    assert torch.allclose(kept["twice"] * z, kept["once"] * nn.functional.silu(z), atol=1e-12)


def test_starts_nearly_as_nothing_with_steps_between_the_bounds():
    torch.manual_seed(0)
    module = MVFuser(64)
    steps = nn.functional.softplus(module.w_dt.bias)
    assert steps.min() > 1e-3 * 0.99
    assert steps.max() < 1e-1 * 1.01
    x = torch.randn(2, 30, 64)
    assert module.eval()(x).abs().max() < 0.02
    assert module.scale.item() == pytest.approx(1e-3)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"channels": 7}, "even number of channels"),
        ({"channels": 8, "kernel": 2}, "odd kernel"),
        ({"channels": 8, "states": 0}, "at least one state"),
        ({"channels": 8, "direction": "back"}, "unknown direction 'back'"),
    ],
)
def test_options_that_do_not_fit(options, said):
    with pytest.raises(ValueError, match=said):
        MVFuser(**options)
