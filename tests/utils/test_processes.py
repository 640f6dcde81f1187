"""Which of several processes this is."""

from __future__ import annotations

import pytest
import torch

from mfnet_lite.utils.processes import (
    Ranks,
    is_first_process,
    naming_lost_processes,
    torchrun_ranks,
    working_together,
)


@pytest.mark.parametrize("name", ["RANK", "NODE_RANK", "LOCAL_RANK", "SLURM_PROCID"])
def test_any_place_but_the_first(monkeypatch, name):
    assert is_first_process()
    monkeypatch.setenv(name, "0")
    assert is_first_process()
    monkeypatch.setenv(name, "2")
    assert not is_first_process()


def test_alone_there_is_nobody_to_wait_for():
    with working_together() as ranks:
        assert ranks == Ranks() == torchrun_ranks()
        ranks.wait()
        assert ranks.tell(3) == 3


def test_each_process_of_a_machine_has_its_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    chosen = [Ranks(4 + n, 8, n, 4).device(torch.device("cuda")) for n in range(4)]
    assert [device.index for device in chosen] == [0, 1, 2, 3]
    assert Ranks().device(torch.device("cuda")).index is None
    assert Ranks(1, 2, 1, 2).device(torch.device("cuda:0")).index == 0


def test_only_lost_connections_are_renamed():
    with pytest.raises(RuntimeError, match="shapes"), naming_lost_processes(2):
        raise RuntimeError("shapes do not fit")
    with pytest.raises(RuntimeError, match="gloo"), naming_lost_processes(1):
        raise RuntimeError("gloo: Connection closed by peer")
    with (
        pytest.raises(ConnectionError, match="another of the 2 processes has ended"),
        naming_lost_processes(2),
    ):
        raise RuntimeError("gloo: Connection closed by peer")
