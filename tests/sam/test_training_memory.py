"""Memory of a training step: weights exact, activations beside what autograd keeps."""

from __future__ import annotations

import pytest
import torch

from mfnet_lite.nets import MFNet
from mfnet_lite.sam import SamConfig, build_sam, fuse_attention
from mfnet_lite.sam.build import CONFIGS, TINY
from mfnet_lite.sam.training_memory import (
    encoder_weights,
    lora_weights,
    mmlora_weights,
    step_memory,
)
from mfnet_lite.training import TrainConfig
from mfnet_lite.training.optim import build_optimizer
from mfnet_lite.tuning import attach_lora, count
from mfnet_lite.utils.saved_activations import saved_activations
from tests.small_sam import SMALL

PADDED = SamConfig(
    image_size=256, patch_size=16, width=96, depth=4, heads=4, window=7, global_blocks=(1, 3)
)
"""Windows that do not tile the grid."""


def step(parameters, numbers: int) -> torch.optim.Optimizer:
    """Make one optimiser step, so that its state is there."""
    config = TrainConfig(optimizer="adamw" if numbers == 2 else "sgd")
    net = torch.nn.ParameterList(parameters)
    optimizer = build_optimizer(net, config)
    for parameter in parameters:
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    return optimizer


@pytest.mark.parametrize("name", CONFIGS)
def test_weights_of_every_sam_are_counted(name):
    with torch.device("meta"):
        encoder = build_sam(CONFIGS[name]).image_encoder
    assert encoder_weights(CONFIGS[name]) == sum(p.numel() for p in encoder.parameters())


@pytest.mark.parametrize(("optimizer", "numbers"), [("adamw", 2), ("sgd", 1)])
@pytest.mark.parametrize("rank", [4, None])
def test_weights_gradients_and_optimiser_are_exact(rank, optimizer, numbers):
    encoder = build_sam(SMALL, seed=0).image_encoder
    if rank is not None:
        attach_lora(encoder, rank=rank)
    trained = [p for p in encoder.parameters() if p.requires_grad]
    memory = step_memory(SMALL, rank=rank, optimizer=optimizer)
    assert memory.weights == sum(p.nbytes for p in encoder.parameters())
    states = step(trained, numbers).state.values()
    assert memory.gradients == sum(p.grad.nbytes for p in trained)
    kept = [v for state in states for v in state.values() if torch.is_tensor(v) and v.ndim]
    assert memory.optimizer == sum(value.nbytes for value in kept)
    half = step_memory(SMALL, rank=rank, optimizer=optimizer, processes=2, sharded=True)
    assert half.optimizer == memory.optimizer / 2
    assert (half.weights, half.gradients) == (memory.weights, memory.gradients)


# Measured 0.93 to 1.00 on the sizes here; what the formula leaves out makes the measurement larger.
FACTOR = 1.15


@pytest.mark.parametrize("sizes", [TINY, PADDED], ids=["tiny", "padded"])
@pytest.mark.parametrize("rank", [4, None])
@pytest.mark.parametrize("attention", ["official", "fused"])
def test_activations_are_those_that_autograd_keeps(sizes, rank, attention):
    encoder = build_sam(sizes, seed=0).image_encoder
    if rank is not None:
        attach_lora(encoder, rank=rank)
    if attention == "fused":
        fuse_attention(encoder)
    images = torch.zeros(2, 3, sizes.image_size, sizes.image_size)
    measured = saved_activations(encoder, lambda: encoder(images))
    derived = step_memory(sizes, rank=rank, batch=2, attention=attention).activations
    assert measured / FACTOR <= derived <= measured * FACTOR


@pytest.mark.parametrize("sizes", [TINY, PADDED], ids=["tiny", "padded"])
def test_mfnet_two_sensors_and_its_head(sizes):
    net = MFNet(build_sam(sizes, seed=0), 6, tuning="mmlora")
    every, added = count(net), mmlora_weights(sizes, 4, 2)
    assert count(net.encoder).added == added
    # SAM's neck and the rest of the network stand behind the encoder
    head = sum(p.numel() for n, p in net.named_parameters() if not n.startswith("encoder."))
    memory = step_memory(
        sizes, rank=4, sensors=2, mlp=True, attention="fused", trained_head=every.trained - added
    )
    assert every.trained - added == head
    assert memory.weights == 4 * every.total
    assert memory.gradients == 4 * every.trained
    images = torch.rand(2, 1, 3, sizes.image_size, sizes.image_size)
    measured = saved_activations(net.encoder.train(), lambda: net.encoder(images))
    assert measured / FACTOR <= memory.activations <= measured * FACTOR


def test_a_larger_step_needs_more():
    small = step_memory(SMALL)
    assert step_memory(SMALL, batch=3).activations == 3 * small.activations
    assert step_memory(SMALL, bytes_per_number=2).total == small.total / 2
    assert lora_weights(SMALL, 8) == 2 * lora_weights(SMALL, 4)
    assert "activations" in str(small)
    with pytest.raises(ValueError, match="at least 1, got 0"):
        step_memory(SMALL, batch=0)
