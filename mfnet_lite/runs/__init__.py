"""The run folder, and what one system needs from end to end."""

from __future__ import annotations

from mfnet_lite.runs.folder import RunConfig, load_config, load_run

__all__ = ["RunConfig", "load_config", "load_run"]
