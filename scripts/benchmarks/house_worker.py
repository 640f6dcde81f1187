"""One tree at work, for scripts/benchmarks/house.py: a training step or a scene per line that it reads.

Runs with the root of either tree as its import path and names only what both have; it prints CPU seconds, one number
a line, after a first result that is not counted.
"""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Callable
from pathlib import Path

SIDE, BATCH, CLASSES = 128, 4, 6


def first_of(*names: str) -> object:
    """Return the first of several objects that this tree has, each named ``module:object``.

    Raises:
        ImportError: If it has none of them.
    """
    for name in names:
        module, _, attribute = name.partition(":")
        try:
            return getattr(importlib.import_module(module), attribute)
        except (ImportError, AttributeError):
            continue
    raise ImportError(f"expected one of {', '.join(names)} in {sys.path[0]}, found none")


def network() -> object:
    """Build an MFNet on the small SAM, as both trees name it."""
    import torch

    load_sam = first_of("mfnet_lite:load_sam", "mfnet_lite.sam:load_sam")
    mfnet = first_of("mfnet_lite.nets:MFNet", "mfnet_lite.nets.mfnet:MFNet")
    torch.manual_seed(0)
    return mfnet(load_sam("tiny"), CLASSES)


def training_step(folder: Path) -> Callable[[], object]:
    """Return a call that does one step: forward, cross-entropy, backward, AdamW."""
    import torch

    model = network().train()
    generator = torch.Generator().manual_seed(0)
    bands = torch.rand(BATCH, 4, SIDE, SIDE, generator=generator)
    label = torch.randint(CLASSES, (BATCH, SIDE, SIDE), generator=generator)
    optimizer = torch.optim.AdamW(p for p in model.parameters() if p.requires_grad)

    def call() -> None:
        optimizer.zero_grad()
        logits = model({"optical": bands[:, :3], "dsm": bands[:, 3:]})
        torch.nn.functional.cross_entropy(logits, label).backward()
        optimizer.step()

    return call


def scene(folder: Path) -> Callable[[], object]:
    """Return a call that maps the scene in a folder."""
    predict = first_of(
        "mfnet_lite.scenes.predict:predict_scene", "mfnet_lite.predict:predict_scene"
    )
    model = network().eval()
    paths = {name: folder / f"{name}.tif" for name in ("optical", "dsm")}
    out = Path.cwd() / "map.tif"
    return lambda: predict(model, paths, out, device="cpu", progress=False)


CASES = {"training step": training_step, "scene": scene}


def main() -> None:
    """Work on one case, a line of the input at a time."""
    case, root, folder = sys.argv[1:]
    package = importlib.import_module("mfnet_lite").__file__
    if not Path(str(package)).resolve().is_relative_to(Path(root).resolve()):
        sys.exit(f"expected mfnet_lite of {root}, found {package}; check PYTHONPATH")
    import torch

    torch.set_num_threads(1)
    call = CASES[case](Path(folder))
    call()
    print("ready", flush=True)
    for _ in sys.stdin:
        begun = time.process_time()
        call()
        print(time.process_time() - begun, flush=True)


if __name__ == "__main__":
    main()
