#!/usr/bin/env bash
# Pillow scrambles an uncompressed grey TIFF whose orientation tag asks for a quarter turn: rows are cut at
# the wrong width before they are turned. Compressed, in colour or in float the same pixels come right.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
python=$folder/env/bin/python
"$python" -m pip install -qq --disable-pip-version-check pillow==13.0.0 numpy==2.4.6
cd "$folder"
"$python" - <<'EOF'
import numpy as np
import PIL
from PIL import Image

print("Pillow", PIL.__version__)
generator = np.random.default_rng(0)
kinds = {
    "grey": generator.integers(0, 256, (40, 60), dtype=np.uint8),
    "uint16": generator.integers(0, 65536, (40, 60), dtype=np.uint16),
    "float": generator.random((40, 60), dtype=np.float32),
    "colour": generator.integers(0, 256, (40, 60, 3), dtype=np.uint8),
}
right = {}
for kind, pixels in kinds.items():
    for compression in (None, "tiff_lzw"):
        Image.fromarray(pixels).save("x.tif", compression=compression, tiffinfo={274: 6})  # 274: Orientation
        with Image.open("x.tif") as picture:
            found = np.array(picture)
        wanted = np.rot90(pixels, -1)
        right[kind, compression] = np.array_equal(found, wanted)
        print(f"{kind}, {compression}: shape {found.shape} for {wanted.shape}, right: {right[kind, compression]}")
assert {key for key, fine in right.items() if not fine} == {("grey", None), ("uint16", None)}
small = np.array([[0, 1, 2], [3, 4, 5]], np.uint8)
Image.fromarray(small).save("x.tif", tiffinfo={274: 6})
with Image.open("x.tif") as picture:
    found = np.array(picture).tolist()
assert found == [[4, 2, 0], [5, 3, 1]]
print(f"seen: [[0, 1, 2], [3, 4, 5]] comes as {found} instead of [[3, 0], [4, 1], [5, 2]]")
EOF
