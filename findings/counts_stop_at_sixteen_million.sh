#!/usr/bin/env bash
# Counting the pixels of a scene with torch.histc: in float32, which is what it takes, a class stops at 16,777,216 pixels
# on the CPU. segmentation_models_pytorch counts with it, image by image, so that a class that is found in 83 % of a scene
# of 4,500 x 4,500 pixels has a recall of 1. Nothing warns; torch.bincount and torch.histc in float64 are right.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${TORCH_PYTHON:-} # an interpreter that has the packages of the first line already; torch may be of any version
if [ -z "$python" ]; then
    "${PYTHON:-python3}" -m venv "$folder/env"
    python=$folder/env/bin/python
    "$python" -m pip install -qq --disable-pip-version-check torch==2.15.0 torchvision==0.29.2 timm==1.0.31 huggingface_hub==2.4.0 safetensors==0.8.0 tqdm==4.70.1 pillow==13.0.0 numpy==2.4.6
fi
"$python" -m pip install -qq --disable-pip-version-check --no-deps --target "$folder/packages" segmentation-models-pytorch==0.6.0
OMP_NUM_THREADS=1 PYTHONPATH="$folder/packages" "$python" - <<'EOF'
import warnings

import segmentation_models_pytorch as smp
import torch

warnings.simplefilter("error")
assert smp.__version__ == "0.6.0"
print("segmentation_models_pytorch", smp.__version__, "torch", torch.__version__)
SIDE, MISSED = 4500, 750  # a scene of one class; the network finds another one in its last rows
label = torch.zeros(SIDE, SIDE, dtype=torch.int64)
found = label.clone()
found[SIDE - MISSED :] = 1
pixels, right = label.numel(), SIDE * (SIDE - MISSED)
counts = {
    "histc, float32": torch.histc(label.float(), bins=2, min=0, max=1),
    "histc, float64": torch.histc(label.double(), bins=2, min=0, max=1),
    "bincount": torch.bincount(label.flatten(), minlength=2),
}
for name, count in counts.items():
    print(f"{name}: {int(count[0]):,} of {pixels:,} pixels")
assert int(counts["histc, float32"][0]) == 2**24 < right
assert int(counts["histc, float64"][0]) == int(counts["bincount"][0]) == pixels
tp, fp, fn, tn = smp.metrics.get_stats(found[None], label[None], mode="multiclass", num_classes=2)
recall, iou = (tp / (tp + fn))[0, 0].item(), smp.metrics.iou_score(tp, fp, fn, tn)[0, 0].item()
print(f"recall of the class by get_stats {recall:.3f}, IoU {iou:.3f}; by hand both {right / pixels:.3f}")
assert recall == iou == 1 and abs(right / pixels - 0.833) < 1e-3
print("seen: 20,250,000 pixels are counted as 16,777,216, and a recall of 0.833 as 1.000")
EOF
