#!/usr/bin/env bash
# A key point of torchvision lies in the middle of a pixel for its flips, which count pixels from 0, and half a pixel
# beside it for rotations and resizing, which count from the picture's edge. Two flips and a half turn give the same
# picture and key points a pixel apart, and with neither meaning do points stay on what they mark.
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
from torchvision import tv_tensors
from torchvision.transforms.v2 import functional as F

assert torchvision.__version__.startswith("0.29.2")
print("torchvision", torchvision.__version__, "torch", torch.__version__)
warnings.simplefilter("error")
HEIGHT, WIDTH = 40, 60
pixels = [(20, 10), (3, 5), (7, 29), (49, 30)]  # x, y
changes = {
    "mirrored": F.horizontal_flip,
    "upside down": F.vertical_flip,
    "both": lambda value: F.vertical_flip(F.horizontal_flip(value)),
    "half turn": lambda value: F.rotate(value, 180),
    "quarter turn": lambda value: F.rotate(value, 90, expand=True),
    "three times as large": lambda value: F.resize(value, [3 * HEIGHT, 3 * WIDTH]),
}


def points(offset: float) -> tv_tensors.KeyPoints:
    places = torch.tensor(pixels, dtype=torch.float32) + offset
    return tv_tensors.KeyPoints(places, canvas_size=(HEIGHT, WIDTH))


def middles(change) -> torch.Tensor:
    """Where the pixels' middles lie afterwards, counted in pixels from 0, by the picture itself."""
    found = []
    for x, y in pixels:
        mask = torch.zeros(1, HEIGHT, WIDTH, dtype=torch.uint8)
        mask[0, y, x] = 1
        found.append(change(tv_tensors.Mask(mask))[0].nonzero().float().mean(0).flip(0))
    return torch.stack(found)


off = {}
for name, change in changes.items():
    there = middles(change)
    off[name] = tuple(round((change(points(o)) - o - there).abs().max().item(), 3) for o in (0.0, 0.5))
    print(f"{name:20} off by {off[name][0]} if 0 is the first pixel's middle, by {off[name][1]} if it is the edge")
for name in ("mirrored", "upside down", "both"):
    assert off[name] == (0, 1)
for name in ("half turn", "quarter turn"):
    assert off[name] == (1, 0)
assert off["three times as large"] == (1, 0)

picture = torch.rand(3, HEIGHT, WIDTH)
assert torch.equal(changes["both"](tv_tensors.Image(picture)), changes["half turn"](tv_tensors.Image(picture)))
apart = (changes["half turn"](points(0)) - changes["both"](points(0))).unique().tolist()
print(f"one picture, two flips or a half turn: its key points differ by {apart}")
assert apart == [1]

car = tv_tensors.Mask(torch.zeros(1, HEIGHT, WIDTH, dtype=torch.uint8))
car[0, 10:12, 20:22] = 1  # two by two pixels
clicks = torch.tensor([[20.0, 10], [21, 10], [20, 11], [21, 11]])
kept = {}
for name, offset in (("half turn", 0.0), ("mirrored", 0.5)):
    moved = changes[name](tv_tensors.KeyPoints(clicks + offset, canvas_size=(HEIGHT, WIDTH))) - offset
    x, y = moved.round().long().unbind(1)
    kept[name] = int(changes[name](car)[0, y, x].sum())
    print(f"{name}, {'middles' if not offset else 'edges'} counted: {kept[name]} of 4 clicks are still on a car of 2 x 2 pixels")
assert kept == {"half turn": 1, "mirrored": 2}
print("seen: the same picture by two flips or by a half turn has its key points one pixel apart in x and y")
EOF
