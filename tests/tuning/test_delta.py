"""Delta checkpoints: only what was trained, back bit for bit, and only on the right base."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from mfnet_lite.nets import MFNet, UNet
from mfnet_lite.sam import build_image_encoder
from mfnet_lite.sam.build import build_sam
from mfnet_lite.tuning import (
    attach_adapters,
    attach_lora,
    base_hash,
    delta_info,
    detach,
    freeze,
    load_delta,
    merge,
    save_delta,
)
from tests.small_sam import SMALLEST

ATTACH: dict[str, Callable[[nn.Module], nn.Module]] = {
    "serial": lambda m: attach_adapters(m, seed=0),
    "parallel": lambda m: attach_adapters(m, kind="parallel", seed=0),
    "lora": lambda m: attach_lora(m, ("qkv", "mlp.lin1"), rank=2, seed=0),
    "both": lambda m: attach_adapters(attach_lora(m, rank=2, seed=0), seed=0),
}


class Net(nn.Module):
    """A SAM encoder and a head with running statistics: what a task adds beside the injected modules."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.encoder = build_image_encoder(SMALLEST)
            self.head = nn.Sequential(
                nn.Conv2d(16, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 2, 1)
            )

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.head(self.encoder(x))
        return y


def built(kind: str, seed: int = 0, head_seed: int | None = None) -> Net:
    net = Net(seed)
    if head_seed is not None:
        net.head.load_state_dict(Net(head_seed).head.state_dict())
    ATTACH[kind](net.encoder)
    return net


def image() -> Tensor:
    return torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(2))


def trained(kind: str) -> Net:
    net = built(kind).train()
    optimiser = torch.optim.SGD([p for p in net.parameters() if p.requires_grad], lr=0.1)
    for _ in range(2):
        optimiser.zero_grad()
        net(image()).square().mean().backward()
        optimiser.step()
    return net.eval()


@pytest.mark.parametrize("kind", list(ATTACH))
def test_round_trip_with_another_head_and_other_modules_before(kind: str, tmp_path: Path) -> None:
    net = trained(kind)
    path = save_delta(net, tmp_path / "new" / "delta.safetensors", config={"kind": kind, "rank": 2})
    other = built(kind, head_seed=9).eval()
    assert not torch.equal(other(image()), net(image()))
    assert load_delta(other, path) == {"kind": kind, "rank": 2}
    assert torch.equal(other(image()), net(image()))
    names = set(load_file(path))
    assert {"head.1.running_mean", "head.1.running_var", "head.0.weight"} <= names
    assert not any(
        name.startswith("encoder.patch_embed") or ".base." in name for name in names
    ) or (
        kind == "both"  # a low-rank update inside an adapter's base has `base` in its name
    )
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_the_file_is_small_and_the_base_stays_out(tmp_path: Path) -> None:
    net = trained("lora")
    path = save_delta(net, tmp_path / "delta.safetensors")
    numbers = sum(t.numel() for t in load_file(path).values())
    wanted = sum(p.numel() for p in net.parameters() if p.requires_grad)
    assert numbers == wanted + 4 + 4 + 1  # running mean, variance, number of batches
    assert not any(".qkv.base." in name for name in load_file(path))


@pytest.mark.parametrize("kind", list(ATTACH))
def test_attached_trained_and_bare_network_have_one_hash(kind: str) -> None:
    bare = freeze(Net(5).encoder)
    expected = base_hash(bare)
    assert base_hash(trained(kind).encoder) != expected
    attached = ATTACH[kind](copy.deepcopy(bare))
    for parameter in attached.parameters():
        if parameter.requires_grad:
            parameter.data.add_(1)
    assert base_hash(attached) == expected
    assert base_hash(detach(attached)) == expected


def test_the_hash_by_hand() -> None:
    net = nn.Linear(2, 1).requires_grad_(False)
    net.weight.data = torch.tensor([[1.0, 2.0]])
    net.bias.data = torch.tensor([3.0])
    lines = []
    for head, bytes_ in (
        (b"bias torch.float32 (1,)", b"\x00\x00\x40\x40"),
        (b"weight torch.float32 (1, 2)", b"\x00\x00\x80\x3f\x00\x00\x00\x40"),
    ):
        lines.append(hashlib.sha256(head + bytes_).hexdigest())
    assert base_hash(net) == hashlib.sha256("\n".join(lines).encode()).hexdigest()


def test_what_changes_the_hash() -> None:
    def net() -> nn.ParameterDict:
        values = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.ones(3)}
        return nn.ParameterDict(values).requires_grad_(False)

    expected = base_hash(net())
    for change in ("value", "shape", "format", "name"):
        other = net()
        if change == "value":
            other["a"].data[1, 2] += 1e-5
        elif change == "shape":
            other["a"].data = other["a"].data.reshape(3, 2)
        elif change == "format":
            other["b"].data = other["b"].data.double()
        else:
            other["c"] = other.pop("b")
        assert base_hash(other) != expected, change
    transposed = net()
    transposed["a"].data = (
        transposed["a"].data.T.contiguous().T
    )  # the same numbers, stored otherwise
    assert base_hash(transposed) == expected


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.int64, torch.bool])
def test_every_number_format_and_a_scalar_can_be_hashed(dtype: torch.dtype) -> None:
    net = nn.Module()
    net.register_buffer("values", torch.ones(3).to(dtype))
    net.register_buffer("scalar", torch.ones(()).to(dtype))
    net.register_buffer("empty", torch.ones(0).to(dtype))
    assert len(base_hash(net)) == 64


def test_another_base_is_one_clear_sentence(tmp_path: Path) -> None:
    path = save_delta(trained("serial"), tmp_path / "delta.safetensors")
    other = built("serial", seed=1)
    before = copy.deepcopy(other.state_dict())
    found = base_hash(other)
    with pytest.raises(ValueError, match="belongs to another base") as caught:
        load_delta(other, path)
    sentence = str(caught.value)
    assert "\n" not in sentence
    for part in (str(path), delta_info(path).base[:12], found[:12]):
        assert part in sentence
    assert all(torch.equal(value, before[name]) for name, value in other.state_dict().items())


def test_one_changed_weight_of_the_base_is_noticed(tmp_path: Path) -> None:
    path = save_delta(trained("lora"), tmp_path / "delta.safetensors")
    other = built("lora")
    with torch.no_grad():
        other.encoder.neck[0].weight[0, 0] += 1e-6
    with pytest.raises(ValueError, match="another base"):
        load_delta(other, path)


def test_missing_unexpected_and_shape(tmp_path: Path) -> None:
    path = save_delta(trained("lora"), tmp_path / "delta.safetensors")
    more = built("both")
    before = copy.deepcopy(more.state_dict())
    with pytest.raises(ValueError, match=r"does not fit .* lacks .*adapter\.\w+.* more; it has"):
        load_delta(more, path)
    assert all(torch.equal(value, before[name]) for name, value in more.state_dict().items())
    with pytest.raises(ValueError, match=r"it has encoder\.\S+lora_a, .*, which the model lacks"):
        load_delta(Net(), path)
    wide = Net()
    attach_lora(wide.encoder, ("qkv", "mlp.lin1"), rank=3)
    with pytest.raises(ValueError, match=r"of shape \(2, 2, 16\) where the model has \(2, 3, 16\)"):
        load_delta(wide, path)
    fewer = Net()
    attach_lora(fewer.encoder, ("mlp.lin1",), rank=2)
    with pytest.raises(ValueError, match="which the model lacks"):
        load_delta(fewer, path)
    # more places than the file knows: complained about as missing, not as another base
    all_layers = Net()
    attach_lora(all_layers.encoder, ("qkv", "mlp.lin1", "mlp.lin2"), rank=2)
    with pytest.raises(ValueError, match=r"it lacks encoder\.blocks\.0\.mlp\.lin2\.lora_a"):
        load_delta(all_layers, path)


def test_a_truncated_file_is_one_clear_sentence(tmp_path: Path) -> None:
    path = save_delta(trained("lora"), tmp_path / "delta.safetensors")
    whole = path.read_bytes()
    for length in (0, 5, 100, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=f"whole safetensors file, found {length} bytes") as e:
            load_delta(built("lora"), path)
        assert str(path) in str(e.value)
        assert "\n" not in str(e.value)


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"none\.safetensors does not exist"):
        load_delta(Net(), tmp_path / "none.safetensors")
    path = tmp_path / "plain.safetensors"
    save_file({"a": torch.ones(2)}, path)
    with pytest.raises(ValueError, match="is no delta checkpoint: expected the note"):
        delta_info(path)


def test_nothing_to_save_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no injected modules and no trainable weights"):
        save_delta(freeze(Net()), tmp_path / "delta.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_an_existing_file_survives_a_failed_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    net = trained("lora")
    path = save_delta(net, tmp_path / "delta.safetensors")
    old = path.read_bytes()

    def full(*_: object, **__: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr("mfnet_lite.utils.checked_files.save_file", full)
    with pytest.raises(OSError, match="no space left"):
        save_delta(net, path)
    assert path.read_bytes() == old
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_a_known_hash_may_be_given(tmp_path: Path) -> None:
    net = trained("lora")
    known = base_hash(net)
    path = save_delta(net, tmp_path / "delta.safetensors", base=known)
    assert delta_info(path).base == known
    other = built("lora")
    load_delta(other, path, base=known)
    assert torch.equal(other.eval()(image()), net(image()))
    with pytest.raises(ValueError, match="expected frozen weights with SHA-256"):
        load_delta(other, path, base="0" * 64)
    encoder = built("lora").encoder
    path = save_delta(encoder, tmp_path / "encoder.safetensors", base=freeze(Net().encoder))
    assert load_delta(built("lora").encoder, path) == {}


def test_an_unfrozen_model_takes_a_delta_of_the_same_base(tmp_path: Path) -> None:
    net = trained("lora")
    path = save_delta(net, tmp_path / "delta.safetensors")
    other = built("lora").requires_grad_(True).eval()
    load_delta(other, path)
    assert torch.equal(other(image()), net(image()))


def test_frozen_halves_of_an_injected_module_come_along(tmp_path: Path) -> None:
    net = attach_lora(nn.Sequential(nn.Linear(4, 4)), ["0"], rank=2, seed=1)
    net[0].lora_a.requires_grad_(False)
    path = save_delta(net, tmp_path / "delta.safetensors")
    assert set(load_file(path)) == {"0.lora_a", "0.lora_b"}


def test_merged_updates_follow_the_loaded_weights(tmp_path: Path) -> None:
    net = trained("lora")
    path = save_delta(merge(net), tmp_path / "delta.safetensors")
    other = merge(built("lora").eval())
    load_delta(other, path)
    assert torch.allclose(other(image()), net(image()), atol=1e-5)


def test_a_network_without_values_cannot_be_hashed() -> None:
    with pytest.raises(ValueError, match="bias has no values"):
        base_hash(nn.Linear(2, 2, device="meta").requires_grad_(False))


WAYS: dict[str, tuple[Callable[[nn.Module], nn.Module], Callable[[nn.Module], nn.Module], str]] = {
    "alpha": (
        lambda m: attach_lora(m, rank=2, alpha=4),
        lambda m: attach_lora(m, rank=2, alpha=8),
        r"LoRAQKV\(scaling=2.0, parts=qv\), found LoRAQKV\(scaling=4.0, parts=qv\)",
    ),
    "thirds": (
        lambda m: attach_lora(m, rank=2, parts="qv"),
        lambda m: attach_lora(m, rank=2, parts="qk"),
        "parts=qv.*found.*parts=qk",
    ),
    "place": (
        lambda m: attach_adapters(m, ["blocks.*.mlp"]),
        lambda m: attach_adapters(m, ["blocks.*.mlp"], kind="parallel"),
        "SerialAdapter.*found ParallelAdapter",
    ),
    "bend": (
        attach_adapters,
        lambda m: attach_adapters(m, activation=torch.relu),
        "activation=gelu.*found.*activation=relu",
    ),
    "scale": (
        lambda m: attach_adapters(m, kind="parallel", scale=0.5),
        lambda m: attach_adapters(m, kind="parallel", scale=0.1),
        "scale=0.5.*found.*scale=0.1",
    ),
}


@pytest.mark.parametrize("way", list(WAYS))
def test_modules_that_compute_otherwise_are_refused(way: str, tmp_path: Path) -> None:
    then, now, message = WAYS[way]
    path = save_delta(then(build_image_encoder(SMALLEST)), tmp_path / "delta.safetensors")
    other = now(build_image_encoder(SMALLEST))
    before = copy.deepcopy(other.state_dict())
    with pytest.raises(
        ValueError, match=f"trained on something that computes otherwise: .*{message}"
    ):
        load_delta(other, path)
    assert all(torch.equal(value, before[name]) for name, value in other.state_dict().items())


def mfnet(*sensors: str) -> MFNet:
    torch.manual_seed(0)
    return MFNet(build_sam(SMALLEST), 4, sensors=dict.fromkeys(sensors, 3), rank=2)


def test_an_mfnet_with_its_sensors_in_another_order_is_refused(tmp_path: Path) -> None:
    path = save_delta(mfnet("optical", "radar"), tmp_path / "mfnet.safetensors")
    assert load_delta(mfnet("optical", "radar"), path) == {}
    with pytest.raises(ValueError, match=r"computes otherwise: .*optical:3.*found.*radar:3"):
        load_delta(mfnet("radar", "optical"), path)


def test_a_unet_of_the_other_order_is_refused(tmp_path: Path) -> None:
    path = save_delta(UNet({"a": 2, "b": 2}, 3, width=4, depth=1), tmp_path / "unet.safetensors")
    with pytest.raises(ValueError, match=r"expected the model to be UNet.*a:2.*found UNet.*b:2"):
        load_delta(UNet({"b": 2, "a": 2}, 3, width=4, depth=1), path)


def test_files_from_before_the_description_load(tmp_path: Path) -> None:
    net = trained("lora")
    path = save_delta(net, tmp_path / "delta.safetensors")
    older = {"format": "mfnet_lite delta 1", "base_sha256": base_hash(net), "config": "{}"}
    save_file(load_file(path), path, metadata=older)
    assert delta_info(path).computing == {}
    assert delta_info(path).formats == []
    other = built("lora").eval()
    load_delta(other, path)
    assert torch.equal(other(image()), net(image()))


def test_the_header_tells_how_it_computes(tmp_path: Path) -> None:
    net = attach_lora(nn.Sequential(nn.Linear(4, 4)), ["0"], rank=2, alpha=8)
    info = delta_info(save_delta(net, tmp_path / "delta.safetensors"))
    assert info.computing == {"0": {"class": "LoRALinear", "scaling": 4.0}}
    assert info.formats == ["float32"]


def test_a_base_in_another_number_format_is_named(tmp_path: Path) -> None:
    net = attach_lora(nn.Sequential(nn.Linear(4, 4)), ["0"], rank=2)
    path = save_delta(net, tmp_path / "delta.safetensors")
    with pytest.raises(ValueError, match="expected frozen weights in float32, found bfloat16"):
        load_delta(copy.deepcopy(net).bfloat16(), path)


def test_a_base_that_is_not_the_untouched_model_is_named(tmp_path: Path) -> None:
    net = trained("lora")
    with pytest.raises(ValueError, match="a Linear, is not the untouched model: it lacks"):
        save_delta(net, tmp_path / "delta.safetensors", base=nn.Linear(2, 2))
    with pytest.raises(ValueError, match="64 hexadecimal digits, got 'tiny'"):
        save_delta(net, tmp_path / "delta.safetensors", base="tiny")
    assert not list(tmp_path.iterdir())
