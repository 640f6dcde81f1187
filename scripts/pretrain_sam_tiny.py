"""Pre-train the small SAM on class-free procedural pictures: ``python scripts/pretrain_sam_tiny.py OUT``.

Three stages, each starting from the weights of the one before:

1. ``grouping``: the image encoder alone learns which places of a picture belong together. It stands where
   the official models start from a masked auto-encoder; on two cores it is what makes training feasible,
   since one picture then teaches thousands of pairs instead of a handful of clicks.
2. ``prompts``: encoder, prompt encoder and decoder on clicks, boxes and corrections at 128 pixels, with the
   losses of Segment Anything: 20 focal + dice, best of three candidates, IoU head.
3. ``full size``: the same at 256 pixels, position tables resized.

The run can be stopped at any time and continued by the same command; pictures and prompts of a step depend on
the seed and the step's number alone. ``OUT/log.csv`` has a line every ``--log-every`` steps.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from einops import rearrange
from jaxtyping import Bool, Float
from safetensors.torch import save_file
from segment_anything.modeling import Sam
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from mfnet_lite import load_sam
from mfnet_lite.losses.masks import dice_loss, mask_iou, mask_loss
from mfnet_lite.sam.build import METADATA_KEY, TINY, build_sam, resize_state_dict
from mfnet_lite.sam.prompts import embed_images
from mfnet_lite.sam.rounds import play_rounds
from mfnet_lite.world.pictures import Pictures, make_pictures


@dataclass(frozen=True)
class Stage:
    """One stretch of training.

    Attributes:
        name: Shown in the log.
        size: Picture side in pixels.
        steps: Optimiser steps.
        pictures: Pictures a step.
        prompts: Masks prompted per picture; 0 trains the encoder alone.
        rounds: Interactive rounds per prompt.
        first_rate: Learning rate after warm-up.
        last_rate: Learning rate at the end (cosine between).
        grouping: Weight of the grouping loss.
    """

    name: str
    size: int
    steps: int
    pictures: int
    prompts: int
    rounds: int
    first_rate: float
    last_rate: float
    grouping: float


STAGES = (
    Stage("grouping", 64, 1000, 32, 0, 0, 1.5e-3, 8e-4, 1.0),
    Stage("prompts", 128, 1800, 12, 8, 1, 5e-4, 1e-4, 0.5),
    Stage("full size", 256, 420, 4, 6, 2, 3e-4, 1e-6, 0.2),
)
SMOKE_STAGES = (
    Stage("grouping", 64, 3, 2, 0, 0, 1e-3, 1e-3, 1.0),
    Stage("prompts", 64, 3, 2, 2, 2, 1e-3, 1e-4, 0.5),
)
WARM_UP = 60


class Grouping(nn.Module):
    """Which places belong to the part, object and group under a place: cosine similarity per level."""

    def __init__(self, channels: int, width: int = 64, levels: int = 3) -> None:
        super().__init__()
        self.levels = levels
        self.project = nn.Linear(channels, levels * width)
        self.scale = nn.Parameter(torch.full((levels,), math.log(8.0)))
        self.bias = nn.Parameter(torch.full((levels,), -4.0))

    def forward(self, embeddings: Float[Tensor, "n c h w"], places: Tensor) -> Tensor:
        """Logits (n, levels, clicks, h·w) for clicked tokens ``places`` (n, clicks)."""
        tokens = rearrange(embeddings, "n c h w -> n (h w) c")
        z = rearrange(self.project(tokens), "n t (l d) -> n l t d", l=self.levels)
        z = F.normalize(z.float(), dim=-1)
        index = places[:, None, :, None].expand(-1, self.levels, -1, z.shape[-1])
        clicked = torch.gather(z, 2, index)
        cosine = torch.einsum("n l k d, n l t d -> n l k t", clicked, z)
        scale, bias = self.scale.exp()[:, None, None], self.bias[:, None, None]
        return scale * cosine + bias


def grouping_loss(
    head: Grouping,
    embeddings: Tensor,
    pictures: Pictures,
    generator: torch.Generator,
    clicks: int = 48,
) -> Tensor:
    """Soft cross-entropy and dice between predicted and true share of each token."""
    n, levels, size, _ = pictures.levels.shape
    side = embeddings.shape[-1]
    patch = size // side
    count = side * side
    ids = rearrange(pictures.levels.long(), "n l (h p) (w q) -> n l (h w) (p q)", p=patch, q=patch)
    top = int(ids.max()) + 1
    token = torch.arange(count, device=ids.device)[:, None]
    flat = rearrange(ids * count + token, "n l t q -> n l (t q)").long()
    share = torch.zeros(n, levels, top * count, device=ids.device)
    share.scatter_add_(2, flat, torch.full(flat.shape, 1.0 / patch**2, device=ids.device))
    share = rearrange(share, "n l (i t) -> n l i t", i=top)

    places = torch.randint(count, (n, clicks), generator=generator, device=ids.device)
    pixel = torch.randint(patch * patch, (n, clicks), generator=generator, device=ids.device)
    rows = torch.arange(n, device=ids.device)[:, None]
    clicked = rearrange(ids, "n l t q -> n t q l")[rows, places, pixel].long()  # n clicks levels
    clicked = rearrange(clicked, "n k l -> n l k 1").expand(-1, -1, -1, count)
    target = torch.gather(share, 2, clicked)
    logits = head(embeddings, places)
    cross = F.binary_cross_entropy_with_logits(logits, target)
    overlap = dice_loss(
        rearrange(logits, "n l k (h w) -> n l k h w", h=side),
        rearrange(target, "n l k (h w) -> n l k h w", h=side),
    ).mean()
    return cross + overlap


def sample_masks(
    pictures: Pictures, prompts: int, generator: torch.Generator, smallest: int = 32
) -> Bool[Tensor, "n prompts height width"]:
    """Draw true masks of any level: half of them by lot among masks, half by lot among pixels.

    Drawing masks favours small ones, since there are more of them; drawing pixels favours large ones, as
    clicks do. Masks are at least ``smallest`` pixels and 0.1 % and at most 90 % of the picture.
    """
    levels = pictures.levels
    n, _, size, _ = levels.shape
    top = int(levels.max()) + 1
    flat = rearrange(levels, "n l h w -> n l (h w)").long()
    area = torch.zeros(n, 3, top, device=levels.device)
    area.scatter_add_(2, flat, torch.ones(flat.shape, device=levels.device))
    fits = (area >= max(smallest, 0.001 * size**2)) & (area <= 0.9 * size**2)
    fits[:, :, 0] = False
    choices = []
    for weight, count in ((fits.float(), prompts - prompts // 2), (fits * area, prompts // 2)):
        if count:
            lots = rearrange(weight, "n l i -> n (l i)") + 1e-6
            choices.append(torch.multinomial(lots, count, replacement=True, generator=generator))
    choice = torch.cat(choices, dim=1)
    level, index = choice // top, choice % top
    rows = torch.arange(n, device=levels.device)[:, None]
    return levels[rows, level] == index[:, :, None, None]


def prompt_losses(
    sam: Sam, embeddings: Tensor, masks: Tensor, rounds: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """SAM's loss over the rounds, and the IoU of the best candidate in the first round."""
    predictions = play_rounds(sam, embeddings, masks, rounds, generator)
    side = predictions[0].masks.shape[-1]
    share = F.interpolate(masks.float(), size=(side, side), mode="area")
    target = (share >= 0.5).float()[:, :, None]
    total = embeddings.new_zeros((), dtype=torch.float32)
    best_iou = None
    for prediction in predictions:
        logits, iou = prediction.masks.float(), prediction.iou.float()
        truth = target.expand_as(logits)
        each = mask_loss(logits, truth)
        true_iou = mask_iou(logits, truth)
        total = total + F.mse_loss(iou, true_iou)
        if best_iou is None:
            # Candidates: only the best one learns. The single mask learns too, from every first prompt:
            # boxes are seldom ambiguous, and users ask for one mask.
            total = total + each[:, :, 1:].amin(dim=2).mean() + 0.5 * each[:, :, 0].mean()
            best_iou = true_iou[:, :, 1:].amax(dim=2).mean()
        else:
            total = total + each.mean()
    assert best_iou is not None
    return total / len(predictions), best_iou


class Steps(Dataset):
    """Pictures of each step, made by a worker process while the model trains."""

    def __init__(self, stage: Stage, seed: int, first: int) -> None:
        self.stage, self.seed, self.first = stage, seed, first

    def __len__(self) -> int:
        return self.stage.steps - self.first

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        torch.set_num_threads(1)
        made = make_pictures(self.seed + self.first + index, self.stage.pictures, self.stage.size)
        return made.image, made.levels.to(torch.int16)


def learning_rate(stage: Stage, step: int) -> float:
    """Warm-up, then cosine from the first to the last rate."""
    warm = min(1.0, (step + 1) / WARM_UP)
    half = 0.5 * (1 + math.cos(math.pi * step / max(1, stage.steps)))
    return warm * (stage.last_rate + (stage.first_rate - stage.last_rate) * half)


def at_size(weights: dict[str, Tensor], size: int) -> dict[str, Tensor]:
    """The weights with their position tables resized for another picture size."""
    before = weights["image_encoder.pos_embed"].shape[1] * TINY.patch_size
    return resize_state_dict(weights, replace(TINY, image_size=before), size)


def save_atomic(path: Path, state: dict) -> None:
    """Write beside and rename, so that a killed run never leaves half a file."""
    part = path.with_suffix(".part")
    torch.save(state, part)
    part.replace(path)


def train(
    out: Path,
    stages: tuple[Stage, ...],
    *,
    seed: int,
    device: torch.device,
    bf16: bool,
    init: str | None = None,
    first_stage: int = 0,
    log_every: int,
    save_every: int,
) -> Path:
    """Run or continue all stages; returns the path of the final weights."""
    out.mkdir(parents=True, exist_ok=True)
    state_path = out / "state.pt"
    state = (
        torch.load(state_path, map_location=device, weights_only=True)
        if state_path.exists()
        else None
    )
    if state and state["stages"] != [asdict(stage) for stage in stages[: len(state["stages"])]]:
        # Later stages may be re-planned while a run is under way, finished ones may not.
        finished = state["stage"]
        if state["stages"][:finished] != [asdict(s) for s in stages[:finished]]:
            raise ValueError(f"{state_path}: belongs to other stages; choose another folder")
    weights = state["model"] if state else None
    if weights is None and init is not None:
        weights = load_sam(init, device=device).state_dict()
    head_weights = state["head"] if state else None
    seconds = state["seconds"] if state else 0.0
    begin_stage = state["stage"] if state else first_stage
    begin_step = state["step"] if state else 0
    log_path = out / "log.csv"
    if not log_path.exists():
        log_path.write_text("stage,step,loss,grouping,prompts,first_round_iou,rate,seconds\n")

    sam = None
    for number in range(begin_stage, len(stages)):
        stage = stages[number]
        config = replace(TINY, image_size=stage.size)
        torch.manual_seed(seed)
        sam = build_sam(config).to(device).train()
        head = Grouping(config.prompt_dim).to(device)
        if weights is not None:
            sam.load_state_dict(at_size(weights, stage.size))
            if head_weights is not None:
                head.load_state_dict(head_weights)
        else:
            nn.init.trunc_normal_(sam.image_encoder.pos_embed, std=0.02)
        trained = [*sam.image_encoder.parameters(), *head.parameters()]
        if stage.prompts:
            trained = [*sam.parameters(), *head.parameters()]
        decayed = [p for p in trained if p.ndim > 1]
        plain = [p for p in trained if p.ndim <= 1]
        optimiser = torch.optim.AdamW(
            [{"params": decayed, "weight_decay": 0.05}, {"params": plain, "weight_decay": 0.0}],
            lr=stage.first_rate,
            betas=(0.9, 0.98),
        )
        first = begin_step if number == begin_stage else 0
        if state and number == begin_stage and first > 0:
            optimiser.load_state_dict(state["optimiser"])
        loader = DataLoader(
            Steps(stage, seed * 10_000_019 + number * 1_000_003, first),
            batch_size=None,
            num_workers=1,
            prefetch_factor=4,
        )
        started = time.monotonic() - seconds
        sums: dict[str, float] = {"grouping": 0.0, "prompts": 0.0, "iou": 0.0}
        since = 0
        bar = tqdm(loader, initial=first, total=stage.steps, desc=stage.name, mininterval=20)
        for step, (image, levels) in enumerate(bar, start=first):
            pictures = Pictures(image.to(device), levels.to(device))
            generator = torch.Generator(device=device).manual_seed(seed + 7 * step + number)
            rate = learning_rate(stage, step)
            for group in optimiser.param_groups:
                group["lr"] = rate
            with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
                embeddings = embed_images(sam, pictures.image.float())
                grouped = grouping_loss(head, embeddings, pictures, generator)
                prompted, iou = torch.zeros((), device=device), torch.zeros((), device=device)
                if stage.prompts:
                    masks = sample_masks(pictures, stage.prompts, generator)
                    prompted, iou = prompt_losses(sam, embeddings, masks, stage.rounds, generator)
            loss = stage.grouping * grouped + prompted
            if not torch.isfinite(loss):
                raise FloatingPointError(f"{stage.name}, step {step}: the loss is {loss.item()}")
            loss.backward()
            nn.utils.clip_grad_norm_(trained, 1.0)
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
            since += 1
            for key, value in (("grouping", grouped), ("prompts", prompted), ("iou", iou)):
                sums[key] += float(value.detach())
            last = step + 1 == stage.steps
            if (step + 1) % log_every == 0 or last:
                mean = {key: value / since for key, value in sums.items()}
                seconds = time.monotonic() - started
                total = stage.grouping * mean["grouping"] + mean["prompts"]
                row = [stage.name, step + 1, *(f"{x:.4f}" for x in (total, *mean.values()))]
                with log_path.open("a", newline="") as file:
                    csv.writer(file).writerow([*row, f"{rate:.2e}", f"{seconds:.0f}"])
                sums, since = dict.fromkeys(sums, 0.0), 0
            if (step + 1) % save_every == 0 or last:
                over = (number + 1, 0) if last else (number, step + 1)
                save_atomic(
                    state_path,
                    {
                        "model": sam.state_dict(),
                        "head": head.state_dict(),
                        "optimiser": optimiser.state_dict(),
                        "stage": over[0],
                        "step": over[1],
                        "stages": [asdict(s) for s in stages],
                        "seconds": time.monotonic() - started,
                    },
                )
        seconds = time.monotonic() - started
        weights, head_weights = sam.state_dict(), head.state_dict()

    if sam is None:  # everything was finished before
        config = replace(TINY, image_size=stages[-1].size)
        sam = build_sam(config)
        sam.load_state_dict(at_size(weights, config.image_size))
    final = out / "sam_tiny.safetensors"
    tensors = {key: value.detach().cpu().contiguous() for key, value in sam.state_dict().items()}
    part = final.with_suffix(".part")
    save_file(tensors, part, metadata={METADATA_KEY: config.to_json()})
    part.replace(final)
    (out / "training.json").write_text(
        json.dumps(
            {
                "stages": [asdict(stage) for stage in stages],
                "seed": seed,
                "seconds": round(seconds),
                "device": str(device),
                "threads": torch.get_num_threads(),
                "bf16": bf16,
                "torch": torch.__version__,
                "parameters": sum(p.numel() for p in sam.parameters()),
            },
            indent=1,
        )
    )
    return final


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
    parser.add_argument(
        "--first-stage", type=int, default=0, help="begin with this stage (0, 1, 2)"
    )
    parser.add_argument("--smoke", action="store_true", help="a few steps, to see that it runs")
    parser.add_argument("--log-every", type=int, default=50)
    parser.add_argument("--save-every", type=int, default=200)
    arguments = parser.parse_args()
    torch.set_flush_denormal(
        True
    )  # denormals in the optimiser's moments cost a factor of four on CPUs
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    final = train(
        arguments.out,
        SMOKE_STAGES if arguments.smoke else STAGES,
        seed=arguments.seed,
        device=torch.device(arguments.device),
        bf16=not arguments.fp32,
        init=arguments.init,
        first_stage=arguments.first_stage,
        log_every=arguments.log_every,
        save_every=arguments.save_every,
    )
    print(f"weights: {final}")


if __name__ == "__main__":
    main()
