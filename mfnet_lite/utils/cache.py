"""The folder where large files are kept between runs: what was downloaded, and what was converted once."""

from __future__ import annotations

import os
from pathlib import Path

CACHE_VARIABLE = "MFNET_LITE_CACHE"
"""Environment variable naming the cache folder."""


def cache_folder() -> Path:
    """Return the folder of cached files: ``$MFNET_LITE_CACHE`` or the user's cache."""
    import pooch

    chosen = os.environ.get(CACHE_VARIABLE)
    return Path(chosen).expanduser() if chosen else Path(pooch.os_cache("mfnet_lite"))
