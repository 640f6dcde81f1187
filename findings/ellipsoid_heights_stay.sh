#!/usr/bin/env bash
# A height above the ellipsoid, what GNSS and most LiDAR give, is asked for above the sea: rasterio and pyproj, as
# their wheels come, hand the number back as it was, tens of metres off, without a warning. The wheels hold no geoid
# grid, and what PROJ falls back to moves no height. pyproj does so even where only the best operation is asked for;
# the operation's description says it, and so does the group of all operations, which warns.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
python=$folder/env/bin/python
"$python" -m pip install -qq --disable-pip-version-check rasterio==1.4.4 pyproj==3.7.2 numpy==2.4.6
cd "$folder"
export PROJ_NETWORK=OFF
"$python" -W error - <<'EOF'
import warnings

import pyproj
import rasterio
from rasterio.warp import transform

print("rasterio", rasterio.__version__, "GDAL", rasterio.__gdal_version__)
print("pyproj", pyproj.__version__, "PROJ", pyproj.proj_version_str)
ELLIPSOID, SEA = "EPSG:4979", "EPSG:9518"  # WGS 84 in three dimensions; WGS 84 with EGM2008 heights
lon, lat, height = 10.0, 51.0, 100.0  # central Germany, where the geoid is some 47 m above the ellipsoid
_, _, (by_rasterio,) = transform(ELLIPSOID, SEA, [lon], [lat], [height])
to_sea = pyproj.Transformer.from_crs(ELLIPSOID, SEA, always_xy=True)
_, _, by_pyproj = to_sea.transform(lon, lat, height)
print(f"{height} m above the ellipsoid become {by_rasterio} m (rasterio) and {by_pyproj} m (pyproj) above the sea")
assert by_rasterio == by_pyproj == height
strict = pyproj.Transformer.from_crs(ELLIPSOID, SEA, always_xy=True, only_best=True)
print("with only_best=True:", strict.transform(lon, lat, height, errcheck=True)[2], "by", strict.description)
assert strict.transform(lon, lat, height, errcheck=True)[2] == height
assert "ballpark vertical transformation" in strict.description
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    group = pyproj.transformer.TransformerGroup(ELLIPSOID, SEA, always_xy=True)
print(f"TransformerGroup: best available: {group.best_available}; warns: {said[0].message}"[:160])
assert not group.best_available and "missing Grid" in str(said[0].message)
print("seen: heights keep their number where the grid that would move them is not installed")
EOF
