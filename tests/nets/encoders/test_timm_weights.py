"""Weights of timm's networks from a file: to the last tensor, or one sentence that says what does not fit."""

from __future__ import annotations

import zipfile

import pytest
import torch
from safetensors.torch import save_file

timm = pytest.importorskip("timm", reason="timm is an optional package")

from mfnet_lite.nets import TimmPyramid, UNetFormer, build_model  # noqa: E402
from mfnet_lite.nets.encoders.timm_network import open_timm_vit  # noqa: E402
from mfnet_lite.nets.encoders.timm_weights import (  # noqa: E402
    adapt_bands,
    input_statistics,
    split_name,
    timm_name,
)

RESNET = "test_resnet"


def network(name: str = RESNET, **options) -> torch.nn.Module:
    torch.manual_seed(5)
    net = timm.create_model(name, **options)
    for value in net.state_dict().values():  # statistics of batch norms, too
        if value.is_floating_point():
            value.copy_(0.1 * torch.randn_like(value)).abs_()
    return net.eval()


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "own.pth"
    torch.save(network().state_dict(), path)
    return path


@pytest.mark.parametrize("name", [RESNET, "test_convnext", "test_efficientnet"])
@torch.no_grad()
def test_maps_are_those_of_the_whole_network(name, tmp_path) -> None:
    net, path = network(name), tmp_path / "own.safetensors"
    save_file(net.state_dict(), path)
    pyramid = TimmPyramid(f"{name}@{path}")  # though pretrained is not said
    x = torch.rand(1, 3, 64, 64)
    expected = net.forward_intermediates((x - pyramid.mean) / pyramid.std, norm=False)[1]
    maps = {m.shape[-1]: m for m in expected}
    for ours in pyramid(x):
        torch.testing.assert_close(ours, maps[ours.shape[-1]])


@pytest.mark.parametrize("bands", [1, 2, 3, 4, 7])
def test_bands_as_timm_adapts_them(bands, file) -> None:
    overlay = {"state_dict": torch.load(file, weights_only=True)}
    expected = timm.create_model(
        RESNET, pretrained=True, in_chans=bands, pretrained_cfg_overlay=overlay
    )
    net = UNetFormer({"optical": bands}, 2, width=16, backbone=f"timm:{RESNET}@{file}")
    first = expected.pretrained_cfg["first_conv"]
    torch.testing.assert_close(
        net.encoder.get_submodule(first).weight, expected.get_submodule(first).weight
    )


def test_bands_and_statistics_by_hand() -> None:
    weight = torch.tensor([1.0, 2.0, 4.0]).reshape(1, 3, 1, 1)
    assert adapt_bands(weight, 1).flatten().tolist() == [7.0]
    assert adapt_bands(weight, 2).flatten().tolist() == [1.5, 3.0]
    net = network()
    net.pretrained_cfg = {"mean": (0.1, 0.2, 0.3), "std": (0.4, 0.5, 0.6)}
    mean, std = input_statistics(net, 5)
    torch.testing.assert_close(mean.flatten(), torch.tensor([0.1, 0.2, 0.3, 0.1, 0.2]))
    torch.testing.assert_close(std.flatten(), torch.tensor([0.4, 0.5, 0.6, 0.4, 0.5]))
    net.pretrained_cfg = None
    assert input_statistics(net)[0].flatten()[0].item() == pytest.approx(0.485)


def test_another_classifier_or_none_does_not_matter(tmp_path, file) -> None:
    state = torch.load(file, weights_only=True)
    body = {
        name: value
        for name, value in state.items()
        if not name.startswith("fc.") and not name.endswith("num_batches_tracked")
    }
    torch.save({"state_dict": body | {"fc.weight": torch.zeros(7, 2)}}, tmp_path / "tuned.pth")
    one, other = (
        TimmPyramid(f"{RESNET}@{path}").state_dict() for path in (file, tmp_path / "tuned.pth")
    )
    floating = [name for name, value in one.items() if value.is_floating_point()]
    assert all(torch.equal(one[name], other[name]) for name in floating)


def test_files_that_do_not_fit(tmp_path, file) -> None:
    state = torch.load(file, weights_only=True)
    first = next(iter(state))
    for change, words in (
        ({first: None}, rf"lacks {first}; give the state dict of that network"),
        ({"more.weight": torch.zeros(1)}, "has also more.weight"),
        ({first: torch.zeros(1, 2)}, f"has another shape of {first}"),
    ):
        wrong = {k: v for k, v in (state | change).items() if v is not None}
        path = tmp_path / "wrong.pth"
        torch.save(wrong, path)
        with pytest.raises(ValueError, match=words) as caught:
            TimmPyramid(f"{RESNET}@{path}")
        assert "\n" not in str(caught.value)
    with pytest.raises(
        FileNotFoundError, match=r"nowhere\.pth does not exist: expected a file of weights"
    ):
        TimmPyramid(f"{RESNET}@{tmp_path / 'nowhere.pth'}")
    (tmp_path / "short.pth").write_bytes(file.read_bytes()[:100])
    with pytest.raises(
        ValueError, match=r"short.pth .*truncated or no checkpoint|other than plain tensors"
    ):
        TimmPyramid(f"{RESNET}@{tmp_path / 'short.pth'}")


def test_a_torchscript_program_is_not_run(tmp_path) -> None:
    """CLIP's official files are such programs: archives with constants beside the tensors."""
    program = tmp_path / "program.pt"
    with zipfile.ZipFile(program, "w") as archive:
        for name in ("data.pkl", "constants.pkl", "code/program.py"):
            archive.writestr(f"program/{name}", b"")
    with pytest.raises(ValueError, match="is a TorchScript program, expected plain tensors"):
        TimmPyramid(f"{RESNET}@{program}")


def test_names() -> None:
    assert timm_name("timm:resnet18@a/b.pth") == "resnet18@a/b.pth"
    network, path = split_name("resnet18@a/b@c.pth")
    assert (network, str(path)) == ("resnet18", "a/b@c.pth")
    assert str(split_name("resnet18@~nobody-of-that-name/a.pth")[1]) == "~nobody-of-that-name/a.pth"
    for wrong in ("timm:", "resnet18", "tiny"):
        with pytest.raises(ValueError, match="expected a backbone timm:NAME"):
            timm_name(wrong)


def test_a_trained_run_needs_the_file_no_more(file) -> None:
    from mfnet_lite.nets import make_config

    config = make_config("unetformer", {"backbone": f"timm:{RESNET}@{file}", "width": 16})
    assert config.options() == {"backbone": f"timm:{RESNET}@{file}", "width": 16}
    net = config.build({"optical": 3}, 2)
    file.unlink()
    again = config.with_weights().build({"optical": 3}, 2)
    again.load_state_dict(net.state_dict(), strict=True)
    x = {"optical": torch.rand(1, 3, 32, 32)}
    assert torch.equal(net.eval()(x), again.eval()(x))
    assert torch.equal(net.mean, again.mean)


@pytest.mark.parametrize("official", [False, True])
def test_a_vision_transformer_by_official_names(official, tmp_path) -> None:
    """DINOv2's names are timm's and a token of the training; CLIP's are its own, and its parts are packed."""
    net, path = network("test_vit"), tmp_path / "vit.pth"
    state = {k: v for k, v in net.state_dict().items() if not k.startswith("head.")}
    torch.save(_clip_names(state) if official else state | {"mask_token": torch.zeros(1, 64)}, path)
    vit = open_timm_vit(f"test_vit@{path}", "the test")
    found = vit.state_dict()
    assert sorted(found) == sorted(state)
    assert all(torch.equal(found[name], value) for name, value in state.items())
    gopt = build_model("gopt", {"optical": 3, "dsm": 1}, 2, backbone=f"timm:test_vit@{path}")
    assert gopt.encoder.vit.patch == vit.patch_embed.proj.kernel_size[0]
    frozen = dict(gopt.encoder.vit.vit.named_parameters())
    assert torch.equal(frozen["pos_embed"], state["pos_embed"])
    assert not frozen["pos_embed"].requires_grad


def _clip_names(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The names of the published CLIP for a vision transformer of timm, text side included."""
    whole = {
        "cls_token": "class_embedding",
        "pos_embed": "positional_embedding",
        "patch_embed.proj.weight": "conv1.weight",
        "norm.": "ln_post.",
    }
    parts = {
        "blocks.": "transformer.resblocks.",
        "norm1": "ln_1",
        "norm2": "ln_2",
        "attn.qkv.": "attn.in_proj_",
        "attn.proj": "attn.out_proj",
        "mlp.fc1": "mlp.c_fc",
        "mlp.fc2": "mlp.c_proj",
    }
    named = {"positional_embedding": torch.zeros(77, 8), "logit_scale": torch.zeros(())}
    for name, value in state.items():
        for old, new in (parts if name.startswith("blocks.") else whole).items():
            name = name.replace(old, new)
        value = value.flatten() if name == "class_embedding" else value
        named[f"visual.{name}"] = value[0] if name == "positional_embedding" else value
    return named


def test_vision_transformers_that_cannot_be_used(tmp_path, file) -> None:
    with pytest.raises(ValueError, match="is a ResNet, expected a plain vision transformer"):
        open_timm_vit(f"{RESNET}@{file}", "the test")
    with pytest.raises(ValueError, match=r"does not fit timm's test_vit: .*lacks cls_token"):
        open_timm_vit(f"test_vit@{file}", "the test")
    with pytest.raises(ValueError, match="cannot build the encoder 'vit_none'"):
        open_timm_vit(f"vit_none@{file}", "the test")


def test_a_failed_download_is_one_sentence(monkeypatch) -> None:
    create = timm.create_model

    def offline(name, pretrained=False, **options):
        if pretrained:
            raise FileNotFoundError("no\nnetwork")
        return create(name, **options)

    monkeypatch.setattr(timm, "create_model", offline)
    with pytest.raises(ConnectionError, match=r"could not fetch .*timm:test_resnet@FILE") as caught:
        TimmPyramid(RESNET, pretrained=True)
    assert "\n" not in str(caught.value)
