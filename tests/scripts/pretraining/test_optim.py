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
