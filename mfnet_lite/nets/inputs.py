"""From the sensors of a sample to what SAM reads: their names, their maps, three bands each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce

import torch
from jaxtyping import Float
from torch import Tensor, nn


class ToRGB(nn.Module):
    """Make the three bands which SAM reads from a sensor with any number of bands.

    One band is repeated, three are taken as they are. Any other number passes a trained 1×1
    convolution that starts by taking the first three bands (two bands: the second counts twice).

    Args:
        bands: Number of bands.
    """

    def __init__(self, bands: int) -> None:
        super().__init__()
        self.bands = bands
        self.project: nn.Conv2d | None = None
        if bands not in (1, 3):
            self.project = nn.Conv2d(bands, 3, 1)
            nn.init.zeros_(self.project.weight)
            assert self.project.bias is not None
            nn.init.zeros_(self.project.bias)
            with torch.no_grad():
                for colour in range(3):
                    self.project.weight[colour, min(colour, bands - 1)] = 1.0

    def forward(
        self, x: Float[Tensor, "batch bands height width"]
    ) -> Float[Tensor, "batch 3 height width"]:
        """Return three bands."""
        if self.project is not None:
            out: Tensor = self.project(x)
            return out
        return x.expand(-1, 3, -1, -1)


def check_map(name: str, x: object, bands: int) -> None:
    """Reject a map that is no batch of floats, before it is compared with others.

    Args:
        name: The sensor.
        x: Its map.
        bands: How many it shall have, for the message; whether it has them is not looked at.
    """
    expected = f"expected {name} of shape (batch, {bands}, height, width)"
    if not isinstance(x, Tensor):
        raise ValueError(f"{expected} as a tensor, got an object of type {type(x).__name__}")
    if x.ndim != 4:
        raise ValueError(f"{expected}, got {tuple(x.shape)}; a single image is a batch as x[None]")
    if not x.is_floating_point():
        raise ValueError(
            f"expected {name} as floats in [0, 1], got {x.dtype}; divide 8-bit values by 255"
        )


def check_not_empty(name: str, x: Tensor) -> None:
    """Reject a batch of no sample, whose reshapes PyTorch cannot infer.

    Args:
        name: The sensor.
        x: Its map.
    """
    if not len(x):
        raise ValueError(
            f"expected {name} of at least one sample, got {tuple(x.shape)}; leave an empty batch out"
        )


def in_format_of(reader: nn.Module, x: Tensor) -> Tensor:
    """Bring images to the number format of the network that reads them.

    Args:
        reader: The network. Of several formats the widest counts, for what is frozen may be kept in half.
        x: Images in floats of any format.

    Returns:
        The images; as they are for a network without weights.

    Example:
        >>> in_format_of(nn.Conv2d(3, 1, 1), torch.rand(1, 3, 8, 8).double()).dtype
        torch.float32
    """
    form = _number_format(reader)
    return x if form is None else x.to(form)


def _number_format(reader: nn.Module) -> torch.dtype | None:
    """The widest format of a network's weights, None for one without weights."""
    formats = {p.dtype for p in reader.parameters() if p.is_floating_point()}
    return reduce(torch.promote_types, formats) if formats else None


def check_sample(
    sample: object,
    sensors: Mapping[str, int],
    network: str,
    reader: nn.Module,
    allow_empty: bool = False,
) -> tuple[Mapping[str, Tensor], Tensor]:
    """Reject a sample whose maps do not fit a network's sensors or each other.

    Args:
        sample: What the network was given.
        sensors: Bands by name, of the network.
        network: Its name, for the message.
        reader: The network itself, to whose number format maps are brought.
        allow_empty: Whether the network answers a batch of no sample.

    Returns:
        The maps of the sample that the network reads, in its number format; and the first of them.

    Raises:
        ValueError: If it is no mapping, holds none of the sensors or no sample at all, or a map has another shape or
            number format.
    """
    if not isinstance(sample, Mapping):
        raise ValueError(
            f"expected a sample, a map per sensor such as {{{next(iter(sensors))!r}: (batch, "
            f"bands, height, width)}}, got an object of type {type(sample).__name__}"
        )
    given = [name for name in sensors if name in sample]
    if not given:
        raise ValueError(
            f"this {network} was built for the sensors {', '.join(sensors)}, "
            f"but the sample holds only {', '.join(sample) or 'nothing'}"
        )
    first: Tensor = sample[given[0]]
    for name in given:
        check_map(name, sample[name], sensors[name])
        expected = (first.shape[0], sensors[name], *first.shape[2:])
        if sample[name].shape != expected:
            raise ValueError(
                f"expected {name} of shape {expected}, got {tuple(sample[name].shape)}; "
                "all sensors must lie on one grid"
            )
    if not allow_empty:
        check_not_empty(given[0], first)
    form = _number_format(reader)  # once for all sensors: it walks through all weights
    maps = {name: sample[name] if form is None else sample[name].to(form) for name in given}
    return maps, maps[given[0]]


def band_counts(sensors: Sequence[str] | Mapping[str, int]) -> dict[str, int]:
    """Bands by name, for names that can be told apart and are fit for ``nn.ModuleDict``.

    Args:
        sensors: Names, where ``optical`` has three bands and any other sensor one; or bands by name.

    Example:
        >>> band_counts(("optical", "dsm"))
        {'optical': 3, 'dsm': 1}
    """
    if isinstance(sensors, str):
        raise ValueError(f"sensors must be a tuple of names, got the string {sensors!r}")
    reserved = nn.ModuleDict()
    for name in sensors:
        if not isinstance(name, str) or not name or "." in name or hasattr(reserved, name):
            raise ValueError(
                f"{name!r} cannot name a sensor: expected text without dots that PyTorch does not use "
                "for modules itself; choose another name, such as 's1_vv'"
            )
    if not isinstance(sensors, Mapping):
        if len(set(sensors)) < len(sensors):
            raise ValueError(f"every sensor needs a name of its own, got {tuple(sensors)}")
        sensors = {name: 3 if name == "optical" else 1 for name in sensors}
    if not sensors or min(sensors.values()) < 1:
        raise ValueError(f"sensors must name at least one band each, got {dict(sensors)}")
    return dict(sensors)


def sensor_order(sensors: Mapping[str, int]) -> list[str]:
    """Name the sensors with their bands in their order, which no tensor holds, for a delta's header.

    Args:
        sensors: Bands by name.

    Example:
        >>> sensor_order({"optical": 3, "dsm": 1})
        ['optical:3', 'dsm:1']
    """
    return [f"{name}:{bands}" for name, bands in sensors.items()]


def stack_sensors(
    sample: Mapping[str, Float[Tensor, "batch channels height width"]],
    sensors: Mapping[str, int],
    network: str,
    reader: nn.Module,
) -> Float[Tensor, "batch stacked height width"]:
    """Concatenate sensors on the channel axis, after a check of their shapes.

    Args:
        sample: A map per sensor; further entries are not read.
        sensors: Channels of each sensor, in the order of stacking.
        network: What to call the network in messages.
        reader: The network itself, to whose number format maps are brought.

    Raises:
        ValueError: If a sensor is missing, or shapes or number formats do not fit.
    """
    maps = []
    for name, channels in sensors.items():
        if name not in sample:
            raise ValueError(
                f"this {network} was built for the sensors {list(sensors)}, "
                f"but the sample holds only {list(sample)}"
            )
        x = sample[name]
        check_map(name, x, channels)
        if x.shape[1] != channels:
            raise ValueError(
                f"expected {name} of shape (batch, {channels}, height, width), got {tuple(x.shape)}"
            )
        maps.append(x)
    if len({(m.shape[0], *m.shape[2:]) for m in maps}) > 1:
        shapes = {name: tuple(sample[name].shape) for name in sensors}
        raise ValueError(f"all sensors must lie on one grid, got {shapes}")
    return in_format_of(reader, torch.cat(maps, dim=1))
