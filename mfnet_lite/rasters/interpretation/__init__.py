"""What the numbers of a raster mean: bands, units, missing pixels, place."""
