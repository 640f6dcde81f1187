"""Options that belong to one network, and the words of the command line."""

from __future__ import annotations

import pytest
import torch
from segment_anything.modeling.image_encoder import PatchEmbed
from typer.testing import CliRunner

from mfnet_lite.cli import app
from mfnet_lite.cli.options import (
    KINDS,
    band_numbers,
    builder_options,
    check_crop,
    check_window,
    defaults_of,
    listed,
    parameters_of,
    vote,
)
from mfnet_lite.nets import BUILDERS
from mfnet_lite.rasters import KINDS as READER_NAMES

NOTHING = dict.fromkeys(["width", "depth", "tuning", "fusion", "backbone", "rank"])


def test_defaults_and_what_was_said():
    assert builder_options("unet", NOTHING) == {"width": 16, "depth": 4}
    assert builder_options("mfnet", NOTHING | {"tuning": "adapter", "rank": 8}) == {
        "backbone": "tiny",
        "tuning": "adapter",
        "fusion": "dfm",
        "rank": 8,
    }
    assert defaults_of("mfnet").size % 16 == 0
    assert defaults_of("a network to come").lr == defaults_of("unet").lr


@pytest.mark.parametrize("name", sorted(BUILDERS))
def test_every_default_is_an_argument_of_its_builder(name):
    assert set(builder_options(name, NOTHING)) <= set(parameters_of(BUILDERS[name]))


@pytest.mark.parametrize(
    ("model", "option", "owner"),
    [("mfnet", "width", "unet"), ("mfnet", "depth", "unet"), ("unet", "rank", "mfnet")],
)
def test_an_option_of_another_network_is_refused(model, option, owner):
    with pytest.raises(
        ValueError, match=rf"--{option} is no option of {model}, it belongs to .*{owner}"
    ):
        builder_options(model, NOTHING | {option: 3})


def test_a_flag_that_is_off_is_no_mistake():
    assert "official" not in builder_options("unet", NOTHING | {"official": None})


def test_votes():
    assert vote("smooth") == ("smooth", False)
    assert vote("sum") == ("sum", False)
    with pytest.raises(ValueError, match=r"unknown blend 'max'; available: smooth, sum, authors"):
        vote("max")


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
    network = torch.nn.Sequential(PatchEmbed((8, 8), (8, 8), embed_dim=4))
    with pytest.raises(ValueError, match=rf"multiple of 8; take {advice}"):
        check_crop(network, size)
    check_crop(network, 96)
    check_crop(torch.nn.Conv2d(1, 1, 3), 97)


def test_kinds_are_those_of_the_readers():
    assert KINDS.replace(" or ", ", ").split(", ") == ["auto", *READER_NAMES]
    for command in (["train"], ["evaluate"], ["data", "check"]):
        shown = CliRunner(env={"COLUMNS": "200"}).invoke(app, [*command, "--help"]).output
        assert "auto, folder, pairs" in " ".join(shown.replace("│", " ").split())


@pytest.mark.parametrize("window", [0, -4])
def test_windows_have_pixels(window):
    with pytest.raises(ValueError, match=f"--window must be at least 1 pixel, got {window}"):
        check_window(window)
    check_window(1)
    check_window(None)
