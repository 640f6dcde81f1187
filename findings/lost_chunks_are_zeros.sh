#!/usr/bin/env bash
# A Zarr store is a folder with a file per chunk, and a chunk without a file counts as one that was never written. If a
# copy or an upload loses files, the store opens and reads without an error or a warning: heights and classes are 0 there,
# in both versions of the format, with zarr and with xarray. A GeoTIFF that lost its end raises.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
python=$folder/env/bin/python
"$python" -m pip install -qq --disable-pip-version-check xarray==2026.9.0 zarr==3.1.6 rasterio==1.4.4 numpy==2.4.6
cd "$folder"
"$python" -W error -W "ignore:Consolidated metadata" -W ignore::PendingDeprecationWarning - <<'EOF'
from pathlib import Path

import numpy as np
import rasterio
import xarray as xr
import zarr

print("xarray", xr.__version__, "zarr", zarr.__version__, "rasterio", rasterio.__version__)
HEIGHT, SIDE, CHUNK = 431, 256, 64
heights = np.full((SIDE, SIDE), HEIGHT, np.int16)
seen = {}
for version, first in ((2, "0.0"), (3, "c/0/0")):
    path = f"heights{version}.zarr"
    encoding = {"height": {"chunks": (CHUNK, CHUNK)}}
    xr.Dataset({"height": (("y", "x"), heights)}).to_zarr(path, zarr_format=version, encoding=encoding)
    Path(path, "height", first).unlink()  # one of sixteen, as a copy that was interrupted leaves it
    for name, read in {"xarray": xr.open_zarr(path).height.values, "zarr": zarr.open_group(path)["height"][:]}.items():
        seen[version, name] = int((read == 0).sum()), float(read.mean())
        print(f"version {version}, {name}: {seen[version, name][0]} pixels are 0, the mean is {read.mean():.1f}")
        assert read.dtype == np.int16 and (read[CHUNK:] == HEIGHT).all()
assert set(seen.values()) == {(CHUNK**2, HEIGHT * 15 / 16)}

tiff, georeference = Path("heights.tif"), {"crs": "EPSG:25832", "transform": rasterio.Affine(1, 0, 0, 0, -1, SIDE)}
options = {"driver": "GTiff", "count": 1, "dtype": "int16", "tiled": True, "blockxsize": CHUNK, "blockysize": CHUNK}
with rasterio.open(tiff, "w", width=SIDE, height=SIDE, **options, **georeference) as target:
    target.write(heights, 1)
whole = tiff.read_bytes()
tiff.write_bytes(whole[: len(whole) - 2 * CHUNK**2])  # without its last tile
try:
    with rasterio.open(tiff) as source:
        source.read(1)
    raise AssertionError("read")
except rasterio.errors.RasterioIOError as error:
    print(f"GeoTIFF without its last tile: {error}")
print(f"seen: where the file of a chunk is missing, {HEIGHT} m are 0 m, and nothing tells")
EOF
