"""A slider that needs no kernel, no network and no library: one piece of HTML with its images inside.

Static pages do not run Python callbacks, so a widget is dead there. Here the frames are computed in the notebook and
shipped in the output; a range input shows one at a time. It works with a keyboard (arrow keys), tells a screen reader
which frame it shows, takes its colours from the page, and shows the frame it starts with where scripts are off.
"""

from __future__ import annotations

import base64
import hashlib
import html
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from mfnet_lite.plotting.book_figure import SCALE, Array, BookFigure, reduced, to_numpy, to_rgb

Encoding = Literal["webp", "jpeg", "png"]

# Short enough for an attribute: some front ends drop <script> from outputs, attributes stay.
_ON_INPUT = (
    "const g=this.closest('.mfnet-slider'),k=+this.value;"
    "g.querySelectorAll('img').forEach((m,i)=>{m.hidden=i!==k});"
    "const t=g.querySelectorAll('img')[k].dataset.label;"
    "this.setAttribute('aria-valuetext',t);g.querySelector('output').textContent=t"
)


@dataclass(frozen=True)
class StaticSlider:
    """A finished slider; a notebook shows it when it is the last line of a cell.

    Args:
        title: What the slider changes.
        count: Number of frames.
        html: The whole output.
    """

    title: str
    count: int
    html: str = field(repr=False)

    def _repr_html_(self) -> str:
        """What notebooks and the site show."""
        return self.html


def _image(frame: Array | Figure) -> Image.Image:
    """One frame as a Pillow image."""
    if isinstance(frame, BookFigure):
        return Image.fromarray(frame.pixels())
    if isinstance(frame, Figure):
        raw = io.BytesIO()
        frame.savefig(raw, format="png", metadata={"Software": None})
        raw.seek(0)
        return Image.open(raw).convert("RGB")
    data = to_numpy(frame)
    if data.ndim == 3 and data.shape[-1] == 3 and data.shape[0] != 3 and data.dtype == np.uint8:
        return Image.fromarray(np.ascontiguousarray(data))
    return Image.fromarray(np.ascontiguousarray(to_rgb(data)))


def _encode(image: Image.Image, encoding: Encoding, quality: int) -> bytes:
    """The bytes of one frame."""
    packed = io.BytesIO()
    if encoding == "png":
        reduced(image, 256).save(packed, format="png", optimize=True)
    elif encoding == "webp":
        image.save(packed, format="webp", quality=quality, method=4)
    else:
        image.save(packed, format="jpeg", quality=quality, optimize=True)
    return packed.getvalue()


def static_slider(
    frames: Sequence[Array | Figure],
    labels: Sequence[str],
    title: str,
    alt: str,
    encoding: Encoding = "webp",
    quality: int = 82,
    width: int | None = None,
    start: int = 0,
) -> StaticSlider:
    """Make a slider over precomputed frames.

    Args:
        frames: Figures, or images as (height, width, 3) uint8, (bands, height, width) or (height, width).
        labels: One short text per frame, read aloud and shown beside the slider, for example ``"rank 4"``.
        title: What the slider changes, for example ``"LoRA rank"``.
        alt: What the images show; each frame's label is added to it.
        encoding: ``png`` for drawings with few colours, ``webp`` or ``jpeg`` for photographs.
        quality: Of ``webp`` and ``jpeg``, 1 to 100.
        width: Shown width in pixels; the images' own if None. Never wider than the page.
        start: Index of the frame shown first.

    Returns:
        The slider.

    Raises:
        ValueError: If there are no frames, labels do not match, a text is empty, or no frame has the index ``start``.

    Example:
        >>> import numpy as np
        >>> slider = static_slider(np.zeros((2, 4, 4, 3), np.uint8), ["off", "on"], "switch", "a black square")
        >>> slider
        StaticSlider(title='switch', count=2)
        >>> slider.html.count("<img")
        2
    """
    if len(frames) == 0 or len(frames) != len(labels):
        raise ValueError(
            f"expected one label per frame and at least one, got {len(frames)} frames, {len(labels)} labels"
        )
    if not title.strip() or not alt.strip():
        raise ValueError(
            "expected a title and an alt text for readers who do not see the images, got an empty one"
        )
    if not 0 <= start < len(frames):
        raise ValueError(f"expected start from 0 to {len(frames) - 1}, got {start}")
    drawn = [_image(frame) for frame in frames]
    data = [_encode(rgb, encoding, quality) for rgb in drawn]
    digest = hashlib.sha256(
        "\0".join([title, alt, *labels]).encode() + b"\0".join(data)
    ).hexdigest()[:12]
    own = drawn[0].width // (SCALE if isinstance(frames[0], BookFigure) else 1)
    shown = width or own
    images = "".join(
        f'<img src="data:image/{encoding};base64,{base64.b64encode(content).decode()}" '
        f'alt="{html.escape(alt)} ({html.escape(label)})" data-label="{html.escape(label)}" '
        f'width="{rgb.width}" height="{rgb.height}" '
        f'style="width:100%;max-width:{shown}px;height:auto;background:#fff"{"" if index == start else " hidden"}>'
        for index, (rgb, content, label) in enumerate(zip(drawn, data, labels, strict=True))
    )
    name = f"mfnet-slider-{digest}"
    text = (
        f'<div class="mfnet-slider" role="group" aria-labelledby="{name}-title" style="max-width:{shown}px">'
        f"{images}"
        '<div style="display:flex;flex-wrap:wrap;gap:.3em .8em;align-items:center;margin:.4em 0">'
        f'<label id="{name}-title" for="{name}" style="font-weight:600">{html.escape(title)}</label>'
        f'<input id="{name}" type="range" min="0" max="{len(frames) - 1}" step="1" value="{start}" autocomplete="off" '
        f'aria-valuetext="{html.escape(labels[start])}" oninput="{html.escape(_ON_INPUT)}" '
        'style="flex:1 1 10em;min-width:8em;accent-color:#0072b2">'
        f'<output for="{name}" style="min-width:5em">{html.escape(labels[start])}</output>'
        "</div></div>"
    )
    return StaticSlider(title, len(frames), text)
