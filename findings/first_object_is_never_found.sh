#!/usr/bin/env bash
# COCO's evaluation keeps for each detection the id of the object it found, and 0 where it found none. An object whose
# id is 0 therefore counts as missed, however well it is found, and its detection as a false alarm.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
python=$folder/env/bin/python
"$python" -m pip install -qq --disable-pip-version-check pycocotools==2.0.11 numpy==2.4.6
cd "$folder"
"$python" - <<'EOF'
import contextlib
import io
from importlib.metadata import version

from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

print("pycocotools", version("pycocotools"))


def scores(first_id):
    """AP and recall of three cars that are all found exactly, the car with the first id most surely."""
    cars = [
        {"id": first_id + k, "image_id": 1, "category_id": 1, "bbox": [20 * k, 0, 10, 10],
         "area": 100, "iscrowd": 0}
        for k in range(3)
    ]
    found = [
        {"image_id": 1, "category_id": 1, "bbox": car["bbox"], "score": 0.9 - 0.1 * k}
        for k, car in enumerate(cars)
    ]
    truth = COCO()
    truth.dataset = {
        "info": {}, "images": [{"id": 1, "width": 100, "height": 100}],
        "categories": [{"id": 1, "name": "car"}], "annotations": cars,
    }
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
        judged = COCOeval(truth, truth.loadRes(found), "bbox")
        judged.evaluate()
        judged.accumulate()
        judged.summarize()
    return round(float(judged.stats[0]), 3), round(float(judged.stats[8]), 3)


one, zero = scores(1), scores(0)
print("ids 1, 2, 3: AP, recall", one)
print("ids 0, 1, 2: AP, recall", zero)
assert one == (1.0, 1.0)
assert zero == (0.442, 0.667)
print("seen: an object with the id 0 counts as missed and its detection as a false alarm")
EOF
