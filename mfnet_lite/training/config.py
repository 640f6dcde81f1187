"""The settings of one training run."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from mfnet_lite.training.schedule import Schedule

Precision = Literal["32-true", "bf16-mixed", "bf16-true", "64-true"]

# May differ between a run and its continuation: they say where and how it runs, not what it computes.
FREE_ON_RESUME = frozenset(
    {"device", "devices", "strategy", "workers", "save_every", "progress", "log_every"}
)


@dataclass(frozen=True)
class TrainConfig:
    """Settings of :func:`mfnet_lite.training.fit`.

    The defaults suit a small network on a CPU. :meth:`authors` gives MFNet's published recipe.

    Attributes:
        steps: optimiser steps of the whole run.
        batch: samples per forward pass and device.
        accumulate: forward passes per step; the gradient is that of ``batch × accumulate`` samples.
        lr: base learning rate.
        optimizer: ``"adamw"`` or ``"sgd"``.
        weight_decay: decay of the weights.
        decay_all: decay also biases, norms and scalars; the usual choice is not to.
        momentum: momentum of SGD.
        schedule: ``"cosine"``, ``"multistep"`` (the authors') or ``"constant"``.
        warmup: steps of linear rise at the start.
        clip: largest norm of the gradient; 0 leaves it alone.
        precision: number format. There is no fp16: its loss scaler is a state that bf16 spares us.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``, ``"mps"``.
        devices: how many of them.
        strategy: how Fabric uses several, e.g. ``"ddp"``.
        workers: reading processes.
        seed: of the sample order and of dropout; the initial weights are the caller's.
        ignore_index: label of pixels without truth.
        log_every: steps per row of ``log.csv``.
        save_every: steps between two saved states.
        evaluate_every: steps between two scorings of the validation set; 0 = only at the end.
        keep: whether ``model.safetensors`` holds the ``"last"`` weights or the ``"best"`` ones by
            validation mIoU.
        window: side of the windows in which validation tiles are predicted.
        progress: whether to draw a progress bar.
    """

    steps: int = 1000
    batch: int = 8
    accumulate: int = 1
    lr: float = 1e-3
    optimizer: Literal["adamw", "sgd"] = "adamw"
    weight_decay: float = 1e-2
    decay_all: bool = False
    momentum: float = 0.9
    schedule: Schedule = "cosine"
    warmup: int = 20
    clip: float = 1.0
    precision: Precision = "32-true"
    device: str = "auto"
    devices: int = 1
    strategy: str = "auto"
    workers: int = 0
    seed: int = 0
    ignore_index: int = 255
    log_every: int = 10
    save_every: int = 200
    evaluate_every: int = 0
    keep: Literal["last", "best"] = "last"
    window: int = 256
    progress: bool = True

    def __post_init__(self) -> None:
        """Reject what cannot work, before any time is spent."""
        for name in ("steps", "batch", "accumulate", "log_every", "save_every", "window"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name in ("warmup", "clip", "weight_decay", "workers", "evaluate_every"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)}")
        if not self.lr > 0:
            raise ValueError(f"lr must be positive, got {self.lr}")
        for name, allowed in (
            ("optimizer", ("adamw", "sgd")),
            ("schedule", ("cosine", "multistep", "constant")),
            ("keep", ("last", "best")),
            ("precision", ("32-true", "bf16-mixed", "bf16-true", "64-true")),
        ):
            if getattr(self, name) not in allowed:
                raise ValueError(
                    f"{name} must be one of {', '.join(allowed)}, got {getattr(self, name)!r}"
                )

    @classmethod
    def authors(cls, **changes: Any) -> TrainConfig:
        """MFNet's published recipe: SGD, batch 10, 50 epochs of 1000 steps, multi-step.

        Args:
            **changes: fields to set differently.

        Example:
            >>> TrainConfig.authors(steps=100).lr
            0.01
        """
        recipe: dict[str, Any] = {
            "steps": 50_000,
            "batch": 10,
            "lr": 0.01,
            "optimizer": "sgd",
            "weight_decay": 5e-4,
            "decay_all": True,
            "momentum": 0.9,
            "schedule": "multistep",
            "warmup": 0,
            "clip": 0.0,
        }
        return cls(**(recipe | changes))

    def check_resumes(self, saved: dict[str, Any]) -> None:
        """Refuse to continue a run under settings that would have made another run.

        Args:
            saved: the settings stored with the state.

        Raises:
            ValueError: naming each setting that differs.
        """
        ours = asdict(self)
        differing = [
            f"{f.name} was {saved.get(f.name)!r} and is now {ours[f.name]!r}"
            for f in fields(self)
            if f.name not in FREE_ON_RESUME and saved.get(f.name) != ours[f.name]
        ]
        if differing:
            raise ValueError(
                f"cannot resume under other settings: {'; '.join(differing)}; "
                "give the old ones or start a new run in another folder"
            )
