#!/usr/bin/env bash
# tifffile stores five bands as pages, one per row where the bands come last, one per band where they come
# first; GDAL opens the first page as a raster of one band. Three and four bands in the same order are one
# page of that many bands.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
python=$folder/env/bin/python
"$python" -m pip install -qq --disable-pip-version-check rasterio==1.4.4 numpy==2.4.6 tifffile==2026.3.3
cd "$folder"
"$python" - <<'EOF'
import warnings

import numpy as np
import rasterio
import tifffile

warnings.simplefilter("ignore")
print("tifffile", tifffile.__version__, "rasterio", rasterio.__version__, "GDAL", rasterio.__gdal_version__)


def look(*shape, **options):
    pixels = np.arange(np.prod(shape), dtype=np.uint16).reshape(shape)
    tifffile.imwrite("x.tif", pixels, **options)
    assert (tifffile.imread("x.tif") == pixels).all()
    with rasterio.open("x.tif") as source:
        found = source.count, source.height, source.width, len(source.subdatasets)
    print(f"{shape} {options or ''} opens with bands, height, width, pages {found}")
    return found


assert look(64, 48, 3) == look(3, 64, 48) == (3, 64, 48, 0)
assert look(64, 48, 4) == look(4, 64, 48) == (4, 64, 48, 0)
assert look(64, 48, 5) == (1, 48, 5, 64)
assert look(5, 64, 48) == (1, 64, 48, 5)
assert look(64, 48, 5, photometric="minisblack", planarconfig="contig") == (5, 64, 48, 0)
assert look(5, 64, 48, photometric="minisblack", planarconfig="separate") == (5, 64, 48, 0)
print("seen: 64 x 48 pixels with 5 bands open in rasterio as 1 band of 48 x 5 pixels, with no error")
EOF
