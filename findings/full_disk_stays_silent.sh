#!/usr/bin/env bash
# A GeoTIFF is written to a disk that has no room for it. GDAL keeps the last blocks in memory until the file is
# closed, and an error that comes then is not passed on: neither by the file nor by a copy between formats.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
python=$folder/env/bin/python
"$python" -m pip install -qq --disable-pip-version-check rasterio==1.4.4 numpy==2.4.6
cd "$folder"
"$python" - <<'EOF'
import contextlib
import resource
import warnings
from pathlib import Path

import numpy as np
import rasterio
import rasterio.shutil

warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
print("rasterio", rasterio.__version__, "GDAL", rasterio.__gdal_version__)
label = np.random.default_rng(0).integers(0, 255, (200, 200), dtype=np.uint8)


@contextlib.contextmanager
def full_disk(size):
    """No file of this process may grow beyond so many bytes (Python ignores the signal that would come)."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def write(name):
    with rasterio.open(name, "w", driver="GTiff", count=1, height=200, width=200, dtype="uint8") as target:
        target.write(label, 1)


def readable(name):
    try:
        with rasterio.open(name) as source:
            return bool((source.read(1) == label).all())
    except rasterio.errors.RasterioIOError as error:
        print(f"  reading {name}: {error}")
        return False


write("room.tif")
assert readable("room.tif")
with full_disk(20_000):
    try:
        Path("bytes.bin").write_bytes(label.tobytes())
    except OSError as error:
        print("Python's own write:", type(error).__name__)  # the disk is really full
    else:
        raise AssertionError("the limit does not work here")
    write("full.tif")  # raises nothing
    rasterio.shutil.copy("room.tif", "copy.tif", driver="COG")  # nor does this
seen = {name: (Path(name).stat().st_size, readable(name)) for name in ("full.tif", "copy.tif")}
for name, (size, whole) in seen.items():
    print(f"{name}: no error, {size} bytes, can be read: {whole}")
assert all(size <= 20_000 and not whole for size, whole in seen.values())
print("seen: on a full disk write and copy end without an error, and neither file can be read")
EOF
