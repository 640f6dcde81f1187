#!/usr/bin/env bash
# A masked array is written to a file that declares no nodata value. rasterio fills the gaps with NumPy's own fill value,
# 999999 for integers, which a byte cuts to 63 and 16 bits to 16959; floats become 1e20. The file has no mask, and what
# was missing is class 63. With a nodata value in the file the gaps get that. Nothing warns.
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

print("rasterio", rasterio.__version__, "numpy", np.__version__)


def written(values: np.ma.MaskedArray, nodata: int | None = None) -> np.ma.MaskedArray:
    profile = {"driver": "GTiff", "width": values.size, "height": 1, "count": 1, "dtype": values.dtype}
    georeference = {"crs": "EPSG:25832", "transform": rasterio.Affine(1, 0, 0, 0, -1, 1)}
    with rasterio.open("x.tif", "w", **profile, **georeference, nodata=nodata) as target:
        target.write(values[None], 1)
    with rasterio.open("x.tif") as source:
        return source.read(1, masked=True)[0]


seen = {}
for kind in ("uint8", "int16", "uint16", "int32", "float32"):
    classes = np.ma.array([3, 5, 2, 5], mask=[False, False, True, False], dtype=kind)
    plain, declared = written(classes), written(classes, nodata=255)
    seen[kind] = plain.data[2].item()
    print(f"{kind}: {classes} is read as {plain}; with nodata=255 as {declared}")
    assert np.ma.count_masked(plain) == 0 and declared.mask.tolist() == classes.mask.tolist()
    assert declared.data[2] == 255 and plain.data[[0, 1, 3]].tolist() == [3, 5, 5]
assert seen["float32"] == np.float32(1e20) and seen.pop("float32")
assert seen == {"uint8": 63, "int16": 16959, "uint16": 16959, "int32": 999999}
print("seen: a masked pixel is 63 in bytes, 16959 in 16 bits, 999999 in 32 and 1e20 in floats, and no longer masked")
EOF
