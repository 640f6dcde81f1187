#!/usr/bin/env bash
# A table of parcels or tiles whose numbers stand in a column "fid", as GIS programs name it, goes to a GeoPackage and
# back: the column is gone, the rows are sorted by it, and they are numbered from 0. FID in capitals is taken as well.
# Shapefile and GeoJSON keep column and order; "id" is kept everywhere. fid_as_index=True brings the numbers back as the
# index, in the order of the numbers.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
python=$folder/env/bin/python
"$python" -m pip install -qq --disable-pip-version-check geopandas==1.2.0 pyogrio==0.13.0 shapely==2.2.0 pandas==3.1.1 numpy==2.4.6
cd "$folder"
"$python" -W error -W ignore::PendingDeprecationWarning - <<'EOF'
import geopandas as gpd
import pyogrio
import shapely

print("geopandas", gpd.__version__, "pyogrio", pyogrio.__version__, "GDAL", pyogrio.__gdal_version_string__)
numbers, crops = [30, 10, 20], ["wheat", "maize", "grass"]
fields = shapely.box([0, 10, 20], 0, [10, 20, 30], 10)
seen = {}
for column in ("fid", "FID", "id"):
    table = gpd.GeoDataFrame({column: numbers, "crop": crops}, geometry=fields, crs="EPSG:25832")
    for suffix in ("gpkg", "geojson", "shp"):
        table.to_file(f"{column}.{suffix}")
        again = gpd.read_file(f"{column}.{suffix}")
        assert again.index.tolist() == [0, 1, 2]
        seen[column, suffix] = column in again.columns, again.crop.tolist()
        print(f"{column}, {suffix}: columns {again.columns.tolist()}, crops {again.crop.tolist()}")
kept, taken = (True, crops), (False, ["maize", "grass", "wheat"])
for (column, suffix), found in seen.items():
    assert found == (taken if suffix == "gpkg" and column.lower() == "fid" else kept), (column, suffix)
indexed = gpd.read_file("fid.gpkg", fid_as_index=True)
print("with fid_as_index=True:", indexed.crop.to_dict())
assert indexed.crop.to_dict() == {10: "maize", 20: "grass", 30: "wheat"}
print("seen: GeoPackage takes the column away and gives maize, grass, wheat for wheat, maize, grass")
EOF
