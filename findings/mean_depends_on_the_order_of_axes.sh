#!/usr/bin/env bash
# The mean of each band of a picture in float32. With the bands first NumPy adds in pairs and is right; with the bands
# last, or of a list of pixels, it adds one number after the other in float32, and a sum that has grown to 2**24 times
# the numbers takes no more of them in. A bright picture of 5000 x 5000 pixels has a mean of 0.67 instead of 0.80, and
# heights of 430 m have one of 344 m. The same numbers in float64, or summed with dtype=np.float64, are right.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
python=$folder/env/bin/python
"$python" -m pip install -qq --disable-pip-version-check numpy==2.4.6
cd "$folder"
"$python" -W error - <<'EOF'
import numpy as np

print("numpy", np.__version__)
SIDE, BANDS = 5000, 3
bright = np.random.default_rng(0).random((SIDE, SIDE, BANDS), np.float32)
bright *= 0.4  # snow, sand, concrete: 0.6 to 1.0
bright += 0.6


def report(name, means):
    print(f"{name}: {np.array2string(np.asarray(means), precision=4)}")
    return np.asarray(means, np.float64)


last = report("bands last, mean over rows and columns", bright.mean(axis=(0, 1)))
pixels = report("pixels of a mask, mean over pixels", bright[np.ones((SIDE, SIDE), bool)].mean(axis=0))
spread = report("bands last, standard deviation", bright.std(axis=(0, 1)))
first = np.stack([bright[..., band] for band in range(BANDS)])
first = report("bands first", first.mean(axis=(1, 2)))
double = report("bands last, dtype=np.float64", bright.mean(axis=(0, 1), dtype=np.float64))
deviation = report("bands last, standard deviation, dtype=np.float64", bright.std(axis=(0, 1), dtype=np.float64))
assert np.allclose(first, 0.8, atol=1e-3) and np.allclose(double, 0.8, atol=1e-3)
assert np.allclose(last, 2**24 / SIDE**2, atol=1e-6) and np.array_equal(last, pixels)
del bright
assert (spread / deviation > 1.4).all()
heights = np.full((SIDE, SIDE, 2), (430, 412), np.float32)
surface, terrain = report("surface at 430 m and terrain at 412 m, bands last", heights.mean(axis=(0, 1)))
assert surface == terrain and 343 < surface < 344  # both sums have stopped at 2**33
print("seen: bands last 0.67 and 0.17 instead of 0.80 and 0.12; surface and terrain 344 m instead of 430 and 412 m")
EOF
