#!/usr/bin/env bash
# UTM zone 32 with Norwegian heights (EPSG:5972) is no longer EPSG:25832 plus heights: its horizontal part has
# a datum of its own. The German counterpart (EPSG:5555) still is. Coordinates are the same in all of them.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
python=$folder/env/bin/python
"$python" -m pip install -qq --disable-pip-version-check rasterio==1.4.4 numpy==2.4.6
cd "$folder"
"$python" - <<'EOF'
import json

import rasterio
from rasterio.crs import CRS
from rasterio.warp import transform

print("rasterio", rasterio.__version__, "GDAL", rasterio.__gdal_version__)
utm = CRS.from_epsg(25832)
parts = {}
for code in (5972, 5555):
    system = CRS.from_epsg(code)
    part = system.to_dict(projjson=True)["components"][0]
    base = part["base_crs"]
    parts[code] = CRS.from_string(json.dumps(part))
    (x,), (y,) = transform(system, utm, [500_000.0], [6_600_000.0])
    assert abs(x - 500_000) < 1e-6 and abs(y - 6_600_000) < 1e-6
    datum = base.get("datum", base.get("datum_ensemble"))["name"]
    print(f"EPSG:{code} on {part['name']}, datum {datum}: equal to EPSG:25832: {parts[code] == utm}")
assert parts[5555] == utm
assert parts[5972] != utm
assert parts[5972].to_epsg() == 11022
print("seen: the horizontal part of EPSG:5972 is EPSG:11022, unequal to EPSG:25832 at equal coordinates")
EOF
