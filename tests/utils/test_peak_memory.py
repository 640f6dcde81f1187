"""The reported memory is that of this program, and its highest value."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from mfnet_lite.utils.provenance import peak_memory

MIB = 2**20
CHILD = "from mfnet_lite.utils.provenance import peak_memory; print(peak_memory())"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads what Linux counts")
def test_a_small_program_started_by_a_large_one_is_small():
    ballast = np.ones(200 * MIB // 8)
    own = peak_memory()
    done = subprocess.run([sys.executable, "-c", CHILD], capture_output=True, text=True, check=True)
    assert own > 200 * MIB
    assert 5 * MIB < int(done.stdout) < 100 * MIB
    del ballast
    assert peak_memory() > own - 5 * MIB  # Linux counts in lumps
