"""Buildings: where they stand, their roofs (gable, hip, flat), and what sits on the roofs."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from mfnet_lite.world.config import WorldConfig, layer_rng
from mfnet_lite.world.streets import Frame, Lot


@dataclass(frozen=True)
class Building:
    """One building as a turned rectangle under a roof.

    Attributes:
        x: centre, metres east of the scene's centre.
        y: centre, metres south of it.
        angle: direction of the long axis, radians from east towards south.
        length: metres along the axis; the ridge runs this way.
        width: metres across it.
        eave: wall height, metres.
        pitch: slope of the roof, rise over run.
        roof: gable, hip or flat.
        kind: house, row house, hall, garage, shed or wing.
        lot: index of its lot: a building, its wing and its garage come and go together.
        chance: uniform numbers for colour and furniture.
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
    chance: Float[np.ndarray, 24]

    @property
    def ridge(self) -> float:
        """Height of the highest line of the roof above the ground, metres."""
        return self.eave + (0.0 if self.roof == "flat" else self.pitch * self.width / 2)


def plan_buildings(seed: int, frame: Frame, lots: tuple[Lot, ...]) -> tuple[Building, ...]:
    """Plan a building for every lot, whether it will stand or not.

    Which of them stand is decided later (:func:`standing`), so that the ``density`` knob and the two
    dates of a pair share one plan.
    """
    rng = layer_rng(seed, "buildings")
    eave_of_block = rng.uniform(4.5, 9.0)
    plan: list[Building] = []
    for lot in lots:
        r = rng.random(24).astype(np.float32)
        extra = rng.random((3, 24)).astype(np.float32)
        maker = {"houses": _house, "rows": _row_house, "commerce": _halls, "park": _pavilion}
        plan.extend(maker[lot.zone](frame, lot, r, extra, eave_of_block))
    return tuple(plan)


def standing(seed: int, lots: tuple[Lot, ...], config: WorldConfig) -> frozenset[int]:
    """Return the indices of the lots that carry their buildings; a higher density only adds some."""
    draws = layer_rng(seed, "ground").random(len(lots))
    return frozenset(lot.index for lot in lots if draws[lot.index] < config.density)


def _place(
    frame: Frame, lot: Lot, s: float, t: float, turn: float = 0.0
) -> tuple[float, float, float]:
    u, v = lot.at(s, t)
    x, y = frame.to_image(u, v)
    return x, y, frame.heading(u) + turn


def _house(
    frame: Frame,
    lot: Lot,
    r: Float[np.ndarray, 24],
    extra: Float[np.ndarray, "3 24"],
    eave: float,
) -> list[Building]:
    """A detached house, often with a wing, a garage and a shed."""
    along = min(8.5 + 5.0 * float(r[0]), lot.width - 5.5)
    deep = 8.0 + 3.5 * float(r[1])
    front = 4.5 + 2.5 * float(lot.chance[10])
    s = 3.9 + along / 2 + float(r[2]) * max(lot.width - 5.0 - along, 0)
    turned = r[3] < 0.35
    roof = "gable" if r[4] < 0.5 else "hip" if r[4] < 0.74 else "flat"
    length, width = (deep, along) if turned else (along, deep)
    if width > length:
        length, width, turned = width, length, not turned
    walls = 3.0 + 3.6 * float(r[5]) + (1.2 if roof == "flat" else 0.0)
    x, y, angle = _place(frame, lot, s, front + deep / 2, np.pi / 2 if turned else 0.0)
    angle += 0.06 * (float(r[6]) - 0.5)
    house = Building(
        x, y, angle, length, width, walls, 0.45 + 0.45 * float(r[7]), roof, "house", lot.index, r
    )
    parts = [house]
    if r[8] < 0.4:  # a wing towards the garden
        x, y, angle = _place(frame, lot, s + (float(r[9]) - 0.5) * along * 0.45, front + deep + 1.2)
        wing = replace(
            house,
            x=x,
            y=y,
            angle=angle + np.pi / 2,
            length=min(6.0 + 2 * float(r[10]), 7.5),
            width=4.2 + 1.6 * float(r[11]),
            eave=max(2.6, walls - 1.2),
            kind="wing",
        )
        parts.append(wing)
    if r[12] < 0.6 and lot.chance[9] >= 0.1:  # flat garage at the end of the drive
        x, y, angle = _place(frame, lot, 2.0, front + 3.2 + 3 * float(r[13]))
        parts.append(
            Building(x, y, angle, 3.1, 6.0, 2.5, 0.0, "flat", "garage", lot.index, extra[0])
        )
    if r[14] < 0.45:
        x, y, angle = _place(frame, lot, lot.width - 2.6, lot.depth - 2.8)
        parts.append(
            Building(
                x, y, angle, 3.4, 2.4 + float(r[15]), 2.1, 0.3, "gable", "shed", lot.index, extra[1]
            )
        )
    return parts


def _row_house(
    frame: Frame,
    lot: Lot,
    r: Float[np.ndarray, 24],
    extra: Float[np.ndarray, "3 24"],
    eave: float,
) -> list[Building]:
    """A row house: wall to wall with its neighbours, ridge along the street."""
    x, y, angle = _place(frame, lot, lot.width / 2, 3.2 + 5.0)
    roof = "flat" if lot.chance[30] < 0.15 else "gable"
    parts = [
        Building(
            x, y, angle, lot.width + 0.1, 10.0, eave + 0.5 * float(r[0]), 0.72, roof, "row house",
            lot.index, r,
        )
    ]  # fmt: skip
    if r[14] < 0.35:
        x, y, angle = _place(frame, lot, lot.width / 2, lot.depth - 2.4)
        parts.append(
            Building(x, y, angle, 3.0, 2.4, 2.1, 0.25, "flat", "shed", lot.index, extra[1])
        )
    return parts


def _halls(
    frame: Frame,
    lot: Lot,
    r: Float[np.ndarray, 24],
    extra: Float[np.ndarray, "3 24"],
    eave: float,
) -> list[Building]:
    """A flat hall between two car parks; on some lots an office block beside it."""
    along = (0.55 + 0.28 * float(r[0])) * (lot.width - 6)
    deep = (0.36 + 0.2 * float(r[1])) * lot.depth
    s = 3 + along / 2 + float(r[2]) * (lot.width - 6 - along)
    x, y, angle = _place(frame, lot, s, lot.depth / 2)
    roof = "flat" if r[4] < 0.8 else "gable"
    length, width, turn = (along, deep, 0.0) if along >= deep else (deep, along, np.pi / 2)
    hall = Building(
        x, y, angle + turn, length, width, 5.5 + 4 * float(r[5]), 0.22, roof, "hall", lot.index, r
    )
    if r[8] > 0.55:
        return [hall]
    x, y, angle = _place(frame, lot, s - along * 0.3, lot.depth / 2)
    office = Building(
        x, y, angle + turn, 0.38 * length, 0.62 * width, hall.eave + 4 + 3 * float(r[9]), 0.0, "flat",
        "wing", lot.index, extra[0],
    )  # fmt: skip
    return [hall, office]


def _pavilion(
    frame: Frame,
    lot: Lot,
    r: Float[np.ndarray, 24],
    extra: Float[np.ndarray, "3 24"],
    eave: float,
) -> list[Building]:
    """One small hipped building in a park."""
    x, y, angle = _place(frame, lot, lot.width * (0.1 + 0.15 * float(r[0])), lot.depth * 0.16)
    return [Building(x, y, angle, 9.0, 7.0, 3.2, 0.5, "hip", "house", lot.index, r)]
