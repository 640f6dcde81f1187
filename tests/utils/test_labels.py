"""One value and one palette, wherever they are used."""

from __future__ import annotations

from mfnet_lite.plotting import palettes
from mfnet_lite.rasters.labels import coding
from mfnet_lite.rasters.readers import isprs
from mfnet_lite.runs import colours
from mfnet_lite.scenes import predict
from mfnet_lite.utils.labels import IGNORE_INDEX, ISPRS_CLASSES, ISPRS_COLOURS
from mfnet_lite.world import config


def test_the_ignored_value_of_every_room():
    ignored = (config.IGNORE_INDEX, palettes.IGNORE_INDEX, predict.NODATA)
    assert set(ignored) == {IGNORE_INDEX} == {coding.LabelCoding(2).ignore_index} == {255}


def test_the_palette_of_the_benchmark():
    assert isprs.PALETTE is config.PALETTE is colours.ISPRS_COLOURS is ISPRS_COLOURS
    assert isprs.CLASSES is config.CLASSES is ISPRS_CLASSES
    assert len(ISPRS_CLASSES) == len(set(ISPRS_COLOURS)) == 6
    assert colours.colours_for(6) == ISPRS_COLOURS
