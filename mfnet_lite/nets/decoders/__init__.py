"""From feature pyramids to maps: fusion of sensors, UNetFormer, masks drawn by queries of words."""
