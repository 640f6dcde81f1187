"""A training starts without the packages that Lightning Fabric asks for nothing but a version."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

ASK = """
import json, sys
{before}
from mfnet_lite.training.fabric import FLAG, DDPStrategy, Fabric, imports
heavy = [name for name in ("torchmetrics", "transformers", "scipy.signal") if name in sys.modules]
import torchmetrics
from lightning_fabric.utilities.spike import SpikeDetection
SpikeDetection(window=2)
print(json.dumps([heavy, bool(getattr(imports, FLAG)), torchmetrics.__version__]))
"""


def asked(before: str = "") -> tuple[list[str], bool, str]:
    done = subprocess.run(
        [sys.executable, "-c", ASK.format(before=before)],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    return tuple(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.slow
def test_a_training_imports_no_torchmetrics_and_fabric_still_finds_it() -> None:
    pytest.importorskip("torchmetrics")
    heavy, found, _ = asked()
    assert heavy == []
    assert found


def test_what_was_imported_before_stays() -> None:
    pytest.importorskip("torchmetrics")
    heavy, found, _ = asked("import torchmetrics")
    assert "torchmetrics" in heavy
    assert found
