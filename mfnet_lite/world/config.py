"""The parameters of the procedural world, its classes, and its layers of random numbers.

Every kind of thing (terrain, lots, roofs, cars, sensor noise, …) draws from a random generator of its
own, seeded by ``SeedSequence([seed, layer])``. So turning one parameter never reshuffles the rest: a scene
at ``ambiguity=0`` has the very streets, roofs and trees of the same seed at ``ambiguity=1``.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from mfnet_lite.utils.labels import IGNORE_INDEX as IGNORE_INDEX
from mfnet_lite.utils.labels import ISPRS_CLASSES, ISPRS_COLOURS
from mfnet_lite.utils.memory import check_memory

CLASSES = ISPRS_CLASSES
"""ISPRS's six classes in the order of their indices."""

PALETTE = ISPRS_COLOURS
"""ISPRS's official colours, written into files as the GeoTIFF colour table."""

IMPERVIOUS, BUILDING, LOW_VEGETATION, TREE, CAR, CLUTTER = range(6)
NODATA = -9999.0
"""Value of elevation pixels without a measurement, in memory and in files."""

DOMAINS = ("clear", "haze", "night", "other_camera")
SEASONS = ("spring", "summer", "autumn", "winter")

LAYERS = {
    name: index
    for index, name in enumerate(
        (
            "terrain",
            "streets",
            "lots",
            "buildings",
            "ground",
            "trees",
            "shrubs",
            "cars",
            "clutter",
            "materials",
            "texture",
            "sun",
            "optics",
            "elevation",
            "sar",
            "thermal",
            "change",
        )
    )
}
"""Layer names and the second number of their seeds; append only, or old seeds change meaning."""

MIN_SIZE = 32
BYTES_PER_PIXEL = 40
"""Of a scene's layers together, counted from below."""


@dataclass(frozen=True)
class WorldConfig:
    """Parameters of the world.

    Attributes:
        ambiguity: 0…1. At 0 roofs, streets, crowns and lawns each keep colours and textures of
            their own. At 1 roofs are drawn from the colours of streets and paved yards, crowns from
            those of lawns and shrubs, and only height tells them apart. A value between makes that
            share of the objects ambiguous. Default 0.7: some three roofs in ten still look like
            roofs, as in a real town.
        noise: Sensor noise of optical, SAR and thermal, as a multiple of the usual; ≥ 0.
        dsm_error: Errors of image matching in the DSM (noise, smeared edges, missed cars, holes), as
            a multiple of the usual; 0 gives the true surface without holes.
        density: 0…1, share of the lots that carry their building.
        vegetation: 0…1, share of the possible trees that stand.
        traffic: 0…1, share of the possible parking places taken.
        relief: Height differences of the terrain as a multiple of the usual (about 6 m); ≥ 0.
        domain: One of :data:`DOMAINS`. It changes how the scene is seen, never what is there.
        season: One of :data:`SEASONS`; colours of vegetation.
        haze: Extra atmospheric haze, 0…1.
        sun_azimuth: Degrees clockwise from north; ``None`` draws it from the seed.
        sun_elevation: Degrees above the horizon, 10…90; ``None`` draws it from the seed.

    Example:
        >>> WorldConfig(ambiguity=0.0).domain
        'clear'
    """

    ambiguity: float = 0.7
    noise: float = 1.0
    dsm_error: float = 1.0
    density: float = 0.85
    vegetation: float = 0.6
    traffic: float = 0.5
    relief: float = 1.0
    domain: str = "clear"
    season: str = "summer"
    haze: float = 0.0
    sun_azimuth: float | None = None
    sun_elevation: float | None = None

    def __post_init__(self) -> None:
        for name in ("ambiguity", "density", "vegetation", "traffic", "haze"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise ValueError(f"{name} must lie in [0, 1], got {value}; choose a value between.")
        for name in ("noise", "dsm_error", "relief"):
            value = getattr(self, name)
            if not 0 <= value < float("inf"):
                raise ValueError(f"{name} must be finite and at least 0, got {value}; 1 is usual.")
        if self.domain not in DOMAINS:
            raise ValueError(f"unknown domain {self.domain!r}; choose one of {', '.join(DOMAINS)}.")
        if self.season not in SEASONS:
            raise ValueError(f"unknown season {self.season!r}; choose one of {', '.join(SEASONS)}.")
        if self.sun_elevation is not None and not 10 <= self.sun_elevation <= 90:
            raise ValueError(
                f"sun_elevation must lie in [10, 90] degrees, got {self.sun_elevation}; "
                "for darkness use domain='night'."
            )


def layer_rng(seed: int, layer: str, date: int = 0) -> np.random.Generator:
    """Return the random generator of one layer of one scene.

    Args:
        seed: The scene's seed, ≥ 0.
        layer: A key of :data:`LAYERS`.
        date: 0 for a single scene or the first date; later dates redraw what time changes (cars,
            sun, sensor noise), never streets or trees.

    Returns:
        A fresh generator: the same three arguments always give the same numbers.
    """
    return np.random.default_rng(np.random.SeedSequence([seed, LAYERS[layer], date]))


def resolve(config: WorldConfig | None, parameters: dict[str, object]) -> WorldConfig:
    """Merge a config with single parameters given by keyword.

    Args:
        config: A full set of parameters, or ``None`` for the defaults.
        parameters: Field names of :class:`WorldConfig` and their values.

    Returns:
        The config with the parameters replaced.

    Raises:
        TypeError: For a parameter that does not exist.
    """
    known = {field.name for field in fields(WorldConfig)}
    unknown = sorted(set(parameters) - known)
    if unknown:
        raise TypeError(
            f"the world has no parameter named {', '.join(unknown)}; it has {', '.join(sorted(known))}."
        )
    base = config or WorldConfig()
    values = {name: getattr(base, name) for name in known} | parameters
    return WorldConfig(**values)


def check_size(size: int, gsd: float, seed: int) -> None:
    """Refuse sizes, pixel sizes and seeds that cannot make a scene.

    Raises:
        ValueError: One sentence saying what was expected and what was found.
    """
    if size < MIN_SIZE:
        raise ValueError(f"size must be at least {MIN_SIZE} pixels, got {size}; ask for more.")
    needed = BYTES_PER_PIXEL * size**2
    check_memory(needed, f"a scene of {size} x {size} pixels", "choose a smaller size")
    if not 0.05 <= gsd <= 2:
        raise ValueError(f"gsd must lie in [0.05, 2] metres per pixel, got {gsd}; 0.25 is usual.")
    if seed < 0:
        raise ValueError(f"seed must be a whole number of at least 0, got {seed}.")
