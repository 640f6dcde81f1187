"""The training loop, all of it, on Lightning Fabric.

Fabric does what needs machinery (device, number format, several GPUs) and leaves the loop to us.
Read :func:`fit` from top to bottom: draw a batch, forward, loss, backward, clip, step, log, save.

A run can end at any moment, by Ctrl-C, by a cluster's SIGTERM, by a kill, and goes on with
``resume=True`` as if nothing had happened; on a CPU to the last bit. Three things make that so. The
learning rate and the samples of a step are functions of the step's number. The state is one file,
replaced atomically. A first Ctrl-C is only noted, and obeyed between two steps.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from mfnet_lite.losses.cross_entropy import cross_entropy
from mfnet_lite.training import state as disk
from mfnet_lite.training.config import TrainConfig
from mfnet_lite.training.distributed import (
    anywhere,
    evaluate_together,
    from_each,
    make_fabric,
    mean_over_processes,
    share_statistics,
)
from mfnet_lite.training.fabric import Fabric
from mfnet_lite.training.log import CsvLog
from mfnet_lite.training.optim import build_optimizer
from mfnet_lite.training.sampling import PositionSampler, batches
from mfnet_lite.training.schedule import factor
from mfnet_lite.training.stop import polite_stop
from mfnet_lite.tuning.bookkeeping import freeze_statistics, trained_state
from mfnet_lite.utils.devices import pick_device
from mfnet_lite.utils.files import write_text
from mfnet_lite.utils.processes import naming_lost_processes
from mfnet_lite.utils.samples import Samples

Loss = Callable[[Any, Mapping[str, Tensor]], Tensor]
"""``loss(output, batch) -> scalar``: sees the whole batch, so it may use more than the label."""


def fit(
    model: nn.Module,
    train_set: Samples,
    val_set: Samples | None = None,
    config: TrainConfig | None = None,
    out: str | Path | None = None,
    loss: Loss | None = None,
    resume: bool = False,
) -> dict[str, Any]:
    """Train a model.

    Args:
        model: Maps a batch ``{sensor: (batch, channels, height, width)}`` to logits. Parameters
            without ``requires_grad`` are neither trained nor saved.
        train_set: Samples of one size; the content of a sample must depend on its index only.
        val_set: Whole tiles of any size, scored now and then; not used for training.
        config: Settings; defaults to those of :class:`TrainConfig`.
        out: Run folder for ``model.safetensors``, ``state.pt``, ``log.csv`` and ``summary.json``;
            defaults to writing nothing.
        loss: ``loss(output, batch)``; defaults to the model's own ``loss(output, batch, ignore_index)``
            if it has one, and to cross-entropy with ``batch["label"]`` otherwise.
        resume: Continue the run in ``out``.

    Returns:
        The summary, as written to ``summary.json``: steps, loss, seconds, scores, …

    Raises:
        FileExistsError: If ``out`` holds a run and ``resume`` is off.
        FileNotFoundError: If ``resume`` is on and ``out`` holds no state.
        ValueError: If the device is not here, or ``config`` needs a validation set and there is none.
        ConnectionError: If another process of this training has ended.
        FloatingPointError: If loss, gradient or weights become infinite or NaN; what was saved before stays.
        KeyboardInterrupt: After Ctrl-C, once the state has been saved.
    """
    config = config or TrainConfig()
    config.check_validation(val_set is not None)
    folder = Path(out) if out is not None else None
    if resume and folder is None:
        raise ValueError("resume needs the folder of the run to continue")
    if folder is not None and not resume and (folder / disk.STATE_FILE).exists():
        raise FileExistsError(
            f"{folder} already holds a run; continue it with resume, or choose another folder"
        )
    loss = loss or _loss_of(model, config.ignore_index)
    device = pick_device(config.device)
    fabric = make_fabric(config, device)
    fabric.launch()
    optimizer = build_optimizer(model, config, config.shard_optimizer and fabric.world_size > 1)
    net, stepper = fabric.setup(model, optimizer)
    writer = folder if fabric.is_global_zero else None

    gpus = list(range(torch.cuda.device_count()))
    with (
        torch.random.fork_rng(devices=gpus),
        polite_stop() as stop,
        naming_lost_processes(fabric.world_size),
    ):
        torch.manual_seed(config.seed + fabric.global_rank)
        run = _Progress()
        if resume and folder is not None:
            run = _restore(folder / disk.STATE_FILE, model, optimizer, config, fabric)
        log = CsvLog(writer / "log.csv", after=run.step) if writer else None
        sampler = PositionSampler(
            len(train_set),
            config.batch,
            run.step * config.accumulate,
            config.steps * config.accumulate,
            config.seed,
            fabric.global_rank,
            fabric.world_size,
        )
        stream = iter(batches(train_set, sampler, config.workers))
        bar = tqdm(
            total=config.steps,
            initial=run.step,
            unit="step",
            disable=not config.progress or not fabric.is_global_zero,
        )
        begun = time.perf_counter() - run.seconds
        model.train()
        freeze_statistics(model)
        with bar:
            while run.step < config.steps:
                rate = config.lr * factor(config.schedule, run.step, config.steps, config.warmup)
                for group in optimizer.param_groups:
                    group["lr"] = rate * group.get("times_lr", 1.0)  # older states have none
                total = torch.zeros((), device=fabric.device)
                for part in range(config.accumulate):
                    batch = fabric.to_device(next(stream))
                    last = part + 1 == config.accumulate
                    with fabric.no_backward_sync(net, enabled=not last):
                        share = loss(net(batch), batch) / config.accumulate
                        fabric.backward(share)
                    total += share.detach()
                norm = fabric.clip_gradients(
                    net, stepper, max_norm=config.clip or math.inf, error_if_nonfinite=False
                )
                value = float(mean_over_processes(fabric, total))
                _check_finite(value, norm, run.step + 1)  # before it reaches the weights
                stepper.step()
                stepper.zero_grad()
                run.step += 1
                run.loss_sum += value
                run.loss_count += 1
                run.seconds = time.perf_counter() - begun
                bar.update()

                ends = run.step == config.steps
                row: dict[str, float | int | str] = {}
                if ends or run.step % config.log_every == 0:
                    row = _log_row(run, rate, norm)
                    bar.set_postfix(loss=f"{run.loss:.3f}")
                due = config.evaluate_every and run.step % config.evaluate_every == 0
                if val_set is not None and (ends or due):
                    _check_weights(fabric, model, run.step)
                    share_statistics(fabric, model)
                    _validate(run, net, val_set, config, writer, fabric)
                    row = (row or _log_row(run, rate, norm)) | {
                        f"val_{k}": f"{v:.6f}" for k, v in run.scores.items()
                    }
                if row and log:
                    log.append(row)
                stopping = anywhere(fabric, stop.is_set())
                if ends or stopping or run.step % config.save_every == 0:
                    _check_weights(fabric, model, run.step)
                    share_statistics(fabric, model)
                    _save(writer, run, model, optimizer, config, fabric)
                    fabric.barrier()
                if stopping and not ends:
                    raise KeyboardInterrupt(f"stopped after step {run.step} of {config.steps}")
    summary = _summary(run, model, config, fabric)
    if writer:
        write_text(writer / "summary.json", json.dumps(summary, indent=1) + "\n")
    return summary


def _loss_of(model: nn.Module, ignore_index: int) -> Loss:
    """The loss a model brings along, or cross-entropy."""
    own = getattr(model, "loss", None)
    if callable(own):
        return lambda out, batch: own(out, batch, ignore_index)
    return lambda out, batch: cross_entropy(out, batch["label"], ignore_index)


class _Progress:
    """Where a run stands: the part of its state that is neither weights nor optimiser."""

    def __init__(self) -> None:
        self.step = 0
        self.seconds = 0.0
        self.loss_sum = 0.0
        self.loss_count = 0
        self.loss = math.nan
        self.scores: dict[str, float] = {}
        self.best = -math.inf
        self.best_step = 0


ADVICE = (
    "lower lr, raise warmup or set a lower clip, and check the inputs for NaN (nodata in a height map?)"
    "; what the run had saved before is as it was"
)


def _check_finite(loss: float, norm: Tensor | None, step: int) -> None:
    """Refuse a step that would spoil the weights."""
    for what, value in (("loss", loss), ("norm of the gradient", norm)):
        if value is not None and not math.isfinite(value):
            raise FloatingPointError(f"the {what} became {float(value)} at step {step}; {ADVICE}")


def _check_weights(fabric: Fabric, model: nn.Module, step: int) -> None:
    """Refuse to score or save weights that a step has spoilt: what was kept before is worth more."""
    trained = [p for p in model.parameters() if p.requires_grad]
    if anywhere(fabric, not all(bool(p.isfinite().all()) for p in trained)):
        raise FloatingPointError(f"the weights became infinite or NaN at step {step}; {ADVICE}")


def _log_row(run: _Progress, rate: float, norm: Tensor | None) -> dict[str, float | int | str]:
    """Close the running mean of the loss and lay out one row of the log."""
    if run.loss_count:
        run.loss = run.loss_sum / run.loss_count
        run.loss_sum, run.loss_count = 0.0, 0
    return {
        "step": run.step,
        "lr": f"{rate:.6g}",
        "loss": f"{run.loss:.6f}",
        "grad_norm": "" if norm is None else f"{float(norm):.4f}",
        "seconds": f"{run.seconds:.2f}",
    }


def _validate(
    run: _Progress,
    net: nn.Module,
    val_set: Samples,
    config: TrainConfig,
    writer: Path | None,
    fabric: Fabric,
) -> None:
    """Score the validation set and keep the weights if they are the best so far."""
    scores = evaluate_together(fabric, net, val_set, config).scores()
    run.scores = {"OA": scores.OA, "mF1": scores.mF1, "mIoU": scores.mIoU}
    if scores.single is not None:  # all of one class: a mean of 100 % would tell nothing
        run.scores |= {"mF1": math.nan, "mIoU": math.nan}
    elif scores.mIoU > run.best:
        run.best, run.best_step = scores.mIoU, run.step
        if writer and config.keep == "best":
            disk.save_model(
                getattr(net, "module", net), writer / disk.MODEL_FILE, {"step": str(run.step)}
            )


def _save(
    folder: Path | None,
    run: _Progress,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    config: TrainConfig,
    fabric: Fabric,
) -> None:
    """Write the weights for use, then the state for going on; all processes come, the first one writes."""
    several = fabric.world_size > 1
    streams = from_each(fabric, disk.rng_state(fabric.device if several else None))
    if hasattr(optimizer, "consolidate_state_dict"):  # it is sharded
        optimizer.consolidate_state_dict(to=0)
    if folder is None:
        return
    if config.keep == "last" or not run.best_step:
        disk.save_model(model, folder / disk.MODEL_FILE, {"step": str(run.step)})
    disk.save_state(
        {
            "config": asdict(config),
            "progress": dict(vars(run)),
            "model": trained_state(model),
            "optimizer": optimizer.state_dict(),
            "rng": streams[0],
            **({"rng_of_processes": streams} if several else {}),
        },
        folder / disk.STATE_FILE,
    )


def _restore(
    path: Path,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    config: TrainConfig,
    fabric: Fabric,
) -> _Progress:
    """Bring model, optimiser and random generators to where a run was saved."""
    saved = disk.load_state(path)
    streams = saved.get("rng_of_processes", [saved["rng"]])
    config.check_resumes(saved["config"], fabric.world_size, len(streams))
    disk.load_trained(model, saved["model"], str(path))
    optimizer.load_state_dict(saved["optimizer"])
    if fabric.global_rank < len(streams):
        several = len(streams) > 1
        disk.set_rng_state(streams[fabric.global_rank], fabric.device if several else None)
    run = _Progress()
    vars(run).update(saved["progress"])
    return run


def _summary(
    run: _Progress, model: nn.Module, config: TrainConfig, fabric: Fabric
) -> dict[str, Any]:
    """Collect what one wants to know of a finished run."""
    return {
        "steps": run.step,
        "seconds": round(run.seconds, 2),
        "loss": run.loss,
        "val": {k: None if math.isnan(v) else v for k, v in run.scores.items()},
        "best_val_mIoU": run.best if run.best_step else None,
        "best_step": run.best_step,
        "kept": config.keep if run.best_step else "last",
        "parameters": sum(p.numel() for p in model.parameters()),
        "trained_parameters": sum(p.numel() for p in model.parameters() if p.requires_grad),
        "device": str(fabric.device),
        "processes": fabric.world_size,
        "precision": config.precision,
        "torch": torch.__version__,
    }
