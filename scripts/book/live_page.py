"""What the page with the live SAM is made of: the runtime, the networks, pictures, and what stands for them.

    python -m scripts.book.live_page OUT      write the files of the page into OUT, as the build of the site does

A page opened from a folder may load classic scripts and nothing else, so runtime and networks become strings in
scripts. The runtime is onnxruntime-web, which ``npm pack`` brings at one version and with one hash; it is too large
for a repository. The networks are exported from the weights that the package ships. Both are kept in ``_build/live``.
Where one of them cannot be had, the page shows a slider of pictures, which this script computes, too.
"""

from __future__ import annotations

import argparse
import base64
import gzip
import hashlib
import io
import json
import shutil
import subprocess
import tarfile
import tempfile
from html import escape
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from segment_anything.modeling import Sam
from torch.nn import functional as F

from mfnet_lite.plotting import show_masks, static_slider
from mfnet_lite.sam import embed_images, load_sam, predict_masks
from mfnet_lite.sam.onnx_models import export_sam
from mfnet_lite.utils.files import write_text
from mfnet_lite.utils.onnx_files import onnx_package, open_onnx
from mfnet_lite.world import make_scene
from mfnet_lite.world.shapes.images import make_images

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / "_build" / "live"
RESULTS = ROOT / "book" / "results" / "live_page.json"
STATIC = Path("_static") / "live"
WIDGET, MEASURED = "live_widget.html", "live_measured.md"
"""Fragments that book/live.md includes."""

RUNTIME = "onnxruntime-web@1.30.0"
RUNTIME_SHA256 = "d2228df7e4616bc3348bf504ee888f3bec43789a273f0a63f3e68d203ce3bf71"
MODULE = "package/dist/ort.wasm.bundle.min.mjs"
WASM = "package/dist/ort-wasm-simd-threaded.wasm"
PATIENCE = 300
"""Seconds for npm."""
SIDE = 256
FRAMES = 9
FORM = "2"
"""Of the script with the networks; another one makes it anew."""


class MissingError(Exception):
    """A part of the live page cannot be had here; the message says why."""


def runtime_script(cache: Path) -> Path:
    """Fetch onnxruntime-web with npm and make it a script that sets ``window.liveSamRuntime``.

    Args:
        cache: Where the script is kept.

    Returns:
        The script.

    Raises:
        MissingError: If npm is not here or does not deliver.
        ValueError: If it delivers another file than the known one.
    """
    script = cache / f"runtime-{RUNTIME_SHA256[:12]}.js"
    if script.is_file():
        return script
    npm = shutil.which("npm")
    if npm is None:
        raise MissingError("npm is not installed")
    with tempfile.TemporaryDirectory() as folder:
        command = [npm, "pack", RUNTIME, "--pack-destination", folder, "--silent"]
        try:
            done = subprocess.run(
                command, cwd=folder, check=False, capture_output=True, timeout=PATIENCE
            )
        except subprocess.TimeoutExpired as error:
            raise MissingError(f"npm did not bring {RUNTIME} within {PATIENCE} s") from error
        packed = list(Path(folder).glob("*.tgz"))
        if done.returncode or len(packed) != 1:
            raise MissingError(f"npm does not bring {RUNTIME}")
        script_text = unpack_runtime(packed[0].read_bytes())
    write_text(script, script_text)
    return script


def unpack_runtime(packed: bytes, sha256: str = RUNTIME_SHA256) -> str:
    """Turn the package into a script.

    Args:
        packed: The archive.
        sha256: What it has to hash to.

    Returns:
        The script; the WebAssembly program in it is compressed to a quarter.

    Raises:
        ValueError: If the archive is another one.
    """
    found = hashlib.sha256(packed).hexdigest()
    if found != sha256:
        raise ValueError(
            f"npm brought another {RUNTIME} than the known one: expected SHA-256 {sha256[:12]}…, found "
            f"{found[:12]}…; do not use it, and look into the settings of npm"
        )
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        module, wasm = (archive.extractfile(name) for name in (MODULE, WASM))
        assert module is not None
        assert wasm is not None
        parts = {
            "module": module.read().decode(),
            "wasm": base64.b64encode(gzip.compress(wasm.read(), 9, mtime=0)).decode(),
        }
    notice = f"// {RUNTIME}, Copyright (c) Microsoft Corporation, MIT License\n"
    return f"{notice}window.liveSamRuntime = {_literal(parts)};\n"


def models_script(cache: Path) -> Path:
    """Export the shipped SAM and make it a script that sets ``window.liveSamModels``.

    Args:
        cache: Where the script is kept; weights, exporter or pictures of another kind get another name.

    Returns:
        The script.

    Raises:
        MissingError: If the packages for the export are not installed.
    """
    try:
        versions = [onnx_package(name).__version__ for name in ("onnx", "onnxscript")]
        onnx_package("onnxruntime")
    except ImportError as error:
        raise MissingError(str(error)) from error
    sam = load_sam("tiny")
    key = hashlib.sha256(" ".join([FORM, *versions, version("torch")]).encode())
    for tensor in sam.state_dict().values():
        key.update(tensor.numpy().tobytes())
    pictures = sample_pictures()
    for image, name, click in pictures:
        key.update(image.tobytes() + repr((name, click)).encode())
    for file in ("sam/onnx_models.py", "utils/onnx_files.py"):
        key.update((ROOT / "mfnet_lite" / file).read_bytes())
    script = cache / f"models-{key.hexdigest()[:12]}.js"
    if script.is_file():
        return script
    images = [torch.from_numpy(image)[None].float() for image, _, _ in pictures]
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / f"{name}.onnx" for name in ("encoder", "decoder")]
        agreement = export_sam(sam, files[0], files[1], images)
        (known,) = open_onnx(files[0]).run(None, {"image": images[0].numpy()})
        networks = {file.stem: file.read_bytes() for file in files}
    parts: dict[str, Any] = {
        "side": SIDE,
        "low": 4 * SIDE // sam.image_encoder.patch_embed.proj.kernel_size[0],
        "mean": sam.pixel_mean.flatten().tolist(),
        "pictures": [
            {"name": name, "click": click, "url": _data_url(image)}
            for image, name, click in pictures
        ],
        "bytes": {name: len(content) for name, content in networks.items()},
        "agreement": str(agreement),
    }
    # The first mask then need not wait for the encoder.
    parts["pictures"][0]["embedding"] = {
        "values": base64.b64encode(known.tobytes()).decode(), "shape": known.shape,
    }  # fmt: skip
    parts |= {name: base64.b64encode(content).decode() for name, content in networks.items()}
    write_text(script, f"window.liveSamModels = {_literal(parts)};\n")
    return script


Picture = tuple[NDArray[np.uint8], str, tuple[int, int]]
"""Bands × rows × columns, what it shows, and where to click first (x, y)."""


def sample_pictures() -> list[Picture]:
    """Pictures to begin with: two scenes of the world, and a picture like those the model was trained on."""
    town = make_scene(seed=6, size=SIDE, gsd=0.25)
    other = make_scene(seed=14, size=SIDE, gsd=0.25)
    shapes = make_images(seed=6, count=1, size=SIDE)
    part = (shapes.levels[0, 0] == shapes.levels[0, 0, 78, 91]).numpy()
    roof = town.instances == town.instances[208, 106]
    largest = np.bincount(other.instances[other.instances > 0]).argmax()
    return [
        (town.optical[:3], "A drawn town from above", inmost(roof)),
        (other.optical[:3], "Another drawn town", inmost(other.instances == largest)),
        (
            shapes.image[0].numpy().astype(np.uint8),
            "Shapes like those of its training",
            inmost(part),
        ),
    ]


def inmost(mask: NDArray[np.bool_]) -> tuple[int, int]:
    """Find the pixel (x, y) of a mask that is farthest from its border."""
    depth = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    y, x = np.unravel_index(int(depth.argmax()), mask.shape)
    return int(x), int(y)


@torch.no_grad()
def still_slider(sam: Sam) -> str:
    """Pictures that stand for the live model: answers to clicks along a row, computed now."""
    image, name, (_, y) = sample_pictures()[0]
    embedding = embed_images(sam, torch.from_numpy(image)[None].float())
    frames, labels = [], []
    for x in np.linspace(20, SIDE - 20, FRAMES).round():
        point = torch.tensor([[[[float(x), float(y)]]]])
        found = predict_masks(sam, embedding, points=point, labels=torch.ones(1, 1, 1).long())
        large = F.interpolate(found.masks[0], (SIDE, SIDE), mode="bilinear")[0]
        best = int(found.iou.argmax())
        title = f"predicted IoU {found.iou[0, 0, best]:.2f}"
        frames.append(show_masks(image, large[best] > 0, title, points=point[0, 0]))
        labels.append(f"x = {x:.0f}")
    alt = f"{name} with a click and the mask that the model thinks best"
    return static_slider(frames, labels, "Click along a row", alt, quality=60).html


def write_page(book: Path, cache: Path = CACHE) -> str | None:
    """Write what book/live.md needs into a folder that the site is built from.

    Args:
        book: The folder ``book`` of the gathered sources.
        cache: Where runtime and networks are kept.

    Returns:
        Why the page has no live model; None if it has.
    """
    target, why = book / STATIC, None
    target.mkdir(parents=True, exist_ok=True)
    try:
        scripts = {"runtime.js": runtime_script(cache), "models.js": models_script(cache)}
        for name, script in scripts.items():
            shutil.copy2(script, target / name)
    except MissingError as missing:
        why = str(missing)
    still = still_slider(load_sam("tiny"))
    write_text(book / WIDGET, widget(still, live=why is None))
    write_text(book / MEASURED, measured(json.loads(RESULTS.read_text(encoding="utf-8"))))
    return why


def widget(still: str, live: bool) -> str:
    """The page's HTML.

    Args:
        still: The slider that stands for the model.
        live: Whether the model is there.
    """
    if not live:
        note = (
            "This copy of the book was built without the model's runtime, so these pictures, computed when it was "
            "built, stand for the live model."
        )
        return f'<div id="live-sam-still"><p id="live-sam-note">{note}</p>{still}</div>\n'
    note = (
        "The model needs JavaScript and WebAssembly; until it runs, these pictures, computed when the book was built, "
        "stand for it."
    )
    tools = _radios(
        "live-sam-tool", {"inside": "include", "outside": "exclude", "box": "draw a box"}
    )
    masks = _radios(
        "live-sam-mask",
        {"0": "single", "1": "first of three", "2": "second", "3": "third"},
        "<output>–</output>",
    )
    return f"""<link rel="stylesheet" href="../{STATIC}/live.css">
<div class="live-sam" id="live-sam" role="group" aria-label="Live Segment Anything" hidden>
<button type="button" data-part="start" hidden>Load the model</button>
<canvas data-part="canvas" width="512" height="512" tabindex="0" role="application"
 aria-label="Picture to click on" aria-describedby="live-sam-keys"></canvas>
<p data-part="status" role="status"></p>
<fieldset data-part="controls" disabled><legend>Picture</legend><div class="live-sam-row">
<label>Shown <select data-part="picture"></select></label>
<label>or your own <input type="file" data-part="file" accept="image/*"></label></div>
<fieldset data-part="tools"><legend>A click means</legend><div class="live-sam-row">{tools}
<button type="button" data-part="undo">Undo</button>
<button type="button" data-part="clear">Clear</button></div></fieldset>
<fieldset data-part="masks" disabled><legend>Mask shown, with the IoU that the model expects</legend>
<div class="live-sam-row">{masks}</div></fieldset></fieldset>
<p class="live-sam-help" id="live-sam-keys">Keys, once the picture has the focus: arrows move a cross (with Shift by one
pixel), Enter clicks, Backspace takes the last prompt back, Escape all. Your own picture may also be dropped
on the frame or pasted; it stays on your computer.</p>
</div>
<div id="live-sam-still"><p id="live-sam-note">{note}</p>{still}</div>
<script src="../{STATIC}/live.js"></script>
"""


def _radios(name: str, choices: dict[str, str], after: str = "") -> str:
    """Radio buttons, the first one chosen."""
    return "".join(
        f'<label><input type="radio" name="{name}" value="{value}"{"" if number else " checked"}> '
        f"{escape(text)}{' ' if after else ''}{after}</label>"
        for number, (value, text) in enumerate(choices.items())
    )


def measured(record: dict[str, Any]) -> str:
    """Say what was measured, from the record of scripts/benchmarks/live_page.py.

    Args:
        record: The record.
    """
    times, sizes = record["processor_seconds"], record["bytes"]
    parity = record["parity"]
    sentences = (
        f"Measured in {record['browser']} from a folder, on one core of a {record['hardware']}, the middle of "
        f"{record['runs']} runs, in processor time of the whole browser:",
        f"{times['loading']:.1f} s to load the page, {times['first_mask']:.1f} s from there to the first mask, whose "
        f"picture brings its embedding along, {times['own_picture']:.1f} s for the encoder to look at the next picture "
        f"({times['encoder']:.1f} s at later ones), {1000 * times['next_click']:.0f} ms for each further click.",
        f"The runtime is {sizes['runtime.js'] / 1e6:.1f} MB, the networks are {sizes['encoder'] / 1e6:.1f} and "
        f"{sizes['decoder'] / 1e6:.1f} MB, a third more as text.",
        f"On {parity['prompts']} prompts the page's logits differ from PyTorch's by at most {parity['logits']:.0e}; "
        f"of {parity['pixels']:,} pixels of masks {parity['differing']:,} differ.",
    )
    return " ".join(sentences) + "\n"


def _literal(value: Any) -> str:
    """A value as JavaScript, without anything that would end a script."""
    return json.dumps(value, ensure_ascii=True).replace("</", "<\\/")


def _data_url(image: NDArray[np.uint8]) -> str:
    """A picture as an address: one that is read from a folder could be shown, but not looked into."""
    packed = io.BytesIO()
    Image.fromarray(np.moveaxis(image, 0, -1)).save(packed, format="png", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(packed.getvalue()).decode()}"


def main() -> None:
    """Parse the command line and write the files."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("out", type=Path, help="folder for the files")
    out: Path = parser.parse_args().out
    why = write_page(out)
    print(f"{out}: {'with the live model' if why is None else f'without the live model: {why}'}")


if __name__ == "__main__":
    main()
