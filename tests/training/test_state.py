"""What is stored, and that loading says what does not fit."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from mfnet_lite.training.state import load_model, save_model
from mfnet_lite.tuning import trained_state


def half_frozen() -> nn.Module:
    frozen = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2)).requires_grad_(False)
    trained = nn.Sequential(
        nn.Conv2d(2, 2, 1, bias=False), nn.Sequential(nn.BatchNorm2d(2, affine=False))
    )
    return nn.Sequential(frozen, trained)


def test_frozen_parts_are_left_out_and_statistics_of_trained_ones_come_along():
    assert list(trained_state(half_frozen())) == [
        "1.0.weight",
        "1.1.0.running_mean",
        "1.1.0.running_var",
        "1.1.0.num_batches_tracked",
    ]


def test_round_trip(tmp_path):
    a, b = half_frozen(), half_frozen()
    a.train()(torch.randn(4, 1, 3, 3))
    save_model(a, tmp_path / "m.safetensors", {"step": "1"})
    load_model(b, tmp_path / "m.safetensors")
    for name, value in trained_state(a).items():
        assert torch.equal(value, trained_state(b)[name])
    assert not torch.equal(a[0][0].weight, b[0][0].weight)


def test_what_does_not_fit_is_named_and_nothing_is_loaded(tmp_path):
    model, path = half_frozen(), tmp_path / "m.safetensors"
    before = {k: v.clone() for k, v in model.state_dict().items()}
    state = {k: v.clone() + 1 for k, v in trained_state(model).items()}
    del state["1.1.0.running_mean"]
    state["stray"] = torch.zeros(1)
    state["1.0.weight"] = torch.zeros(3)
    save_file(state, path)
    with pytest.raises(ValueError, match=r"lacks 1\.1\.0\.running_mean; .*stray; .*shape \(3,\)"):
        load_model(model, path)
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())
    with pytest.raises(FileNotFoundError, match=r"none\.safetensors"):
        load_model(model, tmp_path / "none.safetensors")


def test_tied_and_strided_tensors_are_stored(tmp_path):
    layer = nn.Linear(2, 3)
    layer.weight = nn.Parameter(torch.randn(2, 3).t())
    save_model(layer, tmp_path / "m.safetensors")
    assert torch.equal(load_file(tmp_path / "m.safetensors")["weight"], layer.weight)
