"""Sliding windows over a scene as users know them: MONAI's, TerraTorch's, and the test loop of MFNet's authors.

References for scripts/benchmarks/scenes.py, each from two GeoTIFFs to a class map as a user writes it: files are read
whole, scaled, mapped, and the classes are written with the options of our own maps. Of the packages and of the authors'
repository nothing is copied: MONAI is imported; of TerraTorch, which wants dozens of packages when imported, one file
is read and run, and so are the functions of the authors' loop, with ``.cuda()`` left out.
"""

from __future__ import annotations

import ast
import importlib.util
import itertools
import re
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import torch
from einops import rearrange
from torch import Tensor, nn

from mfnet_lite.rasters import geotiff_profile

AUTHORS_FILES = ("MFNet/train.py", "MFNet/utils.py")
AUTHORS_FUNCTIONS = ("test", "sliding_window", "count_sliding_window", "grouper")


@dataclass(frozen=True)
class Task:
    """One scene to be mapped.

    Attributes:
        paths: ``optical`` and ``dsm``, on one grid.
        out: The class map to write.
        model: Maps ``{sensor: (batch, channels, h, w)}`` to logits.
        classes: How many.
        window: Side of a window in pixels.
        stride: Step of the windows.
        batch: Windows per forward pass.
    """

    paths: Mapping[str, Path]
    out: Path
    model: nn.Module
    classes: int
    window: int
    stride: int
    batch: int


def read(task: Task) -> tuple[np.ndarray, np.ndarray]:
    """Read image in [0, 1], (3, h, w), and heights in [0, 1], (h, w), of the whole scene."""
    with rasterio.open(task.paths["optical"]) as file:
        image = file.read().astype(np.float32) / 255
    with rasterio.open(task.paths["dsm"]) as file:
        dsm, valid = file.read(1), file.read_masks(1) > 0
    low, high = dsm[valid].min(), dsm[valid].max()
    return image, np.where(valid, (dsm - low) / (high - low), 0).astype(np.float32)


def write(task: Task, labels: np.ndarray) -> None:
    """Write classes as ``predict_scene`` does."""
    with rasterio.open(task.paths["optical"]) as like:
        profile = geotiff_profile(
            like.height, like.width, 1, "uint8", nodata=255, crs=like.crs, transform=like.transform
        )
    with rasterio.open(task.out, "w", **profile) as file:
        file.write(labels.astype(np.uint8), 1)


def both(task: Task) -> Callable[[Tensor], Tensor]:
    """Return the model as peers call it: all channels in one tensor."""
    return lambda x: task.model({"optical": x[:, :3], "dsm": x[:, 3:]})  # type: ignore[no-any-return]


def stacked(task: Task) -> Tensor:
    """All channels of the scene, (1, 4, h, w)."""
    image, dsm = read(task)
    return torch.from_numpy(np.concatenate([image, dsm[None]]))[None]


@torch.no_grad()
def monai(task: Task) -> None:
    """``monai.inferers.sliding_window_inference``, windows weighted alike."""
    from monai.inferers import sliding_window_inference

    logits = sliding_window_inference(
        stacked(task), (task.window, task.window), task.batch, both(task),
        overlap=1 - task.stride / task.window,
    )  # fmt: skip
    write(task, logits[0].argmax(0).numpy())  # type: ignore[index]


@torch.no_grad()
def terratorch(task: Task) -> None:
    """``terratorch.tasks.tiled_inference.tiled_inference``, its blending on, no border cut off."""
    logits = _terratorch()(
        both(task), stacked(task), crop=task.window, stride=task.stride, delta=0, batch_size=task.batch,
        padding=False,
    )  # fmt: skip
    write(task, logits[0].argmax(0).numpy())


def _terratorch() -> Callable[..., Tensor]:
    """Run TerraTorch's file without its package around it."""
    found = importlib.util.find_spec("terratorch")
    if found is None or not found.submodule_search_locations:
        raise ModuleNotFoundError("No module named 'terratorch'", name="terratorch")
    (folder,) = found.submodule_search_locations
    tree = ast.parse((Path(folder) / "models" / "utils.py").read_text(encoding="utf-8"))
    helper = [n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == "pad_images"]
    names: dict[str, Any] = {"torch": torch, "nn": nn, "__name__": __name__}
    exec(compile(ast.Module(helper, []), "terratorch/models/utils.py", "exec"), names)
    tree = ast.parse((Path(folder) / "tasks" / "tiled_inference.py").read_text(encoding="utf-8"))
    tree.body = [
        n
        for n in tree.body
        if not (isinstance(n, ast.ImportFrom) and (n.module or "").startswith("terratorch"))
    ]
    exec(compile(tree, "terratorch/tasks/tiled_inference.py", "exec"), names)
    return names["tiled_inference"]  # type: ignore[no-any-return]


def authors(checkout: Path) -> Callable[[Task], None]:
    """``test`` of MFNet's ``train.py``, on files and a network of ours.

    Args:
        checkout: Of sstary/SSRS, or its git directory.

    Raises:
        FileNotFoundError: If it holds no such files.
    """
    functions: list[ast.stmt] = []
    for name in AUTHORS_FILES:
        shown = subprocess.run(
            ["git", "-C", str(checkout), "show", f"HEAD:{name}"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if shown.returncode:
            raise FileNotFoundError(
                f"{checkout} holds no {name}: expected a checkout of sstary/SSRS or its git directory; clone it and "
                "give its path"
            )
        # one function at a time: the file as a whole does not parse, a string in it is not closed
        functions += [
            node
            for text in re.findall(r"^def .*\n(?:[ \t]+.*\n|\s*\n)*", shown.stdout, re.MULTILINE)
            if text.startswith(tuple(f"def {name}(" for name in AUTHORS_FUNCTIONS))
            for node in ast.parse(text).body
        ]
    module = ast.fix_missing_locations(_OnAnyDevice().visit(ast.Module(functions, [])))
    code = compile(module, AUTHORS_FILES[0], "exec")

    def run(task: Task) -> None:
        image, dsm = read(task)
        files = {"image": rearrange(image * 255, "c h w -> h w c"), "dsm": dsm}
        files["label"] = np.zeros(dsm.shape, np.uint8)

        class Reader:  # stands where the loop calls skimage.io
            imread = staticmethod(lambda name: files[name])

        def net(image: Tensor, dsm: Tensor, mode: str) -> Tensor:
            del mode
            return task.model({"optical": image, "dsm": dsm[:, None]})  # type: ignore[no-any-return]

        size = (task.window, task.window)
        names: dict[str, Any] = {
            "np": np, "torch": torch, "itertools": itertools, "io": Reader, "DATASET": "Vaihingen",
            "DATA_FOLDER": "image", "DSM_FOLDER": "dsm", "LABEL_FOLDER": "label", "ERODED_FOLDER": "label",
            "N_CLASSES": task.classes, "WINDOW_SIZE": size, "BATCH_SIZE": task.batch,
            "Variable": lambda tensor, volatile: tensor, "clear_output": lambda: None,
            "tqdm": lambda it, **_: it, "convert_from_color": lambda label: label,
            "metrics": lambda predictions, truth: 0.0,
        }  # fmt: skip
        exec(code, names)
        _, maps, _ = names["test"](
            net, ["scene"], all=True, stride=task.stride, batch_size=task.batch, window_size=size
        )
        write(task, maps[0])

    return run


class _OnAnyDevice(ast.NodeTransformer):
    """Take ``.cuda()`` out of calls."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """Replace ``x.cuda()`` by ``x``."""
        self.generic_visit(node)
        if isinstance(node.func, ast.Attribute) and node.func.attr == "cuda" and not node.args:
            return node.func.value
        return node


def released(name: str) -> str | None:
    """Version of an installed package, without importing it."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None
