#!/usr/bin/env bash
# Two rasters of the same pixels, one cut from a large file and one from a tile of it, are subtracted with xarray. The
# places of their pixels are computed from two corners and differ in the last bit here and there; xarray keeps only
# rows and columns whose places are equal, so that the difference has fewer of both, without a word.
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
from rasterio.windows import Window

print("xarray", xr.__version__, "rioxarray", rioxarray.__version__, "rasterio", rasterio.__version__)
SIDE, WINDOW = 1024, Window(256, 512, 256, 256)
heights = np.random.default_rng(0).random((SIDE, SIDE), dtype=np.float32)


def write(name, array, transform):
    shape = {"height": array.shape[0], "width": array.shape[1], "count": 1, "dtype": "float32"}
    with rasterio.open(name, "w", driver="GTiff", crs="EPSG:25832", transform=transform, **shape) as target:
        target.write(array, 1)


shapes = {}
for metres in (0.25, 0.2, 0.1):
    write("large.tif", heights, from_origin(500_000, 5_800_000, metres, metres))
    with rasterio.open("large.tif") as source:
        write("tile.tif", source.read(1, window=WINDOW), source.window_transform(WINDOW))
    with rioxarray.open_rasterio("large.tif") as large, rioxarray.open_rasterio("tile.tif") as tile:
        cut, tile = large[0, 512:768, 256:512].load(), tile[0].load()
    assert cut.shape == tile.shape == (256, 256) and np.array_equal(cut.values, tile.values)
    apart = max(float(np.abs(cut[axis].values - tile[axis].values).max()) for axis in "xy")
    shapes[metres] = (cut - tile).shape
    print(f"{metres} m: places differ by up to {apart:.1e} m; (256, 256) minus (256, 256) is {shapes[metres]}")
    assert apart < 2e-9
assert shapes == {0.25: (256, 256), 0.2: (154, 205), 0.1: (205, 154)}
# over such a result a mean, a count of pixels or a score is one of less than half of the picture
with xr.set_options(arithmetic_join="exact"):
    try:
        cut - tile
    except ValueError as error:
        print("with arithmetic_join='exact':", type(error).__name__)
    else:
        raise AssertionError("no error")
one, other = xr.align(cut, tile, join="override")  # takes the places of the first for both
assert (one - other).shape == (256, 256)
print("seen: the difference of the same 256 x 256 pixels of 0.2 m has 154 x 205 of them")
EOF
