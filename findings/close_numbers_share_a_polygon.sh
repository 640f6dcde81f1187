#!/usr/bin/env bash
# rasterio turns pixels of one value into polygons. Floats count as one value if they are neighbours on the computer's
# own scale, up to ten steps, and each is compared with the one beside it, so that a chain of them becomes one polygon
# with the value of one end. Keys of municipalities and parcels are whole numbers that float32 holds exactly; between
# 8,388,608 and 16,777,216 one step is 1, and regions whose keys differ by up to 10 become one. Doubles are rounded to
# float32 before. As int32 every key has its polygon.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
python=$folder/env/bin/python
"$python" -m pip install -qq --disable-pip-version-check rasterio==1.4.4 numpy==2.4.6
cd "$folder"
"$python" -W error -W ignore::PendingDeprecationWarning - <<'EOF'
import numpy as np
import rasterio
from rasterio import features

print("rasterio", rasterio.__version__, "GDAL", rasterio.__gdal_version__)


def polygons(array):
    """Values and widths of the polygons of one row of pixels."""
    found = []
    for outline, value in features.shapes(array[None]):
        x = [point[0] for point in outline["coordinates"][0]]
        found.append((min(x), value, max(x) - min(x)))
    return [(value, int(width)) for _, value, width in sorted(found)]


keys = 9_184_111 + np.array([0, 1, 2, 8, 17, 27, 37, 48])
assert np.array_equal(keys.astype(np.float32).astype(np.int64), keys)  # float32 holds them all
found = {kind: polygons(keys.astype(kind)) for kind in ("int32", "float32", "float64")}
for kind, these in found.items():
    print(f"{kind}: {len(np.unique(keys.astype(kind)))} keys, {len(these)} polygons: {[int(v) for v, _ in these]}")
assert [value for value, _ in found["int32"]] == keys.tolist()
# seven keys up to 37 apart in one polygon, which has the last of them; 48 is 11 from its neighbour
assert found["float32"] == found["float64"] == [(9_184_148.0, 7), (9_184_159.0, 1)]

sixteen_million = np.array([16_777_217, 16_777_219], np.float64)
print("float64:", sixteen_million.tolist(), "become", [value for value, _ in polygons(sixteen_million)])
assert polygons(sixteen_million) == [(16_777_220.0, 2)]

ramp = (100 + 7e-5 * np.arange(10_000)).astype(np.float32)  # a river that falls by 0.7 m on its way
print(f"heights {ramp[-1]:.2f} to {ramp[0]:.2f} m, {np.unique(ramp).size} values:", polygons(ramp))
assert np.unique(ramp).size == 10_000 and len(polygons(ramp)) == 1
print("seen: of 8 keys 8 polygons are left as int32, and 2 as float32 or float64")
EOF
