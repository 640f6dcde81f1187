"""Run chapters as Colab would: on another Python, beside another torch, beginning with the installation cell.

    python -m scripts.environment.colab OUT --python python3.13                     two chapters, the newest torch
    python -m scripts.environment.colab OUT --python python3.12 --torch 2.6.0 --torchvision 0.21.0
    python -m scripts.environment.colab OUT --python python3.13 book/04_lora.ipynb  these chapters
    python -m scripts.environment.colab OUT --python python3.13 --full              in full instead of the quick form

OUT gets an environment with what Colab brings, made once (gigabytes; an environment ``OUT/env`` that is there is
used as it is), the wheel of this checkout, and the executed chapters. A chapter is changed in two places: a module
``google.colab`` is there, so that the installation cell runs, and that cell takes the wheel instead of the public
repository. It runs twice, as a reader may run it. At the end torch must be the one that was there before.

The other Python is all that differs: memory, disk and processors are those of this machine.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import nbformat

from mfnet_lite.utils.files import write_text
from scripts.book.badges import COLAB_HAS, repository
from scripts.environment.wheel import build_wheel

ROOT = Path(__file__).resolve().parents[2]
CHAPTERS = ("01_inside_sam", "18_your_own_data")
"""The first chapter, and the one that uses files, commands and training."""
NOTEBOOK_HAS = ("ipykernel", "ipywidgets", "scikit-learn")
"""What Colab brings besides, for notebooks and for the forests of chapter 2."""
PRETENDED = """import sys, types
for name in ("google", "google.colab"):
    sys.modules.setdefault(name, types.ModuleType(name))"""


def as_in_colab(notebook: nbformat.NotebookNode, wheel: Path) -> nbformat.NotebookNode:
    """Make a chapter run as in Colab.

    Args:
        notebook: The chapter.
        wheel: Taken in place of the public repository.

    Returns:
        The chapter with a cell before the installation, which pretends to be Colab, and the installation twice.

    Raises:
        ValueError: If the chapter has no installation cell, or that cell does not take the repository.
    """
    url, branch = repository()
    address = f"git+{url}@{branch}"
    changed = nbformat.from_dict(dict(notebook))
    places = [
        i
        for i, cell in enumerate(changed.cells)
        if "colab-install" in cell.metadata.get("tags", [])
    ]
    if len(places) != 1 or address not in changed.cells[places[0]].source:
        raise ValueError(
            f"expected one cell tagged colab-install that installs {address}, "
            f"found {len(places)}; run scripts.book.badges"
        )
    install = changed.cells[places[0]].source.replace(address, f'"{wheel}"')
    cells = [nbformat.v4.new_code_cell(source) for source in (PRETENDED, install, install)]
    changed.cells[places[0] : places[0] + 1] = cells
    return changed


def call(*command: str | Path, **variables: str) -> str:
    """Run a command; stop with what it printed if it fails.

    Raises:
        SystemExit: If it fails.
    """
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "MFNET"))}
    done = subprocess.run(
        [str(part) for part in command], env=kept | variables, capture_output=True, text=True,
        check=False, cwd=ROOT,
    )  # fmt: skip
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{(done.stdout + done.stderr)[-4000:]}")
    return done.stdout


def torch_of(python: Path) -> str:
    """Ask an environment for its torch and where that lies."""
    return call(python, "-c", "import torch; print(torch.__version__, torch.__file__)").strip()


def make_environment(env: Path, python: str, torch: str | None, torchvision: str | None) -> Path:
    """Make an environment with what Colab brings, unless it is there, and a kernel that runs in it.

    Returns:
        Its Python.
    """
    inside = env / "bin" / "python"
    if not inside.exists():
        call(python, "-m", "venv", env)
    pinned = [
        f"{name}=={version}"
        for name, version in (("torch", torch), ("torchvision", torchvision))
        if version
    ]
    free = sorted((COLAB_HAS | set(NOTEBOOK_HAS)) - {pin.split("==")[0] for pin in pinned})
    call(inside, "-m", "pip", "install", "--quiet", *pinned, *free)
    call(inside, "-m", "ipykernel", "install", "--prefix", env, "--name", "colab")
    return inside


def run_chapter(chapter: Path, out: Path, env: Path, wheel: Path, full: bool) -> float:
    """Run a chapter as in Colab.

    Returns:
        Seconds.
    """
    source = out / "source" / chapter.name
    source.parent.mkdir(parents=True, exist_ok=True)
    notebook = as_in_colab(nbformat.read(chapter, as_version=4), wheel)
    write_text(source, nbformat.writes(notebook))
    begun = time.perf_counter()
    # papermill runs here and the kernel there; Colab's folder holds no part of the book
    empty = out / "content"
    empty.mkdir(exist_ok=True)
    call(
        sys.executable, "-m", "papermill", "--cwd", empty, "--kernel", "colab",
        "--execution-timeout", "1800", "--no-progress-bar", *([] if full else ["-p", "smoke", "True"]),
        source, out / chapter.name,
        JUPYTER_PATH=str(env / "share" / "jupyter"), MFNET_LITE_STATIC="1",
    )  # fmt: skip
    return time.perf_counter() - begun


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("notebooks", nargs="*", type=Path)
    parser.add_argument("--python", required=True, help="the interpreter, e.g. python3.13")
    parser.add_argument("--torch", help="its version; default: the newest")
    parser.add_argument("--torchvision", help="the version that fits --torch")
    parser.add_argument("--full", action="store_true", help="not in the quick form")
    args = parser.parse_intermixed_args()  # notebooks may stand behind options
    if bool(args.torch) != bool(args.torchvision):
        parser.error("--torch and --torchvision belong together: give both or neither")
    out = args.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    chapters = [path.resolve() for path in args.notebooks] or [
        ROOT / "book" / f"{name}.ipynb" for name in CHAPTERS
    ]
    env = out / "env"
    print(f"environment {env}", flush=True)
    python = make_environment(env, args.python, args.torch, args.torchvision)
    before = torch_of(python)
    version = call(python, "--version").strip()
    print(f"{version}, torch {before.split()[0]}", flush=True)
    wheel, seconds = build_wheel(out / "wheel"), {}
    for chapter in chapters:
        call(python, "-m", "pip", "uninstall", "--quiet", "--yes", "mfnet-lite")
        seconds[chapter.stem] = round(run_chapter(chapter, out, env, wheel, args.full), 1)
        print(f"{chapter.stem} done in {seconds[chapter.stem]} s", flush=True)
    if (after := torch_of(python)) != before:
        sys.exit(f"the installation cell changed torch: {before} before, {after} after")
    facts = {"python": version, "torch": before.split()[0], "full": args.full, "seconds": seconds}
    write_text(out / "colab.json", json.dumps(facts, indent=1) + "\n")
    print("torch was left alone")


if __name__ == "__main__":
    main()
