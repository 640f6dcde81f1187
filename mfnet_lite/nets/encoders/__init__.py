"""Feature pyramids: of SAM for several sensors, of timm, of FastSAM."""
