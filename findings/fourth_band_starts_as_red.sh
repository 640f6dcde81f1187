#!/usr/bin/env bash
# Pretrained weights given a fourth band: timm starts it with the weights of red, and scales all four by 3/4,
# so that red, green and blue alone no longer give what the pretrained network gives.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${TORCH_PYTHON:-} # an interpreter that has the packages below already; torch may be of any version there
if [ -z "$python" ]; then
    "${PYTHON:-python3}" -m venv "$folder/env"
    python=$folder/env/bin/python
    "$python" -m pip install -qq --disable-pip-version-check torch==2.15.0 torchvision==0.29.2 timm==1.0.31 safetensors==0.8.0 numpy==2.4.6
fi
cd "$folder"
OMP_NUM_THREADS=1 "$python" - <<'EOF'
import timm
import torch
from safetensors.torch import save_file

assert timm.__version__ == "1.0.31"
print("timm", timm.__version__, "torch", torch.__version__)
torch.manual_seed(0)
rgb = timm.create_model("test_resnet").eval()
save_file(rgb.state_dict(), "pretrained.safetensors")


def pretrained(bands):
    where = {"file": "pretrained.safetensors"}
    net = timm.create_model("test_resnet", pretrained=True, in_chans=bands, pretrained_cfg_overlay=where)
    return net.eval()


first = rgb.pretrained_cfg["first_conv"]
w = rgb.get_submodule(first).weight
four, five = (pretrained(n).get_submodule(first).weight for n in (4, 5))
assert torch.equal(pretrained(3).get_submodule(first).weight, w)
assert torch.allclose(four, 0.75 * w[:, [0, 1, 2, 0]])
assert torch.allclose(five, 0.6 * w[:, [0, 1, 2, 0, 1]])
picture = torch.rand(1, 3, 64, 64)
with torch.no_grad():
    plain = rgb.get_submodule(first)(picture)
    dark = pretrained(4).get_submodule(first)(torch.cat([picture, torch.zeros(1, 1, 64, 64)], dim=1))
print("first convolution, fourth band all 0: median of the ratio", (dark / plain).median().item())
assert torch.allclose(dark, 0.75 * plain, atol=1e-5)
print("seen: band 4 is 0.75 x red; with band 4 at zero the first convolution gives 0.75 of the pretrained one")
EOF
