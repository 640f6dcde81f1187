"""Small modules that several networks share."""

from __future__ import annotations

from mfnet_lite.nets.layers.state_space_scan import selective_scan, selective_scan_steps

__all__ = ["selective_scan", "selective_scan_steps"]
