#!/usr/bin/env bash
# Between the same two types rasterio converts in two ways: writing wide integers into a narrow file wraps
# around and cuts decimals off, reading a wide file as the narrow type clamps and rounds. Neither warns.
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

warnings.simplefilter("error")  # nothing below warns of what it does to the numbers
warnings.filterwarnings("ignore", category=rasterio.errors.NotGeoreferencedWarning)
print("rasterio", rasterio.__version__, "GDAL", rasterio.__gdal_version__)


def store(values, kind):
    with rasterio.open("x.tif", "w", driver="GTiff", count=1, height=1, width=values.size, dtype=kind) as target:
        target.write(values, 1)


seen = {}
for values in (np.array([[-1, 300, 7]], np.int32), np.array([[1.5, 2.7, 7.0]], np.float32)):
    store(values, "uint8")
    with rasterio.open("x.tif") as source:
        written = source.read(1)[0].tolist()
    store(values, values.dtype)
    with rasterio.open("x.tif") as source:
        read = source.read(1, out_dtype="uint8")[0].tolist()
    seen[values.dtype.name] = written, read
    print(f"{values[0].tolist()}: written into uint8 {written}, read as uint8 {read}")
assert seen == {"int32": ([255, 44, 7], [0, 255, 7]), "float32": ([1, 2, 7], [2, 3, 7])}
print("seen: -1 and 300 become 255 and 44 when written, 0 and 255 when read; 2.7 becomes 2, or 3")
EOF
