#!/usr/bin/env bash
# Autocast to bfloat16 is meant to save time. On an x86 processor without AVX-512 the products of matrices take
# several times as long as in float32, and nothing is said.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${TORCH_PYTHON:-} # an interpreter that has the package below already
if [ -z "$python" ]; then
    "${PYTHON:-python3}" -m venv "$folder/env"
    python=$folder/env/bin/python
    "$python" -m pip install -qq --disable-pip-version-check torch==2.13.0 numpy==2.4.6
fi
cd "$folder"
cat > measure.py <<'EOF'
import statistics
import sys
import time
import warnings

import torch
from torch import nn

torch.set_num_threads(1)
torch.manual_seed(0)
layer, x = nn.Linear(576, 1536), torch.randn(512, 576)


def seconds(call):
    call()
    begin = time.process_time()
    for _ in range(5):
        call()
    return (time.process_time() - begin) / 5


def single():
    layer(x)


def half():
    with torch.autocast("cpu", dtype=torch.bfloat16):
        layer(x)


with warnings.catch_warnings(record=True) as said, torch.no_grad():
    warnings.simplefilter("always")
    ratio = statistics.median(seconds(half) / seconds(single) for _ in range(7))
print(f"torch {torch.__version__}, {torch.backends.cpu.get_cpu_capability()}:", end=" ")
print(f"bfloat16 takes {ratio:.1f} times as long as float32; warnings: {len(said)}")
assert not said
sys.exit(0 if ratio > 2 else "no longer slower")
EOF
# processors that have more are asked to do without it
ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2 "$python" measure.py
echo "seen: without AVX-512 autocast to bfloat16 makes a linear layer several times slower, without a warning"
