#!/usr/bin/env bash
# Adding overlapping tiles with rasterio's `merge`: the sum has the tiles' own type and wraps around, so two bright
# tiles make a dark strip. With bytes, 200 and 100 make 44; `merge` says nothing.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
python=$folder/env/bin/python
"$python" -m pip install -qq --disable-pip-version-check rasterio==1.4.4 numpy==2.4.6
cd "$folder"
"$python" - <<'EOF'
import numpy as np
import rasterio
from affine import Affine
from rasterio.merge import merge

print("rasterio", rasterio.__version__)


def tile(name, value, left, dtype):
    """Votes for "building" of one flight line, four rows of six pixels."""
    place = {"crs": "EPSG:25832", "transform": Affine(1, 0, left, 0, -1, 100)}
    shape = {"height": 4, "width": 6, "count": 1, "dtype": dtype}
    with rasterio.open(name, "w", driver="GTiff", **shape, **place) as file:
        file.write(np.full((4, 6), value, dtype), 1)
    return name


votes = [tile("a.tif", 200, 0, "uint8"), tile("b.tif", 100, 3, "uint8")]
counts = [tile("c.tif", 40_000, 0, "uint16"), tile("d.tif", 30_000, 3, "uint16")]
bytes_ = merge(votes, method="sum")[0][0, 0]
words = merge(counts, method="sum")[0][0, 0]
wider = merge(votes, method="sum", dtype="uint16")[0][0, 0]
print("votes 200 and 100, overlapping by three pixels:", bytes_.tolist())
print("counts 40000 and 30000 as uint16:", words.tolist())
print('votes with dtype="uint16":', wider.tolist())

assert bytes_.tolist() == [200] * 3 + [44] * 3 + [100] * 3
assert words.tolist() == [40_000] * 3 + [4_464] * 3 + [30_000] * 3
assert wider.tolist() == [200] * 3 + [300] * 3 + [100] * 3
print("seen: sums of overlapping tiles wrap around in the type of the tiles, without a warning")
EOF
