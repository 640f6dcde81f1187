"""Options that name the rasters of a scene."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class SceneRasters:
    """Rasters of a scene, as given by the user.

    Attributes:
        optical: Raster of the sensor of this name.
        dsm: Likewise.
        before: Earlier image of a pair.
        after: Later image of a pair.
        sensor: Any others, as ``NAME=FILE``.
    """

    optical: Path | None = field(default=None, metadata={"help": "Raster of this sensor."})
    dsm: Path | None = field(default=None, metadata={"help": "Raster of this sensor."})
    before: Path | None = field(default=None, metadata={"help": "Earlier image of a pair."})
    after: Path | None = field(default=None, metadata={"help": "Later image of a pair."})
    sensor: list[str] | None = field(
        default=None, metadata={"help": "Any other sensor, as NAME=FILE; may be repeated."}
    )

    def paths(self) -> dict[str, Path]:
        """Return rasters by sensor: those with an option of their own, and those given as NAME=FILE.

        Raises:
            ValueError: If one of the latter is not of that form.
        """
        options = vars(self).items()
        found = {name: file for name, file in options if name != "sensor" and file is not None}
        for entry in self.sensor or ():
            name, equals, value = entry.partition("=")
            if not (name and equals and value):
                raise ValueError(f"--sensor {entry} is not understood: expected NAME=FILE")
            found[name] = Path(value)
        return found
