#!/usr/bin/env bash
# A mask of 0 and 1 in a Zarr store of version 2: its fill value, what a chunk holds that was never written, is 0. xarray
# takes that number for "missing" wherever it stands, so that the background is NaN and a quarter of roof has a mean of
# 1. The same array in version 3 is read as it is. Nothing warns; mask_and_scale=False reads version 2 right.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
python=$folder/env/bin/python
"$python" -m pip install -qq --disable-pip-version-check xarray==2026.9.0 zarr==3.1.6 numpy==2.4.6
cd "$folder"
"$python" -W error - <<'EOF'
import numpy as np
import xarray as xr
import zarr

print("xarray", xr.__version__, "zarr", zarr.__version__)
roof = np.zeros((4, 4), np.uint8)
roof[1:3, 1:3] = 1
seen = {}
for version in (2, 3):
    path = f"tile{version}.zarr"
    group = zarr.open_group(path, mode="w", zarr_format=version)
    names = {"dimension_names": ("y", "x")} if version == 3 else {}
    array = group.create_array("roof", shape=roof.shape, chunks=roof.shape, dtype=roof.dtype, **names)
    array[:] = roof
    if version == 2:
        array.attrs["_ARRAY_DIMENSIONS"] = ["y", "x"]  # as xarray wants it in version 2
    assert (zarr.open_group(path)["roof"][:] == roof).all() and array.fill_value == 0
    for options in ({}, {"use_zarr_fill_value_as_mask": False}, {"mask_and_scale": False}):
        read = xr.open_zarr(path, consolidated=False, **options).roof
        seen[version, *options] = read.dtype.name, float(read.mean())
        print(f"version {version}, {options or 'as it is'}: {read.dtype}, mean {float(read.mean())}", end="; ")
        print(f"second row {read.values[1].tolist()}")
right, wrong = ("uint8", 0.25), ("float32", 1.0)
assert seen[2,] == seen[2, "use_zarr_fill_value_as_mask"] == wrong
assert {value for key, value in seen.items() if key not in ((2,), (2, "use_zarr_fill_value_as_mask"))} == {right}
print("seen: a mask of 4 pixels among 16 has a mean of 1.0 in version 2, of 0.25 in version 3")
EOF
