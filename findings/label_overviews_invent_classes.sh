#!/usr/bin/env bash
# A label written by the driver COG gets cubic overviews, and a decimated read takes them although it asks for
# the nearest pixel: the label comes with classes that it does not have.
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
from rasterio.enums import Resampling

warnings.simplefilter("ignore")
print("rasterio", rasterio.__version__, "GDAL", rasterio.__gdal_version__)
label = np.zeros((1024, 1024), np.uint8)
label[:, 511:] = 4
label[300:, 100:105] = 7
seen = {}
for name, options in {
    "GTiff": {"driver": "GTiff"},
    "COG": {"driver": "COG"},
    "COG, nearest": {"driver": "COG", "overview_resampling": "nearest"},
}.items():
    with rasterio.open("label.tif", "w", count=1, height=1024, width=1024, dtype="uint8", **options) as target:
        target.write(label, 1)
    with rasterio.open("label.tif") as source:
        assert np.unique(source.read(1)).tolist() == [0, 4, 7]
        small = source.read(1, out_shape=(512, 512), resampling=Resampling.nearest)
    seen[name] = np.unique(small).tolist()
    print(f"{name}: classes at half the size {seen[name]}")
assert seen["GTiff"] == seen["COG, nearest"] == [0, 4, 7]
assert set(seen["COG"]) > {0, 4, 7}
print("seen: classes 0, 4, 7 in full,", ", ".join(map(str, seen["COG"])), "at half the size with Resampling.nearest")
EOF
