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
from mfnet_lite.utils.typed_fields import check_fields

CONFIG_FILE = "config.json"
NO_NETWORK = (TypeError, RuntimeError, ArithmeticError, LookupError, AttributeError)
"""What numbers that make no network provoke in layers: negative sizes, heads that do not divide a width."""


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
        gsd_measured: Whether that was measured in its first tile, and not stated; false in runs of earlier versions.
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
    gsd_measured: bool = False
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

    def check(self) -> None:
        """See that the fields can be used, before anything is built from them.

        Raises:
            ValueError: If one cannot.
        """
        for name, facts in self.sensors.items():
            check_fields(SensorInfo, {"name": name} | facts)
        lacking = [name for name in self.channels if name not in self.sensors]
        if lacking or not self.channels:
            raise ValueError(f"no sensor {', '.join(lacking)} is described")
        if not self.classes or min(self.size, *self.channels.values()) < 1:
            raise ValueError("classes, size and channels must be at least 1")
        if not -(2**63) <= self.seed < 2**63:
            raise ValueError(f"seed is {self.seed}, expected one of 64 bits")
        self.sensor_infos()
        make_config(self.model, self.options)

    def build(self, trained: bool = False) -> nn.Module:
        """Build the network with the initial weights of ``seed``.

        Args:
            trained: Trained weights follow, so initial ones need not be fetched.
        """
        network = self.network.with_weights() if trained else self.network
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            try:
                return network.build(self.channels, len(self.classes))
            except NO_NETWORK as error:
                if any(words in str(error) for words in ("memory", "weights")):
                    raise
                raise ValueError(
                    f"{self.model} cannot be built with the options {self.options} ({error}); give others, or bring "
                    f"back the {CONFIG_FILE} that the training wrote"
                ) from error

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
        if not isinstance(content, dict):
            raise TypeError(f"a {type(content).__name__}, expected an object")
        known = {f.name for f in fields(RunConfig)}
        content = {key: value for key, value in content.items() if key in known}
        content["classes"] = tuple(content["classes"])
        content["palette"] = tuple(tuple(colour) for colour in content["palette"])
        check_fields(RunConfig, content)
        if not all(0 <= part <= 255 for colour in content["palette"] for part in colour):
            raise ValueError("palette has a colour outside 0 to 255")
        run = RunConfig(**content)
        run.check()
        return run
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
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
