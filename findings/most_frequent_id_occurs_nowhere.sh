#!/usr/bin/env bash
# Warping a raster of object numbers with resampling "mode", which picks the most frequent one: from 16,777,217 on,
# where float32 has no odd numbers, it returns numbers that the raster does not hold, in every type that does hold them,
# float64 among them. Nearest, min, max and med are exact, and so is a smaller read with "mode". Nothing warns.
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
from rasterio.enums import Resampling
from rasterio.warp import reproject

print("rasterio", rasterio.__version__, "GDAL", rasterio.__gdal_version__)
FIRST, PARCELS, SIDE = 2**24 + 1, 8, 4  # eight parcels in a row, of 4 x 4 pixels each
numbers = FIRST + np.arange(PARCELS)
parcels = np.repeat(np.repeat(numbers[None], SIDE, 0), SIDE, 1)
crs, fine, coarse = "EPSG:25832", rasterio.Affine(1, 0, 0, 0, -1, SIDE), rasterio.Affine(2, 0, 0, 0, -2, SIDE)
shape = SIDE // 2, SIDE * PARCELS // 2
seen = {}
for kind in ("int32", "uint32", "int64", "float64"):
    for method in ("nearest", "min", "max", "med", "mode"):
        warped = np.zeros(shape, kind)
        grids = {"src_transform": fine, "dst_transform": coarse, "src_crs": crs, "dst_crs": crs}
        reproject(parcels.astype(kind), warped, resampling=Resampling[method], **grids)
        found = np.unique(warped).astype(np.int64)
        seen[kind, method] = len(found), len(np.setdiff1d(found, numbers)), found.tolist()
    print(f"{kind}: with mode {len(seen[kind, 'mode'][2])} parcels, {seen[kind, 'mode'][2]}")
print(f"8 parcels are there: {numbers.tolist()}")
for (kind, method), found in seen.items():
    assert found[:2] == ((5, 1) if method == "mode" else (PARCELS, 0)), (kind, method, found)
with rasterio.open("parcels.tif", "w", driver="GTiff", width=SIDE * PARCELS, height=SIDE, count=1, dtype="int32",
                   crs=crs, transform=fine) as target:  # fmt: skip
    target.write(parcels.astype(np.int32), 1)
with rasterio.open("parcels.tif") as source:
    read = source.read(1, out_shape=shape, resampling=Resampling.mode)
print(f"read at half the size with mode: {np.unique(read).tolist()}")
assert np.unique(read).tolist() == numbers.tolist()
print("seen: of 8 parcels above 2**24, warped with mode, 5 are left, one of them under a number of nobody")
EOF
