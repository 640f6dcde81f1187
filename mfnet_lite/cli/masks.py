"""``mfnet-lite masks``: SAM's objects and boundaries of a scene or a dataset, as training targets."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mfnet_lite.cli.errors import plain_errors
from mfnet_lite.cli.options import band_numbers

if TYPE_CHECKING:
    from mfnet_lite.sam.objects import ObjectSettings


@dataclass(frozen=True)
class Thresholds:
    """Which masks are kept, as given by the user; None keeps what the preset has.

    Attributes:
        points: Clicks along a tile's side.
        quality: Smallest expected IoU.
        stability: Smallest stability.
        min_area: Smallest object in pixels.
    """

    points: int | None = field(default=None, metadata={"help": "Clicks along a tile's side."})
    quality: float | None = field(
        default=None, metadata={"help": "Smallest expected IoU of a mask, 0 to 1."}
    )
    stability: float | None = field(
        default=None, metadata={"help": "Smallest stability of a mask, 0 to 1."}
    )
    min_area: int | None = field(default=None, metadata={"help": "Smallest object in pixels."})

    def applied(self, settings: ObjectSettings) -> ObjectSettings:
        """Return settings with these thresholds in place of theirs.

        Args:
            settings: Of a preset.
        """
        changes: dict[str, Any] = {
            "points_per_side": self.points,
            "pred_iou_thresh": self.quality,
            "stability_score_thresh": self.stability,
            "min_area": self.min_area,
        }
        return replace(settings, **{k: v for k, v in changes.items() if v is not None})


@plain_errors
def masks(
    scene: Annotated[
        Path, typer.Argument(help="A raster of any size, or a dataset: its training tiles.")
    ],
    out: Annotated[
        Path,
        typer.Option(
            help="Folder for objects.tif and boundaries.tif; of a dataset for objects/ and boundaries/."
        ),
    ],
    thresholds: Thresholds,
    backbone: Annotated[
        str, typer.Option(help="tiny, vit_b, vit_l, vit_h or a checkpoint file.")
    ] = "tiny",
    preset: Annotated[
        str | None,
        typer.Option(
            help="sam (its own thresholds), authors (fewer and surer masks, 50 objects a tile) or "
            "small (low ones); small for tiny and sam for others if absent."
        ),
    ] = None,
    tile: Annotated[
        int | None, typer.Option(help="Side of a tile in pixels; the model's input if absent.")
    ] = None,
    overlap: Annotated[
        int | None, typer.Option(help="Pixels neighbouring tiles share; a quarter if absent.")
    ] = None,
    bands: Annotated[
        str | None,
        typer.Option(
            help="Red, green and blue counted from 1, or one band; as the file calls them, else 1,2,3, if absent."
        ),
    ] = None,
    cog: Annotated[
        bool,
        typer.Option("--cog", help="Write cloud-optimised GeoTIFFs, with overviews; of a scene."),
    ] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
) -> None:
    """Find objects and boundaries; an interrupted run goes on where it was.

    Under torchrun the processes share the tiles.
    """
    from mfnet_lite import load_sam
    from mfnet_lite.sam.objects import ObjectSettings
    from mfnet_lite.scenes.masks import mask_scene
    from mfnet_lite.utils.devices import pick_device
    from mfnet_lite.utils.processes import is_first_process, torchrun_ranks

    presets = {
        "sam": ObjectSettings(),
        "authors": ObjectSettings.official(),
        "small": ObjectSettings.small(),
    }
    if preset is None:
        preset = "small" if backbone == "tiny" else "sam"
    if preset not in presets:
        raise ValueError(f"unknown preset {preset!r}; available: {', '.join(presets)}")
    if cog and scene.is_dir():
        raise ValueError(
            f"--cog is for the maps of a scene, but {scene} is a folder: its tiles are small; leave it out"
        )
    settings = thresholds.applied(presets[preset])
    chosen = band_numbers(bands)
    sam = load_sam(backbone, device=torchrun_ranks().device(pick_device(device)))
    cutting: dict[str, Any] = {"tile": tile, "overlap": overlap}
    if scene.is_dir():
        from mfnet_lite.rasters import open_dataset
        from mfnet_lite.rasters.tiles import OPTICAL
        from mfnet_lite.scenes.mask_dataset import mask_tiles

        # all of train, also what a training would hold out: which tiles those are depends on its seed
        tiles = open_dataset(scene, sensors=(OPTICAL,), val_fraction=0.0).tiles("train")
        written = mask_tiles(sam, tiles, out, settings, bands=chosen, **cutting)
        if is_first_process():
            typer.echo(
                f"wrote objects and boundaries of {len(written)} training tiles to {out}; train with "
                f"--objects {out}"
            )
        return
    done = mask_scene(sam, scene, out, settings, bands=chosen, cog=cog, **cutting)
    if not is_first_process():
        return
    if not done.total:
        typer.echo("note: no object was found; lower --quality and --stability", err=True)
    typer.echo(f"wrote {done.objects} ({done.total} objects) and {done.boundaries}")
