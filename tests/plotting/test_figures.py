"""Figures: what is drawn, not merely that something is."""

from __future__ import annotations

import io

import matplotlib as mpl
import numpy as np
import pytest
import torch
from PIL import Image

from mfnet_lite import plotting
from mfnet_lite.plotting.book_figure import FORMS, MOST, reduced
from mfnet_lite.plotting.palettes import CHANGE, ISPRS


def shown(figure: mpl.figure.Figure) -> np.ndarray:
    """The image in the first panel."""
    return np.asarray(figure.axes[0].images[0].get_array())


def test_image_shows_the_bands_asked_for() -> None:
    image = np.stack([np.full((4, 5), value, np.uint8) for value in (10, 20, 30, 40)])
    assert shown(plotting.show_image(image, bands=(3, 0, 1)))[0, 0].tolist() == [40, 10, 20]
    assert shown(plotting.show_image(image[:1])).shape == (4, 5, 3)


def test_tensors_with_gradients_and_floats_are_accepted() -> None:
    image = torch.full((3, 4, 4), 0.5, requires_grad=True)
    assert shown(plotting.show_image(image))[0, 0].tolist() == [128, 128, 128]


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((2, 2, 2, 2)), r"\(2, 2, 2, 2\)"),
        (np.zeros((2, 4, 4)), "bands below 2"),
        (np.full((3, 4, 4), 7.0), "from 7 to 7"),
        (np.full((3, 4, 4), np.nan), "from nan"),
    ],
)
@pytest.mark.filterwarnings("ignore:All-NaN")
def test_images_that_cannot_be_shown_are_refused(image: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        plotting.show_image(image)


def test_rows_of_a_legend_take_no_room_from_the_panels() -> None:
    for count, width, rows in ((3, 2.4, 1), (4, 2.4, 1), (4, 1.4, 2), (6, 2.4, 2)):
        figure, _ = plotting.panels(["one", "two", "three"], width=width)
        before = figure.get_figheight()
        plotting.legend(figure, ISPRS, range(count))
        assert figure.get_figheight() == pytest.approx(before + 0.27 * rows)
        assert len(figure.legends[0].get_texts()) == count


def test_label_legend_lists_only_classes_that_occur() -> None:
    figure = plotting.show_label(np.array([[1, 1], [4, 255]]))
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["building", "car"]
    assert shown(figure)[1, 1].tolist() == list(ISPRS.ignored)


def test_change_map_uses_the_change_palette() -> None:
    assert shown(plotting.show_change(np.array([[0, 1]])))[0, 1].tolist() == list(CHANGE.colours[1])


def test_height_hides_missing_pixels_and_names_its_unit() -> None:
    height = np.array([[0.0, 10.0], [np.nan, -9999.0]], dtype=np.float32)
    figure = plotting.show_height(height, valid=np.array([[1, 1], [1, 0]]))
    drawn = figure.axes[0].images[0]
    assert np.ma.getmaskarray(drawn.get_array()).tolist() == [[False, False], [True, True]]
    assert figure.axes[1].get_ylabel() == "height in metres"
    assert drawn.get_clim() == pytest.approx((0.1, 9.9))


def test_height_without_any_valid_pixel_and_flat_height_still_draw() -> None:
    for height in (np.full((3, 3), np.nan), np.zeros((1, 3, 3))):
        low, high = plotting.show_height(height).axes[0].images[0].get_clim()
        assert high > low
    with pytest.raises(ValueError, match="height map"):
        plotting.show_height(np.zeros((2, 3, 3)))


def test_overlay_mixes_inside_outlines_the_edge_and_leaves_the_rest() -> None:
    mask = np.zeros((7, 7), bool)
    mask[1:6, 1:6] = True
    image = plotting.overlay(
        np.zeros((3, 7, 7), np.uint8), mask, colour=(100, 200, 50), opacity=0.5
    )
    assert image[3, 3].tolist() == [50, 100, 25]
    assert image[1, 1].tolist() == [100, 200, 50]
    assert image[0, 0].tolist() == [0, 0, 0]
    with pytest.raises(ValueError, match=r"\(2, 2\)"):
        plotting.overlay(np.zeros((3, 7, 7), np.uint8), np.zeros((2, 2)))


def test_small_masks_are_drawn_over_large_ones() -> None:
    masks = np.zeros((2, 9, 9), bool)
    masks[0, 4, 4] = True
    masks[1] = True
    first = plotting.instance_palette(2)[1]
    drawn = shown(plotting.show_masks(np.zeros((3, 9, 9), np.uint8), masks))
    assert drawn[4, 4].tolist() == first.tolist()


def test_instances_keep_background_grey_whatever_the_numbers() -> None:
    drawn = shown(plotting.show_instances(np.array([[0, 70000], [5, 5]])))
    assert drawn[0, 0].tolist() == [45, 45, 45]
    assert drawn[1, 0].tolist() == drawn[1, 1].tolist() != drawn[0, 1].tolist()
    assert shown(plotting.show_instances(np.array([[3]])))[0, 0].tolist() != [45, 45, 45]


def test_prompts_differ_in_shape_as_well_as_colour() -> None:
    figure = plotting.show_image(np.zeros((3, 9, 9), np.uint8))
    ax = figure.axes[0]
    plotting.draw_prompts(
        ax, np.array([[1, 2], [3, 4], [5, 6]]), np.array([1, 0, 1]), np.array([1, 1, 7, 8])
    )
    front, back = ax.collections
    assert front.get_offsets().tolist() == [[1, 2], [5, 6]]
    assert back.get_offsets().tolist() == [[3, 4]]
    assert len(front.get_paths()[0]) != len(back.get_paths()[0])
    assert ax.patches[1].get_bbox().extents.tolist() == [1, 1, 7, 8]


def test_panels_make_a_grid_and_refuse_nothing() -> None:
    figure, axes = plotting.panels(list("abcde"), columns=3)
    assert len(axes) == 5
    assert figure.get_size_inches()[0] == pytest.approx(3 * 2.9)
    with pytest.raises(ValueError, match="0 titles"):
        plotting.panels([])


def test_global_settings_stay_untouched_and_no_figure_stays_open() -> None:
    from matplotlib import pyplot

    before = dict(mpl.rcParams)
    plotting.show_image(np.zeros((3, 4, 4), np.uint8))
    assert dict(mpl.rcParams) == before
    assert pyplot.get_fignums() == []


def test_png_is_small_and_repeatable() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (3, 128, 128)).astype(np.uint8)
    figure = plotting.show_image(noise, "noise")
    assert isinstance(figure, plotting.BookFigure)
    data = figure.png()
    assert data == figure.png()
    assert len(data) < 150_000
    with Image.open(io.BytesIO(data)) as image:
        assert image.mode == "P"
    assert figure.pixels().shape[-1] == 3


def test_classes_keep_their_colours_beside_a_photograph() -> None:
    rng = np.random.default_rng(0)
    figure, (left, right) = plotting.panels(["photograph", "classes"])
    left.imshow(rng.random((200, 200, 3)))
    palette = np.array([(0, 0, 255), (202, 58, 13), (221, 98, 196), (213, 94, 0)], np.uint8)
    right.imshow(palette[rng.integers(0, 4, (10, 10))])
    drawn = figure.pixels(1)
    for colours in (64, 256):
        with Image.open(io.BytesIO(figure.png(colours, 1))) as image:
            assert len(image.getcolors() or ()) <= colours
            shown = np.asarray(image.convert("RGB"))
        for colour in palette:
            surface = (drawn == colour).all(-1)
            assert surface.sum() > 1000
            assert (shown[surface] == colour).all()


def test_a_click_on_a_photograph_keeps_its_colours() -> None:
    """The photograph is large, dull and grainy, its roof small and bright, the star smaller still."""
    rng = np.random.default_rng(0)
    across, down = np.meshgrid(np.linspace(0, 1, 400), np.linspace(0, 1, 400))
    dull = np.stack([90 + 60 * across, 100 + 40 * down, 80 + 30 * across * down], -1)
    dull[100:140, 100:140] = (60, 190, 200)
    star = slice(118, 122), slice(118, 122)
    photograph = (dull + rng.normal(0, 9, dull.shape)).clip(0, 255).astype(np.uint8)
    photograph[star] = (240, 228, 66)
    found = np.asarray(reduced(Image.fromarray(photograph), 128).convert("RGB"))
    assert (found[star] == (240, 228, 66)).all()
    error = np.linalg.norm(found.astype(float) - photograph, axis=-1)
    assert np.percentile(error, 99) < 16  # measured 13.9; 19.8 by median cut
    assert error[100:140, 100:140].mean() < 8  # 6.1; 15.9 by median cut


@pytest.mark.parametrize("shades", [1, 2, 300])
@pytest.mark.parametrize("colours", [2, 256])
def test_a_palette_holds_as_many_colours_as_it_may(shades: int, colours: int) -> None:
    step = np.arange(shades)
    rows = np.stack([step % 256, step // 256, 0 * step], -1).astype(np.uint8)
    image = Image.fromarray(np.repeat(rows[None], 100, axis=0))
    found = reduced(image, colours)
    assert len(found.getcolors() or ()) <= colours
    if shades <= colours // 2:  # every one is a surface
        assert np.array_equal(np.asarray(found.convert("RGB")), np.asarray(image))


def test_notebooks_show_the_figure_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    monkeypatch.setattr(
        "IPython.display.display",
        lambda data, metadata, raw: calls.append((sorted(data), metadata, raw)),
    )
    figure = plotting.show_image(np.zeros((3, 4, 4), np.uint8))
    figure._ipython_display_()
    shown = {"image/png": {"width": round(figure.get_figwidth() * figure.dpi)}}
    assert calls == [(["image/png", "text/plain"], shown, True)]


def test_images_have_two_pixels_for_each_that_is_shown() -> None:
    figure = plotting.show_image(np.zeros((3, 4, 4), np.uint8), "black")
    single, double = (figure.pixels(scale=scale) for scale in (1, 2))
    assert double.shape == (2 * single.shape[0], 2 * single.shape[1], 3)
    assert figure.pixels().shape == double.shape


@pytest.mark.parametrize("columns", [1, 2, 3, 4])
@pytest.mark.parametrize("scale", [1, 1.5, 2])
def test_pixels_are_those_that_matplotlib_writes(columns: int, scale: float) -> None:
    """Also where the width is no whole number of pixels, such as that of three panels of 2.9 inches."""
    figure, axes = plotting.panels([str(k) for k in range(columns)], columns, width=2.9, aspect=0.7)
    axes[0].plot([0, 1, 0.5])
    found = figure.pixels(scale)
    written = io.BytesIO()
    figure.savefig(written, format="png", dpi=scale * figure.dpi)
    with Image.open(written) as image:
        assert np.array_equal(found, np.asarray(image.convert("RGB")))


@pytest.mark.parametrize(("side", "form"), [(60, 0), (600, 4)])
def test_a_figure_full_of_grain_is_kept_in_a_smaller_form(
    monkeypatch: pytest.MonkeyPatch, side: int, form: int
) -> None:
    kept = []
    monkeypatch.setattr(
        "IPython.display.display", lambda data, metadata, raw: kept.append((data, metadata))
    )
    noise = np.random.default_rng(0).integers(0, 255, (3, side, side)).astype(np.uint8)
    figure = plotting.show_image(noise, "noise")
    figure._ipython_display_()
    ((data, metadata),) = kept
    scale, colours = FORMS[form]
    assert data["image/png"] == figure.png(colours, scale)
    assert metadata == {"image/png": {"width": round(figure.get_figwidth() * figure.dpi)}}
    assert all(len(figure.png(c, s)) > MOST for s, c in FORMS[:form])


def test_clicks_lie_on_top_of_masks() -> None:
    mask = np.zeros((4, 5), bool)
    plain = plotting.show_masks(np.zeros((3, 4, 5), np.uint8), mask)
    clicked = plotting.show_masks(np.zeros((3, 4, 5), np.uint8), mask, points=np.array([[3, 1]]))
    assert len(plain.axes[0].collections) == 0
    assert clicked.axes[0].collections[0].get_offsets().tolist() == [[3, 1]]
