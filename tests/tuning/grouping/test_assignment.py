"""Assignment to groups: by hand on six tokens, and what has to hold for any."""

from __future__ import annotations

import pytest
import torch

from mfnet_lite.tuning.grouping import GroupAssignment, assign, group_means, gumbel_noise

TOKENS = torch.tensor([[2.0, 0], [1, 0], [2, 1], [0, 2], [0, 1], [1, 2]])
CLASSES = torch.eye(2)


def logits(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def module(channels: int = 4, **options) -> GroupAssignment:
    torch.manual_seed(0)
    return GroupAssignment(channels, **options)


def test_six_tokens_by_hand_hard() -> None:
    # logits times sqrt 2: 2 1 2 0 0 1 for the first class, 0 0 1 2 1 2 for the second
    shares = assign(CLASSES @ TOKENS.T / 2**0.5)
    assert shares.tolist() == [[1, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 1]]
    # sums (5, 1) and (1, 5) over 3 tokens + 1
    means = group_means(shares[None], TOKENS[None])[0]
    assert means.tolist() == [[1.25, 0.25], [0.25, 1.25]]
    assert (CLASSES + means).tolist() == [[2.25, 0.25], [0.25, 2.25]]
    # without the 1 the plain means 5/3 and 1/3
    plain = group_means(shares[None], TOKENS[None], eps=1e-9)[0]
    torch.testing.assert_close(plain, torch.tensor([[5 / 3, 1 / 3], [1 / 3, 5 / 3]]))


def test_six_tokens_by_hand_soft() -> None:
    shares = assign(CLASSES @ TOKENS.T / 2**0.5, hard=False)
    # 1 / (1 + exp(-difference / sqrt 2)) for the differences 2 1 1 -2 -1 -1
    first = torch.tensor([0.8044, 0.6698, 0.6698, 0.1956, 0.3302, 0.3302])
    torch.testing.assert_close(shares, torch.stack([first, 1 - first]), atol=5e-5, rtol=0)
    means = group_means(shares[None], TOKENS[None])[0]
    expected = torch.tensor([[0.9871, 0.5129], [0.5129, 0.9871]])
    torch.testing.assert_close(means, expected, atol=5e-5, rtol=0)


def test_a_low_temperature_is_hard_and_a_high_one_is_even() -> None:
    values = CLASSES @ TOKENS.T / 2**0.5
    torch.testing.assert_close(assign(values, tau=0.01, hard=False), assign(values))
    assert (assign(values, tau=1e4, hard=False) - 0.5).abs().max() < 1e-3


@pytest.mark.parametrize("hard", [True, False])
@pytest.mark.parametrize("tau", [0.1, 1.0, 3.0])
def test_shares_sum_to_one_over_the_groups(hard, tau) -> None:
    values = logits(2, 5, 40)
    shares = assign(values, tau, hard, gumbel_noise(values))
    torch.testing.assert_close(shares.sum(dim=1), torch.ones(2, 40))
    assert not torch.allclose(shares.sum(dim=2), torch.ones(2, 5))
    if hard:
        assert set(shares.unique().tolist()) == {0.0, 1.0}


def test_equal_groups_share_no_token_when_hard() -> None:
    shares = assign(torch.zeros(1, 3, 4))
    assert shares.tolist() == [[[1, 1, 1, 1], [0, 0, 0, 0], [0, 0, 0, 0]]]


def test_the_gradient_of_hard_is_that_of_soft() -> None:
    values = logits(2, 5, 40).requires_grad_()
    towards = logits(2, 5, 40, seed=1)
    noise = gumbel_noise(values, torch.Generator().manual_seed(2))
    (hard,) = torch.autograd.grad(assign(values, 0.7, True, noise), values, towards)
    (soft,) = torch.autograd.grad(assign(values, 0.7, False, noise), values, towards)
    assert torch.equal(hard, soft)
    assert hard.abs().min() > 0


def test_noise_is_gumbel_repeats_by_seed_and_is_finite() -> None:
    like = torch.empty(200_000, dtype=torch.float64)
    noise = gumbel_noise(like, torch.Generator().manual_seed(3))
    assert torch.equal(noise, gumbel_noise(like, torch.Generator().manual_seed(3)))
    assert not torch.equal(noise, gumbel_noise(like, torch.Generator().manual_seed(4)))
    # mean is Euler's constant, variance pi^2 / 6, median -log log 2
    assert abs(noise.mean() - 0.5772) < 0.01
    assert abs(noise.var() - torch.pi**2 / 6) < 0.02
    assert abs(noise.median() - 0.3665) < 0.01
    assert gumbel_noise(torch.empty(2_000_000)).isfinite().all()


def test_noise_draws_groups_as_often_as_the_softmax_says() -> None:
    values = torch.tensor([0.0, 1.0, 2.0])[:, None].expand(3, 100_000)
    noise = gumbel_noise(values, torch.Generator().manual_seed(0))
    often = assign(values, noise=noise).mean(dim=1)
    torch.testing.assert_close(often, values[:, 0].softmax(dim=0), atol=0.005, rtol=0)


def test_an_empty_group_moves_by_the_bias_alone_and_stays_finite() -> None:
    net = module().eval()
    with torch.no_grad():
        net.out.bias.copy_(torch.tensor([0.5, -0.25, 0.0, 2.0]))
        classes = torch.zeros(1, 2, 4)
        classes[0, 1, 0] = 1.0
        classes[0, 0] = torch.nn.functional.normalize(net.key.weight @ torch.ones(4), dim=0)
        net.query.weight.zero_()
        net.query.bias.zero_()  # all logits equal: the first group gets everything
    tokens = logits(1, 30, 4).requires_grad_()
    groups, shares = net(classes, tokens)
    assert shares.sum(dim=2).tolist() == [[30.0, 0.0]]
    assert torch.equal(groups[0, 1], classes[0, 1] + net.out.bias)
    groups.square().sum().backward()
    assert all(p.grad.isfinite().all() for p in net.parameters())
    assert tokens.grad is not None
    assert tokens.grad.isfinite().all()


def test_the_short_products_equal_the_formulas() -> None:
    net = module(hard=False, eps=0.5).double().eval()
    classes, tokens = logits(2, 3, 4).double(), logits(2, 20, 4, seed=1).double()
    groups, shares = net(classes, tokens)
    normal = torch.nn.functional.layer_norm
    query, key = net.query(normal(classes, (4,))), net.key(normal(tokens, (4,)))
    expected = (query @ key.mT / 2).softmax(dim=1)
    torch.testing.assert_close(shares, expected)
    weighted = expected[..., None] * net.value(normal(tokens, (4,)))[:, None]  # (B, K, N, r)
    mean = weighted.sum(dim=2) / (expected.sum(dim=2, keepdim=True) + 0.5)
    torch.testing.assert_close(groups, classes + net.out(mean))


def test_permuting_class_tokens_permutes_groups() -> None:
    net, order = module().eval(), torch.tensor([2, 0, 3, 1])
    classes, tokens = logits(2, 4, 4), logits(2, 50, 4, seed=1)
    groups, shares = net(classes, tokens)
    moved, moved_shares = net(classes[:, order], tokens)
    torch.testing.assert_close(moved, groups[:, order])
    assert torch.equal(moved_shares, shares[:, order])


def test_permuting_patches_changes_no_group() -> None:
    net, order = module().eval(), torch.randperm(50, generator=torch.Generator().manual_seed(0))
    classes, tokens = logits(2, 4, 4), logits(2, 50, 4, seed=1)
    torch.testing.assert_close(net(classes, tokens[:, order])[0], net(classes, tokens)[0])


def test_gradients_reach_every_weight_through_hard_shares() -> None:
    net = module().train()
    groups, _ = net(logits(2, 3, 4), logits(2, 50, 4, seed=1))
    groups.pow(3).sum().backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_noise_in_training_by_generator_none_in_evaluation() -> None:
    net = module().train()
    given = logits(2, 5, 4), logits(2, 60, 4, seed=1)

    def shares(seed: int) -> torch.Tensor:
        return net(*given, torch.Generator().manual_seed(seed))[1]

    assert torch.equal(shares(0), shares(0))
    assert not torch.equal(shares(0), shares(1))
    state = torch.random.get_rng_state()
    shares(0)
    net.eval()
    assert torch.equal(net(*given)[1], net(*given)[1])
    assert torch.equal(torch.random.get_rng_state(), state)


def test_gradcheck_of_the_soft_assignment() -> None:
    net = module(hard=False, tau=0.8).double().eval()
    classes = logits(1, 2, 4).double().requires_grad_()
    tokens = logits(1, 5, 4, seed=1).double().requires_grad_()
    assert torch.autograd.gradcheck(net, (classes, tokens))


@pytest.mark.parametrize("option", [{"tau": 0.0}, {"eps": -1.0}, {"channels": 0}])
def test_impossible_options_are_refused(option) -> None:
    with pytest.raises(ValueError, match=next(iter(option))):
        GroupAssignment(**{"channels": 4, **option})
