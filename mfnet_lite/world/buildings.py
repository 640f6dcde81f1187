"""Buildings: where they stand, their roofs (gable, hip, flat), and what sits on the roofs."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from mfnet_lite.world.config import WorldConfig, layer_rng
from mfnet_lite.world.draws import BuildingDraw, GardenDraw
from mfnet_lite.world.streets import Frame, Lot


@dataclass(frozen=True)
class Building:
    """One building as a turned rectangle under a roof.

    Attributes:
        x: Centre, metres east of the scene's centre.
        y: Centre, metres south of it.
        angle: Direction of the long axis, radians from east towards south.
        length: Metres along the axis; the ridge runs this way.
        width: Metres across it.
        eave: Wall height, metres.
        pitch: Slope of the roof, rise over run.
        roof: Gable, hip or flat.
        kind: House, row house, hall, garage, shed or wing.
        lot: Index of its lot: a building, its wing and its garage come and go together.
        draws: Uniform numbers, by :class:`~mfnet_lite.world.draws.BuildingDraw`.
    """

    x: float
    y: float
    angle: float
    length: float
    width: float
    eave: float
    pitch: float
    roof: str
    kind: str
    lot: int
    draws: Float[np.ndarray, 24]

    @property
    def ridge(self) -> float:
        """Height of the highest line of the roof above the ground, metres."""
        return self.eave + (0.0 if self.roof == "flat" else self.pitch * self.width / 2)


def plan_buildings(seed: int, frame: Frame, lots: tuple[Lot, ...]) -> tuple[Building, ...]:
    """Plan a building for every lot, whether it will stand or not.

    Which of them stand is decided later (:func:`standing`), so that the ``density`` parameter and the two
    dates of a pair share one plan.
    """
    rng = layer_rng(seed, "buildings")
    eave_of_block = rng.uniform(4.5, 9.0)
    plan: list[Building] = []
    for lot in lots:
        draws = rng.random(BuildingDraw.COUNT).astype(np.float32)
        # Three more sets: of what stands beside the house, and one that nothing reads.
        beside = rng.random((3, BuildingDraw.COUNT)).astype(np.float32)
        plot = _Plot(frame, lot, draws, beside[0], beside[1])
        if lot.zone == "rows":
            plan.extend(_row_house(plot, eave_of_block))
        else:
            maker = {"houses": _house, "commerce": _halls, "park": _pavilion}
            plan.extend(maker[lot.zone](plot))
    return tuple(plan)


def standing(seed: int, lots: tuple[Lot, ...], config: WorldConfig) -> frozenset[int]:
    """Return the indices of the lots that carry their buildings; a higher density only adds some."""
    draws = layer_rng(seed, "ground").random(len(lots))
    return frozenset(lot.index for lot in lots if draws[lot.index] < config.density)


@dataclass(frozen=True)
class _Plot:
    """A lot to build on.

    Attributes:
        frame: Of the street net.
        lot: The lot.
        draws: Numbers of its main building.
        annex: Numbers of a garage or an office block.
        shed: Numbers of a shed.
    """

    frame: Frame
    lot: Lot
    draws: Float[np.ndarray, 24]
    annex: Float[np.ndarray, 24]
    shed: Float[np.ndarray, 24]

    def draw(self, name: BuildingDraw) -> float:
        """One of the main building's numbers, to calculate with; thresholds compare ``draws``, in float32."""
        return float(self.draws[name])

    def at(self, s: float, t: float, turn: float = 0.0) -> tuple[float, float, float]:
        """Image position and direction of the point ``s`` m along and ``t`` m behind the front."""
        u, v = self.lot.at(s, t)
        x, y = self.frame.to_image(u, v)
        return x, y, self.frame.heading(u) + turn


def _house(plot: _Plot) -> list[Building]:
    """A detached house, often with a wing, a garage and a shed."""
    lot, draw = plot.lot, plot.draw
    along = min(8.5 + 5.0 * draw(BuildingDraw.LENGTH), lot.width - 5.5)
    deep = 8.0 + 3.5 * draw(BuildingDraw.DEPTH)
    front = lot.setback
    s = 3.9 + along / 2 + draw(BuildingDraw.PLACE) * max(lot.width - 5.0 - along, 0)
    turned = plot.draws[BuildingDraw.TURNED] < 0.35
    kind_of_roof = plot.draws[BuildingDraw.ROOF]
    roof = "gable" if kind_of_roof < 0.5 else "hip" if kind_of_roof < 0.74 else "flat"
    length, width = (deep, along) if turned else (along, deep)
    if width > length:
        length, width, turned = width, length, not turned
    walls = 3.0 + 3.6 * draw(BuildingDraw.WALLS) + (1.2 if roof == "flat" else 0.0)
    x, y, angle = plot.at(s, front + deep / 2, np.pi / 2 if turned else 0.0)
    angle += 0.06 * (draw(BuildingDraw.SKEW) - 0.5)
    pitch = 0.45 + 0.45 * draw(BuildingDraw.PITCH)
    house = Building(x, y, angle, length, width, walls, pitch, roof, "house", lot.index, plot.draws)
    parts = [house]
    if plot.draws[BuildingDraw.WING] < 0.4:  # a wing towards the garden
        aside = (draw(BuildingDraw.WING_PLACE) - 0.5) * along * 0.45
        x, y, angle = plot.at(s + aside, front + deep + 1.2)
        wing = replace(
            house,
            x=x,
            y=y,
            angle=angle + np.pi / 2,
            length=min(6.0 + 2 * draw(BuildingDraw.WING_LENGTH), 7.5),
            width=4.2 + 1.6 * draw(BuildingDraw.WING_WIDTH),
            eave=max(2.6, walls - 1.2),
            kind="wing",
        )
        parts.append(wing)
    if plot.draws[BuildingDraw.GARAGE] < 0.6 and lot.draws[GardenDraw.PAVED] >= 0.1:
        # flat, at the end of the drive
        x, y, angle = plot.at(2.0, front + 3.2 + 3 * draw(BuildingDraw.GARAGE_PLACE))
        parts.append(
            Building(x, y, angle, 3.1, 6.0, 2.5, 0.0, "flat", "garage", lot.index, plot.annex)
        )
    if plot.draws[BuildingDraw.SHED] < 0.45:
        x, y, angle = plot.at(lot.width - 2.6, lot.depth - 2.8)
        width = 2.4 + draw(BuildingDraw.SHED_WIDTH)
        parts.append(
            Building(x, y, angle, 3.4, width, 2.1, 0.3, "gable", "shed", lot.index, plot.shed)
        )
    return parts


def _row_house(plot: _Plot, eave: float) -> list[Building]:
    """A row house: wall to wall with its neighbours, ridge along the street."""
    lot = plot.lot
    x, y, angle = plot.at(lot.width / 2, 3.2 + 5.0)
    roof = "flat" if lot.draws[GardenDraw.ROW_FLAT_ROOF] < 0.15 else "gable"
    walls = eave + 0.5 * plot.draw(BuildingDraw.ROW_WALLS)
    parts = [
        Building(
            x,
            y,
            angle,
            lot.width + 0.1,
            10.0,
            walls,
            0.72,
            roof,
            "row house",
            lot.index,
            plot.draws,
        )
    ]
    if plot.draws[BuildingDraw.SHED] < 0.35:
        x, y, angle = plot.at(lot.width / 2, lot.depth - 2.4)
        parts.append(
            Building(x, y, angle, 3.0, 2.4, 2.1, 0.25, "flat", "shed", lot.index, plot.shed)
        )
    return parts


def _halls(plot: _Plot) -> list[Building]:
    """A flat hall between two car parks; on some lots an office block beside it."""
    lot, draw = plot.lot, plot.draw
    along = (0.55 + 0.28 * draw(BuildingDraw.LENGTH)) * (lot.width - 6)
    deep = (0.36 + 0.2 * draw(BuildingDraw.DEPTH)) * lot.depth
    s = 3 + along / 2 + draw(BuildingDraw.PLACE) * (lot.width - 6 - along)
    x, y, angle = plot.at(s, lot.depth / 2)
    roof = "flat" if plot.draws[BuildingDraw.ROOF] < 0.8 else "gable"
    length, width, turn = (along, deep, 0.0) if along >= deep else (deep, along, np.pi / 2)
    walls = 5.5 + 4 * draw(BuildingDraw.WALLS)
    hall = Building(
        x, y, angle + turn, length, width, walls, 0.22, roof, "hall", lot.index, plot.draws
    )
    if plot.draws[BuildingDraw.OFFICE] > 0.55:
        return [hall]
    x, y, angle = plot.at(s - along * 0.3, lot.depth / 2)
    walls = hall.eave + 4 + 3 * draw(BuildingDraw.OFFICE_HEIGHT)
    office = Building(
        x, y, angle + turn, 0.38 * length, 0.62 * width, walls, 0.0, "flat", "wing", lot.index,
        plot.annex,
    )  # fmt: skip
    return [hall, office]


def _pavilion(plot: _Plot) -> list[Building]:
    """One small hipped building in a park."""
    lot = plot.lot
    s = lot.width * (0.1 + 0.15 * plot.draw(BuildingDraw.LENGTH))
    x, y, angle = plot.at(s, lot.depth * 0.16)
    return [Building(x, y, angle, 9.0, 7.0, 3.2, 0.5, "hip", "house", lot.index, plot.draws)]
