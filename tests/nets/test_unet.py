"""The U-Net: size, stacking, locality, faults."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mfnet_lite.nets.layers.padding import pad_to_multiple
from mfnet_lite.nets.unet import UNet


def test_parameter_count_by_hand():
    # down: 3→2 and 2→4 blocks; up: ConvT 4→2 with bias; merge block 4→2; head 2→3 with bias
    block = lambda a, b: 9 * a * b + 9 * b * b + 4 * b  # noqa: E731
    expected = block(3, 2) + block(2, 4) + (4 * 2 * 4 + 2) + block(4, 2) + (2 * 3 + 3)
    net = UNet({"optical": 3}, 3, width=2, depth=1)
    assert sum(p.numel() for p in net.parameters()) == expected


def test_every_sensor_matters():
    torch.manual_seed(0)
    net = UNet({"optical": 3, "dsm": 1}, 2, width=4, depth=1).eval()
    x = {"optical": torch.rand(1, 3, 16, 16), "dsm": torch.rand(1, 1, 16, 16)}
    with torch.no_grad():
        y = net(x)
        for name in x:
            assert not torch.equal(y, net(x | {name: x[name] + 0.5}))


def test_a_pixel_depends_on_its_receptive_field_only():
    torch.manual_seed(0)
    net = UNet({"optical": 1}, 2, width=2, depth=1).eval()
    x = torch.rand(1, 1, 64, 64)
    changed = x.clone()
    changed[..., 40:] += 1
    with torch.no_grad():
        a, b = net({"optical": x}), net({"optical": changed})
    # two 3×3 convs, two more at half resolution (plus pooling), two in the decoder: 2 + 2·2 + 1 + 2
    assert torch.equal(a[..., :30], b[..., :30])
    assert not torch.equal(a, b)


@settings(deadline=None, max_examples=25)
@given(height=st.integers(1, 40), width=st.integers(1, 40))
def test_any_size(height, width):
    net = UNet({"optical": 1}, 3, width=1, depth=3).eval()
    with torch.no_grad():
        assert net({"optical": torch.zeros(1, 1, height, width)}).shape == (1, 3, height, width)


@given(height=st.integers(1, 30), width=st.integers(1, 30), multiple=st.sampled_from([1, 2, 8]))
def test_padding_keeps_the_map(height, width, multiple):
    x = torch.arange(height * width, dtype=torch.float32).reshape(1, 1, height, width)
    padded = pad_to_multiple(x, multiple)
    assert padded.shape[-2] % multiple == padded.shape[-1] % multiple == 0
    assert padded.shape[-2] - height < multiple
    assert torch.equal(padded[..., :height, :width], x)


def test_padding_mirrors():
    x = torch.tensor([[[[1.0, 2.0, 3.0]]]]).expand(1, 1, 4, 3)
    assert pad_to_multiple(x, 4)[0, 0, 0].tolist() == [1.0, 2.0, 3.0, 2.0]


def test_faults_are_named():
    net = UNet({"optical": 3, "dsm": 1}, 2, width=2, depth=1)
    optical, dsm = torch.zeros(1, 3, 8, 8), torch.zeros(1, 1, 8, 8)
    with pytest.raises(ValueError, match="holds only"):
        net({"optical": optical})
    with pytest.raises(ValueError, match=r"expected dsm of shape \(batch, 1"):
        net({"optical": optical, "dsm": optical})
    with pytest.raises(ValueError, match=r"expected dsm"):
        net({"optical": optical, "dsm": dsm[0]})
    with pytest.raises(ValueError, match="one grid"):
        net({"optical": optical, "dsm": dsm[..., :4]})
    with pytest.raises(ValueError, match="at least one channel"):
        UNet({}, 2)
    with pytest.raises(ValueError, match="depth"):
        UNet({"optical": 3}, 2, depth=0)
