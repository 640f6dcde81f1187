"""What several processes must agree on while they train: the loss, the scores, the statistics, the end.

Each process reads its own part of every step's samples (:mod:`~mfnet_lite.training.sampling`) and Fabric's DDP
averages their gradients. So a step is that of one process with the batches of all, wherever the loss is a mean over
samples; if pixels without truth are left out, each process takes the mean over its own.

* The loss in the log is the mean over the processes; scores come from one confusion matrix, the sum of theirs.
* Batch norm normalises with the samples of its own process, as usual. The running statistics that validation and
  saved weights use are the mean over the processes.
* The first process alone writes.
"""

from __future__ import annotations

import functools
import inspect
import operator
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import Subset

from mfnet_lite.metrics.segmentation import ConfusionMatrix
from mfnet_lite.scenes.evaluate import evaluate
from mfnet_lite.training.config import TrainConfig
from mfnet_lite.training.fabric import DDPStrategy, Fabric
from mfnet_lite.training.mixed_precision import WholeInputs
from mfnet_lite.tuning.bookkeeping import trained_state
from mfnet_lite.utils.counted_nouns import counted
from mfnet_lite.utils.processes import torchrun_ranks
from mfnet_lite.utils.samples import Samples


def make_fabric(config: TrainConfig, device: torch.device) -> Fabric:
    """Set Fabric up for the devices and nodes that a config, or ``torchrun``, asks for.

    Args:
        config: Its fields ``devices``, ``nodes``, ``strategy``, ``precision``.
        device: Kind of device, and which one if it is only one.

    Raises:
        ValueError: If ``torchrun`` has started other numbers of processes than the config says.
    """
    devices, nodes = config.devices, config.nodes
    ranks = torchrun_ranks()
    if ranks.world > 1:
        started = ranks.local_world, ranks.world // ranks.local_world
        if (devices, nodes) not in ((1, 1), started):
            raise ValueError(
                f"torchrun has started {counted(started[0], 'process')} on each of "
                f"{counted(started[1], 'node')}, but devices is {devices} and nodes is {nodes}; leave both out"
            )
        devices, nodes = started
    several = devices * nodes > 1
    if several and device.type == "cuda" and devices > torch.cuda.device_count():
        raise ValueError(
            f"this machine has {counted(torch.cuda.device_count(), 'GPU')}, but devices is {devices}; lower it"
        )
    strategy: Any = config.strategy
    if several and strategy in ("auto", "ddp"):
        # Without this every forward pass, also of a validation with different tiles, would be a
        # meeting of all processes, and the statistics of all but the first would be lost.
        known = inspect.signature(DistributedDataParallel).parameters
        name = "forward_sync_buffers" if "forward_sync_buffers" in known else "broadcast_buffers"
        settings: dict[str, Any] = {name: False}
        strategy = DDPStrategy(**settings)
    one_gpu = device.type == "cuda" and device.index and not several
    return Fabric(
        accelerator=device.type,
        devices=[device.index] if one_gpu else devices,
        num_nodes=nodes,
        strategy=strategy,
        **precision_of(config, device),
    )


def precision_of(config: TrainConfig, device: torch.device) -> dict[str, Any]:
    """Return what Fabric is told of the number format: mixed precision leaves the batch as it is.

    Args:
        config: Its fields ``precision`` and ``strategy``.
        device: Kind of device.
    """
    # strategies that split a model's weights bring a mixed precision of their own
    if config.precision == "bf16-mixed" and config.strategy.split("_")[0] in ("auto", "ddp"):
        return {"plugins": [WholeInputs("bf16-mixed", device.type)]}
    return {"precision": config.precision}


def mean_over_processes(fabric: Fabric, value: Tensor) -> Tensor:
    """Return the mean of a scalar over the processes, the same in each of them."""
    if fabric.world_size == 1:
        return value
    return torch.as_tensor(fabric.all_reduce(value.clone(), reduce_op="mean"))


def anywhere(fabric: Fabric, flag: bool) -> bool:
    """Whether the flag is set in any process: all of them must leave at the same step."""
    if fabric.world_size == 1:
        return flag
    flags = fabric.all_reduce(torch.tensor(float(flag), device=fabric.device), reduce_op="sum")
    return bool(torch.as_tensor(flags) > 0)


def share_statistics(fabric: Fabric, model: nn.Module) -> None:
    """Replace running statistics by their mean over the processes."""
    if fabric.world_size == 1:
        return
    parameters = {id(p) for p in model.parameters()}
    with torch.no_grad():
        own = dict(model.named_parameters(remove_duplicate=False))
        for name, value in trained_state(model).items():
            if name not in own and id(value) not in parameters and value.is_floating_point():
                value.copy_(mean_over_processes(fabric, value))


def from_each(fabric: Fabric, value: Any) -> list[Any]:
    """Collect a value of every process, in their order; it travels pickled, so it should be small."""
    if fabric.world_size == 1:
        return [value]
    values: list[Any] = [None] * fabric.world_size
    dist.all_gather_object(values, value)
    return values


def evaluate_together(
    fabric: Fabric, net: nn.Module, val_set: Samples, config: TrainConfig
) -> ConfusionMatrix:
    """Score a validation set, each process its share of the tiles; the counts are integers, so the sum is exact."""
    places = range(fabric.global_rank, len(val_set), fabric.world_size)
    own: Any = val_set if fabric.world_size == 1 else Subset(val_set, places)  # type: ignore[arg-type]
    matrix = None
    if len(own) or fabric.world_size == 1:
        matrix = evaluate(net, own, ignore_index=config.ignore_index, window=config.window)
    matrices = [found for found in from_each(fabric, matrix) if found is not None]
    if not matrices:
        raise ValueError("there is no tile to score; check the folder and the split")
    return functools.reduce(operator.add, matrices)
