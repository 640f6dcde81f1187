"""Lightning Fabric, imported without the packages that it does not need.

``lightning-fabric`` 2.6 imports torchmetrics, where it is installed, to compare its version, and torchmetrics
imports transformers and scipy.signal where those are installed: more than the time that torch itself takes, at the
start of every training. The answer is read by nothing but Fabric's spike detection, so the version is looked up in
the package's metadata instead.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from lightning_utilities.core.imports import RequirementCache

__all__ = ["DDPStrategy", "Fabric", "MixedPrecision"]

FLAG = "_TORCHMETRICS_GREATER_EQUAL_1_0_0"


@contextmanager
def missing(package: str) -> Iterator[None]:
    """Import as if a package were not installed, unless it has been imported already."""
    if package in sys.modules:
        yield
        return
    sys.modules[package] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[package]


with missing("torchmetrics"):
    from lightning_fabric import Fabric
    from lightning_fabric.plugins import MixedPrecision
    from lightning_fabric.strategies.ddp import DDPStrategy
    from lightning_fabric.utilities import imports

if hasattr(imports, FLAG):
    setattr(imports, FLAG, RequirementCache("torchmetrics>=1.0.0"))
