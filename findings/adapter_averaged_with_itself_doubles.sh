#!/usr/bin/env bash
# The mean of two adapters, which peft's add_weighted_adapter(..., [0.5, 0.5], combination_type="linear") promises by its
# name, would be the mean of their updates. It adds the matrices A and B instead and multiplies the sums, so that the mean
# of an adapter with itself is twice the adapter, and half of what two areas' mean does is products of one's A with the
# other's B. Nothing warns; "cat" is exact, at the sum of the ranks.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${TORCH_PYTHON:-} # an interpreter that has the packages below already; torch may be of any version there
if [ -z "$python" ]; then
    "${PYTHON:-python3}" -m venv "$folder/env"
    python=$folder/env/bin/python
    "$python" -m pip install -qq --disable-pip-version-check torch==2.15.0 peft==0.21.2 transformers==5.23.0 accelerate==1.15.0 safetensors==0.8.0 numpy==2.4.6
fi
cd "$folder"
OMP_NUM_THREADS=1 "$python" - <<'EOF'
import warnings

import peft
import torch
from torch import nn

assert peft.__version__ == "0.21.2"
print("peft", peft.__version__, "torch", torch.__version__)
warnings.simplefilter("error", UserWarning)
torch.manual_seed(0)
config = peft.LoraConfig(target_modules=["0"], r=4, lora_alpha=4, init_lora_weights=False)  # not at zero
model = peft.get_peft_model(nn.Sequential(nn.Linear(32, 32, bias=False)), config, adapter_name="north")
for name in ("south", "twin"):
    model.add_adapter(name, config)
layer = model.base_model.model[0]
for part in (layer.lora_A, layer.lora_B):
    part["twin"].load_state_dict(part["north"].state_dict())


def mean_of(first: str, second: str, how: str) -> torch.Tensor:
    name = f"{first}_{second}_{how}"
    model.add_weighted_adapter([first, second], [0.5, 0.5], name, combination_type=how)
    model.set_adapter(name)
    x = torch.eye(32)
    return (model(x) - nn.functional.linear(x, layer.base_layer.weight)).detach()  # what the update adds


north, south = (layer.get_delta_weight(name).detach().T for name in ("north", "south"))
ratio, off = {}, {}
for how in ("linear", "cat"):
    ratio[how] = (mean_of("north", "twin", how).norm() / north.norm()).item()
    wanted = (north + south) / 2
    off[how] = ((mean_of("north", "south", how) - wanted).norm() / wanted.norm()).item()
    print(f"{how}: an adapter averaged with itself has {ratio[how]:.3f} times its update;", end=" ")
    print(f"two of different areas are {100 * off[how]:.0f} % off the mean of their updates")
assert abs(ratio["linear"] - 2) < 1e-3 and 0.5 < off["linear"] < 2
assert abs(ratio["cat"] - 1) < 1e-3 and off["cat"] < 1e-4
print(f"seen: linear doubles what is averaged with itself, and is {100 * off['linear']:.0f} % off for two areas")
EOF
