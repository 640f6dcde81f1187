"""From feature pyramids to maps: fusion of sensors, UNetFormer."""
