#!/usr/bin/env bash
# Mosaicking tiles that declare no nodata takes 0 for "nothing here yet": with method "first" a 0 of the first
# tile gives way to what the second has, and with "min" the lowest value loses.
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
from rasterio.merge import merge

warnings.simplefilter("ignore")
print("rasterio", rasterio.__version__, "GDAL", rasterio.__gdal_version__)
for name, values in {"one.tif": [0, 0, 3, 3], "two.tif": [5, 5, 5, 5]}.items():
    profile = dict(driver="GTiff", count=1, height=1, width=4, dtype="uint8", crs="EPSG:25832")
    with rasterio.open(name, "w", transform=rasterio.Affine(1, 0, 0, 0, -1, 1), **profile) as target:
        target.write(np.array([[values]], np.uint8))
seen = {}
for method in ("first", "min"):
    for nodata in (None, 255):
        mosaic, _ = merge(["one.tif", "two.tif"], method=method, nodata=nodata)
        seen[method, nodata] = mosaic.ravel().tolist()
        print(f"method {method}, nodata {nodata}: {seen[method, nodata]}")
assert seen["first", None] == seen["min", None] == [5, 5, 3, 3]
assert seen["first", 255] == seen["min", 255] == [0, 0, 3, 3]
print("seen: first of 0 and 5 is 5, and min of 0 and 5 is 5, until a nodata that does not occur is named")
EOF
