"""What ``import mfnet_lite`` offers, and what it costs."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

import mfnet_lite

HOMES = {
    "build_model": "mfnet_lite.nets.registry",
    "list_models": "mfnet_lite.nets.registry",
    "load_run": "mfnet_lite.runs.folder",
    "load_sam": "mfnet_lite.sam",
    "predict_scene": "mfnet_lite.scenes.predict",
}


def test_the_public_names_are_these():
    assert set(mfnet_lite.__all__) == {*HOMES, "__version__"}
    assert set(HOMES) <= set(dir(mfnet_lite))


@pytest.mark.parametrize("name", sorted(HOMES))
def test_each_name_is_what_it_says(name):
    found = getattr(mfnet_lite, name)
    assert found is getattr(importlib.import_module(HOMES[name]), name)
    assert callable(found)


def test_other_names_are_refused():
    with pytest.raises(AttributeError, match="has no attribute 'load_everything'"):
        mfnet_lite.load_everything  # noqa: B018


@pytest.mark.parametrize(
    "code",
    [
        "import mfnet_lite",
        "from typer.testing import CliRunner; from mfnet_lite.cli import app; "
        "assert 'train' in CliRunner().invoke(app, ['--help']).output",
    ],
)
def test_the_package_and_its_help_load_no_torch_and_no_network(code):
    heavy = "[n for n in sys.modules if n == 'torch' or n.startswith('mfnet_lite.nets')]"
    words = [sys.executable, "-c", f"import sys; {code}; print({heavy})"]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
