from __future__ import annotations

import numpy as np
import pytest

from mfnet_lite.world import DOMAINS, SEASONS, WorldConfig
from mfnet_lite.world.config import LAYERS, check_size, layer_rng, resolve


@pytest.mark.parametrize("name", ["ambiguity", "density", "vegetation", "traffic", "haze"])
@pytest.mark.parametrize("value", [-0.01, 1.01, float("nan")])
def test_shares_lie_in_the_unit_interval(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=rf"{name} must lie in \[0, 1\], got {value}"):
        WorldConfig(**{name: value})


@pytest.mark.parametrize("name", ["noise", "dsm_error", "relief"])
def test_multiples_are_not_negative(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} must be finite and at least 0, got -1"):
        WorldConfig(**{name: -1.0})


def test_unknown_words_are_refused_with_the_choice() -> None:
    with pytest.raises(ValueError, match="unknown domain 'fog'; choose one of clear, haze, night"):
        WorldConfig(domain="fog")
    with pytest.raises(ValueError, match="unknown season 'rain'; choose one of spring"):
        WorldConfig(season="rain")
    with pytest.raises(ValueError, match=r"sun_elevation must lie in \[10, 90\] degrees, got 5"):
        WorldConfig(sun_elevation=5.0)


def test_known_words_are_taken() -> None:
    for domain in DOMAINS:
        assert WorldConfig(domain=domain).domain == domain
    for season in SEASONS:
        assert WorldConfig(season=season).season == season


def test_single_parameters_replace_those_of_the_config() -> None:
    base = WorldConfig(noise=2.0, density=0.1)
    merged = resolve(base, {"density": 0.9})
    assert (merged.noise, merged.density) == (2.0, 0.9)
    with pytest.raises(TypeError, match="the world has no parameter named colour"):
        resolve(None, {"colour": 1})


def test_sizes_and_seeds_are_checked() -> None:
    with pytest.raises(ValueError, match="size must be at least 32 pixels, got 31"):
        check_size(31, 0.25, 0)
    with pytest.raises(ValueError, match=r"gsd must lie in \[0.05, 2\]"):
        check_size(64, 0.0, 0)
    with pytest.raises(ValueError, match="seed must be a whole number of at least 0, got -1"):
        check_size(64, 0.25, -1)


def test_layers_draw_independently_and_repeatably() -> None:
    draws = {name: layer_rng(5, name).random(4) for name in LAYERS}
    assert len({d.tobytes() for d in draws.values()}) == len(LAYERS)
    assert np.array_equal(draws["cars"], layer_rng(5, "cars").random(4))
    assert not np.array_equal(draws["cars"], layer_rng(5, "cars", date=1).random(4))
    # The documented seeding, spelled out.
    spelled = np.random.default_rng(np.random.SeedSequence([5, LAYERS["cars"], 0])).random(4)
    assert np.array_equal(draws["cars"], spelled)
