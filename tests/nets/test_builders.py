"""Every network of the table keeps the same promises."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from segment_anything.modeling import PromptEncoder
from torch import nn

from mfnet_lite.nets import SamLP, build_model, list_models

SENSORS = {"optical": 3, "dsm": 1, "before": 3, "after": 3}
DATES = {"before": 3, "after": 3}
SMALL: dict[str, dict[str, Any]] = {
    "unet": {"width": 4, "depth": 2},
    "unetformer": {"encoder": "test_resnet", "width": 16},
    "mfnet": {"rank": 2},
    "gopt": {"prompters": 2, "bottleneck": 4, "head_width": 8},
    "mfuser": {
        "words": [["road"], ["roof", "house"], ["lawn"], ["tree"], ["car"]],
        "width": 16,
        "decoder_layers": 1,
    },
    "sam_cd": {},
    "samlp": {"rank": 2, "image_size": 64},
}


def small(name: str) -> nn.Module:
    sensors = {"sam_cd": DATES, "mfuser": {"optical": 3}}.get(name, {"optical": 3, "dsm": 1})
    return build_model(name, sensors, classes(name), **SMALL[name])


def classes(name: str) -> int:
    return 2 if name in ("sam_cd", "samlp") else 5


def sample(batch: int, height: int, width: int, seed: int = 0) -> dict[str, torch.Tensor]:
    """More sensors than any of the networks reads."""
    generator = torch.Generator().manual_seed(seed)
    return {
        name: torch.rand(batch, channels, height, width, generator=generator)
        for name, channels in SENSORS.items()
    }


@pytest.fixture(params=sorted(SMALL))
def name(request) -> str:
    return request.param


@pytest.fixture
def net(name) -> nn.Module:
    torch.manual_seed(0)
    return small(name)


def test_every_network_is_tested():
    assert set(SMALL) == set(list_models())


@pytest.mark.parametrize("size", [(32, 32), (16, 47), (33, 21)])
def test_shape(name, net, size):
    assert net.eval()(sample(1, *size)).shape == (1, classes(name), *size)


def test_backward_reaches_every_trainable_parameter(net):
    batch = sample(2, 32, 32) | {"label": torch.randint(2, (2, 32, 32))}
    output = net.train()(batch)
    own = getattr(net, "loss", lambda logits, batch: logits.square().mean())
    own(output, batch).backward()
    missing = [n for n, p in net.named_parameters() if p.requires_grad and p.grad is None]
    assert missing == []


def test_a_network_that_has_predicted_can_be_trained(net):
    """Nothing that prediction keeps, such as resized tables, may stand in the way of gradients."""
    batch = sample(2, 32, 32) | {"label": torch.randint(2, (2, 32, 32))}
    with torch.inference_mode():
        net.eval()(sample(1, 32, 32))
    own = getattr(net, "loss", lambda logits, batch: logits.square().mean())
    own(net.train()(batch), batch).backward()
    assert any(p.grad is not None and p.grad.abs().max() > 0 for p in net.parameters())


def test_state_dict_round_trip_and_determinism(name, net):
    net.train()(sample(2, 32, 32))  # moves the running statistics
    x = sample(2, 32, 32, seed=1)
    torch.manual_seed(1)
    other = small(name)
    other.load_state_dict(net.state_dict())
    with torch.no_grad():
        expected = net.eval()(x)
        assert torch.equal(expected, net(x))
        assert torch.equal(expected, other.eval()(x))


def test_samples_of_a_batch_do_not_mix_at_prediction(net):
    # In double precision: processors choose other kernels for other batch sizes, which round otherwise. The
    # official prompt encoder casts to single precision itself.
    single = any(isinstance(module, PromptEncoder) for module in net.modules())
    dtype = torch.float32 if single else torch.float64
    x = {name: value.to(dtype) for name, value in sample(3, 32, 32).items()}
    with torch.no_grad():
        whole = net.to(dtype).eval()(x)
        one = net({name: value[1:2] for name, value in x.items()})
    bounds = {"atol": 1e-5, "rtol": 1e-4} if single else {"atol": 1e-10, "rtol": 1e-9}
    torch.testing.assert_close(whole[1:2], one, **bounds)


def test_unused_entries_are_not_read(net):
    x = sample(1, 32, 32)
    with torch.no_grad():
        net.eval()
        assert torch.equal(net(x), net(x | {"label": torch.zeros(1, 32, 32)}))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16], ids=str)
def test_floats_of_another_format_are_read_as_their_own(net, dtype):
    x = {key: value.to(dtype) for key, value in sample(1, 32, 32).items()}
    with torch.no_grad():
        found = net.eval()(x)
        expected = net({key: value.float() for key, value in x.items()})
    assert found.dtype == torch.float32
    # SamLP resizes images in their own format
    tolerance = 0.02 if isinstance(net, SamLP) else 0.0
    torch.testing.assert_close(found, expected, atol=tolerance, rtol=tolerance)


def test_bytes_are_refused(net):
    """255 times too bright, they would give some answer."""
    x = {name: (255 * value).byte() for name, value in sample(1, 32, 32).items()}
    for mode in (True, False):
        with pytest.raises(
            ValueError, match=r"expected \w+ as floats .* divide 8-bit values by 255"
        ):
            net.train(mode)(x)


def test_a_batch_of_no_sample_has_no_score_or_is_refused(name, net):
    """Networks whose reshapes need a sample say so; the others give as many scores as samples."""
    x = sample(0, 32, 32)
    if name not in ("mfnet", "mfuser", "samlp"):
        assert net.eval()(x).shape == (0, classes(name), 32, 32)
        return
    with pytest.raises(ValueError, match=r"of at least one sample, got \(0, 3, 32, 32\); leave"):
        net.eval()(x)


def test_unknown_name():
    with pytest.raises(ValueError, match=r"unknown model 'vnet'; available: .*unet"):
        build_model("vnet", SENSORS, 2)
