"""Adapters: the authors' numbers, an untouched start, a frozen base, and off again without a trace."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mfnet_lite.sam import build_sam
from mfnet_lite.tuning import (
    Adapter,
    ParallelAdapter,
    SerialAdapter,
    attach_adapters,
    attach_lora,
    detach,
)
from tests.golden.tuning import check, fill, given
from tests.small_sam import SMALLEST


def small_encoder() -> nn.Module:
    """SAM's own encoder with random weights, position tables included."""
    encoder = build_sam(SMALLEST, seed=0).image_encoder
    generator = torch.Generator().manual_seed(1)
    for parameter in encoder.parameters():
        if not parameter.any():
            parameter.data.normal_(0, 0.1, generator=generator)
    return encoder


@pytest.fixture
def image() -> Tensor:
    return torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize(
    ("skip", "total", "absolute", "first"),
    [  # from the released code of MFNet, run on the fill rule
        (False, -17.756916, 37.361782, [0.627546, 0.148116, -0.452684, -0.925907]),
        (True, -8.141429, 41.329284, [0.627546, 0.247949, -0.254014, -0.630387]),
    ],
)
def test_equals_the_authors_adapter(
    skip: bool, total: float, absolute: float, first: list[float]
) -> None:
    adapter = Adapter(8, skip=skip, zero_init=False)
    fill([adapter.down.weight, adapter.down.bias, adapter.up.weight, adapter.up.bias])
    check(adapter(given((2, 3, 8), 0)), total, absolute, first)


def test_by_hand() -> None:
    adapter = Adapter(2, 1, zero_init=False, activation=F.relu)
    adapter.down.weight.data = torch.tensor([[1.0, -2.0]])
    adapter.down.bias.data = torch.tensor([0.5])
    adapter.up.weight.data = torch.tensor([[3.0], [-1.0]])
    adapter.up.bias.data = torch.tensor([0.0, 1.0])
    # down: 4 - 2 + .5 = 2.5 and 1 - 4 + .5 < 0
    assert adapter(torch.tensor([[4.0, 1.0], [1.0, 2.0]])).tolist() == [[7.5, -1.5], [0.0, 1.0]]


@pytest.mark.parametrize(("d", "wanted", "width"), [(8, None, 2), (3, None, 1), (8, 5, 5)])
def test_width_of_the_bottleneck(d: int, wanted: int | None, width: int) -> None:
    adapter = Adapter(d, wanted)
    assert adapter.down.weight.shape == (width, d)
    assert sum(p.numel() for p in adapter.parameters()) == 2 * d * width + d + width


def test_initial_weights_follow_pytorch_and_the_generator() -> None:
    generator = torch.Generator().manual_seed(3)
    before = torch.get_rng_state()
    one = Adapter(400, zero_init=False, generator=generator)
    assert torch.equal(torch.get_rng_state(), before)
    two = Adapter(400, zero_init=False, generator=generator.manual_seed(3))
    assert torch.equal(one.up.weight, two.up.weight)
    # nn.Linear: uniform within 1/√inputs
    for layer, inputs in ((one.down, 400), (one.up, 100)):
        bound = inputs**-0.5
        assert 0.99 * bound < layer.weight.abs().max().item() <= bound
        assert layer.weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.02)


@pytest.mark.parametrize("arguments", [(0,), (8, 0)])
def test_widths_below_one_are_refused(arguments: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="must be at least 1, got"):
        Adapter(*arguments)


def test_serial_reads_the_output_and_parallel_the_input() -> None:
    base = nn.Linear(8, 8)
    serial = SerialAdapter(base, zero_init=False)
    parallel = ParallelAdapter(base, zero_init=False, scale=0.1)
    x = given((2, 3, 8), 0)
    y = base(x)
    with_skip = Adapter(8, skip=True)
    with_skip.load_state_dict(serial.adapter.state_dict())
    assert torch.allclose(serial(x), with_skip(y), atol=1e-6)
    assert torch.allclose(parallel(x), y + 0.1 * parallel.adapter(x), atol=1e-6)


@pytest.mark.parametrize("kind", ["serial", "parallel"])
def test_starts_as_the_frozen_encoder_and_leaves_it_bit_identical(kind: str, image: Tensor) -> None:
    encoder = small_encoder()
    bare = copy.deepcopy(encoder.state_dict())
    before = encoder(image)
    attach_adapters(encoder, kind=kind, seed=0)
    assert torch.equal(encoder(image), before)

    trained = {n for n, p in encoder.named_parameters() if p.requires_grad}
    assert len(trained) == 2 * 2 * 4  # blocks, places, tensors of an adapter
    assert all(".adapter." in name for name in trained)
    optimiser = torch.optim.SGD([p for p in encoder.parameters() if p.requires_grad], lr=0.1)
    for _ in range(2):  # the first step moves the up projection, the second also the other one
        optimiser.zero_grad()
        encoder(image).square().mean().backward()
        optimiser.step()
    assert all(p.grad.any() for p in encoder.parameters() if p.requires_grad)
    assert not torch.equal(encoder(image), before)

    detach(encoder)
    after = encoder.state_dict()
    assert list(after) == list(bare)
    assert all(torch.equal(after[name], bare[name]) for name in bare)
    assert torch.equal(encoder(image), before)


def test_a_random_start_is_not_the_frozen_encoder(image: Tensor) -> None:
    encoder = small_encoder()
    before = encoder(image)
    attach_adapters(encoder, zero_init=False, seed=0)
    assert (encoder(image) - before).abs().max() > 0.1


def test_only_the_encoder_blocks_of_a_whole_sam_are_default_targets() -> None:
    sam = attach_adapters(build_sam(SMALLEST, seed=0))
    names = [n for n, m in sam.named_modules() if isinstance(m, SerialAdapter)]
    assert names == [f"image_encoder.blocks.{i}.{part}" for i in (0, 1) for part in ("attn", "mlp")]


def test_works_around_lora(image: Tensor) -> None:
    encoder = small_encoder()
    before = encoder(image)
    attach_adapters(attach_lora(encoder, rank=2), seed=0)
    assert torch.equal(encoder(image), before)
    kinds = {n.rpartition(".")[2] for n, p in encoder.named_parameters() if p.requires_grad}
    assert kinds == {"weight", "bias", "lora_a", "lora_b"}
    detach(encoder)
    assert not any("base" in name for name in encoder.state_dict())


def test_one_seed_one_start() -> None:
    one, two, other = (
        attach_adapters(nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8)), ["?"], seed=seed)
        for seed in (1, 1, 2)
    )
    assert torch.equal(one[1].adapter.down.weight, two[1].adapter.down.weight)
    assert not torch.equal(one[1].adapter.down.weight, other[1].adapter.down.weight)
    assert not torch.equal(one[0].adapter.down.weight, one[1].adapter.down.weight)


def test_takes_the_number_format_of_its_base() -> None:
    net = attach_adapters(nn.Sequential(nn.Linear(8, 8)).double(), ["0"])
    assert net(torch.ones(1, 8, dtype=torch.float64)).dtype == torch.float64
    meta = attach_adapters(nn.Sequential(nn.Linear(8, 8, device="meta")), ["0"])
    assert meta[0].adapter.up.weight.is_meta


def test_widths_are_read_or_given() -> None:
    assert SerialAdapter(nn.LayerNorm(12)).adapter.up.out_features == 12
    assert SerialAdapter(nn.Linear(8, 12)).adapter.up.out_features == 12
    assert SerialAdapter(nn.Identity(), d=12).adapter.up.out_features == 12
    with pytest.raises(ValueError, match=r"width of Identity cannot be read .* give it as d"):
        SerialAdapter(nn.Identity())
    with pytest.raises(ValueError, match="Linear maps 8 to 12; use a serial adapter"):
        ParallelAdapter(nn.Linear(8, 12))


def test_wrong_options_are_refused() -> None:
    net = nn.Sequential(nn.Linear(8, 8))
    with pytest.raises(ValueError, match="kind must be 'serial' or 'parallel', got 'behind'"):
        attach_adapters(net, ["0"], kind="behind")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"serial adapters have no scale, got 0\.1"):
        attach_adapters(net, ["0"], scale=0.1)
    assert isinstance(net[0], nn.Linear)
