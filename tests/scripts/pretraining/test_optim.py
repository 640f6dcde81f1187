"""Muon where something multiplies, AdamW elsewhere: who moves what, by how much, and continuing."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from scripts.pretraining import optim


def make():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 4, 4), nn.Flatten(), nn.LayerNorm(32), nn.Linear(32, 8))


def learn(model, steps: int, optimiser=None):
    optimiser = optimiser or optim.MuonAndAdamW(list(model.parameters()), model, 0.01)
    for step in range(steps):
        torch.manual_seed(step)
        model(torch.randn(4, 3, 8, 8)).square().sum().backward()
        optimiser.step()
    return optimiser


def test_muon_has_the_maps_and_adam_the_rest():
    model = make()
    both = optim.MuonAndAdamW(list(model.parameters()), model, 0.01)
    assert [w is v for w, v in zip(both.weights, (model[0].weight, model[3].weight), strict=True)]
    decayed, plain = both.adam.param_groups
    assert decayed["params"] == []
    assert {id(p) for p in plain["params"]} == {
        id(p) for p in (model[0].bias, model[2].weight, model[2].bias, model[3].bias)
    }


def test_a_kernel_moves_in_all_directions_alike():
    """One step of Muon: singular values of the update are near one length, whatever the gradient's are."""
    model = make()
    before = model[0].weight.detach().clone()
    learn(model, 1)
    update = (model[0].weight.detach() - before * (1 - 0.01 * 0.05)).flatten(1)
    values = torch.linalg.svdvals(update)
    assert values.min() > 0.5 * values.max()
    root_mean_square = update.square().mean().sqrt().item()
    assert root_mean_square == pytest.approx(0.2 * 0.01, rel=0.3)  # as long as a step of AdamW
    assert all(p.grad is None for p in model.parameters())


def test_what_has_no_gradient_stays():
    model = make()
    model[3].weight.requires_grad_(False)
    before = model[3].weight.detach().clone()
    learn(model, 2)
    assert torch.equal(model[3].weight, before)


def test_it_continues_to_the_last_bit():
    whole, parts = make(), make()
    learn(whole, 4)
    state = learn(parts, 2).state_dict()
    fresh = optim.MuonAndAdamW(list(parts.parameters()), parts, 0.01)
    fresh.load_state_dict(state)
    for step in (2, 3):
        torch.manual_seed(step)
        parts(torch.randn(4, 3, 8, 8)).square().sum().backward()
        fresh.step()
    assert all(
        torch.equal(a, b) for a, b in zip(whole.parameters(), parts.parameters(), strict=True)
    )


def test_the_rate_is_that_of_both():
    model = make()
    both = optim.MuonAndAdamW(list(model.parameters()), model, 0.01)
    both.set_rate(0.0)
    before = [p.detach().clone() for p in model.parameters()]
    learn(model, 1, both)
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


def test_all_matrices_at_once_move_as_with_torchs_muon():
    """Shapes that repeat, a tall one and kernels: the same weights after three steps as one by one."""
    torch.manual_seed(0)
    ours = nn.Sequential(nn.Linear(6, 4), nn.Linear(6, 4), nn.Linear(3, 8), nn.Conv2d(3, 4, 2))
    theirs = copy.deepcopy(ours)
    both = optim.MuonAndAdamW(list(ours.parameters()), ours, 0.02)
    matrices = [m.weight.detach().flatten(1).requires_grad_() for m in theirs]
    muon = torch.optim.Muon(matrices, lr=0.02, weight_decay=0.05, adjust_lr_fn="match_rms_adamw")
    before = [m.detach().clone() for m in matrices]
    for _ in range(3):
        for own, matrix in zip(ours, matrices, strict=True):
            own.weight.grad = torch.randn_like(own.weight)
            own.bias.grad = torch.zeros_like(own.bias)
            matrix.grad = own.weight.grad.flatten(1).clone()
        both.step()
        muon.step()
    for own, matrix, start in zip(ours, matrices, before, strict=True):
        moved = (matrix - start).abs().max()
        assert (own.weight.detach().flatten(1) - matrix).abs().max() < 0.02 * moved


@pytest.mark.parametrize("length", [0.01, 100.0])
def test_half_precision_copies_move_alike_with_and_without_kernels(monkeypatch, length):
    """Weights, copies and momenta after three steps, with and without clipping: tall, wide, small and kernels."""
    from scripts.pretraining.precision import HalfPrecision

    torch.manual_seed(0)
    first = nn.Sequential(
        nn.Linear(32, 64), nn.LayerNorm(64), nn.Linear(64, 32), nn.Conv2d(3, 5, 2)
    )
    first.add_module("unused", nn.Linear(4, 4))
    models = [first, copy.deepcopy(first)]
    sides = [HalfPrecision(model=model) for model in models]
    both = [optim.MuonAndAdamW(list(m.parameters()), m, 0.02) for m in models]
    start = [p.detach().clone() for p in first.parameters()]
    for step in range(3):
        for model, half, optimiser, plain in zip(models, sides, both, (False, True), strict=True):
            torch.manual_seed(step)
            for name, parameter in half["model"].named_parameters():
                if "unused" not in name:
                    parameter.grad = (length * torch.randn(parameter.shape)).bfloat16()
            with monkeypatch.context() as patch:
                if plain:
                    patch.setattr(optim, "kernels", lambda: None)
                optimiser.step_halves(half)
            assert all(p.grad is None for p in [*model.parameters(), *half["model"].parameters()])
    for a, b, before in zip(models[0].parameters(), models[1].parameters(), start, strict=True):
        assert (a - b).abs().max() <= 0.01 * (b - before).abs().max()
    for a, b in zip(both[0].momenta, both[1].momenta, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)
    for a, half in zip(models[0].parameters(), sides[0]["model"].parameters(), strict=True):
        assert torch.equal(a.bfloat16(), half)


@pytest.mark.slow
def test_iterations_on_tiles_equal_pytorchs(monkeypatch):
    from scripts.pretraining.kernels import kernels

    if kernels() is None or not kernels().tiles_usable():
        pytest.skip("no AMX")
    matrices = torch.randn(3, 64, 160, generator=torch.Generator().manual_seed(0))
    found = optim.orthogonalise(matrices)
    monkeypatch.setattr(optim, "kernels", lambda: None)
    torch.testing.assert_close(found, optim.orthogonalise(matrices), atol=0.01, rtol=0.02)
