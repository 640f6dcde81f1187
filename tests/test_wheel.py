"""The wheel alone, in an environment without pytest, Jupyter, Sphinx or scikit-learn, does what the package promises.

Downloading torch for every test run would take minutes and gigabytes. The clean environment therefore sees a folder of
links to exactly those installed distributions that the wheel's own metadata asks for, computed recursively; anything
else, although installed beside them, cannot be imported there.
"""

from __future__ import annotations

import importlib.metadata as metadata
import os
import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from scripts.environment.wheel import build_wheel

ROOT = Path(__file__).resolve().parents[1]
FORBIDDEN = (
    "IPython",
    "sphinx",
    "sklearn",
    "pytest",
    "ipywidgets",
    "nbformat",
    "hypothesis",
    "torchmetrics",
    "cv2",
)
pytestmark = pytest.mark.book

CHECK = """
import importlib, importlib.util, pkgutil, sys, tempfile
from pathlib import Path
import mfnet_lite

here = Path(mfnet_lite.__file__).resolve()
assert here.is_relative_to(Path(sys.prefix).resolve()), here
for name in {forbidden!r}:
    assert importlib.util.find_spec(name) is None, name
names = [module.name for module in pkgutil.walk_packages(mfnet_lite.__path__, "mfnet_lite.")]
for name in names:
    importlib.import_module(name)

import torch
from mfnet_lite.world import make_scene

sam = mfnet_lite.load_sam("tiny")
scene = make_scene(seed=3, size=64)
batch = {{
    "optical": torch.as_tensor(scene.optical[None, :3].astype("float32")) / 255,
    "dsm": torch.as_tensor(scene.dsm[None, None]),
}}
with torch.no_grad():
    features = sam.image_encoder(torch.nn.functional.interpolate(batch["optical"], sam.image_encoder.img_size))
assert features.isfinite().all()
print(len(names), "modules imported")
"""


def run(*command: str | Path, **settings: object) -> str:
    """Run a command away from the checkout; show its output if it fails."""
    clean = {
        key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "MFNET"))
    }
    result = subprocess.run(
        [str(part) for part in command],
        env=clean,
        capture_output=True,
        text=True,
        check=False,
        **settings,
    )
    if result.returncode:
        pytest.fail(
            f"{' '.join(map(str, command[:4]))}\n{(result.stdout + result.stderr)[-5000:]}",
            pytrace=False,
        )
    return result.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(tmp_path_factory.mktemp("wheel"))


def asked_for(wheel: Path) -> dict[str, metadata.Distribution]:
    """Every distribution that the wheel needs at run time, directly or not, without extras."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [entry for entry in archive.namelist() if entry.endswith(".dist-info/METADATA")]
        header = Parser().parsestr(archive.read(name).decode())
    waiting = [Requirement(line) for line in header.get_all("Requires-Dist", [])]
    waiting = [item for item in waiting if not item.marker or item.marker.evaluate({"extra": ""})]
    found: dict[str, metadata.Distribution] = {}
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        item = waiting.pop()
        key = canonicalize_name(item.name), frozenset(item.extras)
        if key in seen:
            continue
        seen.add(key)
        found[key[0]] = distribution = metadata.distribution(item.name)
        for line in distribution.requires or []:
            more = Requirement(line)
            if not more.marker or any(
                more.marker.evaluate({"extra": extra}) for extra in ("", *item.extras)
            ):
                waiting.append(more)
    return found


@pytest.fixture(scope="module")
def clean(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with the wheel and links to what it asks for; returns its bin folder."""
    folder = tmp_path_factory.mktemp("clean")
    run(sys.executable, "-m", "venv", "--without-pip", folder / "venv")
    links = folder / "links"
    links.mkdir()
    for distribution in asked_for(wheel).values():
        for top in {Path(file).parts[0] for file in distribution.files or []} - {
            "..",
            "__pycache__",
        }:
            target = Path(str(distribution.locate_file(top)))
            if target.exists() and not (links / top).exists():
                (links / top).symlink_to(target)
    python = folder / "venv" / "bin" / "python"
    site = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    (site / "links.pth").write_text(f"{links}\n", encoding="utf-8")
    run(
        sys.executable,
        "-m",
        "pip",
        "--python",
        python,
        "install",
        "--no-deps",
        "--no-index",
        "--quiet",
        wheel,
    )
    return python.parent


def test_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"mfnet_lite"}
    assert "mfnet_lite/py.typed" in names
    assert "mfnet_lite/nets/layers/selective_scan.cpp" in names
    assert "mfnet_lite/weights/sam_tiny.safetensors" in names
    assert not [name for name in names if name.endswith((".ipynb", ".pyc")) or "/tests/" in name]


def test_every_module_imports_and_the_small_model_runs(clean: Path, tmp_path: Path) -> None:
    printed = run(clean / "python", "-c", CHECK.format(forbidden=FORBIDDEN), cwd=tmp_path)
    assert "modules imported" in printed


def test_command_line_goes_from_a_made_world_to_a_map(clean: Path, tmp_path: Path) -> None:
    command = clean / "mfnet-lite"
    run(command, "info", cwd=tmp_path)
    run(
        command,
        "world",
        "make",
        "data",
        "--tiles",
        "6",
        "--size",
        "128",
        "--seed",
        "1",
        cwd=tmp_path,
    )
    run(command, "data", "check", "data", cwd=tmp_path)
    run(
        command,
        "train",
        "data",
        "--model",
        "unet",
        "--steps",
        "2",
        "--device",
        "cpu",
        "--out",
        "run",
        cwd=tmp_path,
    )
    first = sorted((tmp_path / "data" / "test" / "image").glob("*.tif"))[0]
    run(
        command,
        "predict",
        "run",
        "--optical",
        first,
        "--dsm",
        first.parents[1] / "dsm" / first.name,
        "--out",
        "map.tif",
        cwd=tmp_path,
    )
    assert (tmp_path / "map.tif").stat().st_size > 0
