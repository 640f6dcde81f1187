#!/usr/bin/env bash
# Weather and satellite archives pack each file's numbers into 16 bits, with a scale and an offset of that file. xarray
# unpacks them, joins two months correctly, and writes the result with the packing of the first file, which it keeps
# unseen beside the numbers: whatever lies outside its range wraps around. 47 degrees of July become 14 below zero,
# without a warning. The same happens to one number put into an opened file, and in Zarr.
# drop_encoding() before writing keeps them.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
python=$folder/env/bin/python
"$python" -m pip install -qq --disable-pip-version-check xarray==2026.9.0 netCDF4==1.7.5.1.post1 zarr==3.1.6 numpy==2.4.6
cd "$folder"
"$python" -W error -W ignore::PendingDeprecationWarning -W ignore:Consolidated - <<'EOF'
import netCDF4
import numpy as np
import xarray as xr
import zarr

print("xarray", xr.__version__, "netCDF4", netCDF4.__version__, "zarr", zarr.__version__)


def pack(name, day, kelvin):
    """A file as archives write them: 65,000 steps between the lowest and the highest of its own numbers."""
    kelvin = np.array(kelvin)
    low, high = kelvin.min(), kelvin.max()
    packing = {"dtype": "int16", "scale_factor": (high - low) / 65_000, "add_offset": (high + low) / 2}
    data = xr.Dataset({"kelvin": ("day", kelvin)}, {"day": day})
    data.to_netcdf(name, encoding={"kelvin": packing | {"_FillValue": -32_767}})


def written(data, store="netcdf"):
    if store == "zarr":
        data.to_zarr("written.zarr", mode="w")
        return xr.open_zarr("written.zarr").load()
    data.to_netcdf("written.nc")
    with xr.open_dataset("written.nc") as again:
        return again.load()


pack("january.nc", [1, 2, 3], [255.0, 268.0, 285.0])
pack("july.nc", [183, 184, 185], [284.0, 296.0, 320.0])
with xr.open_dataset("january.nc") as january, xr.open_dataset("july.nc") as july:
    joined = xr.concat([january, july], "day").load()
    opened = january.load()
print("joined:           ", joined.kelvin.values.round(1).tolist())
assert np.allclose(joined.kelvin, [255, 268, 285, 284, 296, 320], atol=1e-3)
for store in ("netcdf", "zarr"):
    found = written(joined, store).kelvin.values
    print(f"written as {store}:", found.round(1).tolist())
    # 65,536 of January's steps are 30.2 K
    assert np.allclose(found, [255, 268, 285, 284, 296 - 30.25, 320 - 60.5], atol=0.01)
kept = written(joined.drop_encoding()).kelvin.values
print("drop_encoding():  ", kept.round(1).tolist())
assert np.allclose(kept, joined.kelvin)
opened["kelvin"][0] = 290.0
one = float(written(opened).kelvin[0])
print("one number set to 290.0 in January is written as", round(one, 1))
assert abs(one - (290 - 30.25)) < 0.01
print("seen: July of 284, 296 and 320 K is written as", found[3:].round(1).tolist())
EOF
