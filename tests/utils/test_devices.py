"""One word for the device, checked once."""

from __future__ import annotations

import pytest
import torch

from mfnet_lite.utils.devices import pick_device


def machine(monkeypatch: pytest.MonkeyPatch, gpus: int, mps: bool) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)


@pytest.mark.parametrize(
    ("gpus", "mps", "best"), [(0, False, "cpu"), (0, True, "mps"), (2, False, "cuda")]
)
def test_auto_is_the_best_device_here(monkeypatch, gpus, mps, best) -> None:
    machine(monkeypatch, gpus, mps)
    assert pick_device() == torch.device(best)
    assert pick_device(best) == torch.device(best)
    assert pick_device(torch.device("cpu")) == torch.device("cpu")


def test_what_is_not_here_is_refused(monkeypatch) -> None:
    machine(monkeypatch, 0, False)
    for name in ("cuda", "cuda:0", "mps"):
        with pytest.raises(ValueError, match=rf"no device '{name}'.*only cpu; choose"):
            pick_device(name)
    machine(monkeypatch, 2, False)
    assert pick_device("cuda:1") == torch.device("cuda", 1)
    with pytest.raises(ValueError, match=r"no device 'cuda:2'.*only cpu, cuda"):
        pick_device("cuda:2")


@pytest.mark.parametrize("name", ["gpu", "", "meta", "cuda:x"])
def test_unknown_words_are_refused(name) -> None:
    with pytest.raises(ValueError, match=rf"unknown device '{name}'; available: auto, cpu, cuda"):
        pick_device(name)
