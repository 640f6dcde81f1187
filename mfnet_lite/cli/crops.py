"""What a training sees of its tiles: random crops, varied, with their objects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from mfnet_lite.cli.network_options import usual

if TYPE_CHECKING:
    from mfnet_lite.rasters import ObjectFiles, Tile, WholeTiles
    from mfnet_lite.rasters.notes import Notes
    from mfnet_lite.runs.run_config import RunConfig
    from mfnet_lite.utils.samples import Samples


@dataclass(frozen=True)
class CropOptions:
    """Options of the crops, as given by the user.

    Attributes:
        size: Side in pixels, None for what the network wants.
        jitter: How far the brightness varies, None for what the network wants.
        quarter_turns: Whether crops are turned by quarters.
    """

    size: int | None = field(
        default=None,
        metadata={"help": "Side of a crop in pixels.", "show": partial(usual, "crop")},
    )
    jitter: float | None = field(
        default=None,
        metadata={
            "help": "Augmentation: largest relative change of the images' brightness, for maps of areas under "
            "another light than the tiles; under the same light it costs accuracy.",
            "show": partial(usual, "jitter"),
        },
    )
    quarter_turns: bool = field(
        default=True, metadata={"help": "Augmentation: quarter turns, beside the flips."}
    )

    def described(self) -> dict[str, Any]:
        """Say what a run was trained with."""
        return {"light": self.jitter, "quarter_turns": self.quarter_turns}

    def check(self, recipe: str) -> None:
        """Refuse what a recipe would not do.

        Raises:
            ValueError: If the authors' recipe, which turns nothing and leaves brightness alone, is to vary it.
        """
        if recipe == "authors" and self.jitter:
            raise ValueError(
                "--jitter is no part of --recipe authors, which flips crops and does no more; leave it out"
            )

    def settled(self, recipe: str, jitter: float) -> CropOptions:
        """Return what a training does with them.

        Args:
            recipe: As given; the authors' turns nothing and leaves brightness alone.
            jitter: What the network wants.
        """
        if recipe == "authors":
            return replace(self, jitter=0.0, quarter_turns=False)
        return replace(self, jitter=jitter if self.jitter is None else self.jitter)


def training_crops(
    tiles: Sequence[Tile],
    maps: Sequence[ObjectFiles],
    run: RunConfig,
    options: CropOptions,
    notes: Notes | None = None,
) -> Samples:
    """Cut crops from the training tiles.

    Args:
        tiles: Those to learn from.
        maps: Their maps of objects, none for a training without.
        run: Says which sensors, how large, and the seed.
        options: Of the augmentation, settled.
        notes: Collects what had to be guessed of the files; its own if None.
    """
    from mfnet_lite.rasters import RandomCrops, WithObjects
    from mfnet_lite.training.augment.jitter import RandomJitter

    # compressed images are decoded once and kept
    images = any(p.suffix.lower() not in (".tif", ".tiff") for p in tiles[0].files.values())
    crops = RandomCrops(
        tiles,
        run.size,
        tuple(run.channels),
        length=1000,
        seed=run.seed,
        scaling=run.scaling,
        cache=images,
    )
    crops.reader.notes = notes or crops.reader.notes
    crops.prepare()
    samples: Samples = WithObjects(crops, maps, cache=images) if maps else crops
    if not (options.jitter or options.quarter_turns):
        return samples
    return RandomJitter(samples, run.seed, options.jitter or 0.0, options.quarter_turns)


def validation_tiles(
    tiles: Sequence[Tile], run: RunConfig, notes: Notes | None = None
) -> WholeTiles | None:
    """Prepare the tiles of the validation, if there are any.

    Args:
        tiles: Those that were held out.
        run: Says which sensors, and what counts.
        notes: As in :func:`training_crops`: a remark that was made there is not repeated.
    """
    from mfnet_lite.cli.options import check_nodata_policy
    from mfnet_lite.rasters import WholeTiles

    if not tiles:
        return None
    policy = check_nodata_policy(run.holes)
    whole = WholeTiles(tiles, tuple(run.channels), run.scaling, nodata_policy=policy)
    whole.reader.notes = notes or whole.reader.notes
    whole.prepare()
    return whole
