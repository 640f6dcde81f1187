"""Networks by name, and what their configs say."""

from __future__ import annotations

import inspect
import subprocess
import sys
from dataclasses import FrozenInstanceError, asdict, dataclass, field, fields
from typing import Any, Literal

import pytest

from mfnet_lite.nets import (
    DIALOGUE_NETWORKS,
    NETWORKS,
    SAMCD,
    ChangeDetector,
    GoPT,
    MFNet,
    MFuser,
    NetworkConfig,
    SamLP,
    UNet,
    UNetFormer,
    all_models,
    build_model,
    config_class,
    list_models,
    make_config,
)

SYSTEMS: dict[str, Any] = {
    "unet": UNet,
    "unetformer": UNetFormer,
    "mfnet": MFNet,
    "gopt": GoPT,
    "mfuser": MFuser,
    "sam_cd": ChangeDetector,
    "samlp": SamLP,
}

OFFICIAL: dict[str, dict[str, Any]] = {
    "mfnet": {"normalise": False, "batch_norm": True, "zero_init": False, "alpha": 1.0},
    "sam_cd": {
        "concatenate": True,
        "all_levels": False,
        "softmax": False,
        "momentum": 0.95,
        "per_unchanged": False,
    },
    "samlp": {"two_class": True, "full_size": False},
    "mfuser": {
        "closed": True,
        "released_modules": True,
        "batch_norm": True,
        "large_prompts": True,
        "absent": 0.1,
        "softmax": True,
        "over_all_pixels": True,
    },
}
"""What ``official=True`` stands for. The U-Net and UNetFormer are as published and have no such option, nor
has GoPT, whose code is not public."""

DEFAULT: dict[str, dict[str, Any]] = {
    "mfnet": {"normalise": True, "batch_norm": False, "zero_init": True, "alpha": None},
    "sam_cd": {
        "concatenate": False,
        "all_levels": True,
        "softmax": True,
        "momentum": 0.1,
        "per_unchanged": True,
    },
    "samlp": {"two_class": False, "full_size": True},
    "mfuser": {
        "closed": False,
        "released_modules": False,
        "batch_norm": False,
        "large_prompts": False,
        "absent": 1.0,
        "softmax": False,
        "over_all_pixels": False,
    },
}


def test_every_network_is_listed():
    assert list_models() == tuple(sorted(SYSTEMS)) == tuple(sorted(NETWORKS))
    assert all_models() == tuple(sorted((*SYSTEMS, "earthgpt")))
    assert not NETWORKS.keys() & DIALOGUE_NETWORKS.keys()


def test_networks_of_dialogues_have_a_config_and_no_classes():
    for name in DIALOGUE_NETWORKS:
        config = config_class(name)()
        for f in fields(config):
            assert f.metadata["help"].endswith(".")
        with pytest.raises(FrozenInstanceError):
            config.lr = 1.0  # type: ignore[misc]
        assert make_config(name, config.options()) == config
        with pytest.raises(ValueError, match="no classes of pixels"):
            build_model(name, {"optical": 3}, 2)
    with pytest.raises(ValueError, match="width is no option of earthgpt; available: backbone"):
        make_config("earthgpt", {"width": 3})


@pytest.mark.parametrize("name", sorted(SYSTEMS))
def test_official_stands_for_these_parameters(name):
    kind: Any = config_class(name)
    assert ("official" in {f.name for f in fields(kind)}) == (name in OFFICIAL)
    if name in OFFICIAL:
        assert asdict(kind(official=True).variant) == OFFICIAL[name]
        assert asdict(kind().variant) == DEFAULT[name]


@pytest.mark.parametrize("name", sorted(SYSTEMS))
def test_constructors_take_their_defaults_from_the_config(name):
    usual = {f.name: f.default for f in fields(config_class(name))}
    constructors = (SYSTEMS[name], SAMCD) if name == "sam_cd" else (SYSTEMS[name],)
    shared = [
        (p.name, p.default)
        for system in constructors
        for p in inspect.signature(system).parameters.values()
        if p.name in usual
    ]
    assert len(shared) >= 2
    assert shared == [(option, usual[option]) for option, _ in shared]


@pytest.mark.parametrize("name", sorted(SYSTEMS))
def test_configs_are_frozen_and_every_option_has_a_line_of_help(name):
    config = config_class(name)()
    for f in fields(config):
        assert f.metadata["help"].endswith(".")
    with pytest.raises(FrozenInstanceError):
        config.lr = 1.0  # type: ignore[misc]


def test_the_public_signatures():
    parameters = inspect.signature(MFNet).parameters
    assert list(parameters)[:6] == ["sam", "num_classes", "sensors", "tuning", "fusion", "rank"]
    assert parameters["sensors"].default == ("optical", "dsm")
    assert parameters["official"].default is False
    assert next(iter(inspect.signature(SAMCD).parameters)) == "encoder"


def test_what_networks_say_of_themselves():
    assert [name for name in SYSTEMS if config_class(name).takes_missing_sensors] == [
        "mfnet",
        "gopt",
    ]
    windows = {name: config_class(name)().prediction_window(96) for name in SYSTEMS}
    convolutional = {"unet": 256, "unetformer": 256}
    assert windows == convolutional | dict.fromkeys(
        ("mfnet", "gopt", "mfuser", "sam_cd", "samlp"), 96
    )
    fetched = make_config("unetformer", {"pretrained": True})
    assert fetched.with_weights() == make_config("unetformer", {})
    assert make_config("mfnet", {"official": True}).computing() == {
        "fusion": "dfm",
        "official": True,
    }


def test_what_a_run_writes_down():
    @dataclass(frozen=True)
    class Config(NetworkConfig):
        recorded = ("width",)
        kind: Literal["one", "two"] = field(default="one", metadata={"help": "Which."})
        width: int = 4

    # names of a local class cannot be looked up by get_type_hints
    Config.__annotations__ |= {"kind": Literal["one", "two"], "width": int}
    assert Config().options() == {"width": 4}
    assert Config(kind="two").options() == {"width": 4, "kind": "two"}
    assert Config().without("kind") == {"width": 4}
    with pytest.raises(ValueError, match="unknown kind 'six'; available: one, two"):
        Config(kind="six")  # type: ignore[arg-type]
    with pytest.raises(NotImplementedError, match="Config does not say how to build"):
        Config().build({}, 2)


def test_mistakes():
    with pytest.raises(
        ValueError, match=r"unknown model 'vnet'; available: earthgpt, gopt, mfnet, .*unet"
    ):
        config_class("vnet")
    with pytest.raises(ValueError, match="rank is no option of unet; available: width, depth"):
        build_model("unet", {"optical": 3}, 2, rank=4)
    with pytest.raises(ValueError, match="sensor_dropout is a probability"):
        make_config("mfnet", {"sensor_dropout": 2.0})


def test_listing_networks_loads_none():
    code = (
        "import sys, mfnet_lite; mfnet_lite.list_models(); import mfnet_lite.nets as n; n.all_models(); "
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
