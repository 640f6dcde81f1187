#!/usr/bin/env bash
# A raster read with masked=True keeps its gaps out of minima and means. Percentiles, joins, filters and PyTorch take
# the number below the mask for data; a percentile warns, the others say nothing, and some return a masked array.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${TORCH_PYTHON:-} # an interpreter that has the packages below already; torch may be of any version there
if [ -z "$python" ]; then
    "${PYTHON:-python3}" -m venv "$folder/env"
    python=$folder/env/bin/python
    "$python" -m pip install -qq --disable-pip-version-check torch==2.13.0 rasterio==1.4.4 scipy==1.17.1 numpy==2.4.6
fi
cd "$folder"
"$python" - <<'EOF'
import warnings

import numpy as np
import rasterio
import scipy
import torch
from rasterio.transform import from_origin
from scipy import ndimage

print("rasterio", rasterio.__version__, "numpy", np.__version__, "scipy", scipy.__version__, "torch", torch.__version__)
heights = np.tile(np.linspace(250, 260, 16, dtype=np.float32), (16, 1))
heights[:, :4] = -9999
where = {"crs": "EPSG:25832", "transform": from_origin(4e5, 5.8e6, 1, 1)}
with rasterio.open("dsm.tif", "w", "GTiff", 16, 16, 1, dtype="float32", nodata=-9999, **where) as file:
    file.write(heights, 1)
with rasterio.open("dsm.tif") as file:
    dsm = file.read(1, masked=True)

joined = np.concatenate([dsm, dsm])
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    low = float(np.percentile(dsm, [10])[0])
warned = [str(w.message) for w in told]
with warnings.catch_warnings():
    warnings.simplefilter("error")  # from here on nothing warns
    found = {
        "minimum": float(dsm.min()),
        "mean": float(np.mean(dsm)),
        "peak to peak, np.ptp": float(np.ptp(dsm)),
        "minimum after np.concatenate": float(joined.min()),
        "minimum after np.stack": float(np.stack([dsm, dsm]).min()),
        "minimum after np.pad": float(np.pad(dsm, 1, mode="edge").min()),
        "minimum after gaussian_filter": float(ndimage.gaussian_filter(dsm, 1).min()),
        "minimum of torch.from_numpy": float(torch.from_numpy(dsm).min()),
        "minimum of torch.tensor": float(torch.tensor(dsm).min()),
    }
for name, value in found.items():
    print(f"{name:32} {value:10.1f}")
print(f"{'10th percentile':32} {low:10.1f}  {warned}")
print("np.concatenate returns", type(joined).__name__, "with", int(np.ma.getmaskarray(joined).sum()), "masked pixels")

assert found["minimum"] > 250 and 250 < found["mean"] < 260
assert all(value < -5000 or value > 5000 for value in list(found.values())[2:])
assert isinstance(joined, np.ma.MaskedArray) and not np.ma.getmaskarray(joined).any()
assert warned and not 250 <= low <= 260
print("seen: minimum and mean honour the mask; ptp, concatenate, stack, pad, filters and tensors lose it silently")
EOF
