"""The folder of a trained model: everything needed to rebuild it and use it on other data.

``config.json`` says what was built and on what, ``model.safetensors`` holds the trained weights,
``state.pt`` what a resume needs, ``log.csv`` and ``summary.json`` how it went. The frozen weights of a
foundation model are not in the folder; ``config.json`` keeps their SHA-256, so that the trained ones
cannot land on another base.
"""

from __future__ import annotations

import colorsys
import inspect
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from torch import nn

from mfnet_lite.utils.files import write_text
from mfnet_lite.nets import build
from mfnet_lite.rasters import SensorInfo, TileSet, raster_info
from mfnet_lite.rasters.interpretation.bands import choose_bands
from mfnet_lite.rasters.identity import hash_rasters
from mfnet_lite.rasters.raster import Colour
from mfnet_lite.training.state import MODEL_FILE, load_model
from mfnet_lite.tuning import base_hash
from mfnet_lite.utils.provenance import versions as versions

CONFIG_FILE = "config.json"
WINDOW = 256
ISPRS_COLOURS: tuple[Colour, ...] = (
    (255, 255, 255),
    (0, 0, 255),
    (0, 255, 255),
    (0, 255, 0),
    (255, 255, 0),
    (255, 0, 0),
)


@dataclass(frozen=True)
class RunConfig:
    """What ``config.json`` holds.

    Attributes:
        model: name of the network.
        options: what its builder got beyond sensors and classes.
        channels: channels of each sensor, in the order of the model.
        sensors: what is known of each sensor, as in :class:`~mfnet_lite.rasters.SensorInfo`.
        classes: class names.
        palette: a colour per class.
        ignore_index: label that does not count.
        scaling: scaling of elevations.
        size: side of the training crops.
        seed: of the initial weights, the crops and their order.
        gsd: metres per pixel of the training data.
        holes: which pixels count in scores and appear in maps, see
            :class:`~mfnet_lite.rasters.datasets.tile_reader.TileReader`.
        train: settings of the training.
        dataset: what it was trained on: kind, source, tiles of each split.
        versions: of Python and the libraries.
        base: SHA-256 of the weights that were frozen, None if there are none.
        content: a hash of each file the training reads, none in runs of earlier versions.
    """

    model: str
    options: dict[str, Any]
    channels: dict[str, int]
    sensors: dict[str, dict[str, Any]]
    classes: tuple[str, ...]
    palette: tuple[Colour, ...]
    ignore_index: int = 255
    scaling: str = "ground"
    size: int = 128
    seed: int = 0
    gsd: float | None = None
    holes: str = "any"
    train: dict[str, Any] = field(default_factory=dict)
    dataset: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    base: str | None = None
    content: dict[str, str] = field(default_factory=dict)

    @property
    def window(self) -> int:
        """Side of the windows of a prediction if nobody says.

        A convolutional network does not care and gets large ones. A vision transformer has learnt
        how far apart two patches can be: it gets windows of the size it was trained on.
        """
        return self.size if "backbone" in self.options else WINDOW

    def build(self, trained: bool = False) -> nn.Module:
        """Build the network with the initial weights of ``seed``.

        Args:
            trained: trained weights follow, so those of an option ``pretrained`` need not be fetched.
        """
        options = self.options
        if trained and "pretrained" in options:
            options = options | {"pretrained": False}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            return build(self.model, self.channels, len(self.classes), **options)

    def sensor_infos(self) -> dict[str, SensorInfo]:
        """Return what the reader of a scene has to know about each sensor."""
        infos = {}
        for name, facts in self.sensors.items():
            # JSON turned the tuples into lists
            known: dict[str, Any] = {
                key: tuple(value) if isinstance(value, list) else value
                for key, value in facts.items()
            }
            infos[name] = SensorInfo(**known)
        return infos

    def save(self, folder: Path) -> None:
        """Write ``config.json`` atomically."""
        write_text(folder / CONFIG_FILE, json.dumps(asdict(self), indent=1) + "\n")


def load_config(folder: str | Path) -> RunConfig:
    """Read ``config.json`` of a run.

    Raises:
        FileNotFoundError: if the folder is no run.
        ValueError: if the file cannot be understood.
    """
    path = Path(folder) / CONFIG_FILE
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} does not exist: expected the folder that `mfnet-lite train … --out` wrote"
        )
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        known = {f.name for f in fields(RunConfig)}
        content = {key: value for key, value in content.items() if key in known}
        content["classes"] = tuple(content["classes"])
        content["palette"] = tuple((int(r), int(g), int(b)) for r, g, b in content["palette"])
        return RunConfig(**content)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"{path} is not the config of a run ({error}); train again") from error


def load_run(folder: str | Path) -> tuple[RunConfig, nn.Module]:
    """Rebuild the model of a run, with its trained weights, in evaluation mode.

    Args:
        folder: the run.

    Returns:
        Config and model.

    Raises:
        FileNotFoundError: if the folder is no run, or lacks its weights.
        ValueError: if the weights do not fit, or the frozen ones are not those of the training.
    """
    config = load_config(folder)
    model = config.build(trained=True)
    found = frozen_hash(model)
    if found != config.base:
        expected, got = (value[:12] + "…" if value else "none" for value in (config.base, found))
        raise ValueError(
            f"{folder} was trained on other frozen weights of {config.options.get('backbone')!r}: "
            f"expected SHA-256 {expected}, found {got}; give the file it was trained with (or the "
            "version of the package that ships it), or train again"
        )
    load_model(model, Path(folder) / MODEL_FILE)
    return config, model.eval()


def frozen_hash(model: nn.Module) -> str | None:
    """Hash what training leaves alone.

    Args:
        model: a network as built, with ``requires_grad`` set as during training.

    Returns:
        SHA-256 as 64 hexadecimal digits; None if every parameter is trained.
    """
    if all(parameter.requires_grad for parameter in model.parameters()):
        return None
    return base_hash(model)


def takes_absent(model: nn.Module) -> bool:
    """Whether a network does its best without one of its sensors, instead of refusing."""
    return "modality_mask" in inspect.signature(model.forward).parameters


def channels_of(dataset: TileSet, split: str) -> dict[str, int]:
    """Count the channels each sensor of a dataset gives to a model, from the first tile.

    Args:
        dataset: an open dataset.
        split: which split to look at.
    """
    tile = dataset.tiles(split)[0]
    return {
        name: len(choose_bands(tile.files[name], info).bands)
        for name, info in dataset.info.sensors.items()
    }


def sensors_of(dataset: TileSet, split: str) -> dict[str, dict[str, Any]]:
    """What a run has to remember of its sensors, the pixels' type of the first tile included.

    Args:
        dataset: an open dataset.
        split: which split to look at.
    """
    tile = dataset.tiles(split)[0]
    return {
        name: asdict(info) | {"dtype": info.dtype or raster_info(tile.files[name]).dtype}
        for name, info in dataset.info.sensors.items()
    }


def seen_in_training(config: RunConfig, dataset: TileSet, split: str) -> tuple[str, ...]:
    """Tiles of a split that the run was trained on, by their names or by what is in them.

    Train and test folders may use a name twice. So a name counts only if its tile lies where the dataset's
    training tiles lie: in the split itself, in ``all``, or in ``val`` held out of ``train``. A tile whose
    first sensor is a copy of a training tile's counts under any name.

    Args:
        config: of the run.
        dataset: what it is to be scored on.
        split: which split of it.

    Returns:
        Their ids.
    """
    recorded = config.dataset.get("tiles", {})
    trained = {*recorded.get("train", ()), *recorded.get("all", ())}
    places = {
        path.parent
        for name in ("train", "all")
        for tile in dataset.splits.get(name, ())
        for path in tile.files.values()
    }
    tiles = dataset.tiles(split)
    known = {value for name, value in config.content.items() if name.startswith("train/")}
    # earlier runs know no content: then nothing is read
    first = next(iter(config.channels))
    hashes = hash_rasters({t.id: t.files[first] for t in tiles if known and first in t.files})
    copies = {name for name, value in hashes.items() if value in known}
    return tuple(
        tile.id
        for tile in tiles
        if tile.id in copies
        or (tile.id in trained and all(path.parent in places for path in tile.files.values()))
    )


def check_fits(config: RunConfig, channels: Mapping[str, int], where: str | Path) -> None:
    """Compare the channels of some data with what the model was trained on.

    Raises:
        ValueError: naming the sensor and both numbers.
    """
    for name, expected in config.channels.items():
        if name not in channels:
            raise ValueError(
                f"{where} has no sensor {name}: the run was trained on "
                f"{', '.join(config.channels)}; add it or train without it"
            )
        if channels[name] != expected:
            raise ValueError(
                f"{where} has {channels[name]} band(s) of {name}, but the run was trained on "
                f"{expected}; give the same bands"
            )


def colours_for(classes: int, palette: tuple[Colour, ...] | None = None) -> tuple[Colour, ...]:
    """Return a dataset's own colours, ISPRS's for six classes, or evenly spread hues.

    Example:
        >>> colours_for(2)
        ((217, 54, 54), (54, 217, 217))
    """
    if palette is not None and len(palette) >= classes:
        return tuple(palette[:classes])
    if classes == len(ISPRS_COLOURS):
        return ISPRS_COLOURS
    spread = (colorsys.hsv_to_rgb(c / classes, 0.75, 0.85) for c in range(classes))
    return tuple((round(255 * r), round(255 * g), round(255 * b)) for r, g, b in spread)


def describe_dataset(dataset: TileSet) -> dict[str, Any]:
    """Say what a run was trained on, without the paths of this machine."""
    return {
        "name": dataset.root.resolve().name,
        "kind": dataset.kind,
        "source": dataset.info.source,
        "tiles": {split: [tile.id for tile in tiles] for split, tiles in dataset.splits.items()},
    }
