"""What ``config.json`` of a run folder says: which network was built, and on what it was trained."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from torch import nn

from mfnet_lite.nets.config import NetworkConfig
from mfnet_lite.nets.registry import DIALOGUE_NETWORKS, make_config
from mfnet_lite.rasters import SensorInfo
from mfnet_lite.rasters.raster import Colour
from mfnet_lite.utils.files import write_text

CONFIG_FILE = "config.json"


@dataclass(frozen=True)
class RunConfig:
    """What ``config.json`` holds.

    Attributes:
        model: Name of the network.
        options: Options of its config, see :mod:`mfnet_lite.nets.config`.
        channels: Channels of each sensor, in the order of the model.
        sensors: What is known of each sensor, as in :class:`~mfnet_lite.rasters.SensorInfo`.
        classes: Class names.
        palette: A colour per class.
        ignore_index: Label that does not count.
        scaling: Scaling of elevations.
        size: Side of the training crops.
        seed: Of the initial weights, the crops and their order.
        gsd: Metres per pixel of the training data.
        holes: Which pixels count in scores and appear in maps, see
            :class:`~mfnet_lite.rasters.datasets.tile_reader.TileReader`.
        train: Settings of the training.
        dataset: What it was trained on: kind, source, tiles of each split.
        versions: Of Python and the libraries.
        base: SHA-256 of the weights that were frozen, None if there are none.
        content: A hash of each file the training reads, none in runs of earlier versions.
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
    def network(self) -> NetworkConfig:
        """The config of the network, with the options that this run was given."""
        return make_config(self.model, self.options).with_classes(self.classes)

    @property
    def window(self) -> int:
        """Side of the windows of a prediction if nobody says; the network knows what suits it."""
        return self.network.prediction_window(self.size)

    def build(self, trained: bool = False) -> nn.Module:
        """Build the network with the initial weights of ``seed``.

        Args:
            trained: Trained weights follow, so initial ones need not be fetched.
        """
        network = self.network.with_weights() if trained else self.network
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            return network.build(self.channels, len(self.classes))

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
        FileNotFoundError: If the folder is no run.
        ValueError: If the file cannot be understood, or is that of a network which answers questions.
    """
    path = Path(folder) / CONFIG_FILE
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} does not exist: expected the folder that `mfnet-lite train … --out` wrote"
        )
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise _no_config(path, error) from error
    _check_maps_classes(content, folder)
    try:
        known = {f.name for f in fields(RunConfig)}
        content = {key: value for key, value in content.items() if key in known}
        content["classes"] = tuple(content["classes"])
        content["palette"] = tuple((int(r), int(g), int(b)) for r, g, b in content["palette"])
        return RunConfig(**content)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise _no_config(path, error) from error


def _no_config(path: Path, error: Exception) -> ValueError:
    return ValueError(f"{path} is not the config of a run ({error}); train again")


def _check_maps_classes(content: Any, folder: str | Path) -> None:
    """Refuse the run of a network that answers questions."""
    name = content.get("model") if isinstance(content, dict) else None
    if isinstance(name, str) and name in DIALOGUE_NETWORKS:
        raise ValueError(
            f"{folder} holds the network {name}, which answers questions and maps no classes: expected a run of "
            "another network; use mfnet-lite chat or evaluate with it"
        )
