#!/usr/bin/env bash
# Lightning Fabric compares the version of torchmetrics when it is imported, and does so by importing the whole of
# it; torchmetrics imports transformers where that is installed. A program that uses neither pays for both at every
# start. The flag that is computed is read by one class, which nothing else needs.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${TORCH_PYTHON:-} # an interpreter that has the packages below already; torch may be of any version there
if [ -z "$python" ]; then
    "${PYTHON:-python3}" -m venv "$folder/env"
    python=$folder/env/bin/python
    "$python" -m pip install -qq --disable-pip-version-check torch==2.13.0 lightning-fabric==2.6.6 lightning-utilities==0.15.3 torchmetrics==1.9.0 transformers==5.23.0 numpy==2.4.6
fi
cd "$folder"
cat > start.py <<'EOF'
import resource
import sys

if sys.argv[1] == "without":
    sys.modules["torchmetrics"] = None  # as if it were not installed
import torch  # noqa: F401  what both need

before = resource.getrusage(resource.RUSAGE_SELF).ru_utime
import lightning_fabric  # noqa: E402

used = resource.getrusage(resource.RUSAGE_SELF).ru_utime - before
seen = [name for name in ("torchmetrics", "transformers") if sys.modules.get(name)]
print(lightning_fabric.__version__, f"{used:.2f}", ",".join(seen) or "neither")
EOF
export OMP_NUM_THREADS=1
for _ in 1 2; do # the second time all files are in memory
    plain=$("$python" start.py with)
    spared=$("$python" start.py without)
done
"$python" - "$plain" "$spared" <<'EOF'
import sys
from importlib.metadata import version

plain, spared = (text.split() for text in sys.argv[1:])
print("lightning-fabric", plain[0], "torchmetrics", version("torchmetrics"), "transformers", version("transformers"))
assert version("torchmetrics") == "1.9.0"
assert plain[2] == "torchmetrics,transformers", plain
assert spared[2] == "neither", spared
print(f"seen: importing it takes {plain[1]} s of CPU and loads torchmetrics and transformers; "
      f"{spared[1]} s and neither where torchmetrics is not installed")
EOF
