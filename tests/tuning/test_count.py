"""The table of weights, against numbers counted by hand and against published ones."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from mfnet_lite.sam import VIT_B, build_image_encoder
from mfnet_lite.tuning import Adapter, MMAdapter, attach_adapters, attach_lora, count


def network() -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 4), nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 2)))


def test_by_hand() -> None:
    numbers = count(network())
    assert (numbers.base, numbers.added, numbers.trained) == (16 + 20 + 10, 0, 46)
    assert numbers.percent == 100

    model = attach_adapters(network(), ["1.0"])  # 4 → 1 → 4: 5 + 8 weights
    model[1][1].bias.requires_grad_(True)
    numbers = count(model)
    assert (numbers.base, numbers.added, numbers.trained, numbers.total) == (46, 13, 15, 59)
    assert numbers.percent == pytest.approx(100 * 15 / 59)
    rows = [(row.name, row.base, row.added, row.trained) for row in numbers.rows]
    assert rows == [("0", 16, 0, 0), ("1", 30, 13, 15)]


def test_wrappers_are_no_level_of_the_table() -> None:
    model = attach_adapters(network(), ["1.*"])
    rows = count(model, depth=2).rows
    assert [row.name for row in rows] == ["0", "1.0", "1.1"]
    assert [row.added for row in rows] == [0, 13, 7]
    assert count(model, depth=0).rows == ()


def test_the_table() -> None:
    assert str(count(attach_adapters(network(), ["1.0"]))).splitlines() == [
        "       base  added  trained  percent",
        "0        16      0        0   0.00 %",
        "1        30     13       13  30.23 %",
        "total    46     13       13  22.03 %",
    ]


def test_shared_weights_count_once() -> None:
    model = network()
    model[1][0].weight = nn.Parameter(torch.ones(4, 4))
    model.append(model[1][0])
    assert count(model).base == 46
    twice = nn.ModuleList([model, model])
    assert count(twice).base == 46


def test_own_weights_and_no_weights() -> None:
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(3))
            self.register_parameter("bias", None)
            self.register_buffer("mean", torch.ones(5))

    assert [(row.name, row.total) for row in count(Odd()).rows] == [("(itself)", 3)]
    assert count(nn.GELU()).percent == 0
    with pytest.raises(ValueError, match="depth must be 0 or more"):
        count(Odd(), depth=-1)


def test_adapters_beside_a_block_are_added() -> None:
    model = nn.ModuleDict({"block": nn.Linear(4, 4).requires_grad_(False), "beside": Adapter(4)})
    numbers = count(model)
    assert (numbers.base, numbers.added, numbers.trained) == (20, 13, 13)
    model["sensors"] = MMAdapter(4, sensors=2, bottleneck=1)
    assert count(model).added == 13 + 2 * 13 + 2  # two private adapters, two shares


def test_vit_b_without_taking_memory() -> None:
    with torch.device("meta"):
        encoder = build_image_encoder(VIT_B)
    numbers = count(attach_adapters(encoder))
    # the encoder's published size, and an adapter of width 192 twice in each of 12 blocks
    assert numbers.base == 89_670_912
    assert numbers.added == numbers.trained == 24 * (2 * 768 * 192 + 768 + 192)


def test_lora() -> None:
    with torch.device("meta"):
        encoder = build_image_encoder(VIT_B)
    assert count(attach_lora(encoder, rank=4)).added == 12 * 2 * 2 * 4 * 768
