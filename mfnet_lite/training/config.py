"""The settings of one training run."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

from mfnet_lite.training.schedule import Schedule
from mfnet_lite.utils.counted_nouns import counted

Precision = Literal["32-true", "bf16-mixed", "bf16-true", "64-true"]

# May differ between a run and its continuation: they say where and how it runs, not what it computes.
FREE_ON_RESUME = frozenset(
    {
        "device",
        "devices",
        "nodes",
        "strategy",
        "shard_optimizer",
        "workers",
        "save_every",
        "progress",
        "log_every",
    }
)


@dataclass(frozen=True)
class TrainConfig:
    """Settings of :func:`mfnet_lite.training.fit`.

    The defaults suit a small network on a CPU. :meth:`authors` gives MFNet's published recipe. Fields with a
    ``help`` are options of the command line as well; ``command`` is their default there, where it is another.

    Attributes:
        steps: Optimiser steps of the whole run.
        batch: Samples per forward pass and device.
        accumulate: Forward passes per step; the gradient is the mean of theirs. That is the gradient of
            ``batch × accumulate`` samples of each device where every pass has as many labelled pixels as the others;
            else it is a mean of means, in which a pixel of a pass with few counts for more.
        lr: Base learning rate.
        mixing_lr: Learning rate of the mixing weights w of MMLoRA and MMAdapter, as a multiple of ``lr``. They
            start at ½ and decide alone how much the sensors exchange; at the rate of the matrices some hundred
            steps hardly move them.
        optimizer: ``"adamw"`` or ``"sgd"``.
        weight_decay: Decay of the weights.
        decay_all: Decay also biases, norms and scalars; the usual choice is not to.
        momentum: Momentum of SGD.
        schedule: ``"cosine"``, ``"multistep"`` (the authors') or ``"constant"``.
        warmup: Steps of linear rise at the start.
        clip: Largest norm of the gradient; 0 leaves it alone.
        precision: Number format; ``"bf16-mixed"`` computes products in bfloat16 and leaves weights and inputs in
            single precision. There is no fp16: its loss scaler is a state that bf16 spares us.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``, ``"mps"``.
        devices: How many of them per node; a step then learns from ``batch × accumulate × devices × nodes``
            samples. More than one GPU, or CPU process, starts the program again for each; under ``torchrun``
            leave it alone.
        nodes: Machines. Each starts the program itself, with ``NODE_RANK``, ``MASTER_ADDR`` and
            ``MASTER_PORT`` set, or by ``torchrun``.
        strategy: How Fabric uses several, e.g. ``"ddp"``, which is what ``"auto"`` means for several.
        shard_optimizer: Keep each parameter's optimiser state in one process only (ZeRO, stage 1), not in all
            of them; the numbers stay the same.
        workers: Reading processes.
        seed: Of the sample order and of dropout, from 0 to 2⁶³ − 1; the initial weights are the caller's.
        ignore_index: Label of pixels without truth.
        log_every: Steps per row of ``log.csv``.
        save_every: Steps between two saved states.
        evaluate_every: Steps between two scorings of the validation set; 0 = only at the end.
        keep: Whether ``model.safetensors`` holds the ``"last"`` weights or the ``"best"`` ones by
            validation mIoU.
        window: Side of the windows in which validation tiles are predicted.
        progress: Whether to draw a progress bar.
    """

    steps: int = field(
        default=1000,
        metadata={"help": "Optimiser steps; of earthgpt: stage 2.", "command": 500},
    )
    batch: int = field(
        default=8, metadata={"help": "Crops, or dialogues, per forward pass and device."}
    )
    accumulate: int = field(default=1, metadata={"help": "Batches per step."})
    lr: float = field(default=1e-3, metadata={"help": "Base learning rate.", "command": None})
    mixing_lr: float = field(
        default=1.0,
        metadata={"help": "Learning rate of the sensors' mixing weights, as a multiple of lr."},
    )
    optimizer: Literal["adamw", "sgd"] = "adamw"
    weight_decay: float = 1e-2
    decay_all: bool = False
    momentum: float = 0.9
    schedule: Schedule = "cosine"
    warmup: int = field(
        default=20,
        metadata={
            "help": "Steps in which the learning rate rises; a fifth of all but at most 20, for "
            "--recipe authors 0, if absent.",
            "command": None,
        },
    )
    clip: float = field(
        default=1.0,
        metadata={
            "help": "Largest norm of the gradient, 0 = any; 1, for --recipe authors 0, if absent.",
            "command": None,
        },
    )
    precision: Precision = field(
        default="32-true", metadata={"help": "32-true, bf16-mixed, bf16-true or 64-true."}
    )
    device: str = field(default="auto", metadata={"help": "auto, cpu, cuda or mps."})
    devices: int = field(
        default=1,
        metadata={
            "help": "Devices per node, each with its own batches; under torchrun its processes."
        },
    )
    nodes: int = field(default=1, metadata={"help": "Machines; under torchrun its nodes."})
    strategy: str = "auto"
    shard_optimizer: bool = field(
        default=False,
        metadata={"help": "Divide the optimiser's state among the devices (ZeRO, stage 1)."},
    )
    workers: int = field(default=0, metadata={"help": "Reading processes."})
    seed: int = field(default=0, metadata={"help": "Of weights, crops and order."})
    ignore_index: int = 255
    log_every: int = field(default=10, metadata={"help": "Steps per row of log.csv."})
    save_every: int = field(
        default=200, metadata={"help": "Steps between saved states.", "command": 100}
    )
    evaluate_every: int = field(default=0, metadata={"help": "Steps; 0 = only at the end."})
    keep: Literal["last", "best"] = field(
        default="last", metadata={"help": "Which weights to keep: last or best."}
    )
    window: int = 256
    progress: bool = True

    def __post_init__(self) -> None:
        """Reject what cannot work, before any time is spent."""
        for name in (
            "steps",
            "batch",
            "accumulate",
            "devices",
            "nodes",
            "log_every",
            "save_every",
            "window",
        ):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name in ("warmup", "clip", "weight_decay", "workers", "evaluate_every"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)}")
        if not 0 < self.lr < 1e30:  # beyond, a step is none in single precision
            raise ValueError(f"lr must be positive and below 1e30, got {self.lr}")
        if not 0 < self.mixing_lr <= 1000:
            raise ValueError(
                f"mixing_lr, a multiple of lr, must be positive and at most 1000, got {self.mixing_lr}"
            )
        if not 0 <= self.seed < 2**63:  # NumPy takes none below
            raise ValueError(f"seed must not be negative and have at most 63 bits, got {self.seed}")
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

    def check_validation(self, there: bool) -> None:
        """Refuse settings that need a validation set where there is none.

        Args:
            there: Whether there is one.

        Raises:
            ValueError: If the best weights are to be kept, or scores are asked for on the way.
        """
        for name, asked in (("keep", self.keep == "best"), ("evaluate_every", self.evaluate_every)):
            if asked and not there:
                raise ValueError(
                    f"{name} {getattr(self, name)} needs validation tiles, found none: hold some out "
                    "(a val split, or val_fraction above 0), or leave it out"
                )

    @classmethod
    def authors(cls, **changes: Any) -> TrainConfig:
        """MFNet's published recipe: SGD, batch 10, 50 epochs of 1000 steps, multi-step.

        Args:
            **changes: Fields to set differently.

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

    def check_resumes(self, saved: dict[str, Any], processes: int = 1, were: int = 1) -> None:
        """Refuse to continue a run under settings that would have made another run.

        Another number of processes is fine as long as a step learns from as many samples: what one process
        learned from ``batch=4``, two go on learning from ``batch=2``.

        Args:
            saved: The settings stored with the state.
            processes: How many train now.
            were: How many trained when the state was stored.

        Raises:
            ValueError: Naming each setting that differs.
        """
        ours = asdict(self)
        free = set(FREE_ON_RESUME)
        if processes != were:
            free |= {"batch", "accumulate"}
            before = were * saved["batch"] * saved["accumulate"]
            now = processes * self.batch * self.accumulate
            if before != now:
                raise ValueError(
                    f"cannot resume with {now} samples per step ({counted(processes, 'process')}) where there "
                    f"were {before} ({counted(were, 'process')}); change batch or accumulate so that "
                    "their product with the number of processes stays the same"
                )
        differing = [
            f"{f.name} was {saved.get(f.name, f.default)!r} and is now {ours[f.name]!r}"
            for f in fields(self)
            if f.name not in free and saved.get(f.name, f.default) != ours[f.name]
        ]
        if differing:
            raise ValueError(
                f"cannot resume under other settings: {'; '.join(differing)}; "
                "give the old ones or start a new run in another folder"
            )
