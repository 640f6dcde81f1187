"""Deformable attention: values by hand, equality with a library's, where it looks, what reaches it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from mfnet_lite.nets.layers.deformable_attention import (
    DeformableAttention,
    centres,
    sample_and_average,
)


def maps(channels: int = 8, seed: int = 0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    sizes = ((6, 9), (3, 5), (2, 2))
    return [
        torch.randn(2, channels, *size, generator=generator, dtype=torch.float64) for size in sizes
    ]


def test_points_between_pixels_and_beyond_the_edge_by_hand():
    x = torch.tensor([[[[1.0, 3.0], [5.0, 9.0]]]])  # centres at 0.25 and 0.75
    places = torch.tensor([[0.25, 0.25], [0.5, 0.25], [0.5, 0.5], [0.0, 0.25], [-0.5, 0.25]])
    read = [
        sample_and_average([x], p.reshape(1, 1, 1, 1, 1, 2), torch.ones(1, 1, 1, 1, 1)).item()
        for p in places
    ]
    # a pixel; between two; between four; half beyond the edge, where zeros are; all beyond it
    assert read == [1.0, 2.0, 4.5, 0.5, 0.0]


def test_weights_and_heads_by_hand():
    """Two heads with a channel each; the first reads two points by halves, the second one point alone."""
    x = torch.tensor([[[[1.0, 3.0]], [[10.0, 20.0]]]])
    places = torch.tensor([[0.25, 0.5], [0.75, 0.5]]).expand(1, 1, 2, 1, 2, 2)
    weights = torch.tensor([[0.5, 0.5], [0.0, 1.0]]).reshape(1, 1, 2, 1, 2)
    assert sample_and_average([x], places, weights).flatten().tolist() == [2.0, 20.0]


def test_equals_the_sampling_of_transformers():
    detr = pytest.importorskip("transformers.models.deformable_detr.modeling_deformable_detr")
    values, generator = maps(), torch.Generator().manual_seed(1)
    places = torch.rand(2, 7, 4, 3, 5, 2, generator=generator, dtype=torch.float64) * 1.4 - 0.2
    weights = torch.rand(2, 7, 4, 3, 5, generator=generator, dtype=torch.float64)
    sizes = [tuple(x.shape[-2:]) for x in values]
    flat = torch.cat([x.flatten(2).mT.unflatten(-1, (4, 2)) for x in values], dim=1)
    expected = detr.MultiScaleDeformableAttention()(
        flat, torch.tensor(sizes), sizes, torch.tensor([0, 54, 69]), places, weights, 64
    )
    assert torch.allclose(sample_and_average(values, places, weights), expected, atol=1e-12)


def test_the_whole_layer_equals_that_of_transformers():
    detr = pytest.importorskip("transformers.models.deformable_detr.modeling_deformable_detr")
    config = detr.DeformableDetrConfig(d_model=8, num_feature_levels=3, disable_custom_kernels=True)
    theirs = detr.DeformableDetrMultiscaleDeformableAttention(
        config, num_heads=4, n_points=2
    ).double()
    ours = DeformableAttention(8, levels=3, heads=4, points=2).double()
    names = {
        "value": "value_proj",
        "offsets": "sampling_offsets",
        "weights": "attention_weights",
        "out": "output_proj",
    }
    torch.manual_seed(0)
    with torch.no_grad():
        for own, other in names.items():
            for kind in ("weight", "bias"):
                parameter = getattr(getattr(theirs, other), kind)
                parameter.copy_(torch.randn_like(parameter))
                getattr(getattr(ours, own), kind).copy_(parameter)
    x = maps()
    sizes = [tuple(m.shape[-2:]) for m in x]
    queries, reference = torch.randn(2, 5, 8).double(), torch.rand(2, 5, 2).double()
    expected = theirs(
        queries,
        encoder_hidden_states=torch.cat([m.flatten(2).mT for m in x], dim=1),
        reference_points=reference[:, :, None].expand(-1, -1, 3, -1),
        spatial_shapes=torch.tensor(sizes),
        spatial_shapes_list=sizes,
        level_start_index=torch.tensor([0, 54, 69]),
    )[0]
    assert torch.allclose(ours(queries, reference, x), expected, atol=1e-12)


def test_starts_by_looking_around_in_all_directions():
    module = DeformableAttention(8, levels=1, heads=4, points=2)
    start = module.offsets.bias.detach().reshape(4, 2, 2)
    expected = torch.tensor(
        [[[1.0, 0], [2, 0]], [[0, 1], [0, 2]], [[-1, 0], [-2, 0]], [[0, -1], [0, -2]]]
    )
    assert torch.allclose(start, expected, atol=1e-6)


def test_only_what_lies_near_is_read():
    """At the start nothing farther than the number of points is seen."""
    module = DeformableAttention(4, levels=1, heads=4, points=2).double()
    x = torch.randn(1, 4, 16, 16, dtype=torch.float64, requires_grad=True)
    place = centres(16, 16, x)[8 * 16 + 5].reshape(1, 1, 2)
    module(torch.randn(1, 1, 4).double(), place, [x]).sum().backward()
    rows, columns = x.grad.abs().sum(dim=(0, 1)).nonzero(as_tuple=True)
    assert (rows.min(), rows.max()) == (6, 10)
    assert (columns.min(), columns.max()) == (3, 7)


def test_gradients():
    module = DeformableAttention(4, levels=2, heads=2, points=2).double()
    torch.nn.init.normal_(module.offsets.weight, std=0.1)
    queries = torch.randn(1, 3, 4).double().requires_grad_()
    x = [torch.randn(1, 4, 5, 4).double().requires_grad_(), torch.randn(1, 4, 2, 3).double()]
    reference = torch.rand(1, 3, 2).double()
    assert torch.autograd.gradcheck(lambda q, m: module(q, reference, [m, x[1]]), (queries, x[0]))


def test_what_does_not_fit_is_said():
    with pytest.raises(ValueError, match="heads that divides the channels, got channels=9"):
        DeformableAttention(9, levels=1)
    with pytest.raises(ValueError, match="expected 2 maps, one per level, got 3"):
        DeformableAttention(8, levels=2)(torch.zeros(2, 1, 8), torch.zeros(2, 1, 2), maps())


def test_half_precision_reads_where_single_precision_does():
    """Positions rounded to bfloat16 would be off by a quarter of a pixel here."""
    ramp = torch.arange(128.0).expand(1, 1, 128, 128)
    place = torch.tensor([90.3, 64.0]).reshape(1, 1, 1, 1, 1, 2) / 128
    with torch.autocast("cpu", torch.bfloat16):
        found = sample_and_average([ramp.bfloat16()], place, torch.ones(1, 1, 1, 1, 1))
    assert found.item() == pytest.approx(89.8, abs=1e-3)  # pixel i has its centre at i + 0.5
    weights = torch.ones(1, 1, 1, 1, 1, dtype=torch.bfloat16)
    half = sample_and_average([ramp.bfloat16()], place.bfloat16(), weights)
    assert half.dtype == torch.bfloat16


def test_maps_and_levels_must_agree():
    with pytest.raises(ValueError, match=r"expected one map per level .* got 1 maps"):
        sample_and_average(
            [torch.zeros(1, 2, 3, 3)], torch.zeros(1, 4, 1, 2, 1, 2), torch.zeros(1, 4, 1, 2, 1)
        )
