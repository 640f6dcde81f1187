"""Options that belong to one network, and the words of the command line."""

from __future__ import annotations

import inspect
from dataclasses import fields

import pytest
from typer.testing import CliRunner

from mfnet_lite.cli import app
from mfnet_lite.cli.data import check
from mfnet_lite.cli.evaluate import evaluate
from mfnet_lite.cli.info import info
from mfnet_lite.cli.masks import masks
from mfnet_lite.cli.network_options import check_owner, network_options, usual, visible
from mfnet_lite.cli.new_run import check_crop
from mfnet_lite.cli.options import KINDS, band_numbers, listed
from mfnet_lite.cli.predict import predict
from mfnet_lite.cli.train import train
from mfnet_lite.cli.windows import check_window, overlap_mode
from mfnet_lite.cli.world import make, plates
from mfnet_lite.nets import NETWORKS, NetworkConfig, config_class, list_models, make_config
from mfnet_lite.rasters import KINDS as READER_NAMES
from mfnet_lite.sam import SamConfig, build_sam


def shown(*command: str) -> str:
    """The help of a command in one line."""
    text = CliRunner(env={"COLUMNS": "300"}).invoke(app, [*command, "--help"]).output
    return " ".join(text.replace("│", " ").split())


def test_defaults_and_what_was_said():
    assert make_config("unet", {}).options() == {"width": 16, "depth": 4}
    assert make_config("mfnet", {"tuning": "adapter", "rank": 8}).options() == {
        "backbone": "tiny",
        "tuning": "adapter",
        "fusion": "dfm",
        "rank": 8,
    }
    assert config_class("mfnet").crop % 16 == 0
    assert NetworkConfig.lr == config_class("unet").lr


@pytest.mark.parametrize("name", list_models())
def test_every_recorded_option_is_one_and_is_written_down(name):
    config = config_class(name)()
    assert tuple(config.options()) == config.recorded
    assert set(config.recorded) <= {f.name for f in fields(config)}


@pytest.mark.parametrize(
    ("model", "option", "owner"),
    [("mfnet", "width", "unet"), ("mfnet", "depth", "unet"), ("unet", "rank", "mfnet")],
)
def test_an_option_of_another_network_is_refused(model, option, owner):
    with pytest.raises(
        ValueError, match=rf"--{option} is no option of {model}, it belongs to .*{owner}"
    ):
        check_owner(model, [option])


def test_a_flag_that_is_off_is_no_mistake():
    check_owner("unet", [])
    flags = {p.name: p.default for p in network_options() if p.name in ("official", "pretrained")}
    assert flags == {"official": None, "pretrained": None}


def test_help_lists_every_option_of_every_network():
    text = shown("train")
    for model in NETWORKS:
        for name, f in visible(model).items():
            assert f"--{name.replace('_', '-')} " in text
            assert f.metadata["help"].rstrip(".") in text
    assert "Options of mfnet, samlp" in text
    assert "mmlora, mmadapter, lora, adapter, none, full" in text
    assert "default: 0.003; mfnet 0.002, mfuser 0.001, sam_cd 0.001" in text.replace(
        "(", ""
    ).replace(")", "")
    assert "--window " not in text


def test_what_networks_start_from():
    assert usual("crop") == "96; mfnet 128, gopt 128, mfuser 128, sam_cd 128, samlp 256"


@pytest.mark.parametrize("command", [train, evaluate, predict, masks, make, plates, check, info])
def test_commands_have_few_parameters_of_their_own(command):
    assert len(inspect.signature(command).parameters) <= 12


def test_votes():
    assert overlap_mode("smooth") == ("smooth", False)
    assert overlap_mode("sum") == ("sum", False)
    with pytest.raises(ValueError, match=r"unknown blend 'max'; available: smooth, sum, authors"):
        overlap_mode("max")


def test_lists():
    assert listed(None, "sensors") is None
    assert listed(" optical, dsm ,", "sensors") == ("optical", "dsm")
    with pytest.raises(ValueError, match="--sensors names nothing"):
        listed(" , ", "sensors")
    assert band_numbers("4,1,2") == (4, 1, 2)
    for text in ("0,1", "red", "-1", "1.5"):
        with pytest.raises(ValueError, match=rf"--bands {text} is not understood"):
            band_numbers(text)


@pytest.mark.parametrize(
    ("size", "advice"), [(100, "96 or 104"), (5, "8 or 8"), (129, "128 or 136")]
)
def test_crops_are_cut_into_patches(size, advice):
    with pytest.raises(ValueError, match=rf"multiple of 8; take {advice}"):
        check_crop(size, 8)
    check_crop(96, 8)
    check_crop(97, 1)


def test_networks_say_what_crops_must_be_a_multiple_of(tmp_path):
    import torch

    sizes = SamConfig(image_size=64, patch_size=8, width=16, depth=2, heads=2, global_blocks=(1,))
    torch.save(build_sam(sizes).state_dict(), tmp_path / "sam.pth")
    backbone = str(tmp_path / "sam.pth")
    dates, sensors = {"before": 3, "after": 3}, {"optical": 3}
    for name, options, bands, multiple in (
        ("unet", {"width": 2}, sensors, 1),
        ("unetformer", {"encoder": "test_resnet"}, sensors, 1),
        ("mfnet", {"backbone": backbone}, sensors, 8),
        ("gopt", {"backbone": backbone}, sensors, 8),
        ("mfuser", {"backbone": backbone, "words": [["roof"], ["lawn"]]}, sensors, 8),
        ("sam_cd", {"backbone": backbone}, dates, 8),
        ("samlp", {"backbone": backbone}, sensors, 8),
    ):
        config = make_config(name, options)
        assert config.crop_multiple(config.build(bands, 2)) == multiple


def test_kinds_are_those_of_the_readers():
    assert KINDS.replace(" or ", ", ").split(", ") == ["auto", *READER_NAMES]
    for command in (["train"], ["evaluate"], ["data", "check"]):
        assert "auto, folder, pairs" in shown(*command)


@pytest.mark.parametrize("window", [0, -4])
def test_windows_have_pixels(window):
    with pytest.raises(ValueError, match=f"--window must be at least 1 pixel, got {window}"):
        check_window(window)
    check_window(1)
    check_window(None)
