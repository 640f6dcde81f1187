#!/usr/bin/env bash
# Mixed precision is to round the products of matrices and to leave the rest in float32; so does PyTorch's autocast.
# Lightning Fabric rounds every floating-point tensor that enters the model as well, before the model sees it: clicks
# in pixels, heights in metres, reflectances. Clicks two pixels apart become one, and heights come in steps of 2 m.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${TORCH_PYTHON:-} # an interpreter that has the packages below already; torch may be of any version there
if [ -z "$python" ]; then
    "${PYTHON:-python3}" -m venv "$folder/env"
    python=$folder/env/bin/python
    "$python" -m pip install -qq --disable-pip-version-check torch==2.15.0 lightning-fabric==2.6.6 numpy==2.4.6
fi
cd "$folder"
OMP_NUM_THREADS=1 "$python" - <<'EOF'
import logging

import lightning_fabric
import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins import MixedPrecision
from torch import nn

assert lightning_fabric.__version__ == "2.6.6"
print("lightning-fabric", lightning_fabric.__version__, "torch", torch.__version__)
logging.getLogger("lightning_fabric").setLevel(logging.WARNING)


class Offset(nn.Module):
    """A model that prepares its input itself: where a click lies in a tile, how high a roof is above the ground."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(2, 1)  # a model has parameters; this one does not need them

    def forward(self, batch):
        self.kind = str(batch["clicks"].dtype).removeprefix("torch.")
        return batch["clicks"] - 1000, batch["heights"] - 430


batch = {
    "clicks": torch.tensor([[1001.0, 1003.0, 1004.0, 1005.0]]),  # x in a picture of 1024 pixels
    "heights": torch.tensor([430.0, 430.9, 431.1, 436.9]),  # metres above the sea
}
right = [[1, 3, 4, 5]], [0, 0.9, 1.1, 6.9]


class Whole(MixedPrecision):
    """The same, without touching what enters."""

    def convert_input(self, data):
        return data


def through_fabric(**settings):
    model = Offset()
    return Fabric(accelerator="cpu", devices=1, **settings).setup(model)(batch), model


found = {}
model = Offset()
with torch.autocast("cpu", torch.bfloat16):
    found["autocast"] = model(batch), model
for precision in ("32-true", "bf16-mixed"):
    found[precision] = through_fabric(precision=precision)
found["own plugin"] = through_fabric(plugins=[Whole("bf16-mixed", "cpu")])
for name, ((clicks, heights), model) in found.items():
    rounded = [round(height, 2) for height in heights.tolist()]
    print(f"{name:10} enters as {model.kind:8} clicks {clicks[0].tolist()} heights {rounded}")
    if name != "bf16-mixed":
        assert model.kind == "float32" and torch.equal(clicks, torch.tensor(right[0]))
        assert torch.allclose(heights, torch.tensor(right[1]), atol=1e-4)
(clicks, heights), model = found["bf16-mixed"]
assert model.kind == "bfloat16" and clicks.dtype == torch.float32  # what comes out looks like full precision
assert clicks.tolist() == [[0, 4, 4, 4]] and heights.tolist() == [0, 0, 2, 6]
reflectances = torch.arange(10_001) / 10_000
left = reflectances.bfloat16().unique().numel()
print(f"of {len(reflectances)} reflectances between 0 and 1 there are {left} left")
assert left == 925
print("seen: clicks at 1001, 1003, 1004, 1005 enter as 1000, 1004, 1004, 1004; with autocast alone they stay")
EOF
