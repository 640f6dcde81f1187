"""Who is decayed: the weights of maps, and nothing that is added, looked up or mixed with."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from mfnet_lite.nets import MFNet
from mfnet_lite.sam import build_sam
from mfnet_lite.training.config import TrainConfig
from mfnet_lite.training.optim import build_optimizer, decayed, mixing_weights
from mfnet_lite.tuning import MMAdapter, SensorAdapter, attach_adapters
from tests.small_sam import SMALL

MAPS = {"weight", "lora_a", "lora_b", "down_weight", "up_weight", "squeeze", "excite"}


def split(net: nn.Module) -> tuple[set[str], set[str]]:
    """Names of what is decayed and of what is not."""
    names = {id(p): name for name, p in net.named_parameters()}
    with_, without = build_optimizer(net, TrainConfig(weight_decay=0.1)).param_groups
    assert (with_["weight_decay"], without["weight_decay"]) == (0.1, 0.0)
    return {names[id(p)] for p in with_["params"]}, {names[id(p)] for p in without["params"]}


@pytest.mark.parametrize("tuning", ["mmlora", "mmadapter"])
@pytest.mark.parametrize("official", [False, True])
def test_of_mfnet_only_the_weights_of_maps_are_decayed(tuning: str, official: bool) -> None:
    net = MFNet(build_sam(SMALL), 6, tuning=tuning, official=official)
    pulled, spared = split(net)
    assert pulled | spared == {n for n, p in net.named_parameters() if p.requires_grad}
    norms = {
        f"{name}.{key}"
        for name, module in net.named_modules()
        if isinstance(module, nn.LayerNorm | nn.BatchNorm2d) or name == "fusion.norm"
        for key, _ in module.named_parameters()
    }
    wrong = {name for name in pulled if name.rpartition(".")[2] not in MAPS or name in norms}
    assert wrong == set()
    # and nothing is spared by mistake
    own = {name.rpartition(".")[2] for name in spared - norms}
    assert own == {
        *("bias", "squeeze_bias", "excite_bias", "table", "theta", "mix"),
        *(("down_bias", "up_bias") if tuning == "mmadapter" else ()),
    }


def test_stacked_biases_are_matrices_and_not_decayed() -> None:
    net = MMAdapter(8, sensors=2)
    assert net.adapter.down_bias.ndim == 2
    assert split(net) == (
        {"adapter.down_weight", "adapter.up_weight"},
        {"adapter.down_bias", "adapter.up_bias", "mix"},
    )


def test_embeddings_and_tables_are_not_decayed_when_the_whole_encoder_trains() -> None:
    net = build_sam(SMALL)
    pulled, spared = split(net)
    for name in (
        "image_encoder.pos_embed",
        "image_encoder.blocks.0.attn.rel_pos_h",
        "image_encoder.neck.1.weight",  # SAM's LayerNorm2d
        "prompt_encoder.not_a_point_embed.weight",
        "mask_decoder.mask_tokens.weight",
    ):
        assert name in spared
    assert "image_encoder.patch_embed.proj.weight" in pulled
    assert all(p.ndim > 1 for p in decayed(net))


def test_every_tensor_is_in_one_group_once_even_if_shared() -> None:
    net = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    net[1].weight = net[0].weight
    assert split(net) == ({"0.weight"}, {"0.bias", "1.bias"})


def test_additions_around_a_module_and_decay_all() -> None:
    net = attach_adapters(nn.Sequential(nn.Linear(4, 4)), ["0"])
    assert split(net)[0] == {"0.adapter.down.weight", "0.adapter.up.weight"}
    (group,) = build_optimizer(net, TrainConfig(weight_decay=0.1, decay_all=True)).param_groups
    assert len(group["params"]) == 4


def test_nothing_to_train_is_an_error() -> None:
    with pytest.raises(ValueError, match="no trainable parameter"):
        build_optimizer(SensorAdapter(4, 1).requires_grad_(False), TrainConfig())
    assert torch.optim.AdamW is type(build_optimizer(nn.Linear(2, 2), TrainConfig()))


@pytest.mark.parametrize("decay_all", [False, True])
def test_mixing_weights_get_a_rate_of_their_own(decay_all: bool) -> None:
    net = MFNet(build_sam(SMALL), 6, tuning="mmlora")
    names = {id(p): name for name, p in net.named_parameters()}
    assert {names[id(w)].rpartition(".")[2] for w in mixing_weights(net)} == {"mix"}
    config = TrainConfig(lr=1e-3, mixing_lr=10, weight_decay=0.1, decay_all=decay_all)
    *others, own = build_optimizer(net, config).param_groups
    assert list(map(id, own["params"])) == list(map(id, mixing_weights(net)))
    assert own["weight_decay"] == (0.1 if decay_all else 0.0)
    assert (own["lr"], own["times_lr"]) == (pytest.approx(1e-2), 10)
    assert {(g["lr"], g["times_lr"]) for g in others} == {(1e-3, 1.0)}
    trained = [p for g in (*others, own) for p in g["params"]]
    assert sorted(map(id, trained)) == sorted(id(p) for p in net.parameters() if p.requires_grad)


def test_a_rate_for_mixing_weights_that_are_not_there_is_an_error() -> None:
    for net in (nn.Linear(2, 2), MFNet(build_sam(SMALL), 6, tuning="lora")):
        assert mixing_weights(net) == []
        with pytest.raises(ValueError, match="no mixing weights to train: expected MMLoRA or"):
            build_optimizer(net, TrainConfig(mixing_lr=10))
    for wrong in (0, -1, float("nan"), 1e9):
        with pytest.raises(ValueError, match="mixing_lr, a multiple of lr"):
            TrainConfig(mixing_lr=wrong)
