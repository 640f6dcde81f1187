"""UNetFormer on encoders of timm: parameters counted, maps chosen by stride, and the mistakes.

What all networks promise is tested in test_builders.py.
"""

from __future__ import annotations

import sys

import pytest
import torch

from mfnet_lite.nets import UNetFormer, UNetFormerDecoder, build_model

BOTH = {"optical": 3, "dsm": 1}


def test_published_size():
    """ResNet-18 without its classifier (11,176,512) and the decoder of 64 channels."""
    net = UNetFormer({"optical": 3}, 6)
    encoder = sum(p.numel() for p in net.encoder.parameters())
    assert encoder == 11_689_512 - 513 * 1000  # torchvision's count less the last layer
    # a lateral 1x1 convolution per level instead of four of 256 channels
    decoder = sum(p.numel() for p in UNetFormerDecoder(256, 6).parameters())
    wider = 64 * (64 + 128 + 256 + 512 - 4 * 256)
    assert sum(p.numel() for p in net.decoder.parameters()) == decoder + wider


def test_first_layer_takes_all_sensors():
    net = UNetFormer(BOTH, 2, "test_resnet", width=16)
    first = next(p for p in net.encoder.parameters() if p.ndim == 4)
    assert first.shape[1] == 4


@pytest.mark.parametrize("encoder", ["test_resnet", "test_convnext", "test_efficientnet"])
def test_four_maps_finest_first(encoder):
    net = UNetFormer({"optical": 3}, 2, encoder, width=16).eval()
    seen = {}

    def note(module, given, options):
        seen["sides"] = [m.shape[-1] for m in given[0]]

    net.decoder.register_forward_pre_hook(note, with_kwargs=True)
    with torch.no_grad():
        net({"optical": torch.rand(1, 3, 64, 70)})
    assert seen["sides"] == [24, 12, 6, 3]  # 70 is padded to 96


def test_padding_does_not_move_the_image():
    """An image of whole strides and the same one cut by a pixel agree away from the cut."""
    torch.manual_seed(0)
    net = UNetFormer({"optical": 3}, 2, "test_resnet", width=16).eval()
    x = torch.rand(1, 3, 128, 128)
    with torch.no_grad():
        whole, cut = net({"optical": x}), net({"optical": x[..., :127, :127]})
    assert cut.shape == (1, 2, 127, 127)
    difference = (whole[..., :127, :127] - cut).abs()
    assert difference[..., :32, :32].mean() < 0.2 * whole.std()


def test_mistakes():
    with pytest.raises(ValueError, match="cannot build the encoder 'resnet17'"):
        UNetFormer(BOTH, 2, "resnet17")
    with pytest.raises(ValueError, match=r"test_vit has maps at strides .* but none at \[4"):
        UNetFormer(BOTH, 2, "test_vit")
    with pytest.raises(ValueError, match="at least one channel"):
        UNetFormer({}, 2)
    with pytest.raises(ValueError, match=r"this UNetFormer was built for the sensors .*'dsm'"):
        build_model("unetformer", BOTH, 2, encoder="test_resnet", width=16)({
            "optical": torch.zeros(1, 3, 32, 32)
        })  # fmt: skip


def test_without_timm(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(ImportError, match="pip install timm"):
        UNetFormer(BOTH, 2)


def test_decoder_takes_one_number_or_four():
    with pytest.raises(ValueError, match="one number or four"):
        UNetFormerDecoder((8, 8), 2, width=16)
    decoder = UNetFormerDecoder((4, 5, 6, 7), 2, width=16).eval()
    assert [m.shape for m in decoder.project()] == [(16, 4), (16, 5), (16, 6), (16, 7)]
    maps = [torch.rand(1, c, s, s) for c, s in ((4, 16), (5, 8), (6, 4), (7, 2))]
    projected = [
        torch.einsum("oc,bchw->bohw", m, x) for m, x in zip(decoder.project(), maps, strict=True)
    ]
    with torch.no_grad():
        torch.testing.assert_close(
            decoder(maps, (32, 32)), decoder(projected, (32, 32), projected=True)
        )
