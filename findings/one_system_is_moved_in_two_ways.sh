#!/usr/bin/env bash
# Old maps of Europe lie in ED50. PROJ knows several ways from there to ETRS89, each for a country, and takes for each
# point the best one whose rectangle holds it; outside of all of them it moves nothing. So a survey that crosses the
# edge of a rectangle, here the French one, which ends in the middle of southern Germany, is torn there: points that
# were 10 m apart lie 130 m apart, a square field grows by 39 %, and of neighbouring tiles one goes 200 m south and the
# next 100 m. No warning comes, also not with only_best=True; allow_ballpark=False keeps to one way here. Rectangles of
# the German system before ETRS89 meet likewise, half a metre or more apart.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
python=$folder/env/bin/python
"$python" -m pip install -qq --disable-pip-version-check rasterio==1.4.4 pyproj==3.7.2 numpy==2.4.6
cd "$folder"
export PROJ_NETWORK=OFF
"$python" -W error -W ignore::PendingDeprecationWarning - <<'EOF'
import numpy as np
import pyproj
import rasterio
from pyproj import Transformer
from rasterio.transform import from_origin
from rasterio.warp import reproject, transform

print("rasterio", rasterio.__version__, "GDAL", rasterio.__gdal_version__)
print("pyproj", pyproj.__version__, "PROJ", pyproj.proj_version_str)
ED50, ETRS89, SEAM, NORTH = "EPSG:23032", "EPSG:25832", 615_800, 5_350_000  # UTM zone 32, both of them


def by_pyproj(x, y, source=ED50, **how):
    moved = Transformer.from_crs(source, ETRS89, always_xy=True, **how)
    return np.stack(moved.transform(np.asarray(x, float), np.asarray(y, float), errcheck=True))


def by_rasterio(x, y):
    return np.stack([np.array(axis) for axis in transform(ED50, ETRS89, list(x), list(y))])


def apart(points):
    return float(np.hypot(*(points[:, 1] - points[:, 0])))


def area(points):
    x, y = points - points[:, :1]
    return float(abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2)


pair = [SEAM - 5, SEAM + 5], [NORTH, NORTH]
field = SEAM + np.array([-100, 100, 100, -100]), NORTH + np.array([0, 0, 200, 200])
for name, move in (("pyproj", by_pyproj), ("rasterio", by_rasterio)):
    west, east = (move(*pair) - np.array(pair)).T
    distance, square = apart(move(*pair)), area(move(*field))
    print(f"{name}: {west.round(1)} m and {east.round(1)} m; 10 m become {distance:.1f}, 40000 m2 become {square:.0f}")
    assert 129 < distance < 131 and 55_000 < square < 56_000
strict = apart(by_pyproj(*pair, only_best=True))
print(f"only_best=True: {strict:.1f} m; allow_ballpark=False: {apart(by_pyproj(*pair, allow_ballpark=False)):.3f} m")
assert 129 < strict < 131 and abs(apart(by_pyproj(*pair, allow_ballpark=False)) - 10) < 0.01

SIDE, METRES = 64, 10
column, row = np.meshgrid(np.arange(SIDE, dtype=np.float32), np.arange(SIDE, dtype=np.float32))
shifts = []
for left in range(596_000, 606_000, SIDE * METRES):  # tiles side by side in ED50
    grid = from_origin(left, NORTH, METRES, METRES)
    moved = np.full((2, SIDE, SIDE), -1, np.float32)
    systems = {"src_crs": ED50, "dst_crs": ETRS89, "src_transform": grid, "dst_transform": grid}
    reproject(np.stack([column, row]), moved, **systems, src_nodata=-1, dst_nodata=-1)
    known = moved[0] >= 0
    shifts.append(round(METRES * float(np.median(row[known] - moved[1][known]))))
print(f"reproject: {len(shifts)} tiles in a row go", shifts, "m south")
assert set(shifts) == {100, 200} and shifts == sorted(shifts, reverse=True)

# Gauss-Krueger, without the grid that a download would bring
for system, x, y in (("EPSG:31467", 3_540_000, 5_805_225), ("EPSG:31466", 2_590_000, 5_576_995)):
    distance = apart(by_pyproj([x, x], [y - 5, y + 5], system))
    print(f"{system}, around {y} m north: 10 m become {distance:.2f} m")
    assert 0.4 < abs(distance - 10) < 1
print("seen: 10 m become 130 m and 40000 m2 become 55601 m2 where two transformations of one system meet")
EOF
