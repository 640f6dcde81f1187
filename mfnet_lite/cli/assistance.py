"""Training with objects: options of ``train``, and the loss they stand for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mfnet_lite.losses import AssistedLoss
    from mfnet_lite.rasters import ObjectFiles, Tile


@dataclass(frozen=True)
class ObjectOptions:
    """Options of a training with objects, as given by the user.

    Attributes:
        objects: Folder of the maps, or the name of one; None trains without.
        object_weight: Of the object loss.
        boundary_weight: Of the boundary loss.
    """

    objects: str | None = field(
        default=None,
        metadata={
            "help": "Train with objects as well: a folder that `masks` wrote, or the name of one beside "
            "the images, such as instances."
        },
    )
    object_weight: float | None = field(
        default=None, metadata={"help": "With --objects: of the object loss; 1 if absent."}
    )
    boundary_weight: float | None = field(
        default=None, metadata={"help": "With --objects: of the boundary loss; 0.1 if absent."}
    )

    def loss(self) -> AssistedLoss | None:
        """Make the loss with objects and boundaries, if maps of objects are given.

        Raises:
            ValueError: If a weight is given without maps, or is negative.
        """
        from mfnet_lite.losses import AssistedLoss

        given = asdict(self)
        del given["objects"]
        given = {name: x for name, x in given.items() if x is not None}
        if self.objects is None:
            if given:
                option = next(iter(given)).replace("_", "-")
                raise ValueError(
                    f"--{option} needs maps of objects; make them with `mfnet-lite masks DATASET --out DIR` "
                    "and say --objects DIR"
                )
            return None
        return AssistedLoss(**given)

    def files(self, tiles: Sequence[Tile]) -> Sequence[ObjectFiles]:
        """Find the maps of some tiles; none without ``--objects``.

        Args:
            tiles: In the order in which the maps are wanted.
        """
        from mfnet_lite.rasters import find_object_files

        return () if self.objects is None else find_object_files(tiles, self.objects)

    def described(self) -> dict[str, Any]:
        """Say what a run was trained on beside its labels, without the paths of this machine."""
        loss = self.loss()
        if self.objects is None or loss is None:
            return {}
        is_folder = Path(self.objects).is_dir()
        return {
            "objects": Path(self.objects).resolve().name if is_folder else self.objects,
            "object_weight": loss.object_weight,
            "boundary_weight": loss.boundary_weight,
        }
