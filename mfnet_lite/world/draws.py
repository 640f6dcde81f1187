"""What the random numbers of a lot, a building, a plant, a car decide.

Each thing draws a fixed number of uniform numbers once, whether it will be seen or not. Later layers read them
by the names below. So two files that must agree (the plan of a garden and that of its house) read the same
name, and turning a parameter never reshuffles the numbers. The values are positions in an array: append only,
or old seeds change meaning.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

__all__ = [
    "BuildingDraw",
    "CarDraw",
    "ContainerDraws",
    "GardenDraw",
    "LotDraw",
    "ParkDraw",
    "PavingDraws",
    "PlantDraw",
    "SiteDraw",
    "container_draws",
]


class LotDraw(IntEnum):
    """Numbers that every lot reads, and how many it has."""

    GRASS_ROUGHNESS = 0
    LAWN_HUE = 1
    LAWN_TONE = 2
    ROUGH_HUE = 3
    ROUGH_TONE = 4
    PAVING = 5  # first of four, see PavingDraws
    COUNT = 48


class GardenDraw(IntEnum):
    """Numbers of the lots of houses and row houses."""

    PAVED = 9
    SETBACK = 10
    TERRACE_WIDTH = 11
    TERRACE_DEPTH = 12
    TERRACE_PAVING = 13  # first of four
    POOL = 18
    POOL_PLACE = 19
    BED = 20
    SOIL = 21
    HEDGE_RIGHT = 22
    HEDGE_BACK = 23
    HEDGE_HEIGHT = 24
    HEDGE_HUE = 25
    HEDGE_TONE = 26
    ROW_FLAT_ROOF = 30


class ParkDraw(IntEnum):
    """Numbers of parks."""

    PATH_PHASE = 10
    PATH_WAVES = 11
    CROSSING_PLACE = 12
    CROSSING_PHASE = 13
    POND = 18
    POND_ALONG = 19
    POND_DEEP = 20
    POND_REACH = 21
    POND_LOBES = 24
    POND_RIPPLES = 25


class PavingDraws(NamedTuple):
    """Four numbers in a row that make the colour of a paving."""

    grey: float
    tone: float
    hue: float
    ambiguity: float

    @classmethod
    def at(cls, draws: Float[np.ndarray, " n"], first: int) -> PavingDraws:
        """Read them from a lot's numbers, beginning at one of its names."""
        return cls(*draws[first : first + 4])


class BuildingDraw(IntEnum):
    """Numbers of a building: its plan, then what is painted, and how many there are."""

    LENGTH = 0
    DEPTH = 1
    PLACE = 2
    TURNED = 3
    ROOF = 4
    WALLS = 5
    SKEW = 6
    PITCH = 7
    WING = 8
    WING_PLACE = 9
    WING_LENGTH = 10
    WING_WIDTH = 11
    GARAGE = 12
    GARAGE_PLACE = 13
    SHED = 14
    SHED_WIDTH = 15
    # A kind of building that does not need a number for its plan reads it for something else.
    ROW_WALLS = 0
    OFFICE = 8
    OFFICE_HEIGHT = 9
    PAD_HUE = 14
    PAD_GREY = 15
    AMBIGUITY = 16
    ROOF_HUE = 17
    ROOF_TONE = 18
    PAVING_HUE = 19
    PARAPET_TONE = 20
    DORMER_TONE = 21
    PAD = 22
    PAD_TONE = 23
    COUNT = 24


class PlantDraw(IntEnum):
    """Numbers of a tree or shrub, and how many there are."""

    STANDS = 0
    RADIUS = 1
    CONIFER = 2
    HEIGHT = 3
    SHRUB_FRONT = 4
    SHRUB_SIDE = 5
    RIM = 5  # first of three phases
    AMBIGUITY = 8
    HUE = 9
    TONE = 10
    COUNT = 12


class CarDraw(IntEnum):
    """Numbers of a parking place and its car, and how many there are."""

    TAKEN = 0
    REVERSED = 1
    SKEW = 2
    VAN = 3
    LENGTH = 4
    HUE = 5
    TONE = 6
    AMBIGUITY = 7
    COUNT = 8


class SiteDraw(IntEnum):
    """Numbers of the clutter on a lot, and how many there are; containers read the first twelve."""

    CONSTRUCTION = 12
    SOIL_HUE = 13
    SOIL_TONE = 14
    COUNT = 16


class ContainerDraws(NamedTuple):
    """What decides about one of the four containers that a firm may have."""

    present: float
    along: float
    front: float
    hue: float
    tone: float
    tank: float


def container_draws(draws: Float[np.ndarray, " n"], number: int) -> ContainerDraws:
    """Read the numbers of a lot's container 0 to 3; neighbours share some."""
    return ContainerDraws(
        present=draws[number],
        along=draws[4 + number],
        front=draws[8 + number],
        hue=draws[number + 1],
        tone=draws[number + 2],
        tank=draws[number + 3],
    )
