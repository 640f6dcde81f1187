#!/usr/bin/env bash
# An averaged read of a height map with gaps leaves the gaps out of the mean, and so does its averaged mask: a
# coarse pixel with one height under sixteen is as valid as a full one, and no mask tells the share.
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
heights = np.full((8, 8), -9999, np.float32)
heights[0, 0] = 10  # one pixel of the upper left block of 4 x 4
heights[4:, 4:] = 30  # the whole lower right block
with rasterio.open("x.tif", "w", driver="GTiff", count=1, height=8, width=8, dtype="float32", nodata=-9999) as target:
    target.write(heights, 1)
with rasterio.open("x.tif") as source:
    coarse = {"out_shape": (2, 2), "resampling": Resampling.average}
    mean = source.read(1, masked=True, **coarse)
    mask = source.read_masks(1, **coarse)
    share = (source.read_masks(1) / 255).reshape(2, 4, 2, 4).mean(axis=(1, 3))
    nearest = source.read_masks(1, out_shape=(2, 2))
print("mean", mean.filled(np.nan).tolist(), "averaged mask", mask.tolist())
print("share of pixels with a height", share.tolist(), "mask without resampling", nearest.tolist())
assert mask.tolist() == [[255, 0], [0, 255]]
assert share.tolist() == [[0.0625, 0], [0, 1]]
assert mean[0, 0] == 10 and mean[1, 1] == 30 and mean.mask.tolist() == [[False, True], [True, False]]
assert nearest.tolist() == [[0, 0], [0, 255]]
print("seen: the averaged mask says 255 where 1 of 16 pixels holds a height; the default mask of that size says 0")
EOF
