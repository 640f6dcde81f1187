"""The two prompters and their chain over depth."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from mfnet_lite.tuning.grouping import (
    CrossModalPrompter,
    GroupingPrompter,
    PromptHierarchy,
    UniModalPrompter,
    set_temperature,
)


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def shaken(module: nn.Module) -> nn.Module:
    """Random numbers in place of the zeros that training starts from."""
    for index, parameter in enumerate(module.parameters()):
        with torch.no_grad():
            parameter.copy_(0.5 * random(*parameter.shape, seed=index))
    return module


def test_uni_modal_prompter_equals_attention_written_out() -> None:
    net = shaken(UniModalPrompter(4, channels=12)).double().eval()
    classes, patches = random(2, 3, 4).double(), random(2, 20, 12, seed=1).double()
    made = net(classes, patches)
    normal = nn.functional.layer_norm
    joint = torch.cat(
        [classes, nn.functional.linear(normal(patches, (12,)), net.down.weight, net.down.bias)],
        dim=1,
    )
    query, key, value = net.qkv(normal(joint, (4,))).chunk(3, dim=-1)
    joint = joint + net.out((query @ key.mT / 2).softmax(dim=-1) @ value)
    torch.testing.assert_close(made.tokens, joint[:, 3:])
    groups, assignment = net.assignment(joint[:, :3], joint[:, 3:])
    torch.testing.assert_close(made.groups, groups)
    assert torch.equal(made.assignment, assignment)


def test_permuting_class_tokens_permutes_the_groups_of_a_uni_modal_prompter() -> None:
    net, order = shaken(UniModalPrompter(4, channels=12)).eval(), torch.tensor([1, 2, 0])
    classes, patches = random(2, 3, 4), random(2, 20, 12, seed=1)
    made, moved = net(classes, patches), net(classes[:, order], patches)
    torch.testing.assert_close(moved.groups, made.groups[:, order])
    torch.testing.assert_close(moved.tokens, made.tokens)
    assert torch.equal(moved.assignment, made.assignment[:, order])


@pytest.mark.parametrize("query", ["rgb", "both"])
def test_cross_modal_prompter_equals_its_formula(query) -> None:
    net = shaken(CrossModalPrompter(12, 4, query)).double()
    rgb, tokens = random(2, 20, 12).double(), random(2, 20, 4, seed=1).double()
    groups = [random(2, 3, 4, seed=2).double(), random(2, 5, 4, seed=3).double()]
    normal, total = nn.functional.layer_norm, torch.zeros(())
    for own in groups:
        question = normal(rgb, (12,)) @ net.query.weight.T + net.query.bias
        if query == "both":
            question = question + net.local(normal(tokens, (4,)))
        own = normal(own, (4,))
        total = total + (question @ net.key(own).mT / 2).softmax(-1) @ net.value(own)
    torch.testing.assert_close(net(rgb, groups, [tokens, tokens]), net.up(total))


def test_prompts_start_at_zero_and_their_gradient_does_not() -> None:
    net = CrossModalPrompter(12, 4)
    prompt = net(random(2, 20, 12), [random(2, 3, 4)], [random(2, 20, 4)])
    assert torch.equal(prompt, torch.zeros_like(prompt))
    prompt.backward(random(2, 20, 12, seed=4))
    assert net.up.weight.grad.abs().min() > 0


def test_the_order_of_groups_does_not_matter_to_the_cross_modal_prompter() -> None:
    net = shaken(CrossModalPrompter(12, 4))
    rgb, groups, tokens = random(2, 20, 12), random(2, 3, 4, seed=1), random(2, 20, 4, seed=2)
    torch.testing.assert_close(
        net(rgb, [groups[:, [2, 0, 1]]], [tokens]), net(rgb, [groups], [tokens])
    )


def test_sensors_share_the_cross_modal_prompter_and_nothing_else() -> None:
    one, two = (GroupingPrompter(12, sensors, 4) for sensors in (1, 2))
    uni = 12 * 4 + 4 + 4 * 12 + 12 + 5 * (4 * 4 + 4)  # down; query, key, value; out and assignment
    cross = 12 * 4 + 4 + 2 * (4 * 4 + 4) + 4 * 12  # query; key and value; up
    sizes = [sum(p.numel() for p in net.parameters()) for net in (one, two)]
    assert sizes == [uni + cross, 2 * uni + cross]


def test_present_samples_are_prompted_as_alone() -> None:
    net = shaken(GroupingPrompter(12, 2, 4)).eval()
    rgb, first, second = random(3, 20, 12), random(3, 20, 12, seed=1), random(3, 20, 12, seed=2)
    classes = [random(3, 2, 4, seed=3), random(3, 2, 4, seed=4)]
    here = torch.tensor([True, False, True])
    mixed = net(rgb, [first, second], classes, present=[None, here]).prompt
    both = net(rgb, [first, second], classes).prompt
    alone = net(rgb, [first], classes[:1], sensors=[0]).prompt
    torch.testing.assert_close(mixed[here], both[here])
    torch.testing.assert_close(mixed[~here], alone[~here])
    assert not torch.allclose(both, alone)


def test_groups_become_the_class_tokens_of_the_next_prompter() -> None:
    net = shaken(PromptHierarchy(12, 1, 2, (3,), 4)).eval()
    rgb, patches = random(2, 20, 12), random(2, 20, 12, seed=1)
    first = net(0, rgb, [patches], [net.start(2, 0)], (0,))
    second = net(1, rgb, [patches], first.groups, (0,))
    own = net.prompters[1].uni[0](first.groups[0], patches)
    assert torch.equal(second.groups[0], own.groups)
    assert len(net.mixing) == 0


def test_stages_mix_tokens_into_fewer_groups() -> None:
    net = shaken(PromptHierarchy(12, 2, 6, (8, 4, 2), 4)).eval()
    assert [net.stage(number) for number in range(6)] == [0, 0, 1, 1, 2, 2]
    patches = [random(2, 20, 12, seed=1), random(2, 20, 12, seed=2)]
    classes, sizes = [net.start(2, 0), net.start(2, 1)], []
    for number in range(6):
        prompt = net(number, random(2, 20, 12), patches, classes, (0, 1))
        classes = prompt.groups
        sizes.append(prompt.assignments[0].shape[1])
        torch.testing.assert_close(prompt.assignments[1].sum(dim=1), torch.ones(2, 20))
    assert sizes == [8, 8, 4, 4, 2, 2]


def test_more_stages_than_prompters_are_refused() -> None:
    with pytest.raises(
        ValueError, match=r"3 stages \(8, 4, 2\) need at least as many prompters, got 2"
    ):
        PromptHierarchy(12, 1, 2, (8, 4, 2), 4)


def test_a_shared_cross_modal_prompter_counts_once() -> None:
    apart, shared = (PromptHierarchy(12, 1, 3, (2,), 4, share_cross=s) for s in (False, True))
    one = sum(p.numel() for p in apart.prompters[0].cross.parameters())
    numbers = [sum(p.numel() for p in net.parameters()) for net in (apart, shared)]
    assert numbers[0] - numbers[1] == 2 * one


def test_temperature_is_set_everywhere_or_refused() -> None:
    net = PromptHierarchy(12, 2, 3, (2,), 4)
    set_temperature(net, 0.3)
    assert {uni.assignment.tau for p in net.prompters for uni in p.uni} == {0.3}
    with pytest.raises(ValueError, match="above 0"):
        set_temperature(net, 0.0)
    with pytest.raises(ValueError, match="0 assignments in Linear"):
        set_temperature(nn.Linear(1, 1), 1.0)


def test_gradcheck_of_one_prompter() -> None:
    net = shaken(GroupingPrompter(6, 1, 4, hard=False)).double().eval()
    inputs = [
        random(1, n, c, seed=s).double().requires_grad_()
        for n, c, s in ((5, 6, 0), (5, 6, 1), (2, 4, 2))
    ]
    assert torch.autograd.gradcheck(lambda rgb, p, c: net(rgb, [p], [c]).prompt, inputs)
