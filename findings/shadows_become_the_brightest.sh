#!/usr/bin/env bash
# torchvision resizes images of uint16 as it does bytes. Bicubic weights reach a little below the darkest value; for
# bytes that is cut off at 0, for uint16 it wraps around: dark pixels beside bright ones become the brightest of all.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${TORCH_PYTHON:-} # an interpreter that has the packages below already; torch may be of any version there
if [ -z "$python" ]; then
    "${PYTHON:-python3}" -m venv "$folder/env"
    python=$folder/env/bin/python
    "$python" -m pip install -qq --disable-pip-version-check torch==2.15.0 torchvision==0.29.2 numpy==2.4.6
fi
OMP_NUM_THREADS=1 "$python" - <<'EOF'
import warnings

import torch
import torchvision
from torchvision.transforms import v2

assert torchvision.__version__.startswith("0.29.2")
print("torchvision", torchvision.__version__, "torch", torch.__version__)
warnings.simplefilter("error")
scene = torch.full((1, 64, 64), 40, dtype=torch.int32)  # water and a bright shore, reflectance times 10,000
scene[..., 27:] = 3000
cubic = v2.InterpolationMode.BICUBIC
found = {}
for kind, image in [
    (torch.uint8, scene // 15),
    (torch.uint16, scene),
    (torch.int32, scene),
    (torch.float32, scene),
]:
    for method in (v2.InterpolationMode.BILINEAR, cubic):
        for side in (32, 96):
            small = v2.Resize([side, side], method, antialias=True)(image.to(kind))
            assert small.dtype == kind
            found[kind, method, side] = small.to(torch.float64)
    line = found[kind, cubic, 96]
    print(f"{kind}: {image.min()} to {image.max()} becomes {line.min():.0f} to {line.max():.0f}, mean {line.mean():.0f}")
for side in (32, 96):
    bytes_, words = found[torch.uint8, cubic, side], found[torch.uint16, cubic, side]
    right = found[torch.float32, cubic, side]
    assert bytes_.min() == 0 and bytes_.max() < 220  # cut off below, a small overshoot above
    assert right.min() < 0 and abs(found[torch.int32, cubic, side] - right).max() <= 1
    wrapped = words > 60_000
    assert torch.equal(wrapped, right <= -1) and wrapped.any()
    assert found[torch.uint16, v2.InterpolationMode.BILINEAR, side].max() <= 3000
share = (found[torch.uint16, cubic, 96] > 60_000).double().mean()
largest, lowest = found[torch.uint16, cubic, 96].max(), found[torch.float32, cubic, 96].min()
print(f"{share:.1%} of the enlarged pixels are above 60,000")
print(f"seen: water of 40 beside a shore of 3000 becomes {largest:.0f} in uint16 where floats give {lowest:.0f}; bytes are cut off at 0")
EOF
