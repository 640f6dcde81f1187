#!/usr/bin/env bash
# A batch holds a window in which nothing is valid: its sensor was off, or all of it is cloud. With norm_first=True, as in
# vision transformers, nn.TransformerEncoder trains on it with finite numbers and returns NaN in evaluation without
# gradients, where PyTorch takes its fast path. nn.MultiheadAttention is NaN in either mode if it is asked for its
# weights, as it is by default. No warning; without the fast path evaluation gives what training gave.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${TORCH_PYTHON:-} # an interpreter that has PyTorch already, of any version
if [ -z "$python" ]; then
    "${PYTHON:-python3}" -m venv "$folder/env"
    python=$folder/env/bin/python
    "$python" -m pip install -qq --disable-pip-version-check torch==2.15.0 numpy==2.4.6
fi
OMP_NUM_THREADS=1 "$python" - <<'EOF'
import warnings

import torch
from torch import nn

print("torch", torch.__version__)
torch.manual_seed(0)
layer = nn.TransformerEncoderLayer(16, 4, 32, dropout=0.0, batch_first=True, norm_first=True)
encoder = nn.TransformerEncoder(layer, num_layers=2, enable_nested_tensor=False)
warnings.simplefilter("error")
x, nothing = torch.randn(2, 6, 16), torch.zeros(2, 6, dtype=torch.bool)
nothing[1] = True  # of the second window no token may be read


def finite(training: bool, gradients: bool) -> list[bool]:
    with torch.set_grad_enabled(gradients):
        out = encoder.train(training)(x, src_key_padding_mask=nothing)
    return out.isfinite().flatten(1).all(1).tolist()


seen = {(training, gradients): finite(training, gradients) for training in (True, False) for gradients in (True, False)}
for (training, gradients), windows in seen.items():
    mode, with_or_without = "train()" if training else "eval()", "with" if gradients else "without"
    print(f"encoder in {mode}, {with_or_without} gradients: finite {windows}")
assert seen.pop((False, False)) == [True, False] and set(map(tuple, seen.values())) == {(True, True)}
with torch.no_grad():
    trained = encoder.train()(x, src_key_padding_mask=nothing)
    torch.backends.mha.set_fastpath_enabled(False)
    slow = encoder.eval()(x, src_key_padding_mask=nothing)
    torch.backends.mha.set_fastpath_enabled(True)
print(f"in eval() without the fast path, off what training gave by {(slow - trained).abs().max():.1g}")
assert (slow - trained).abs().max() < 1e-5

attention = nn.MultiheadAttention(16, 4, batch_first=True).train()
for weights in (True, False):
    out = attention(x, x, x, key_padding_mask=nothing, need_weights=weights)[0]
    print(f"attention in train(), need_weights={weights}: finite {out.isfinite().flatten(1).all(1).tolist()}")
    assert out[0].isfinite().all() and bool(out[1].isfinite().all()) is not weights
print("seen: a window without a valid token is finite in training and NaN in evaluation")
EOF
