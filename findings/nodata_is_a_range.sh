#!/usr/bin/env bash
# The mask of a float32 raster does not ask whether a pixel equals the nodata value, but whether it lies near
# it: some millionths of the value around, and everything below -2e37 or so where the value is next to the
# largest float. An equality in numpy gives another mask.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
python=$folder/env/bin/python
"$python" -m pip install -qq --disable-pip-version-check rasterio==1.4.4 numpy==2.4.6
cd "$folder"
"$python" - <<'EOF'
import warnings

import numpy as np
import rasterio

warnings.simplefilter("ignore")
print("rasterio", rasterio.__version__, "GDAL", rasterio.__gdal_version__)
lowest = np.finfo(np.float32).min  # what many programs fill gaps with
seen = {}
for nodata, values in {
    -3.40282e38: [lowest, -3e38, -2e37, -1e30, 5],  # a tag of six digits
    -9999.0: [-9999, -9999.001, -9998.999, -9998.9, 5],
}.items():
    pixels = np.array([values], np.float32)
    profile = dict(driver="GTiff", count=1, height=1, width=5, dtype="float32", nodata=nodata)
    with rasterio.open("x.tif", "w", **profile) as target:
        target.write(pixels, 1)
    with rasterio.open("x.tif") as source:
        stored = source.read(1)
        near = (source.read_masks(1)[0] == 0).astype(int).tolist()
        equal = (stored[0] == np.float32(source.nodata)).astype(int).tolist()
    assert (stored == pixels).all() and len(set(values)) == 5
    seen[nodata] = near, equal
    print(f"nodata {nodata:g}, pixels {[float(f'{v:.9g}') for v in pixels[0].tolist()]}: masked {near}, equal {equal}")
assert seen[-3.40282e38] == ([1, 1, 1, 0, 0], [0, 0, 0, 0, 0])
assert seen[-9999.0] == ([1, 1, 1, 0, 0], [1, 0, 0, 0, 0])
print("seen: a tag -3.40282e+38 masks the lowest float though it equals no pixel; -9999 masks -9999.001 as well")
EOF
