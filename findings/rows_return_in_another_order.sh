#!/usr/bin/env bash
# A table of tiles is written as FlatGeobuf, and an array beside it holds a row for each: embeddings, scores, heights.
# The format sorts features along a curve through space as it writes them, so that they come back in another order,
# numbered from 0 again: each row of the array belongs to another tile. GeoPackage, Shapefile, GeoJSON and GeoParquet
# keep the order; so does FlatGeobuf with SPATIAL_INDEX="NO".
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
python=$folder/env/bin/python
"$python" -m pip install -qq --disable-pip-version-check geopandas==1.2.0 pyogrio==0.13.0 shapely==2.2.0 pandas==3.1.1 pyarrow==26.0.1 numpy==2.4.6
cd "$folder"
"$python" -W error -W ignore::PendingDeprecationWarning - <<'EOF'
import geopandas as gpd
import numpy as np
import pyogrio
import shapely

print("geopandas", gpd.__version__, "pyogrio", pyogrio.__version__, "GDAL", pyogrio.__gdal_version_string__)
SIDE = 10
row, column = np.divmod(np.arange(SIDE * SIDE), SIDE)
outlines = shapely.box(256 * column, -256 * row - 256, 256 * column + 256, -256 * row)
tiles = gpd.GeoDataFrame({"tile": np.arange(SIDE * SIDE)}, geometry=outlines, crs="EPSG:25832")
heights = 100.0 + 10 * row  # the array beside the table
kept = {}
for name in ("tiles.gpkg", "tiles.shp", "tiles.geojson", "tiles.parquet", "tiles.fgb"):
    parquet = name.endswith("parquet")
    (tiles.to_parquet if parquet else tiles.to_file)(name)
    again = (gpd.read_parquet if parquet else gpd.read_file)(name)
    assert again.index.tolist() == list(range(SIDE * SIDE)) and set(again.tile) == set(tiles.tile)
    kept[name] = int((again.tile == tiles.tile).sum())
    off = np.abs(heights - heights[again.tile]).max()
    print(f"{name}: tiles {again.tile.tolist()[:5]} ...; {kept[name]} of 100 in place; heights up to {off:g} m off")
moved = kept.pop("tiles.fgb")
assert set(kept.values()) == {100} and moved < 10
tiles.to_file("plain.fgb", SPATIAL_INDEX="NO")
plain = gpd.read_file("plain.fgb")
print("with SPATIAL_INDEX=NO: tiles", plain.tile.tolist()[:5], "...")
assert plain.tile.tolist() == tiles.tile.tolist()
print(f"seen: {moved} of 100 rows are in their place after FlatGeobuf, 100 after the other four")
EOF
