"""``mfnet-lite export``: a trained network, or a SAM, as ONNX files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mfnet_lite.cli.errors import plain_errors

if TYPE_CHECKING:
    from torch import Tensor

    from mfnet_lite.runs.run_config import RunConfig
    from mfnet_lite.utils.onnx_files import Agreement

SEEDS = (11, 12)
"""Of the scenes on which a file is compared with its network."""


@plain_errors
def export(
    run: Annotated[
        Path,
        typer.Argument(
            metavar="RUN", help="A run folder; or a SAM: tiny, vit_b, vit_l or a checkpoint file."
        ),
    ],
    onnx: Annotated[
        Path,
        typer.Option(
            help="The file to write, .onnx; of a SAM two, OUT_encoder.onnx and OUT_decoder.onnx."
        ),
    ],
    size: Annotated[
        int | None,
        typer.Option(
            help="Side of the square input in pixels; that of the run's windows, or of the SAM, if absent."
        ),
    ] = None,
) -> None:
    """Write a network for other runtimes, after onnxruntime gave the same answers on scenes of the world."""
    if onnx.suffix != ".onnx":
        raise ValueError(f"--onnx {onnx} has no known ending: expected a name that ends in .onnx")
    if size is not None and size < 1:
        raise ValueError(f"--size must be a positive number of pixels, got {size}")
    if run.is_dir():
        from mfnet_lite.runs.onnx_run import export_run
        from mfnet_lite.runs.run_config import load_config

        config = load_config(run)
        side = config.window if size is None else size
        _tell(export_run(run, onnx, [scene_sample(config, side, seed) for seed in SEEDS]), onnx)
        return
    import torch

    from mfnet_lite.sam import load_sam
    from mfnet_lite.sam.onnx_models import export_sam
    from mfnet_lite.world import make_scene

    sam = load_sam(str(run), size)
    side = sam.image_encoder.img_size
    images = [
        torch.from_numpy(make_scene(seed, size=side).optical[None, :3]).float() for seed in SEEDS
    ]
    files = [onnx.with_name(f"{onnx.stem}_{part}.onnx") for part in ("encoder", "decoder")]
    _tell(export_sam(sam, files[0], files[1], images), *files)


def scene_sample(config: RunConfig, side: int, seed: int) -> Mapping[str, Tensor]:
    """Make a scene of the world into what a run's network takes.

    Args:
        config: Of the run.
        side: Of the scene, pixels.
        seed: Of the scene; every sensor but heights sees a scene of its own, so that two dates differ.

    Returns:
        A map in [0, 1] per sensor: the height map for heights, else the bands of the aerial image, over and over.
    """
    import torch

    from mfnet_lite.world import make_scene

    infos, sample = config.sensor_infos(), {}
    for number, (name, bands) in enumerate(config.channels.items()):
        scene = make_scene(seed + 100 * number, size=side)
        if infos[name].is_height:
            values = torch.from_numpy(scene.dsm)[None].float()
            values = (values - values.min()) / (values.max() - values.min()).clamp(min=1e-6)
        else:
            values = torch.from_numpy(scene.optical).float() / 255
        sample[name] = values[[band % len(values) for band in range(bands)]]
    return sample


def _tell(agreement: Agreement, *files: Path) -> None:
    """Say what was written, and how it was checked."""
    for file in files:
        typer.echo(f"wrote {file}: {file.stat().st_size / 1e6:.1f} MB")
    typer.echo(f"onnxruntime agrees with PyTorch: {agreement}")
