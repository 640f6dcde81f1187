"""GeoTIFF in and out, tiling, and the readers of public datasets.

What belongs where:

* one raster: ``raster`` (header and pixels), ``io`` (reading), ``write``, ``cog``, ``geojson`` (naming
  coordinate systems), ``orientation``, ``identity`` (hashes), ``open_files``, ``rgb`` (any bands as a photograph);
* several rasters of one part of the ground: ``tiles`` (the common form of all datasets), ``sensor_kinds``
  (what a sensor measures), ``grids`` (whether pixels lie upon each other), ``scan`` (finding files);
* another raster in place of one that is refused: ``remake``, ``raster_content`` (all that a file says, read and
  written), ``remedy`` (the line of an error that calls it);
* parts of a raster and values in [0, 1]: ``tiling``, ``scaling``, ``streaming``;
* the folders ``interpretation`` (from numbers to quantities), ``labels`` (from label values to classes), ``readers``
  (one file per format), ``datasets`` (samples for a network) and ``check`` (reports).
"""

from __future__ import annotations

from mfnet_lite.rasters.check.check_dataset import check_dataset
from mfnet_lite.rasters.check.elevation_report import ElevationReport, describe_elevation
from mfnet_lite.rasters.check.report import CheckReport, Row
from mfnet_lite.rasters.datasets.crops import RandomCrops, WholeTiles
from mfnet_lite.rasters.datasets.object_maps import ObjectFiles, ObjectReader, find_object_files
from mfnet_lite.rasters.datasets.plate_samples import PlateSamples
from mfnet_lite.rasters.datasets.scene_sample import SceneLike, scene_sample
from mfnet_lite.rasters.datasets.stacked_crops import stack_crops
from mfnet_lite.rasters.datasets.with_objects import WithObjects
from mfnet_lite.rasters.grids import check_grid
from mfnet_lite.rasters.interpretation.interpret import interpret
from mfnet_lite.rasters.interpretation.record import Fault, Interpretation
from mfnet_lite.rasters.io import open_raster, raster_info, read_raster
from mfnet_lite.rasters.labels.coding import LabelCoding
from mfnet_lite.rasters.labels.label_counts import label_histogram
from mfnet_lite.rasters.raster import Raster, RasterInfo
from mfnet_lite.rasters.readers.detect import KINDS, READERS, detect_kind, find_reader, open_dataset
from mfnet_lite.rasters.readers.folder import open_folder
from mfnet_lite.rasters.readers.hunan import open_hunan
from mfnet_lite.rasters.readers.isprs import open_potsdam, open_vaihingen
from mfnet_lite.rasters.readers.loveda import open_loveda
from mfnet_lite.rasters.readers.mf_street import open_mf_street
from mfnet_lite.rasters.readers.nyud import open_nyud, open_sunrgbd
from mfnet_lite.rasters.readers.pairs import open_pairs
from mfnet_lite.rasters.readers.plate_images import open_plates, read_plates
from mfnet_lite.rasters.readers.pst900 import open_pst900
from mfnet_lite.rasters.readers.reader import Reader
from mfnet_lite.rasters.readers.whu_opt_sar import open_whu_opt_sar
from mfnet_lite.rasters.rgb import Stretch, read_rgb
from mfnet_lite.rasters.scaling import SCALINGS, Scaling, fit_scaling
from mfnet_lite.rasters.sensor_kinds import SENSOR_KINDS
from mfnet_lite.rasters.streaming import fit_scaling_from_file
from mfnet_lite.rasters.tiles import DatasetInfo, PlateTile, Problem, SensorInfo, Tile, TileSet
from mfnet_lite.rasters.tiling import Window, window_positions, windows
from mfnet_lite.rasters.write import geotiff_profile, write_raster

__all__ = [
    "KINDS",
    "READERS",
    "SCALINGS",
    "SENSOR_KINDS",
    "CheckReport",
    "DatasetInfo",
    "ElevationReport",
    "Fault",
    "Interpretation",
    "LabelCoding",
    "ObjectFiles",
    "ObjectReader",
    "PlateSamples",
    "PlateTile",
    "Problem",
    "RandomCrops",
    "Raster",
    "RasterInfo",
    "Reader",
    "Row",
    "Scaling",
    "SceneLike",
    "SensorInfo",
    "Stretch",
    "Tile",
    "TileSet",
    "WholeTiles",
    "Window",
    "WithObjects",
    "check_dataset",
    "check_grid",
    "describe_elevation",
    "detect_kind",
    "find_object_files",
    "find_reader",
    "fit_scaling",
    "fit_scaling_from_file",
    "geotiff_profile",
    "interpret",
    "label_histogram",
    "open_dataset",
    "open_folder",
    "open_hunan",
    "open_loveda",
    "open_mf_street",
    "open_nyud",
    "open_pairs",
    "open_plates",
    "open_potsdam",
    "open_pst900",
    "open_raster",
    "open_sunrgbd",
    "open_vaihingen",
    "open_whu_opt_sar",
    "raster_info",
    "read_plates",
    "read_raster",
    "read_rgb",
    "scene_sample",
    "stack_crops",
    "window_positions",
    "windows",
    "write_raster",
]
