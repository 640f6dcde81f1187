#!/usr/bin/env bash
# A LoRA adapter on a network with batch normalisation is saved without the running statistics, which go on
# moving in the frozen layers while it trains: on a fresh copy of the base it is another model.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${TORCH_PYTHON:-} # an interpreter that has the packages below already; torch may be of any version there
if [ -z "$python" ]; then
    "${PYTHON:-python3}" -m venv "$folder/env"
    python=$folder/env/bin/python
    "$python" -m pip install -qq --disable-pip-version-check torch==2.13.0 peft==0.21.2 transformers==5.23.0 accelerate==1.15.0 safetensors==0.8.0 numpy==2.4.6
fi
cd "$folder"
OMP_NUM_THREADS=1 "$python" - <<'EOF'
import copy

import peft
import torch
from safetensors.torch import load_file
from torch import nn

assert peft.__version__ == "0.21.2"
print("peft", peft.__version__, "torch", torch.__version__)
torch.manual_seed(0)
base = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
x = 3 * torch.randn(256, 4) + 5  # another sensor than the one the statistics would be from
tuned = peft.get_peft_model(copy.deepcopy(base), peft.LoraConfig(target_modules=["0"], r=2))
assert all("lora" in name for name, weight in tuned.named_parameters() if weight.requires_grad)
optimizer = torch.optim.SGD([w for w in tuned.parameters() if w.requires_grad], lr=0.01)
for _ in range(50):
    optimizer.zero_grad()
    tuned(x).square().mean().backward()
    optimizer.step()
tuned.eval().save_pretrained("adapter")
kept = sorted(load_file("adapter/adapter_model.safetensors"))
loaded = peft.PeftModel.from_pretrained(copy.deepcopy(base), "adapter").eval()
with torch.no_grad():
    apart = (loaded(x) - tuned(x)).abs().max().item() / tuned(x).std().item()
moved = (tuned.base_model.model[1].running_mean - base[1].running_mean).abs().max().item()
print(f"saved: {kept}; the frozen running mean moved by {moved:.1f}")
assert kept == ["base_model.model.0.lora_A.weight", "base_model.model.0.lora_B.weight"]
assert moved > 1 and apart > 1
print(f"seen: after saving and loading the outputs are up to {apart:.1f} of their standard deviations off")
EOF
