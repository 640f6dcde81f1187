"""Which of several processes this is, and how they wait for each other.

Several GPUs or machines mean several processes that run the same program. What starts them (``torchrun``, Lightning
Fabric, SLURM) tells each its place by environment variables. Two questions are answered here: whether this process
is the one that writes and speaks, and, under ``torchrun``, which share of a job is its own.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import torch

__all__ = [
    "Ranks",
    "is_first_process",
    "naming_lost_processes",
    "torchrun_ranks",
    "working_together",
]

PLACES = ("RANK", "NODE_RANK", "GROUP_RANK", "LOCAL_RANK", "SLURM_PROCID")
"""Variables that are 0 or absent in the first process of a job, and in no other all of them."""

PATIENCE = timedelta(days=30)
"""How long a process waits for the others: shares of a country differ by hours, and a dead one is noticed at once."""

Item = TypeVar("Item")


def is_first_process() -> bool:
    """Say whether this is the process that writes and speaks: the only one, or the first of several.

    Example:
        >>> is_first_process()
        True
    """
    return all(os.environ.get(name, "0") == "0" for name in PLACES)


@dataclass(frozen=True)
class Ranks:
    """The place of this process among those that share a job.

    Attributes:
        rank: Its number, from 0.
        world: How many there are.
        local: Its number among those of its machine.
        local_world: How many there are on its machine.
    """

    rank: int = 0
    world: int = 1
    local: int = 0
    local_world: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the process that writes what there is once."""
        return self.rank == 0

    def share(self, items: Sequence[Item]) -> Sequence[Item]:
        """Give this process's share: every item belongs to exactly one process.

        Args:
            items: The same in every process.

        Example:
            >>> [Ranks(rank, 3).share("abcdefg") for rank in range(3)]
            ['adg', 'be', 'cf']
        """
        return items[self.rank :: self.world]

    def device(self, device: torch.device) -> torch.device:
        """Give each process of a machine a GPU of its own; other devices are shared.

        Args:
            device: What all were asked for.

        Example:
            >>> import torch
            >>> str(Ranks(5, 8, 1, 4).device(torch.device("cpu")))
            'cpu'
        """
        import torch

        if device.type != "cuda" or device.index is not None or self.world == 1:
            return device
        return torch.device("cuda", self.local % torch.cuda.device_count())

    def wait(self) -> None:
        """Wait until every process has come here.

        Raises:
            ConnectionError: If another process has ended before.
        """
        self.tell(None)

    def tell(self, value: Any) -> Any:
        """Give every process the first one's value; none goes on before all are here.

        Args:
            value: Counts in the first process only.

        Returns:
            The first process's value.

        Raises:
            ConnectionError: If another process has ended before.
        """
        if self.world == 1:
            return value
        import torch.distributed as dist

        values: list[Any] = [None] * self.world
        with naming_lost_processes(self.world):
            dist.all_gather_object(values, value if self.first else None)
        return values[0]


@contextmanager
def naming_lost_processes(world: int) -> Iterator[None]:
    """Say in a sentence that another process is gone, where PyTorch tells of sockets.

    Args:
        world: Number of processes.

    Raises:
        ConnectionError: In the place of PyTorch's error.
    """
    import torch.distributed as dist

    try:
        yield
    except RuntimeError as error:
        lost = isinstance(error, dist.DistError) or re.search("gloo|Connection|NCCL", str(error))
        if world == 1 or not lost:
            raise
        raise ConnectionError(
            f"another of the {world} processes has ended: its own message says why; call again to go on from "
            "what was saved, a training with resume"
        ) from error


def torchrun_ranks() -> Ranks:
    """Read this process's place among those that ``torchrun`` started; the only one without it.

    Example:
        >>> torchrun_ranks()
        Ranks(rank=0, world=1, local=0, local_world=1)
    """
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        return Ranks()
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
    return Ranks(*(int(os.environ[name]) for name in names))


@contextmanager
def working_together() -> Iterator[Ranks]:
    """Join the processes that ``torchrun`` started, so that they can wait for each other.

    They exchange a few bytes through the CPU (gloo); what they make goes through files.

    Yields:
        The place of this process; without ``torchrun`` that of the only one.

    Raises:
        ConnectionError: If another process has ended before.
    """
    import torch.distributed as dist

    ranks = torchrun_ranks()
    if ranks.world == 1 or dist.is_initialized():
        yield ranks
        return
    dist.init_process_group("gloo", timeout=PATIENCE)
    try:
        yield ranks
    finally:
        dist.destroy_process_group()
