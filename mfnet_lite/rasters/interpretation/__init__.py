"""What the numbers of a raster mean: bands, units, missing pixels, position.

Everything that a file says about itself, or that must be guessed, is decided here once for all commands. A new kind of
sensor with rules of its own gets a file beside ``elevation`` and a line in :func:`~mfnet_lite.rasters.interpret`.
"""
