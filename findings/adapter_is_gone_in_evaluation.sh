#!/usr/bin/env bash
# A LoRA adapter of peft on PyTorch's own transformer layers: what stands in the feed-forward part learns in training
# and is skipped in evaluation, where PyTorch's fast path reads the weights below it; what stands on the output
# projection of attention is skipped in both. Merging brings either back.
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
import warnings

import peft
import torch
from torch import nn

assert peft.__version__ == "0.21.2"
print("peft", peft.__version__, "torch", torch.__version__)
torch.manual_seed(0)
layer = nn.TransformerEncoderLayer(16, nhead=4, dim_feedforward=32, dropout=0.0, batch_first=True)
base = nn.TransformerEncoder(layer, num_layers=2)  # without dropout training and evaluation are the same function
x, wanted = torch.randn(8, 6, 16), torch.randn(8, 6, 16)


def loss(model: nn.Module) -> float:
    with torch.no_grad():
        return (model(x) - wanted).square().mean().item()


def tuned(*targets: str) -> nn.Module:
    model = peft.get_peft_model(copy.deepcopy(base), peft.LoraConfig(target_modules=list(targets), r=4))
    optimizer = torch.optim.Adam([w for w in model.parameters() if w.requires_grad], lr=0.02)
    for _ in range(100):
        optimizer.zero_grad()
        (model.train()(x) - wanted).square().mean().backward()
        optimizer.step()
    return model


before = loss(base.eval())
assert loss(base.train()) - before < 1e-5
print(f"the base: {before:.3f}")
warnings.simplefilter("error", UserWarning)  # from here on there is none
model = tuned("linear1", "linear2")
trained, evaluated = loss(model.train()), loss(model.eval())
with_gradients = (model(x) - wanted).square().mean().item()
torch.backends.mha.set_fastpath_enabled(False)
slowly = loss(model.eval())
torch.backends.mha.set_fastpath_enabled(True)
merged = loss(copy.deepcopy(model).merge_and_unload().eval())
print(f"LoRA on linear1, linear2: train() {trained:.3f}, eval() {evaluated:.3f} with or without gradients")
print(f"in eval() without the fast path {slowly:.3f}, merged {merged:.3f}")
assert trained < 0.95 * before and abs(evaluated - before) < 1e-5 and abs(with_gradients - before) < 1e-5
assert abs(slowly - trained) < 1e-4 and abs(merged - trained) < 1e-4

model = tuned("linear1", "linear2", "out_proj")  # "all-linear" takes these three, too
stays = [p.detach().abs().max().item() for n, p in model.named_parameters() if "out_proj.lora_B" in n]
learns = [p.detach().abs().max().item() for n, p in model.named_parameters() if "linear1.lora_B" in n]
print(f"after 100 steps lora_B of out_proj is at most {max(stays)}, that of linear1 at least {min(learns):.2f}")
assert len(stays) == 2 and max(stays) == 0 and min(learns) > 0.01
print(f"seen: trained to {trained:.3f}, evaluated at {evaluated:.3f} like the base; on out_proj nothing learns")
EOF
