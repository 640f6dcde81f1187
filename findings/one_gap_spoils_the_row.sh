#!/usr/bin/env bash
# A mean over 3 x 3 pixels depends on nine pixels. SciPy computes it as a running sum along rows and columns, from which
# a gap never leaves: with NaN all is NaN from there to the lower right corner, and after a nodata value of -3.4e38 the
# rows go on with finite means that lack what the sum had lost. Leaving out the gap and its neighbours is no help.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
python=$folder/env/bin/python
"$python" -m pip install -qq --disable-pip-version-check scipy==1.17.1 numpy==2.4.6
cd "$folder"
"$python" -W error - <<'EOF'
import numpy as np
import scipy
from scipy import ndimage

print("scipy", scipy.__version__)
ROW, COLUMN = 2, 3
whole = np.full((6, 400), 100, np.float32)  # a plain 100 m above the sea
mean = np.full((3, 3), 1 / 9)
near = np.zeros(whole.shape, bool)
near[ROW - 1 : ROW + 2, COLUMN - 1 : COLUMN + 2] = True  # the nine means that a gap at this pixel belongs to
assert np.allclose(ndimage.uniform_filter(whole, 3), 100)
for gap in (-9999.0, np.finfo(np.float32).min, np.nan):
    heights = whole.copy()
    heights[ROW, COLUMN] = gap
    box = ndimage.uniform_filter(heights, 3)
    others = {
        "convolve": ndimage.convolve(heights, mean.astype(np.float32)),
        "gaussian_filter": ndimage.gaussian_filter(heights, 1, radius=1),
        "generic_filter": ndimage.generic_filter(heights, np.mean, 3),
    }
    wrong = ~np.isclose(box, 100, atol=0.01)
    print(f"gap {gap:.5g}: uniform_filter is wrong at {wrong.sum()} pixels; last of the row: {box[ROW, -1]:.4g}")
    for name, found in others.items():
        assert np.array_equal(~np.isclose(found, 100, atol=0.01), near), name
    if gap == -9999:
        assert np.array_equal(wrong, near)
    elif np.isnan(gap):
        assert np.isnan(box[ROW - 1 :, COLUMN - 1 :]).all() and wrong.sum() == 5 * 398
    else:
        right, below = box[ROW - 1 : ROW + 2, COLUMN + 2 :], box[ROW + 2 :, COLUMN - 1 : COLUMN + 2]
        print(f"  to the right of its neighbours {np.unique(right)}, below them {np.unique(below.round(2))}")
        assert wrong.sum() == 9 + right.size + below.size and not right.any() and np.allclose(below, 200 / 3)
        double = ndimage.uniform_filter(heights.astype(np.float64), 3)
        assert np.allclose(double, box)  # more digits do not help
    # the usual way to leave gaps out: sums of the valid pixels over their number, with the gap set to 0 before
    valid = np.isfinite(heights) & (heights > -500)
    total = ndimage.uniform_filter(np.where(valid, heights, 0).astype(np.float64), 3)
    assert np.allclose(total / ndimage.uniform_filter(valid.astype(np.float64), 3), 100)
print("seen: one gap of -3.4e38 spoils three rows to their end, with finite numbers; NaN spoils all to the lower right")
EOF
