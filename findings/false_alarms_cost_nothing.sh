#!/usr/bin/env bash
# The Dice loss of a tile without an object is largest where the network sees objects everywhere. In
# segmentation_models_pytorch it is 0 there with a gradient of 0, and so are Jaccard and Tversky: what is seen on empty
# tiles is never unlearned.
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
import segmentation_models_pytorch as smp
import torch
from segmentation_models_pytorch.losses import DiceLoss, JaccardLoss, TverskyLoss
from torch import nn

assert smp.__version__ == "0.6.0"
print("segmentation_models_pytorch", smp.__version__, "torch", torch.__version__)
losses = {"Dice": DiceLoss("binary"), "Jaccard": JaccardLoss("binary"), "Tversky": TverskyLoss("binary")}
empty = torch.zeros(1, 1, 8, 8)
one = empty.clone()
one[..., 0, 0] = 1
for name, loss in losses.items():
    line = []
    for target in (empty, one):
        logits = torch.full((1, 1, 8, 8), 4.0, requires_grad=True)  # objects everywhere
        value = loss(logits, target)
        value.backward()
        line.append((value.item(), logits.grad.abs().sum().item()))
    (at_empty, slope), (at_one, other) = line
    print(f"{name:8} objects seen everywhere: empty tile {at_empty:.3f} (gradient {slope:.3f})", end=", ")
    print(f"one pixel of an object {at_one:.3f} ({other:.3f})")
    assert line[0] == (0, 0) and line[1][0] > 0.9 and line[1][1] > 0

# Roofs and greenhouses shine, greenhouses are glossy. Villages have roofs, fields have greenhouses and no roof.
torch.manual_seed(0)
kinds = torch.tensor([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]])  # ground, roof, greenhouse: shine and gloss


def tile(kind: int) -> tuple[torch.Tensor, torch.Tensor]:
    there = torch.rand(1, 16, 16) < 0.3
    pixels = torch.where(there, kind, 0)
    return kinds[pixels].permute(0, 3, 1, 2), (pixels == 1).float()[:, None]


def own_dice(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    p = logits.sigmoid()
    return 1 - (2 * (p * target).sum() + 1) / (p.sum() + target.sum() + 1)


found = {}
for name, loss, together in [
    ("theirs, a tile a step", DiceLoss("binary"), False),
    ("theirs, both tiles a step", DiceLoss("binary"), True),
    ("1 - (2 pt + 1) / (p + t + 1), a tile a step", own_dice, False),
]:
    torch.manual_seed(1)
    network = nn.Conv2d(2, 1, 1)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.05)
    for _ in range(200):
        tiles = tile(1), tile(2)
        steps = [(torch.cat(x), torch.cat(y)) for x, y in [zip(*tiles, strict=True)]] if together else tiles
        for x, y in steps:
            optimizer.zero_grad()
            loss(network(x), y).backward()
            optimizer.step()
    with torch.no_grad():
        roof, greenhouse = (network(kinds[k].view(1, 2, 1, 1)).sigmoid().item() for k in (1, 2))
    found[name] = roof, greenhouse
    print(f"{name}: a roof is a roof with {roof:.2f}, a greenhouse with {greenhouse:.2f}")
(roof, wrong), mixed, own = found.values()
assert roof > 0.9 and wrong > 0.9 and mixed[0] > 0.9 and mixed[1] < 0.3 and own[0] > 0.9 and own[1] < 0.3
print(f"seen: a tile without a roof costs 0 whatever is seen there; greenhouses stay roofs ({wrong:.2f}) after 200 tiles")
EOF
