"""What a module of a room declares public, the room itself offers; everything else is internal."""

from __future__ import annotations

import importlib
import pkgutil

import pytest

import mfnet_lite.losses
import mfnet_lite.sam
import mfnet_lite.tuning

ROOMS = (mfnet_lite.losses, mfnet_lite.sam, mfnet_lite.tuning)


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.__name__)
def test_a_room_offers_what_its_modules_declare_public(room) -> None:
    declared = set()
    for info in pkgutil.walk_packages(room.__path__, f"{room.__name__}."):
        module = importlib.import_module(info.name)
        if not info.ispkg:
            assert hasattr(module, "__all__"), f"{info.name} does not say what is public"
            declared |= set(module.__all__)
    assert declared == set(room.__all__)


def test_names_of_peft_work() -> None:
    from torch import nn

    from mfnet_lite.tuning import attach_lora, merge_and_unload, unload

    for function in (merge_and_unload, unload):
        net = function(attach_lora(nn.Sequential(nn.Linear(3, 3)), ["0"]))
        assert type(net[0]) is nn.Linear
