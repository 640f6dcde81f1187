#!/usr/bin/env bash
# Closing a mask fills gaps and takes nothing away. SciPy's takes the pixels along the edge of the picture; a mask that
# fills the picture loses its whole frame, once more with every iteration. scikit-image's and OpenCV's keep them.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
python=$folder/env/bin/python
"$python" -m pip install -qq --disable-pip-version-check scipy==1.17.1 numpy==2.4.6 scikit-image==0.26.0 \
  opencv-python-headless==4.13.0.92
cd "$folder"
"$python" - <<'EOF'
import cv2
import numpy as np
import scipy
import skimage
from scipy import ndimage
from skimage import morphology

print("scipy", scipy.__version__, "scikit-image", skimage.__version__, "opencv", cv2.__version__)
near = np.ones((3, 3), bool)
house = np.zeros((9, 9), bool)
house[2:7, :5] = True  # reaches over the left edge of its tile
field = np.ones((20, 20), bool)  # fills its tile


def closed(mask):
    """The same closing by three libraries, and by SciPy's operator for grey values."""
    bytes_ = mask.astype(np.uint8)
    return {
        "scipy, binary": ndimage.binary_closing(mask, near),
        "scipy, grey": ndimage.grey_closing(bytes_, footprint=near) > 0,
        "scikit-image": morphology.closing(mask, near),
        "opencv": cv2.morphologyEx(bytes_, cv2.MORPH_CLOSE, near.astype(np.uint8)) > 0,
    }


lost = {}
for what, mask in (("house", house), ("field", field)):
    lost[what] = {name: int((mask & ~found).sum()) for name, found in closed(mask).items()}
    print(what, int(mask.sum()), "pixels, lost:", lost[what])
often = int((field & ~ndimage.binary_closing(field, near, iterations=4)).sum())
print("field, four iterations:", often, "lost")
framed = np.pad(house, 1, mode="edge")
kept = ndimage.binary_closing(framed, near)[1:-1, 1:-1]
print("house, its edge repeated once before:", int((house & ~kept).sum()), "lost")

none = {"scipy, grey": 0, "scikit-image": 0, "opencv": 0}
assert lost == {"house": {"scipy, binary": 5} | none, "field": {"scipy, binary": 76} | none}
assert often == 400 - 12 * 12
assert not (house & ~kept).any()
print("seen: scipy.ndimage.binary_closing takes pixels away along the edge of a picture, one frame an iteration")
EOF
