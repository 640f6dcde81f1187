"""GeoTIFF in and out, tiling, and the readers of public datasets."""

from __future__ import annotations

from mfnet_lite.rasters.check import CheckReport, Row, check_dataset
from mfnet_lite.rasters.crops import RandomCrops, WholeTiles
from mfnet_lite.rasters.detect import READERS, detect_kind, open_dataset
from mfnet_lite.rasters.doctor import ElevationReport, describe_elevation
from mfnet_lite.rasters.grids import check_grid
from mfnet_lite.rasters.hunan import open_hunan
from mfnet_lite.rasters.interpret import interpret
from mfnet_lite.rasters.interpretation import Fault, Interpretation
from mfnet_lite.rasters.io import open_raster, raster_info, read_raster
from mfnet_lite.rasters.isprs import open_potsdam, open_vaihingen
from mfnet_lite.rasters.label_counts import label_histogram
from mfnet_lite.rasters.labels import LabelCoding
from mfnet_lite.rasters.layout import open_folder
from mfnet_lite.rasters.loveda import open_loveda
from mfnet_lite.rasters.objects import ObjectFiles, ObjectReader, find_object_files
from mfnet_lite.rasters.pairs import open_pairs
from mfnet_lite.rasters.picture import Stretch, read_picture
from mfnet_lite.rasters.plate_samples import PlateSamples
from mfnet_lite.rasters.plates import (
    PlateSet,
    PlateTile,
    open_plates,
    read_plates,
)
from mfnet_lite.rasters.raster import Raster, RasterInfo
from mfnet_lite.rasters.scaling import SCALINGS, Scaling, fit_scaling
from mfnet_lite.rasters.streaming import fit_scaling_from_file
from mfnet_lite.rasters.tiles import DatasetInfo, Problem, SensorInfo, Tile, TileSet
from mfnet_lite.rasters.tiling import Window, window_positions, windows
from mfnet_lite.rasters.write import geotiff_profile, write_raster

__all__ = [
    "READERS",
    "SCALINGS",
    "CheckReport",
    "DatasetInfo",
    "ElevationReport",
    "Fault",
    "Interpretation",
    "LabelCoding",
    "ObjectFiles",
    "ObjectReader",
    "PlateSamples",
    "PlateSet",
    "PlateTile",
    "Problem",
    "RandomCrops",
    "Raster",
    "RasterInfo",
    "Row",
    "Scaling",
    "SensorInfo",
    "Stretch",
    "Tile",
    "TileSet",
    "WholeTiles",
    "Window",
    "check_dataset",
    "check_grid",
    "describe_elevation",
    "detect_kind",
    "find_object_files",
    "fit_scaling",
    "fit_scaling_from_file",
    "geotiff_profile",
    "interpret",
    "label_histogram",
    "open_dataset",
    "open_folder",
    "open_hunan",
    "open_loveda",
    "open_pairs",
    "open_plates",
    "open_potsdam",
    "open_raster",
    "open_vaihingen",
    "raster_info",
    "read_picture",
    "read_plates",
    "read_raster",
    "window_positions",
    "windows",
    "write_raster",
]
