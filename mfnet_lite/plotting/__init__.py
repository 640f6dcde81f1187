"""Figures, colour-blind-safe palettes, and sliders that work without a kernel."""

from __future__ import annotations

from mfnet_lite.plotting.book_figure import BookFigure, one_panel, panels, to_rgb
from mfnet_lite.plotting.box_outlines import draw_boxes
from mfnet_lite.plotting.calibration_curve import show_calibration
from mfnet_lite.plotting.curves import show_curves
from mfnet_lite.plotting.feature_colours import principal_colours
from mfnet_lite.plotting.figures import (
    draw_prompts,
    legend,
    overlay,
    show_change,
    show_height,
    show_image,
    show_instances,
    show_label,
    show_masks,
)
from mfnet_lite.plotting.image_panels import show_images
from mfnet_lite.plotting.lines import show_lines
from mfnet_lite.plotting.live import kernel_alive, live_slider, live_text
from mfnet_lite.plotting.map_panels import show_maps
from mfnet_lite.plotting.mask_panels import show_answers
from mfnet_lite.plotting.outcomes import show_outcome
from mfnet_lite.plotting.palettes import (
    BINARY,
    CHANGE,
    DEFICIENCIES,
    ERRORS,
    ISPRS,
    Palette,
    instance_palette,
    perceived,
    separation,
)
from mfnet_lite.plotting.records import Record, read_record
from mfnet_lite.plotting.seed_dots import show_rows, show_runs
from mfnet_lite.plotting.slider import StaticSlider, static_slider
from mfnet_lite.plotting.spread import show_spread
from mfnet_lite.plotting.sweep import sweep

__all__ = [
    "BINARY",
    "CHANGE",
    "DEFICIENCIES",
    "ERRORS",
    "ISPRS",
    "BookFigure",
    "Palette",
    "Record",
    "StaticSlider",
    "draw_boxes",
    "draw_prompts",
    "instance_palette",
    "kernel_alive",
    "legend",
    "live_slider",
    "live_text",
    "one_panel",
    "overlay",
    "panels",
    "perceived",
    "principal_colours",
    "read_record",
    "separation",
    "show_answers",
    "show_calibration",
    "show_change",
    "show_curves",
    "show_height",
    "show_image",
    "show_images",
    "show_instances",
    "show_label",
    "show_lines",
    "show_maps",
    "show_masks",
    "show_outcome",
    "show_rows",
    "show_runs",
    "show_spread",
    "static_slider",
    "sweep",
    "to_rgb",
]
