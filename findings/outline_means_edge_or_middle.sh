#!/usr/bin/env bash
# A polygon of 4 x 4 pixels becomes a mask of 16 pixels or of 25, a mask of 16 pixels an outline of area 16 or 9: for
# rasterio and pycocotools a coordinate is an edge of pixels, for OpenCV, Pillow and scikit-image the middle of one.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
python=$folder/env/bin/python
"$python" -m pip install -qq --disable-pip-version-check rasterio==1.4.4 shapely==2.1.2 numpy==2.4.6 opencv-python-headless==4.13.0.92 pillow==13.0.0 scikit-image==0.26.0 pycocotools==2.0.11
cd "$folder"
"$python" - <<'EOF'
import importlib.metadata as metadata

import cv2
import numpy as np
from PIL import Image, ImageDraw
from pycocotools import mask as coco
from rasterio import features
from shapely.geometry import Polygon, shape
from skimage import draw, measure

for package in ("rasterio", "pycocotools", "opencv-python-headless", "pillow", "scikit-image"):
    print(package, metadata.version(package))
SIDE = 12


def by_opencv(corners):
    mask = np.zeros((SIDE, SIDE), np.uint8)
    return cv2.fillPoly(mask, [np.int32(corners)], 1)


def by_pillow(corners):
    image = Image.new("L", (SIDE, SIDE))
    ImageDraw.Draw(image).polygon([tuple(map(float, c)) for c in corners], fill=1)
    return np.array(image)


BURN = {
    "rasterio.features.rasterize": lambda c: features.rasterize([Polygon(c)], (SIDE, SIDE)),
    "pycocotools frPyObjects": lambda c: coco.decode(coco.merge(coco.frPyObjects([c.ravel().tolist()], SIDE, SIDE))),
    "cv2.fillPoly": by_opencv,
    "PIL ImageDraw.polygon": by_pillow,
    "skimage.draw.polygon2mask": lambda c: draw.polygon2mask((SIDE, SIDE), c[:, ::-1]),
}
house = np.array([(4, 4), (8, 4), (8, 8), (4, 8)], float)  # x, y: an area of 16
burnt = {name: burn(house).astype(bool) for name, burn in BURN.items()}
small = {name: int(burn(house / 2).sum()) for name, burn in BURN.items()}
for name, mask in burnt.items():
    print(f"{name:28} {int(mask.sum())} pixels for an area of 16, {small[name]} for one of 4")

mask = np.zeros((SIDE, SIDE), np.uint8)
mask[4:8, 4:8] = 1
contour = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)[0][0][:, 0]
level = measure.find_contours(mask, 0.5)[0]
outlined = {
    "rasterio.features.shapes": next(shape(s).area for s, value in features.shapes(mask) if value == 1),
    "cv2.findContours": float(cv2.contourArea(contour)),
    "skimage.find_contours": Polygon(level).area,
}
for name, area in outlined.items():
    print(f"{name:28} area {area:g} around 16 pixels")
again = features.rasterize([Polygon(contour)], (SIDE, SIDE))
print("16 pixels, outlined by OpenCV and burnt by rasterio:", int(again.sum()))

assert [int(m.sum()) for m in burnt.values()] == [16, 16, 25, 25, 25]
assert list(small.values()) == [4, 4, 9, 9, 9]
assert list(outlined.values()) == [16, 9, 15.5]
assert again.sum() == 9
print("seen: the same coordinates are edges of pixels for two libraries and middles of pixels for three")
EOF
