#!/usr/bin/env bash
# A 16-bit picture that Pillow turns or shifts with bilinear or bicubic weights is noise afterwards: a smooth ramp of
# 1043 on average has 54, of the same type and size. The nearest pixel is right, resizing is right, and so are bytes,
# 32-bit integers and floats of the same picture. Nothing warns.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
python=$folder/env/bin/python
"$python" -m pip install -qq --disable-pip-version-check pillow==13.0.0 numpy==2.4.6
"$python" -W error - <<'EOF'
import numpy as np
import PIL
from PIL import Image
from PIL.Image import Resampling, Transform

print("Pillow", PIL.__version__)
row, column = np.mgrid[:32, :32]
ramp = 300 + 40 * column + 20 * row  # reflectance times 10,000, or heights in centimetres
kinds = {"uint16": ramp.astype(np.uint16), "int32": ramp.astype(np.int32), "float32": ramp.astype(np.float32)}
half = (1, 0, 0.5, 0, 1, 0.5)  # half a pixel to the left and upwards: each pixel is the mean of four
means, shifted, resized = {}, {}, {}
for method in (Resampling.NEAREST, Resampling.BILINEAR, Resampling.BICUBIC):
    for kind, values in kinds.items():
        image = Image.fromarray(values)
        turned = np.asarray(image.rotate(30, resample=method))
        moved = np.asarray(image.transform((32, 32), Transform.AFFINE, half, resample=method))
        assert turned.dtype == moved.dtype == values.dtype
        means[method.name, kind], shifted[method.name, kind] = turned.mean(), moved[3, 3:7].tolist()
        resized[method.name, kind] = np.asarray(image.resize((16, 16), method)).mean()
        mean = means[method.name, kind]
        print(f"{method.name.lower()}, {kind} ({image.mode}): turned by 30 degrees the mean is {mean:.1f};", end=" ")
        print(f"four pixels moved by a half are {shifted[method.name, kind]}")
for name in ("NEAREST", "BILINEAR", "BICUBIC"):
    right = means[name, "float32"]
    assert abs(means[name, "int32"] - right) < 1 and abs(resized[name, "uint16"] - resized[name, "float32"]) < 1
    if name == "NEAREST":
        assert means[name, "uint16"] == right and shifted[name, "uint16"] == shifted[name, "float32"]
    else:
        assert means[name, "uint16"] < 0.1 * right
        assert shifted[name, "float32"] == [510, 550, 590, 630] and max(shifted[name, "uint16"]) < 256
worst, right = means["BILINEAR", "uint16"], means["BILINEAR", "float32"]
print(f"seen: turned with bilinear weights the mean of 16 bits is {worst:.0f} instead of {right:.0f}; nearest is right")
EOF
