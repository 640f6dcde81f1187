#!/usr/bin/env bash
# Beside LoRA the weights below are frozen. On PyTorch's attention, peft adds the update to them before each pass and
# takes it away after it; in half precision both are rounded, and the frozen weights wander while the adapter trains.
# The file holds the adapter only, and on the original base it is another model.
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
import copy

import peft
import torch
from torch import nn

assert peft.__version__ == "0.21.2"
print("peft", peft.__version__, "torch", torch.__version__)


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(32, 4, batch_first=True)
        self.last = nn.Linear(32, 32)

    def forward(self, x):
        return self.last(self.attention(x, x, x, need_weights=False)[0])


def frozen(model: nn.Module) -> dict[str, torch.Tensor]:
    """Weights below an adapter, by their names in the base."""
    names = ("attention.in_proj_weight", "attention.out_proj.weight", "last.weight")
    state = {n.replace("base_model.model.", "").replace("base_layer.", ""): w for n, w in model.state_dict().items()}
    return {name: state[name].float() for name in names}


found = {}
for name, kind, target in [
    ("float32", torch.float32, "attention"),
    ("float16", torch.float16, "attention"),
    ("bfloat16", torch.bfloat16, "attention"),
    ("bfloat16", torch.bfloat16, "last"),
]:
    torch.manual_seed(0)
    base = Attention().to(kind)
    x, wanted = torch.randn(8, 6, 32).to(kind), torch.randn(8, 6, 32)
    model = peft.get_peft_model(copy.deepcopy(base), peft.LoraConfig(target_modules=[target], r=4, lora_alpha=4))
    assert all("lora" in n and w.dtype == torch.float32 for n, w in model.named_parameters() if w.requires_grad)
    optimizer = torch.optim.AdamW([w for w in model.parameters() if w.requires_grad], lr=1e-3)
    for _ in range(500):
        optimizer.zero_grad()
        (model(x).float() - wanted).square().mean().backward()
        optimizer.step()
    model.eval().save_pretrained("adapter")
    again = peft.PeftModel.from_pretrained(copy.deepcopy(base), "adapter").eval()
    with torch.no_grad():
        apart = (again(x).float() - model(x).float()).norm() / model(x).float().norm()
    was, now = frozen(base), frozen(model)
    moved = max(((now[n] - was[n]).norm() / was[n].norm()).item() for n in was)
    found[name, target] = moved, apart.item()
    print(f"{name:8} adapter on {target:9}: frozen weights moved by {moved:.1%}, answers of the file by {apart:.1%}")
assert max(found["float32", "attention"]) < 1e-3
assert found["float16", "attention"][0] > 0.005
assert min(found["bfloat16", "attention"]) > 0.05
assert found["bfloat16", "last"] == (0, 0)
moved, apart = found["bfloat16", "attention"]
print(f"seen: frozen bfloat16 weights are {moved:.0%} off after 500 steps, answers of the saved adapter {apart:.0%}")
EOF
