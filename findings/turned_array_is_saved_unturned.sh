#!/usr/bin/env bash
# An array of NumPy whose rows do not lie one after the other, because it is transposed, a part of another or was laid
# out by columns, is the same array to every other writer. safetensors 0.8 writes what lies in memory under the
# array's shape: the file has the right shape, type and range, and the numbers are at other places.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cat > try.py <<'EOF'
import json
import sys

import numpy as np
import safetensors
from safetensors.numpy import load_file, save_file
from scipy.linalg import svd

assert safetensors.__version__ == sys.argv[1]
print("safetensors", safetensors.__version__, "numpy", np.__version__)
tile = np.arange(2 * 3 * 4, dtype=np.float32).reshape(2, 3, 4)  # rows, columns, bands
samples = np.random.default_rng(0).normal(size=(50, 8)).astype(np.float32)
arrays = {
    "as it lies": tile,
    "bands first": tile.transpose(2, 0, 1),
    "three of four bands": tile[..., :3],
    "weights of another layout": tile.reshape(6, 4).T,
    "principal axes": svd(samples, full_matrices=False)[0],  # SciPy returns them laid out by columns
}
kept = {}
for name, array in arrays.items():
    save_file({"x": array}, "file.safetensors")
    back = load_file("file.safetensors")["x"]
    np.save("file.npy", array)
    assert np.array_equal(np.load("file.npy"), array) and back.shape == array.shape and back.dtype == array.dtype
    kept[name] = bool(np.array_equal(back, array))
    if name == "bands first":
        print(f"band 0 was {array[0].ravel().tolist()}, comes back as {back[0].ravel().tolist()}")
print(kept)
with open(sys.argv[1] + ".json", "w") as file:
    json.dump(kept, file)
EOF
for version in 0.7.0 0.8.0; do
    "${PYTHON:-python3}" -m venv "$folder/$version"
    "$folder/$version/bin/python" -m pip install -qq --disable-pip-version-check "safetensors==$version" numpy==2.4.6 scipy==1.17.1
    "$folder/$version/bin/python" try.py "$version"
done
"$folder/0.8.0/bin/python" - <<'EOF'
import json

before, now = (json.load(open(f"{version}.json")) for version in ("0.7.0", "0.8.0"))
assert all(before.values()) and [name for name in now if now[name]] == ["as it lies"]
print("seen: safetensors 0.7.0 keeps all five arrays, 0.8.0 the one whose rows lie in order, and says nothing")
EOF
