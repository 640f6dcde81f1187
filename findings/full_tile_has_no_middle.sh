#!/usr/bin/env bash
# The distance to the border of an object that fills its tile: SciPy measures from a point above the upper left
# corner, chamfer distances are -1, OpenCV's a huge number. The pixel farthest from the border is a corner each time.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
python=$folder/env/bin/python
"$python" -m pip install -qq --disable-pip-version-check scipy==1.17.1 numpy==2.4.6 opencv-python-headless==4.13.0.92
cd "$folder"
"$python" - <<'EOF'
import cv2
import numpy as np
import scipy
from scipy import ndimage

print("scipy", scipy.__version__, "opencv", cv2.__version__)
lake = np.ones((5, 9), bool)  # water from edge to edge


def middle(distance):
    return tuple(int(i) for i in np.unravel_index(np.argmax(distance), distance.shape))


exact = ndimage.distance_transform_edt(lake)
chamfer = ndimage.distance_transform_cdt(lake)
opencv = cv2.distanceTransform(lake.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
framed = ndimage.distance_transform_edt(np.pad(lake, 1))[1:-1, 1:-1]
print("exact", exact.round(2)[[0, -1]][:, [0, -1]].tolist(), "middle", middle(exact))
print("chamfer", np.unique(chamfer).tolist(), "middle", middle(chamfer))
print("opencv", np.unique(opencv).tolist(), "middle", middle(opencv))
print("with a frame of zeros", framed.max(), "middle", middle(framed))
turned = ndimage.distance_transform_edt(lake[::-1, ::-1])[::-1, ::-1]
print("the same lake, turned by 180 degrees: middle", middle(turned))

rows, columns = np.indices(lake.shape)
assert np.allclose(exact, np.hypot(rows + 1, columns))  # measured from row -1, column 0
assert middle(exact) == (4, 8) and middle(turned) == (0, 0)
assert np.unique(chamfer).tolist() == [-1]
assert opencv.min() > 1e6 and middle(opencv) == (0, 0)
assert framed.max() == 3 and middle(framed)[0] == 2
print("seen: without a pixel outside, SciPy's distance is that to (-1, 0), and the middle a corner of the tile")
EOF
