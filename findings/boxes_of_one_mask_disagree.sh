#!/usr/bin/env bash
# Boxes of the same mask: torchvision counts the last pixel as the edge, pycocotools counts the pixels. A
# small object found without an error overlaps its true box by little more than half, one that is a pixel wide
# has an area of 0.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${TORCH_PYTHON:-} # an interpreter that has the packages below already; torch may be of any version there
if [ -z "$python" ]; then
    "${PYTHON:-python3}" -m venv "$folder/env"
    python=$folder/env/bin/python
    "$python" -m pip install -qq --disable-pip-version-check torch==2.15.0 torchvision==0.29.2 pycocotools==2.0.11 numpy==2.4.6
fi
cd "$folder"
OMP_NUM_THREADS=1 "$python" - <<'EOF'
from importlib.metadata import version

import numpy as np
import torch
import torchvision
from pycocotools import mask as coco
from torchvision.ops import box_area, box_convert, box_iou, masks_to_boxes

print("torchvision", torchvision.__version__, "torch", torch.__version__, "pycocotools", version("pycocotools"))
seen = {}
for height, width in ((4, 4), (20, 20), (3, 1)):
    mask = np.zeros((32, 32), np.uint8)
    mask[2 : 2 + height, 3 : 3 + width] = 1
    edges = masks_to_boxes(torch.from_numpy(mask)[None])
    counts = torch.from_numpy(coco.toBbox(coco.encode(np.asfortranarray(mask)))[None]).float()
    counts = box_convert(counts, "xywh", "xyxy")
    seen[height, width] = box_iou(edges, counts).item(), box_area(edges).item(), box_area(counts).item()
    print(f"{height} x {width} pixels: torchvision {edges[0].tolist()}, pycocotools {counts[0].tolist()}", end=" ")
    print("overlap {:.4f}, areas {:.0f} and {:.0f}".format(*seen[height, width]))
assert seen[4, 4] == (0.5625, 9, 16)
assert abs(seen[20, 20][0] - 361 / 400) < 1e-6
assert seen[3, 1] == (0, 0, 3)
print("seen: the two boxes of one mask of 4 x 4 pixels overlap by 0.5625, of 3 x 1 pixels by 0")
EOF
