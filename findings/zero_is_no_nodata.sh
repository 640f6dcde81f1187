#!/usr/bin/env bash
# A warped array is asked to have 0 where there is no data. rasterio takes the 0 for "not given" and fills with the
# source's nodata instead: 255 around a label, -9999 around heights. Any other number is taken as it is, and so is 0
# where files are warped, or masked arrays.
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
from rasterio.transform import from_origin
from rasterio.warp import reproject

print("rasterio", rasterio.__version__, "GDAL", rasterio.__gdal_version__)
GRID = from_origin(500_000, 5_800_000, 1, 1)
SAME = {"src_crs": "EPSG:25832", "dst_crs": "EPSG:25832", "src_transform": GRID, "dst_transform": GRID}


def warp(source, **nodata):
    """On a grid that has one column more than the source."""
    wider = np.full((1, source.shape[1] + 1), 77, source.dtype)
    reproject(source, wider, **SAME, **nodata)
    return wider[0].tolist()


label, heights = np.array([[4, 255]], np.uint8), np.array([[3.5, -9999]], np.float32)
for asked in (7, 1, 0, 0.0):
    found = warp(label, src_nodata=255, dst_nodata=asked), warp(heights, src_nodata=-9999, dst_nodata=asked)
    print(f"dst_nodata={asked}: label {found[0]}, heights {found[1]}")
    filled = (asked, asked) if asked else (255, -9999)
    assert found == ([4, filled[0], filled[0]], [3.5, filled[1], filled[1]])
masked = np.ma.masked_equal(label, 255)
print("dst_nodata=0, masked array: label", warp(masked, dst_nodata=0))
assert warp(masked, dst_nodata=0) == [4, 0, 0]
profile = {"driver": "GTiff", "count": 1, "height": 1, "dtype": "uint8", "crs": "EPSG:25832", "transform": GRID}
with rasterio.open("label.tif", "w", width=2, nodata=255, **profile) as source:
    source.write(label, 1)
with rasterio.open("label.tif") as source, rasterio.open("wider.tif", "w", width=3, nodata=0, **profile) as target:
    reproject(rasterio.band(source, 1), rasterio.band(target, 1), dst_nodata=0)
with rasterio.open("wider.tif") as target:
    print("dst_nodata=0, files: label", target.read(1)[0].tolist())
    assert target.read(1)[0].tolist() == [4, 0, 0]
print("seen: asked for 0 outside, a label has 255 there and heights have -9999; asked for 7 or 1, both have it")
EOF
