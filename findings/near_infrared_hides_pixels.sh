#!/usr/bin/env bash
# Four bands of bytes are written with the fourth as opacity, four bands of uint16 are not: where the near
# infrared is 0, red, green and blue do not count in an averaged read of the bytes.
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
from rasterio.enums import ColorInterp, Resampling

warnings.simplefilter("ignore")  # files without a place on the ground
print("rasterio", rasterio.__version__, "GDAL", rasterio.__gdal_version__)
# Left column: water, dark in the near infrared (band 4). Right column: a bright roof.
scene = np.array([[[10, 200], [10, 200]]] * 3 + [[[0, 90], [0, 90]]])
means, roles = {}, {}
for kind in ("uint8", "uint16"):
    profile = dict(driver="GTiff", count=4, height=2, width=2, dtype=kind)
    with rasterio.open(f"{kind}.tif", "w", **profile) as target:
        target.write(scene.astype(kind))
    with rasterio.open(f"{kind}.tif") as source:
        assert (source.read() == scene).all()
        roles[kind] = source.colorinterp[3]
        means[kind] = source.read(out_shape=(4, 1, 1), resampling=Resampling.average).ravel().tolist()
    print(kind, roles[kind].name, means[kind])
assert roles == {"uint8": ColorInterp.alpha, "uint16": ColorInterp.undefined}
assert means == {"uint8": [200, 200, 200, 45], "uint16": [105, 105, 105, 45]}
print("seen: the mean of red is 200 in bytes and 105 in uint16, for the same values")
EOF
