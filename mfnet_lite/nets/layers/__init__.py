"""Small modules that several networks share."""

from __future__ import annotations

from mfnet_lite.nets.layers.mt_enhancer import EnhancerBlock, MTEnhancer
from mfnet_lite.nets.layers.mv_fuser import MVFuser
from mfnet_lite.nets.layers.state_space_scan import selective_scan, selective_scan_steps

__all__ = ["EnhancerBlock", "MTEnhancer", "MVFuser", "selective_scan", "selective_scan_steps"]
