#!/usr/bin/env bash
# A LAS file holds integers; a scale and an offset in its header make coordinates of them. Points of another tile, with
# another offset, are brought to those of the target when laspy writes them to a new file, and are not when it appends
# them to an existing one: they land in the wrong place and at the wrong height.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
python=$folder/env/bin/python
"$python" -m pip install -qq --disable-pip-version-check laspy==2.7.0 numpy==2.4.6
cd "$folder"
"$python" -W error - <<'EOF'
from importlib.metadata import version

import laspy
import numpy as np

print("laspy", version("laspy"))


def tile(name, west, scale):
    header = laspy.LasHeader(point_format=6, version="1.4")
    header.offsets, header.scales = [west, 5_800_000, 0], [scale] * 3
    points = laspy.LasData(header)
    steps = np.arange(1.0, 4)
    points.x, points.y, points.z = west + steps, 5_800_000 + steps, 10 * steps
    points.write(name)
    return laspy.read(name)


def places(points):
    return np.column_stack([points.x, points.z]).round(3).tolist()


first, east, fine = tile("a.las", 500_000, 0.01), tile("b.las", 501_000, 0.01), tile("c.las", 500_000, 0.001)
right = places(first) + places(east) + places(fine)
with laspy.open("written.las", mode="w", header=first.header) as target:
    for part in (first, east, fine):
        target.write_points(part.points)
with laspy.open("a.las", mode="a") as target:
    for part in (east, fine):
        target.append_points(part.points)
written, appended = laspy.read("written.las"), laspy.read("a.las")
for name, found in {"true": right, "written": places(written), "appended": places(appended)}.items():
    print(f"{name:8} x and z:", *(f"{x:.0f} {z:.0f}," for x, z in found))
assert places(written) == right
assert places(appended) == (
    places(first)
    + [[500_001, 10], [500_002, 20], [500_003, 30]]  # the tile in the east, 1 km too far west
    + [[500_010, 100], [500_020, 200], [500_030, 300]]  # millimetres taken for centimetres
)
east.change_scaling(scales=first.header.scales, offsets=first.header.offsets)  # what puts it right
tile("a.las", 500_000, 0.01)
with laspy.open("a.las", mode="a") as target:
    target.append_points(east.points)
assert places(laspy.read("a.las")) == right[:6]
print("seen: points written keep their places; appended, a tile 1 km east lies on the first one, and 10 m become 100")
EOF
