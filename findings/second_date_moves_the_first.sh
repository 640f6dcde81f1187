#!/usr/bin/env bash
# A second date is appended to a Zarr store along time. If its tile lies elsewhere, or runs from south to north, xarray
# neither aligns nor refuses it: only sizes are compared, and the places of the second are written over those of the
# first, so that the first picture has moved, or stands on its head. Neither version of the format warns of it. In
# memory, xr.concat with join="exact" refuses, and with join="outer" both keep their places.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
python=$folder/env/bin/python
"$python" -m pip install -qq --disable-pip-version-check xarray==2026.9.0 zarr==3.1.6 numpy==2.4.6
cd "$folder"
"$python" -W error -W "ignore:Consolidated metadata" - <<'EOF'
import numpy as np
import xarray as xr
import zarr

print("xarray", xr.__version__, "zarr", zarr.__version__)
SIDE, HOUSE = 4, 432.0  # pixels of a metre; a house in the north-west corner


def tile(time: int, west: float, upwards: bool = False) -> xr.Dataset:
    y = 100.5 + np.arange(SIDE)
    height = np.full((1, SIDE, SIDE), 425.0)
    height[0, 0, 0] = HOUSE
    places = {"time": [time], "y": y[::-1], "x": west + 0.5 + np.arange(SIDE)}
    data = xr.Dataset({"height": (("time", "y", "x"), height)}, coords=places)
    return data.sortby("y") if upwards else data


def house(data: xr.Dataset, time: int) -> tuple[float, float]:
    surface = data.height.sel(time=time)
    place = surface.where(surface == HOUSE, drop=True)
    return float(place.x[0]), float(place.y[0])


first = tile(0, 0)
seconds = {"the same place": tile(1, 0), "1 km east": tile(1, 1000), "south first": tile(1, 0, upwards=True)}
moved = {}
for version in (2, 3):
    for name, second in seconds.items():
        path = f"{name}{version}.zarr"
        first.to_zarr(path, zarr_format=version)
        second.to_zarr(path, append_dim="time")
        both = xr.open_zarr(path).load()
        assert house(first, 0) == (0.5, 103.5) and house(both, 1) == house(second, 1)
        moved[version, name] = house(both, 0)
        print(f"version {version}, second date {name}: the house of the first, at (0.5, 103.5), is at", end=" ")
        print(moved[version, name])
for version in (2, 3):
    assert moved[version, "the same place"] == (0.5, 103.5)
    assert moved[version, "1 km east"] == (1000.5, 103.5) and moved[version, "south first"] == (0.5, 100.5)
for name in ("1 km east", "south first"):
    try:
        xr.concat([first, seconds[name]], "time", join="exact")
        raise AssertionError("joined")
    except ValueError as error:
        print(f"xr.concat with join='exact', {name}: {str(error)[:60]}...")
    assert house(xr.concat([first, seconds[name]], "time", join="outer"), 0) == (0.5, 103.5)
print("seen: what is appended 1 km east takes the first date with it, and what runs from the south turns it over")
EOF
