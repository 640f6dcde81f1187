"""Pre-train the small SAM on class-free procedural pictures: ``python -m scripts.pretraining.sam_tiny OUT``.

Four stages, each starting from the weights of the one before (``STAGES`` has their lengths and rates):

1. ``collages``: the model that a first training left (``--init``; its stages are in the model card, too) meets
   collages of real textures (``collages.py``), three in five pictures from here on. Prompts are a first click or
   box, losses those of Segment Anything: 20 focal + dice, best of three candidates, IoU head.
2. ``prompts``: the same for long, with more windows and fewer prompts a step.
3. ``corrections``: a second round, with a click into the error of the first. Up to here windows of 128 pixels
   are seen with the tables of the model of 256 (``windows.py``).
4. ``full size``: three rounds on whole pictures of 256 pixels.

Masks are compared at the size of what is seen, not at that of the logits (``prompts.py``). In all stages the encoder
also learns from every place of a picture (``dense.py``), which stands where the official models start from a masked
auto-encoder. What the IoU head says of small things is mended afterwards, by ``sam_tiny_head.py``.

The weights that are kept are a running average of the trained ones. The run can be stopped at any time and
continued by the same command; pictures and prompts of a step depend on the seed and the step's number alone.
``OUT/log.csv`` has a line every ``--log-every`` steps. Several processes share the work of each step::

    torchrun --standalone --nproc-per-node 2 scripts/pretraining/sam_tiny.py OUT --init FILE --threads 1
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from segment_anything.modeling import Sam
from torch import Tensor, distributed, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader
from tqdm import tqdm

from mfnet_lite import load_sam
from mfnet_lite.sam.build import METADATA_KEY, TINY, SamConfig, build_sam
from mfnet_lite.sam.checkpoints import find_checkpoint
from mfnet_lite.sam.prompts import embed_images
from mfnet_lite.utils.files import replacing
from mfnet_lite.utils.hashes import sha256_of
from scripts.pretraining.dense import DenseHeads, dense_losses
from scripts.pretraining.images import Stream
from scripts.pretraining.kernels import FastKernels
from scripts.pretraining.optim import MuonAndAdamW
from scripts.pretraining.precision import HalfPrecision, clip_gradients, keep_freed_memory
from scripts.pretraining.prompts import prompt_losses, sample_masks
from scripts.pretraining.windows import windowed


@dataclass(frozen=True)
class Stage:
    """One stretch of training.

    Attributes:
        name: Shown in the log.
        window: Side in pixels of what is seen of a picture.
        steps: Optimiser steps.
        pictures: Windows a step and process.
        fresh: New pictures a step and process; the rest of a step was seen before.
        prompts: Masks prompted per window; 0 trains the encoder alone.
        rounds: Interactive rounds per prompt.
        first_rate: Learning rate after warm-up.
        last_rate: Learning rate at the end (cosine between).
        dense: Weight of the dense losses.
        collages: Share of collages among the pictures.
    """

    name: str
    window: int
    steps: int
    pictures: int
    fresh: int
    prompts: int
    rounds: int
    first_rate: float
    last_rate: float
    dense: float
    collages: float = 0.0


STAGES = (
    Stage("collages", 128, 2_200, 12, 1, 8, 1, 1.5e-3, 1.5e-3, 0.5, 0.6),
    Stage("prompts", 128, 12_000, 24, 1, 5, 1, 1.5e-3, 6e-4, 0.5, 0.6),
    Stage("corrections", 128, 4_000, 24, 1, 4, 2, 6e-4, 3e-4, 0.5, 0.6),
    Stage("full size", 256, 4_000, 8, 1, 4, 3, 4e-4, 1e-5, 0.3, 0.6),
)
WARM_UP = 100
POOL = 120  # pictures kept for another look
AVERAGE = 0.999  # decay of the running average of the weights, a step
AVERAGE_EVERY = 4  # steps between its updates


def learning_rate(stage: Stage, step: int) -> float:
    """Warm-up, then cosine from the first to the last rate."""
    warm = min(1.0, (step + 1) / WARM_UP)
    half = 0.5 * (1 + math.cos(math.pi * step / max(1, stage.steps)))
    return warm * (stage.last_rate + (stage.first_rate - stage.last_rate) * half)


def average_gradients(parameters: list[Tensor]) -> None:
    """Mean of the gradients over all processes."""
    gradients = [p.grad for p in parameters if p.grad is not None]
    flat = torch.cat([g.flatten() for g in gradients])
    distributed.all_reduce(flat)
    flat /= distributed.get_world_size()
    for gradient, part in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(part.view_as(gradient))


class Run:
    """Everything of a run that must survive a stop."""

    def __init__(
        self,
        out: Path,
        config: SamConfig,
        seed: int,
        device: torch.device,
        init: str | None,
        bf16: bool = True,
    ) -> None:
        self.out, self.config, self.seed, self.device = out, config, seed, device
        self.rank = distributed.get_rank() if distributed.is_initialized() else 0
        self.world = distributed.get_world_size() if distributed.is_initialized() else 1
        self.sam = build_sam(config, seed=seed).to(device).train()
        with torch.random.fork_rng():
            torch.manual_seed(seed)  # all processes start from the same weights
            nn.init.trunc_normal_(self.sam.image_encoder.pos_embed, std=0.02)
            self.heads = DenseHeads(config.prompt_dim).to(device)
        if init is not None:
            self.sam.load_state_dict(
                load_sam(init, image_size=config.image_size, device=device).state_dict()
            )
        self.half = HalfPrecision(bf16, sam=self.sam, heads=self.heads)
        average = get_ema_multi_avg_fn(AVERAGE**AVERAGE_EVERY)
        self.average = AveragedModel(self.sam, multi_avg_fn=average)
        self.stage = self.step = 0
        self.seconds = 0.0
        self.optimiser: MuonAndAdamW | None = None
        self.resumed: dict | None = None

    @property
    def state_path(self) -> Path:
        """Where the run is kept."""
        return self.out / "state.pt"

    def load(self, stages: tuple[Stage, ...]) -> None:
        """Continue from the last saved step, if there is one."""
        if not self.state_path.exists():
            return
        state = torch.load(self.state_path, map_location=self.device, weights_only=True)
        finished = state["stage"]
        if state["stages"][:finished] != [asdict(s) for s in stages[:finished]]:
            # Later stages may be re-planned while a run is under way, finished ones may not.
            raise ValueError(f"{self.state_path}: belongs to other stages; choose another folder")
        self.sam.load_state_dict(state["model"])
        self.heads.load_state_dict(state["heads"])
        self.average.load_state_dict(state["average"])
        self.half.refresh()
        self.stage, self.step, self.seconds = finished, state["step"], state["seconds"]
        self.resumed = state["optimiser"] if self.step else None

    def save(self, stages: tuple[Stage, ...]) -> None:
        """Write the state of the first process; the others have the same."""
        assert self.optimiser is not None
        state = {
            "model": self.sam.state_dict(),
            "heads": self.heads.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "stage": self.stage,
            "step": self.step,
            "stages": [asdict(s) for s in stages],
            "seconds": self.seconds,
        }
        with replacing(self.state_path) as temporary:
            torch.save(state, temporary)

    def begin(self, stage: Stage) -> list[Tensor]:
        """A new optimiser for a stage; returns what it trains."""
        modules = [self.sam if stage.prompts else self.sam.image_encoder, self.heads]
        trained = [p for module in modules for p in module.parameters()]
        self.optimiser = MuonAndAdamW(trained, self.sam, stage.first_rate)
        if self.resumed is not None:
            self.optimiser.load_state_dict(self.resumed)
            self.resumed = None
        return trained

    def pictures(self, number: int, stage: Stage) -> DataLoader:
        """The stream of this process from the current step on, made by a worker beside."""
        stream = Stream(
            (self.seed * 10_000_019 + number * 1_000_003) * self.world + self.rank * 500_009,
            self.step,
            stage.steps,
            size=self.config.image_size,
            window=stage.window,
            batch=stage.pictures,
            fresh=stage.fresh,
            pool=max(POOL, stage.pictures) if stage.fresh < stage.pictures else stage.pictures,
            collages=stage.collages,
        )
        return DataLoader(stream, batch_size=None, num_workers=1, prefetch_factor=4)


def train(
    out: Path,
    stages: tuple[Stage, ...],
    *,
    seed: int,
    device: torch.device,
    bf16: bool,
    init: str | None = None,
    config: SamConfig = TINY,
    log_every: int,
    save_every: int,
) -> Path:
    """Run or continue all stages; returns the path of the final weights."""
    out.mkdir(parents=True, exist_ok=True)
    if device.type == "cpu":
        keep_freed_memory()
    run = Run(out, config, seed, device, init, bf16)
    run.load(stages)
    log_path = out / "log.csv"
    names = ("loss", "grouping", "border", "reach", "prompts", "first_round_iou")
    if run.rank == 0 and not log_path.exists():
        log_path.write_text(",".join(["stage", "step", *names, "rate", "seconds"]) + "\n")

    for number in range(run.stage, len(stages)):
        stage = stages[number]
        trained = run.begin(stage)
        assert run.optimiser is not None
        face, heads = windowed(run.half["sam"], config, stage.window), run.half["heads"]
        started = time.monotonic() - run.seconds
        sums, since = torch.zeros(len(names)), 0
        bar = tqdm(
            run.pictures(number, stage),
            initial=run.step,
            total=stage.steps,
            desc=stage.name,
            mininterval=20,
            disable=run.rank > 0,
        )
        for step, (image, levels) in enumerate(bar, start=run.step):
            generator = torch.Generator(device=device)
            generator.manual_seed(seed + 7 * step + number + 1_000_003 * run.rank)
            face.image_encoder.place(generator)
            levels = levels.to(device)
            rate = learning_rate(stage, step)
            run.optimiser.set_rate(rate)
            with FastKernels():
                embeddings = embed_images(face, image.to(device).float())
                dense = dense_losses(heads, embeddings, levels, generator)
                prompted, iou = torch.zeros((), device=device), torch.zeros((), device=device)
                if stage.prompts:
                    masks = sample_masks(levels, stage.prompts, generator)
                    prompted, iou = prompt_losses(face, embeddings, masks, stage.rounds, generator)
            loss = stage.dense * sum(dense) + prompted
            if not torch.isfinite(loss):
                raise FloatingPointError(f"{stage.name}, step {step}: the loss is {loss.item()}")
            loss.backward()
            if run.world == 1:
                run.optimiser.step_halves(run.half)
            else:
                run.half.collect()
                average_gradients(trained)
                clip_gradients(p.grad for p in trained if p.grad is not None)
                run.optimiser.step()
                run.half.refresh()
            if (step + 1) % AVERAGE_EVERY == 0:
                run.average.update_parameters(run.sam)
            sums += torch.stack([loss, *dense, prompted, iou]).detach().float().cpu()
            since += 1
            last = step + 1 == stage.steps
            run.seconds = time.monotonic() - started
            if ((step + 1) % log_every == 0 or last) and run.rank == 0:
                row = [stage.name, step + 1, *(f"{x:.4f}" for x in (sums / since).tolist())]
                with log_path.open("a", newline="") as file:
                    csv.writer(file).writerow([*row, f"{rate:.2e}", f"{run.seconds:.0f}"])
            if (step + 1) % log_every == 0:
                sums, since = torch.zeros(len(names)), 0
            run.stage, run.step = (number + 1, 0) if last else (number, step + 1)
            if ((step + 1) % save_every == 0 or last) and run.rank == 0:
                run.save(stages)
    final = out / "sam_tiny.safetensors"
    if run.rank == 0:
        write_weights(run.average.module, config, final)
        (out / "training.json").write_text(
            json.dumps(
                {
                    "stages": [asdict(stage) for stage in stages],
                    "seed": seed,
                    "seconds": round(run.seconds),
                    "device": str(device),
                    "processes": run.world,
                    "threads": torch.get_num_threads(),
                    "bf16": bf16,
                    "torch": torch.__version__,
                    "parameters": sum(p.numel() for p in run.sam.parameters()),
                    **({"began_with": trained_before(init)} if init else {}),
                },
                indent=1,
            )
        )
    return final


def trained_before(init: str) -> dict[str, Any]:
    """What weights were trained with: their digest and the facts beside them, empty where there are none."""
    path = find_checkpoint(init)
    shipped, run = path.with_suffix(".json"), path.parent / "training.json"
    facts: dict[str, Any] = {}
    if shipped.exists():
        facts = json.loads(shipped.read_text(encoding="utf-8"))["training"]
    elif run.exists():
        facts = json.loads(run.read_text(encoding="utf-8"))
    return {"sha256": sha256_of(path), **facts}


def write_weights(sam: Sam, config: SamConfig, path: Path) -> None:
    """Weights with their sizes as metadata."""
    tensors = {key: value.detach().cpu().contiguous() for key, value in sam.state_dict().items()}
    with replacing(path) as temporary:
        save_file(tensors, temporary, metadata={METADATA_KEY: config.to_json()})


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("out", type=Path, help="folder for log, state and weights")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument(
        "--threads", type=int, default=0, help="CPU threads; 0 leaves torch's choice"
    )
    parser.add_argument("--fp32", action="store_true", help="no bfloat16 autocast")
    parser.add_argument(
        "--init", help="start from these weights: a file, or tiny for the shipped ones"
    )
    parser.add_argument("--log-every", type=int, default=50)
    parser.add_argument("--save-every", type=int, default=200)
    arguments = parser.parse_args()
    # Denormals in the optimiser's moments cost a factor of four on CPUs.
    torch.set_flush_denormal(True)
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    device = torch.device(arguments.device)
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
        if device.type == "cuda":
            device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
    final = train(
        arguments.out,
        STAGES,
        seed=arguments.seed,
        device=device,
        bf16=not arguments.fp32,
        init=arguments.init,
        log_every=arguments.log_every,
        save_every=arguments.save_every,
    )
    print(f"weights: {final}")
    if distributed.is_initialized():
        distributed.destroy_process_group()


if __name__ == "__main__":
    main()
