#!/usr/bin/env bash
# A picture of bytes that declares no missing value is reprojected with rioxarray. What comes out declares one, the
# largest number of its type: every pixel of 255 is missing from then on, which are the white roofs of a picture, and
# everything changed, or every building, of a mask of 0 and 255. The border has the same number, so that nothing tells
# them apart any more. rasterio's own reproject fills with 0 and declares nothing.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
python=$folder/env/bin/python
"$python" -m pip install -qq --disable-pip-version-check rioxarray==0.19.0 xarray==2026.9.0 rasterio==1.4.4 pyproj==3.7.2 numpy==2.4.6
cd "$folder"
"$python" -W error -W ignore::PendingDeprecationWarning - <<'EOF'
import numpy as np
import rasterio
import rioxarray
import xarray as xr
from rasterio.transform import from_origin

print("rioxarray", rioxarray.__version__, "xarray", xr.__version__, "rasterio", rasterio.__version__)
SIDE = 100
profile = {"driver": "GTiff", "count": 1, "height": SIDE, "width": SIDE, "crs": "EPSG:25832"}
profile["transform"] = from_origin(500_000, 5_800_000, 1, 1)


def moved(array, **how):
    """What a file of this array declares as missing before and after, and what it holds."""
    with rasterio.open("before.tif", "w", dtype=array.dtype, **profile) as target:
        target.write(array, 1)
    with rioxarray.open_rasterio("before.tif") as before:
        declared = before.rio.nodata
        before.rio.reproject("EPSG:25833", **how).rio.to_raster("after.tif")
    with rasterio.open("after.tif") as after:
        return declared, after.nodata, after.read(1, masked=True)


building = np.zeros((SIDE, SIDE), np.uint8)
building[30:60, 30:60] = 255
picture = np.full((SIDE, SIDE), 90, np.uint8)
picture[30:60, 30:60] = 255  # a roof in the sun
for name, array in (("mask", building), ("picture", picture), ("picture of 16 bits", picture.astype(np.uint16) * 257)):
    before, after, found = moved(array)
    white = int(array.max())
    were, left = int((array == white).sum()), int((found.compressed() == white).sum())
    print(f"{name}: nodata {before} becomes {after:g}; {were} pixels were {white}, {left} are")
    print(f"    mean {array.mean():.1f} before, {found.mean():.1f} after")
    assert before is None and after == white and were == 900 and left == 0
    assert found.mean() == (0 if name == "mask" else array.min())
_, after, found = moved(picture, nodata=0)
print(f"picture, nodata=0: declares {after:g}; {int((found.compressed() == 255).sum())} pixels are 255")
assert after == 0 and (found.compressed() == 255).sum() > 850
print("seen: a mask of 900 pixels of 255 comes back with nodata 255, so that none of them is left")
EOF
