#!/usr/bin/env bash
# A GeoTIFF of 64-bit values with the horizontal predictor, written by one rasterio wheel, cannot be read by the
# wheel before it: the two bring different versions of libtiff, and the file itself says nothing of what it needs.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
for version in 1.4.0 1.4.4; do
    "${PYTHON:-python3}" -m venv "$folder/$version"
    "$folder/$version/bin/python" -m pip install -qq --disable-pip-version-check "rasterio==$version" numpy==1.26.4
done
cd "$folder"
cat >write.py <<'EOF'
import numpy as np
import rasterio
from rasterio.transform import from_origin

print("written by rasterio", rasterio.__version__)
numbers = np.arange(64 * 64).reshape(64, 64)
for kind in ("int32", "int64", "float64"):
    place = {"crs": "EPSG:25832", "transform": from_origin(500000, 5800000, 0.2, 0.2)}
    shape = {"width": 64, "height": 64, "count": 1, "dtype": kind}
    with rasterio.open(f"{kind}.tif", "w", driver="GTiff", compress="deflate", predictor=2, **shape, **place) as out:
        out.write(numbers.astype(kind), 1)
EOF
cat >read.py <<'EOF'
import numpy as np
import rasterio

print("read by rasterio", rasterio.__version__)
found = {}
for kind in ("int32", "int64", "float64"):
    with rasterio.open(f"{kind}.tif") as source:
        try:
            found[kind] = bool((source.read(1) == np.arange(64 * 64).reshape(64, 64)).all())
        except rasterio.errors.RasterioIOError:
            found[kind] = "cannot be read"
print(found)
if rasterio.__version__ == "1.4.0":
    assert found == {"int32": True, "int64": "cannot be read", "float64": "cannot be read"}
else:
    assert all(value is True for value in found.values())
EOF
1.4.4/bin/python write.py
1.4.4/bin/python read.py
1.4.0/bin/python read.py
echo "seen: the header opens with both, the pixels of 64-bit values come from the newer wheel only"
