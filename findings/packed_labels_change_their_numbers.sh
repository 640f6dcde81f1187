#!/usr/bin/env bash
# For GDAL the pixels of a grey TIFF are numbers, for Pillow they are brightness: it stretches labels packed
# into 2 or 4 bits to 0…255, and inverts those where white is zero.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
python=$folder/env/bin/python
"$python" -m pip install -qq --disable-pip-version-check rasterio==1.4.4 numpy==2.4.6 pillow==13.0.0
cd "$folder"
"$python" - <<'EOF'
import warnings

import numpy as np
import PIL
import rasterio
from PIL import Image

warnings.simplefilter("ignore")
print("Pillow", PIL.__version__, "rasterio", rasterio.__version__, "GDAL", rasterio.__gdal_version__)
label = np.array([[0, 1, 2, 3]], np.uint8)
seen = {}
for name, options in {
    "8 bits": {},
    "4 bits": {"nbits": 4},
    "2 bits": {"nbits": 2},
    "white is zero": {"photometric": "MINISWHITE"},
}.items():
    with rasterio.open("x.tif", "w", driver="GTiff", count=1, height=1, width=4, dtype="uint8", **options) as target:
        target.write(label, 1)
    with rasterio.open("x.tif") as source:
        assert (source.read(1) == label).all()
    with Image.open("x.tif") as picture:
        assert picture.mode == "L"
        seen[name] = np.array(picture)[0].tolist()
    print(f"{name}: rasterio {label[0].tolist()}, Pillow {seen[name]}")
assert seen == {
    "8 bits": [0, 1, 2, 3],
    "4 bits": [0, 17, 34, 51],
    "2 bits": [0, 85, 170, 255],
    "white is zero": [255, 254, 253, 252],
}
print("seen: classes 0, 1, 2, 3 of a 4-bit label are 0, 17, 34, 51 in Pillow")
EOF
