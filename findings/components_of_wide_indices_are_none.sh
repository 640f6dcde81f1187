#!/usr/bin/env bash
# Connected components of a sparse graph whose indices are 64-bit integers, which is what NumPy makes by itself:
# an older SciPy returns no component and -9999 for every node, and raises nothing.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
python=$folder/env/bin/python
"$python" -m pip install -qq --disable-pip-version-check scipy==1.11.1 numpy==1.26.0
cat >"$folder/see.py" <<'EOF'
import numpy as np
import scipy
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

print("scipy", scipy.__version__)
found = {}
for kind in (np.int32, np.int64):
    pairs = np.array([[1, 2], [2, 3]], kind)  # nodes 0 and 4 stand alone: three components
    graph = coo_array((np.ones(2), (pairs[:, 0], pairs[:, 1])), shape=(5, 5))
    number, labels = connected_components(graph, directed=False)
    found[kind.__name__] = number, labels.tolist()
    print(f"{kind.__name__}: {number} components, {labels.tolist()}")
assert found["int32"] == (3, [0, 1, 1, 1, 2])
assert found["int64"] == (0, [-9999] * 5)
print("seen: with 64-bit indices no component and no exception; used as an index, -9999 picks some other row")
EOF
"$python" "$folder/see.py" 2>"$folder/stderr" # "Exception ignored in …" is all that is said
grep -q "Exception ignored" "$folder/stderr"
