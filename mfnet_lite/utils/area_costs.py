"""From a measured throughput to the hours and the cost of an area: an estimate, and labelled as one."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["AreaEstimate", "estimate_area"]


@dataclass(frozen=True)
class AreaEstimate:
    """What predicting an area would take; not measured but reckoned from a throughput.

    Attributes:
        pixels: Of the area.
        windows: Windows over it.
        hours: Until all devices have finished.
        device_hours: Hours of all devices together.
        cost: At the price per device hour; None without a price.
    """

    pixels: float
    windows: float
    hours: float
    device_hours: float
    cost: float | None

    def __str__(self) -> str:
        """One line that says that it is an estimate."""
        cost = "" if self.cost is None else f", {self.cost:,.0f} at the given price"
        hours = f"{self.device_hours:,.1f} device hours, {self.hours:,.1f} h"
        return f"estimate: {self.windows:,.0f} windows, {hours}{cost}"


def estimate_area(
    square_kilometres: float,
    gsd: float,
    windows_per_second: float,
    *,
    stride: int,
    devices: int = 1,
    price_per_hour: float | None = None,
    efficiency: float = 1.0,
) -> AreaEstimate:
    """Reckon hours and cost of an area from the measured throughput of one device.

    Each window adds stride × stride new pixels; the borders of scenes, and of the areas that processes share, are left
    out, and so is whatever a scene shows that the measured one did not (holes, slower disks).

    Args:
        square_kilometres: The area.
        gsd: Metres per pixel.
        windows_per_second: Of one device, measured on whole scenes, reading and writing included.
        stride: Step of the windows, pixels.
        devices: Devices that share the area.
        price_per_hour: Of one device, in any currency.
        efficiency: Share of the throughput that is left with several devices, at most 1; 1 unless measured.

    Raises:
        ValueError: If a number is not positive.

    Example:
        >>> print(estimate_area(357_000, 0.2, 10.0, stride=512, devices=8, price_per_hour=2.0))
        estimate: 34,046,173 windows, 945.7 device hours, 118.2 h, 1,891 at the given price
    """
    for name, value in (
        ("square_kilometres", square_kilometres),
        ("gsd", gsd),
        ("windows_per_second", windows_per_second),
        ("stride", stride),
        ("devices", devices),
        ("efficiency", efficiency),
    ):
        if not value > 0:
            raise ValueError(f"{name} must be positive, got {value}")
    if efficiency > 1:
        raise ValueError(f"efficiency must be at most 1, got {efficiency}")
    pixels = square_kilometres * 1e6 / gsd**2
    windows = pixels / stride**2
    device_hours = windows / windows_per_second / efficiency / 3600
    cost = None if price_per_hour is None else device_hours * price_per_hour
    return AreaEstimate(pixels, windows, device_hours / devices, device_hours, cost)
