"""What covers a lot before anything stands on it: lawns, drives, terraces, yards, parks, ponds."""

from __future__ import annotations

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
from mfnet_lite.world.streets import Frame, Lot


def lawn_colour(chance: Float[np.ndarray, n], config: WorldConfig) -> tuple[Colour, float]:
    """Return a lot's grass: its colour and how rough it looks (0 mown lawn … 1 like leaves)."""
    # Uncut grass and ground cover take the crowns' greens and their texture; mown lawns never do.
    wild = confusion(config.ambiguity, 0.25 + 0.75 * chance[0])
    lawn = pick(LAWNS, chance[1], chance[2])
    rough = pick(GREENS, chance[3], chance[4])
    season = np.array(SEASON_GRASS[config.season], np.float32)
    return mix(lawn, rough, wild) * season, wild


def paving_colour(chance: Float[np.ndarray, n], config: WorldConfig) -> Colour:
    """Return the paving of a yard: grey, or any colour a roof may have where ambiguous."""
    grey = pick(PAVINGS[:GREYS], chance[0], chance[1])
    any_paving = pick(PAVINGS, chance[2], chance[1])
    return mix(grey, any_paving, confusion(config.ambiguity, float(chance[3])))


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
        painter(canvas, window, lot, s, t, inside, config)


Window = tuple[slice, slice]
Metres = Float[np.ndarray, "rows cols"]


def _grass(
    canvas: Canvas, window: Window, lot: Lot, mask: Metres, config: WorldConfig, kind: str
) -> None:
    colour, wild = lawn_colour(lot.chance[:5], config)
    patches = (1 + 0.07 * canvas.patch_noise[window])[..., None] * colour
    # Dry spots turn yellowish rather than merely brighter.
    dry = np.clip(canvas.patch_noise[window] - 0.6, 0, 1.5)[..., None] * np.float32(0.12)
    patches = patches * (1 + dry * np.array((1.0, 0.35, 0.5, -0.3), np.float32))
    canvas.paint(
        window,
        mask,
        patches,
        label=LOW_VEGETATION,
        material=GRASS,
        instance=canvas.new_object(kind, LOW_VEGETATION),
        grain=0.05 + 0.06 * wild,
        clump=0.03 + 0.2 * wild,
    )


def _paving(
    canvas: Canvas,
    window: Window,
    mask: Metres,
    colour: Colour,
    kind: str,
    material: int = CONCRETE,
) -> None:
    canvas.paint(
        window,
        mask,
        colour,
        label=IMPERVIOUS,
        material=material,
        instance=canvas.new_object(kind, IMPERVIOUS),
        grain=0.042,
    )


def _garden(
    canvas: Canvas,
    window: Window,
    lot: Lot,
    s: Metres,
    t: Metres,
    inside: Metres,
    config: WorldConfig,
) -> None:
    """A house's lot: lawn, drive, path, terrace, hedges, sometimes all paved, sometimes a pool."""
    c = lot.chance
    paving = paving_colour(c[5:9], config)
    yard = c[9] < 0.22  # a yard paved to the last corner
    _grass(canvas, window, lot, inside, config, "lawn")
    if yard:
        island = (s > 1.2) & (s < lot.width - 1.2) & (t > 0.68 * lot.depth)
        _paving(canvas, window, inside & ~island, paving, "yard")
    else:
        front = 4.5 + 2.5 * float(c[10])
        narrow = lot.zone == "rows"
        drive_width = 2.6 if narrow else 3.2
        on_left = s < drive_width + 0.4
        drive = inside & (on_left & (s > 0.4)) & (t < (front if narrow else 0.62 * lot.depth))
        terrace_s = (s > 0.2 * lot.width) & (s < (0.55 + 0.35 * c[11]) * lot.width)
        behind = front + (10.5 if narrow else 11.5)
        terrace = inside & terrace_s & (t > behind - 2) & (t < behind + 2 + 3.5 * c[12])
        _paving(canvas, window, drive, paving, "drive")
        _paving(canvas, window, terrace, paving_colour(c[13:17], config), "terrace")
        _beds(canvas, window, lot, s, t, inside, config)
    _hedges(canvas, window, lot, s, t, inside, config)
    if lot.zone == "houses" and c[18] < 0.16:
        su, tv = s - lot.width * (0.55 + 0.2 * c[19]), t - 0.84 * lot.depth
        rim = np.maximum(np.abs(su) / 3.6, np.abs(tv) / 2.0)
        _paving(canvas, window, inside & (rim < 1.3), PAVINGS[3], "pool edge")
        water = inside & (np.maximum(np.abs(su) / 3.4, np.abs(tv) / 1.8) < 1)
        canvas.paint(
            window,
            water,
            POOL,
            label=CLUTTER,
            material=WATER,
            instance=canvas.new_object("pool", CLUTTER),
            grain=0.03,
        )


def _beds(
    canvas: Canvas,
    window: Window,
    lot: Lot,
    s: Metres,
    t: Metres,
    inside: Metres,
    config: WorldConfig,
) -> None:
    """A kitchen garden of dark soil and green rows at the back of some lots."""
    c = lot.chance
    if c[20] > 0.3:
        return
    bed = inside & (t > 0.8 * lot.depth) & (s > 0.12 * lot.width) & (s < 0.5 * lot.width)
    rows = (0.5 + 0.5 * np.sin(s * np.float32(2 * np.pi / 1.1)))[..., None]
    soil = pick(SOILS, c[21], 0.2) * np.float32(0.75)
    green = LAWNS[0] * np.array(SEASON_GRASS[config.season], np.float32)
    canvas.paint(
        window,
        bed,
        rows * green + (1 - rows) * soil,
        label=LOW_VEGETATION,
        material=SHRUB,
        instance=canvas.new_object("bed", LOW_VEGETATION),
        grain=0.1,
        clump=0.12,
    )


def _hedges(
    canvas: Canvas,
    window: Window,
    lot: Lot,
    s: Metres,
    t: Metres,
    inside: Metres,
    config: WorldConfig,
) -> None:
    """Hedges along the right side and the back, waist high: low vegetation that looks like leaves."""
    c = lot.chance
    right = (np.abs(s - (lot.width - 0.55)) < 0.5) & (t > 1)
    back = np.abs(t - (lot.depth - 0.5)) < 0.5
    mask = inside & ((right & (c[22] < 0.55)) | (back & (c[23] < 0.5)))
    if not mask.any():
        return
    height = 0.7 + 0.7 * float(c[24])
    season = np.array(SEASON_LEAVES[config.season], np.float32)
    top = canvas.dtm[window] + height + 0.12 * canvas.leaf_noise[window]
    canvas.paint(
        window,
        mask,
        pick(GREENS, c[25], c[26]) * season,
        label=LOW_VEGETATION,
        material=SHRUB,
        instance=canvas.new_object("hedge", LOW_VEGETATION, height),
        grain=0.1,
        clump=0.22,
        top=top,
    )


def _yard(
    canvas: Canvas,
    window: Window,
    lot: Lot,
    s: Metres,
    t: Metres,
    inside: Metres,
    config: WorldConfig,
) -> None:
    """A firm's ground: asphalt with parking bays, a green verge."""
    c = lot.chance
    _grass(canvas, window, lot, inside, config, "verge")
    paved = inside & (s > 2.2) & (s < lot.width - 2.2) & (t > 2) & (t < lot.depth - 2)
    colour = np.broadcast_to(paving_colour(c[5:9], config), (*s.shape, 4))
    bays = (t > 2.5) & (t < 7.5) | (t > lot.depth - 7.5) & (t < lot.depth - 2.5)
    line = np.clip(1 - np.abs(np.mod(s, 2.5) - 1.25) / 0.16, 0, 1) * bays * np.float32(0.6)
    colour = (1 - line[..., None]) * colour + line[..., None] * PAINT
    _paving(canvas, window, paved, colour, "yard", ASPHALT)


def _park(
    canvas: Canvas,
    window: Window,
    lot: Lot,
    s: Metres,
    t: Metres,
    inside: Metres,
    config: WorldConfig,
) -> None:
    """A park: meadow, winding paths, often a pond."""
    c = lot.chance
    _grass(canvas, window, lot, inside, config, "meadow")
    wave = lot.depth * (0.5 + 0.22 * np.sin(s / lot.width * (4 + 4 * c[11]) + 6 * c[10]))
    across = lot.width * (0.4 + 0.3 * c[12]) + 5 * np.sin(t / 9 + 6 * c[13])
    path = (np.abs(t - wave) < 1.3) | (np.abs(s - across) < 1.1)
    canvas.paint(
        window,
        inside & path,
        mix(PAVINGS[3], SOILS[2], 0.5),
        label=IMPERVIOUS,
        material=SOIL,
        instance=canvas.new_object("path", IMPERVIOUS),
        grain=0.06,
    )
    if c[18] < 0.65:
        ds, dt = s - lot.width * (0.25 + 0.5 * c[19]), t - lot.depth * (0.3 + 0.4 * c[20])
        angle = np.arctan2(dt, ds)
        reach = 8 + 7 * c[21]
        rim = reach * (
            1 + 0.16 * np.sin(2 * angle + 6 * c[24]) + 0.09 * np.sin(5 * angle + 6 * c[25])
        )
        pond = inside & (np.hypot(ds * np.float32(0.72), dt) < rim)
        canvas.paint(
            window,
            pond,
            POND,
            label=CLUTTER,
            material=WATER,
            instance=canvas.new_object("pond", CLUTTER),
            grain=0.02,
        )
