"""What covers a lot before anything stands on it: lawns, drives, terraces, yards, parks, ponds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from mfnet_lite.world.canvas import ASPHALT, CONCRETE, GRASS, SHRUB, SOIL, WATER, Canvas
from mfnet_lite.world.colours import (
    GREENS,
    GREYS,
    LAWNS,
    PAINT,
    PAVINGS,
    POND,
    POOL,
    SEASON_GRASS,
    SEASON_LEAVES,
    SOILS,
    Colour,
    confusion,
    mix,
    pick,
)
from mfnet_lite.world.config import CLUTTER, IMPERVIOUS, LOW_VEGETATION, WorldConfig
from mfnet_lite.world.draws import GardenDraw, LotDraw, ParkDraw, PavingDraws
from mfnet_lite.world.streets import Frame, Lot

Window = tuple[slice, slice]
Metres = Float[np.ndarray, "rows cols"]


@dataclass(frozen=True)
class _Ground:
    """A lot on the canvas, ready to be painted.

    Attributes:
        canvas: The canvas.
        window: Rows and columns around the lot.
        lot: The lot.
        s: Metres along the street, from the lot's left corner.
        t: Metres behind the front.
        inside: Where the lot is.
        config: Parameters of the world.
    """

    canvas: Canvas
    window: Window
    lot: Lot
    s: Metres
    t: Metres
    inside: Metres
    config: WorldConfig

    def paint(self, kind: str, label: int, mask: Metres, colour: Colour, **texture: Any) -> None:
        """Paint a new object of a kind; ``texture`` is what :meth:`Canvas.paint` takes beyond it."""
        self.canvas.paint(
            self.window,
            mask,
            colour,
            label=label,
            instance=self.canvas.new_object(kind, label, texture.pop("height", 0.0)),
            **texture,
        )

    def grass(self, kind: str) -> None:
        """Cover the whole lot with grass, smooth or rough."""
        colour, wild = lawn_colour(self.lot.draws, self.config)
        noise = self.canvas.patch_noise[self.window]
        patches = (1 + 0.07 * noise)[..., None] * colour
        # Dry spots turn yellowish rather than merely brighter.
        dry = np.clip(noise - 0.6, 0, 1.5)[..., None] * np.float32(0.12)
        patches = patches * (1 + dry * np.array((1.0, 0.35, 0.5, -0.3), np.float32))
        self.paint(
            kind,
            LOW_VEGETATION,
            self.inside,
            patches,
            material=GRASS,
            grain=0.05 + 0.06 * wild,
            clump=0.03 + 0.2 * wild,
        )

    def paving(self, kind: str, mask: Metres, colour: Colour, material: int = CONCRETE) -> None:
        """Pave a part of the lot."""
        self.paint(kind, IMPERVIOUS, mask, colour, material=material, grain=0.042)

    def paving_colour(self, first: int = LotDraw.PAVING) -> Colour:
        """Colour of the paving whose four numbers begin at ``first``."""
        return paving_colour(PavingDraws.at(self.lot.draws, first), self.config)


def lawn_colour(draws: Float[np.ndarray, " n"], config: WorldConfig) -> tuple[Colour, float]:
    """Return a lot's grass: its colour and how rough it looks (0 mown lawn … 1 like leaves)."""
    # Uncut grass and ground cover take the crowns' greens and their texture; mown lawns never do.
    wild = confusion(config.ambiguity, 0.25 + 0.75 * draws[LotDraw.GRASS_ROUGHNESS])
    lawn = pick(LAWNS, draws[LotDraw.LAWN_HUE], draws[LotDraw.LAWN_TONE])
    rough = pick(GREENS, draws[LotDraw.ROUGH_HUE], draws[LotDraw.ROUGH_TONE])
    season = np.array(SEASON_GRASS[config.season], np.float32)
    return mix(lawn, rough, wild) * season, wild


def paving_colour(draws: PavingDraws, config: WorldConfig) -> Colour:
    """Return the paving of a yard: grey, or any colour a roof may have where ambiguous."""
    grey = pick(PAVINGS[:GREYS], draws.grey, draws.tone)
    any_paving = pick(PAVINGS, draws.hue, draws.tone)
    return mix(grey, any_paving, confusion(config.ambiguity, float(draws.ambiguity)))


def paint_lots(canvas: Canvas, frame: Frame, lots: tuple[Lot, ...], config: WorldConfig) -> None:
    """Paint the ground of every lot that touches the canvas."""
    for lot in lots:
        centre = frame.to_image(*lot.at(lot.width / 2, lot.depth / 2))
        window = canvas.window(*centre, 0.5 * float(np.hypot(lot.width, lot.depth)) + 3)
        if window is None:
            continue
        u, v = frame.to_streets(canvas.x[window], canvas.y[window])
        s, t = u - np.float32(lot.u0), (v - np.float32(lot.front)) * lot.side
        inside = (s >= 0) & (s < lot.width) & (t >= 0) & (t < lot.depth)
        if not inside.any():
            continue
        painter = {"houses": _garden, "rows": _garden, "commerce": _yard, "park": _park}[lot.zone]
        painter(_Ground(canvas, window, lot, s, t, inside, config))


def _garden(ground: _Ground) -> None:
    """A house's lot: lawn, drive, path, terrace, hedges, sometimes all paved, sometimes a pool."""
    lot, s, t, inside, draws = ground.lot, ground.s, ground.t, ground.inside, ground.lot.draws
    paving = ground.paving_colour()
    ground.grass("lawn")
    if draws[GardenDraw.PAVED] < 0.22:  # a yard paved to the last corner
        island = (s > 1.2) & (s < lot.width - 1.2) & (t > 0.68 * lot.depth)
        ground.paving("yard", inside & ~island, paving)
    else:
        front = lot.setback
        narrow = lot.zone == "rows"
        drive_width = 2.6 if narrow else 3.2
        on_left = s < drive_width + 0.4
        drive = inside & (on_left & (s > 0.4)) & (t < (front if narrow else 0.62 * lot.depth))
        right_end = (0.55 + 0.35 * draws[GardenDraw.TERRACE_WIDTH]) * lot.width
        terrace_s = (s > 0.2 * lot.width) & (s < right_end)
        behind = front + (10.5 if narrow else 11.5)
        depth = 3.5 * draws[GardenDraw.TERRACE_DEPTH]
        terrace = inside & terrace_s & (t > behind - 2) & (t < behind + 2 + depth)
        ground.paving("drive", drive, paving)
        ground.paving("terrace", terrace, ground.paving_colour(GardenDraw.TERRACE_PAVING))
        _beds(ground)
    _hedges(ground)
    if lot.zone == "houses" and draws[GardenDraw.POOL] < 0.16:
        su = s - lot.width * (0.55 + 0.2 * draws[GardenDraw.POOL_PLACE])
        tv = t - 0.84 * lot.depth
        rim = np.maximum(np.abs(su) / 3.6, np.abs(tv) / 2.0)
        ground.paving("pool edge", inside & (rim < 1.3), PAVINGS[3])
        water = inside & (np.maximum(np.abs(su) / 3.4, np.abs(tv) / 1.8) < 1)
        ground.paint("pool", CLUTTER, water, POOL, material=WATER, grain=0.03)


def _beds(ground: _Ground) -> None:
    """A kitchen garden of dark soil and green rows at the back of some lots."""
    lot, s, t, draws = ground.lot, ground.s, ground.t, ground.lot.draws
    if draws[GardenDraw.BED] > 0.3:
        return
    bed = ground.inside & (t > 0.8 * lot.depth) & (s > 0.12 * lot.width) & (s < 0.5 * lot.width)
    rows = (0.5 + 0.5 * np.sin(s * np.float32(2 * np.pi / 1.1)))[..., None]
    soil = pick(SOILS, draws[GardenDraw.SOIL], 0.2) * np.float32(0.75)
    green = LAWNS[0] * np.array(SEASON_GRASS[ground.config.season], np.float32)
    colour = rows * green + (1 - rows) * soil
    ground.paint("bed", LOW_VEGETATION, bed, colour, material=SHRUB, grain=0.1, clump=0.12)


def _hedges(ground: _Ground) -> None:
    """Hedges along the right side and the back, waist high: low vegetation that looks like leaves."""
    canvas, window, lot, draws = ground.canvas, ground.window, ground.lot, ground.lot.draws
    right = (np.abs(ground.s - (lot.width - 0.55)) < 0.5) & (ground.t > 1)
    back = np.abs(ground.t - (lot.depth - 0.5)) < 0.5
    planted = (right & (draws[GardenDraw.HEDGE_RIGHT] < 0.55)) | (
        back & (draws[GardenDraw.HEDGE_BACK] < 0.5)
    )
    mask = ground.inside & planted
    if not mask.any():
        return
    height = 0.7 + 0.7 * float(draws[GardenDraw.HEDGE_HEIGHT])
    season = np.array(SEASON_LEAVES[ground.config.season], np.float32)
    ground.paint(
        "hedge",
        LOW_VEGETATION,
        mask,
        pick(GREENS, draws[GardenDraw.HEDGE_HUE], draws[GardenDraw.HEDGE_TONE]) * season,
        material=SHRUB,
        height=height,
        grain=0.1,
        clump=0.22,
        top=canvas.dtm[window] + height + 0.12 * canvas.leaf_noise[window],
    )


def _yard(ground: _Ground) -> None:
    """A firm's ground: asphalt with parking bays, a green verge."""
    lot, s, t = ground.lot, ground.s, ground.t
    ground.grass("verge")
    paved = ground.inside & (s > 2.2) & (s < lot.width - 2.2) & (t > 2) & (t < lot.depth - 2)
    colour = np.broadcast_to(ground.paving_colour(), (*s.shape, 4))
    bays = (t > 2.5) & (t < 7.5) | (t > lot.depth - 7.5) & (t < lot.depth - 2.5)
    line = np.clip(1 - np.abs(np.mod(s, 2.5) - 1.25) / 0.16, 0, 1) * bays * np.float32(0.6)
    colour = (1 - line[..., None]) * colour + line[..., None] * PAINT
    ground.paving("yard", paved, colour, ASPHALT)


def _park(ground: _Ground) -> None:
    """A park: meadow, winding paths, often a pond."""
    lot, s, t, draws = ground.lot, ground.s, ground.t, ground.lot.draws
    ground.grass("meadow")
    waves, phase = 4 + 4 * draws[ParkDraw.PATH_WAVES], 6 * draws[ParkDraw.PATH_PHASE]
    wave = lot.depth * (0.5 + 0.22 * np.sin(s / lot.width * waves + phase))
    middle = lot.width * (0.4 + 0.3 * draws[ParkDraw.CROSSING_PLACE])
    across = middle + 5 * np.sin(t / 9 + 6 * draws[ParkDraw.CROSSING_PHASE])
    path = ground.inside & ((np.abs(t - wave) < 1.3) | (np.abs(s - across) < 1.1))
    gravel = mix(PAVINGS[3], SOILS[2], 0.5)
    ground.paint("path", IMPERVIOUS, path, gravel, material=SOIL, grain=0.06)
    if draws[ParkDraw.POND] < 0.65:
        ds = s - lot.width * (0.25 + 0.5 * draws[ParkDraw.POND_ALONG])
        dt = t - lot.depth * (0.3 + 0.4 * draws[ParkDraw.POND_DEEP])
        angle = np.arctan2(dt, ds)
        lobes = 0.16 * np.sin(2 * angle + 6 * draws[ParkDraw.POND_LOBES])
        ripples = 0.09 * np.sin(5 * angle + 6 * draws[ParkDraw.POND_RIPPLES])
        rim = (8 + 7 * draws[ParkDraw.POND_REACH]) * (1 + lobes + ripples)
        pond = ground.inside & (np.hypot(ds * np.float32(0.72), dt) < rim)
        ground.paint("pond", CLUTTER, pond, POND, material=WATER, grain=0.02)
