"""PST900: colour and thermal images from a robot underground, four kinds of objects and the background.

::

    DIR/train/rgb/x.png            8-bit, red, green, blue
    DIR/train/thermal/x.png        8-bit, as the camera stretches it
    DIR/train/thermal_raw/x.png    16-bit, as the camera measures it
    DIR/train/depth/x.png          16-bit, distance by stereo
    DIR/train/labels/x.png         class indices
    DIR/test/…                     the same

Facts from the authors' repository and toolkit (Shivakumar et al., *PST900: RGB-thermal calibration, dataset and
segmentation network*, ICRA 2020): 894 images of 720 × 1280 pixels; classes 0 to 4; depth is in 1/2560 of a metre;
thermal images have holes of value 0, since they are projected into the colour camera; the folder says which split
an image belongs to (the comments in the authors' tree have the two words exchanged).

``thermal`` is read as it is, holes included. In ``thermal_raw`` and ``depth`` 0 is no measurement,
and the whole range of 16 bits becomes [0, 1]; ``"sensors": {"thermal_raw": {"scale": …}}`` in ``dataset.json`` says
another full value. There is no ``val``; it is held out of ``train``.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mfnet_lite.rasters.labels.label_json import adapt
from mfnet_lite.rasters.raster import Colour
from mfnet_lite.rasters.readers.dataset_json import read_json
from mfnet_lite.rasters.readers.layout import (
    folder_named,
    folders_named,
    labels_by_value_or_colour,
    stated_sensor,
    zeros_note,
)
from mfnet_lite.rasters.readers.reader import finished
from mfnet_lite.rasters.scan import (
    choose_optical_bands,
    choose_sensors,
    empty_folder,
    gather,
    labels_in,
    rasters_in,
    split_folders,
)
from mfnet_lite.rasters.tiles import (
    ALL,
    OPTICAL,
    DatasetInfo,
    Problem,
    SensorInfo,
    Tile,
    TileSet,
)

CLASSES = ("background", "fire extinguisher", "backpack", "hand drill", "survivor")
PALETTE: tuple[Colour, ...] = ((0, 0, 0), (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255))
"""Those of the authors' toolkit."""
WHOLE_RANGE = 65_535.0  # of 16 bits; of the depth 25.6 m
SENSORS = {
    OPTICAL: SensorInfo(OPTICAL, "rgb", 3, names=("R", "G", "B")),
    "thermal": SensorInfo("thermal", "thermal"),
    "thermal_raw": SensorInfo("thermal_raw", "thermal_raw", 1, scale=WHOLE_RANGE, nodata=0.0, kind="thermal"),
    "depth": SensorInfo("depth", "depth", 1, scale=WHOLE_RANGE, nodata=0.0, kind="other"),
}  # fmt: skip
LABELS = ("labels", "label")


def is_pst900(root: Path) -> bool:
    """Whether the split folders hold ``rgb``, ``thermal`` and ``labels``.

    Args:
        root: The folder.

    Returns:
        True if they do.
    """
    folders = split_folders(root, "rgb")
    return ALL not in folders and any(
        (path / "thermal").is_dir() and folders_named(path, LABELS) for path in folders.values()
    )


def open_pst900(
    root: str | Path,
    sensors: Sequence[str] | None = None,
    *,
    seed: int = 0,
    val_fraction: float = 0.2,
    optical_bands: Sequence[int] | None = None,
) -> TileSet:
    """Open PST900.

    Args:
        root: The folder.
        sensors: Of ``optical``, ``thermal``, ``thermal_raw`` and ``depth``; None takes those that every split has.
        seed: Choice of the images held out for validation.
        val_fraction: Part of ``train`` held out.
        optical_bands: Counted from 1; None takes all three.

    Returns:
        The dataset.

    Raises:
        FileNotFoundError: Not its folders, or a sensor which is not there.
        ValueError: A ``dataset.json`` that cannot be understood.
    """
    root = Path(root)
    folders = split_folders(root, "rgb")
    if not folders:
        raise FileNotFoundError(
            f"{root} is not PST900: expected train/rgb, train/thermal, train/labels inside; unpack "
            "PST900_RGBT_Dataset there"
        )
    stated = read_json(root)
    there = {
        name: [split for split, path in folders.items() if (path / str(sensor.folder)).is_dir()]
        for name, sensor in SENSORS.items()
    }
    wanted = SENSORS if sensors is None else sensors
    notes: list[str] = []
    faults: list[Problem] = []
    available: dict[str, SensorInfo] = {}
    for name, having in there.items():
        lacking = [split for split in folders if split not in having]
        if not lacking:
            available[name] = stated_sensor(SENSORS[name], stated)
        elif having and name in wanted:
            notes.append(f"sensor {name} is left out: {', '.join(lacking)} has no {name}/")
            faults.append(
                Problem(
                    folders[lacking[0]] / name,
                    f"the split {lacking[0]} has no rasters of the sensor {name}",
                    "add them, or remove the folder from every split",
                )
            )
    described = choose_sensors(root, available, sensors)
    described = choose_optical_bands(described, optical_bands)
    coding = labels_by_value_or_colour(CLASSES, PALETTE)
    coding = adapt(coding, stated, root)
    info = DatasetInfo(CLASSES, coding, described, PALETTE, source="PST900, ICRA 2020")
    splits: dict[str, tuple[Tile, ...]] = {}
    incomplete: dict[str, tuple[Problem, ...]] = {}
    for split, path in folders.items():
        label_folder = folder_named(path, LABELS)
        labels: dict[str, Path] = {}
        if label_folder is not None:
            labels, left = labels_in(label_folder)
            notes += left
            faults += empty_folder(label_folder)
        files = {name: rasters_in(path / str(sensor.folder)) for name, sensor in described.items()}
        splits[split], incomplete[split] = gather(files, labels, info)
    return finished(
        *(root, "pst900", info, splits, incomplete, (*notes, *zeros_note(described)), faults),
        seed=seed,
        val_fraction=val_fraction,
    )
