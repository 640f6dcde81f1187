#!/usr/bin/env bash
# The mean IoU of a tile is that of the classes that occur. In kornia's mean_iou a class that neither picture nor label
# holds has an IoU of 1: a tile of one class of ten, of which not one pixel is right, has a mean of 0.8, and the more
# classes a legend has the better is every score. torchmetrics and scikit-learn leave such classes out.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${TORCH_PYTHON:-} # an interpreter that has the packages of the first line already; torch may be of any version
if [ -z "$python" ]; then
    "${PYTHON:-python3}" -m venv "$folder/env"
    python=$folder/env/bin/python
    "$python" -m pip install -qq --disable-pip-version-check torch==2.15.0 torchmetrics==1.9.0 scikit-learn==1.9.1 numpy==2.4.6
fi
"$python" -m pip install -qq --disable-pip-version-check --no-deps --target "$folder/packages" kornia==0.9.0 kornia_rs==0.2.0
OMP_NUM_THREADS=1 PYTHONPATH="$folder/packages" "$python" - <<'EOF'
import kornia
import sklearn
import torch
import torchmetrics
from kornia.metrics import mean_iou
from sklearn.metrics import jaccard_score
from torchmetrics.functional.classification import multiclass_jaccard_index

assert (kornia.__version__, torchmetrics.__version__, sklearn.__version__) == ("0.9.0", "1.9.0", "1.9.1")
print("kornia", kornia.__version__, "torchmetrics", torchmetrics.__version__, "scikit-learn", sklearn.__version__)
label = torch.zeros(1, 64, dtype=torch.int64)  # a field
tiles = {"all wrong": torch.ones_like(label), "a quarter right": torch.ones_like(label), "all right": label.clone()}
tiles["a quarter right"][:, :16] = 0
seen = {}
for name, found in tiles.items():
    for classes in (2, 10, 100):
        by_kornia = mean_iou(found, label, classes).mean().item()
        by_torchmetrics = multiclass_jaccard_index(found, label, num_classes=classes).item()
        by_sklearn = jaccard_score(label[0], found[0], average="macro")
        seen[name, classes] = by_kornia, by_torchmetrics
        print(f"{name}, a legend of {classes} classes: kornia {by_kornia:.3f},", end=" ")
        print(f"torchmetrics {by_torchmetrics:.3f}, scikit-learn {by_sklearn:.3f}")
        assert abs(by_torchmetrics - by_sklearn) < 1e-6
for (name, classes), (by_kornia, by_torchmetrics) in seen.items():
    occur = 1 if name == "all right" else 2
    assert abs(by_kornia - (occur * by_torchmetrics + classes - occur) / classes) < 1e-5
assert abs(seen["all wrong", 10][0] - 0.8) < 1e-5 and abs(seen["all wrong", 100][0] - 0.98) < 1e-5
print("seen: a tile without a right pixel has a mean IoU of 0.800 with ten classes and of 0.980 with a hundred")
EOF
