"""The run folder: rebuilds the same model, and says what is wrong with a broken one."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from mfnet_lite.cli.resume import check_same_run
from mfnet_lite.rasters import SensorInfo
from mfnet_lite.runs.folder import RunConfig, check_fits, colours_for, load_config, load_run
from mfnet_lite.training.state import save_model

CONFIG = RunConfig(
    model="unet",
    options={"width": 2, "depth": 1},
    channels={"optical": 3, "dsm": 1},
    sensors={
        "optical": {"name": "optical", "select": [1, 2, 3], "names": ["r", "g", "b"]},
        "dsm": {"name": "dsm", "unit": "m"},
    },
    classes=("a", "b"),
    palette=((0, 0, 0), (1, 2, 3)),
    seed=4,
)


def test_round_trip(tmp_path):
    CONFIG.save(tmp_path)
    assert load_config(tmp_path) == CONFIG
    model = CONFIG.build()
    torch.nn.init.ones_(model.head.weight)
    save_model(model, tmp_path / "model.safetensors")
    config, loaded = load_run(tmp_path)
    assert not loaded.training
    for name, value in model.state_dict().items():
        assert torch.equal(value, loaded.state_dict()[name])
    assert config.sensor_infos()["optical"] == SensorInfo(
        "optical", select=(1, 2, 3), names=("r", "g", "b")
    )


def test_runs_of_earlier_versions_do_not_know_how_their_width_was_found(tmp_path):
    replace(CONFIG, gsd=0.5, gsd_measured=True).save(tmp_path)
    assert load_config(tmp_path).gsd_measured
    content = json.loads((tmp_path / "config.json").read_text())
    del content["gsd_measured"]
    (tmp_path / "config.json").write_text(json.dumps(content))
    assert load_config(tmp_path) == replace(CONFIG, gsd=0.5)


def test_initial_weights_depend_on_the_seed_only():
    torch.manual_seed(1)
    a = CONFIG.build().head.weight
    torch.manual_seed(2)
    assert torch.equal(a, CONFIG.build().head.weight)


def test_faults(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"config\.json does not exist"):
        load_config(tmp_path)
    (tmp_path / "config.json").write_text("[]")
    with pytest.raises(ValueError, match="not the config of a run"):
        load_config(tmp_path)
    CONFIG.save(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"model\.safetensors"):
        load_run(tmp_path)
    with pytest.raises(ValueError, match=r"x\.tif has 4 bands of optical, .* trained on 3"):
        check_fits(CONFIG, {"optical": 4, "dsm": 1}, "x.tif")
    with pytest.raises(ValueError, match="no sensor dsm"):
        check_fits(CONFIG, {"optical": 3}, "data")


def test_colours():
    assert colours_for(6)[1] == (0, 0, 255)
    assert colours_for(2, ((1, 1, 1), (2, 2, 2))) == ((1, 1, 1), (2, 2, 2))
    assert len(set(colours_for(20))) == 20


OLD_OPTIONS = {
    "unet": {"width": 2, "depth": 1},
    "unetformer": {"encoder": "test_resnet", "pretrained": False, "width": 16, "window": 8},
    "mfnet": {
        "backbone": "tiny",
        "tuning": "mmlora",
        "fusion": "dfm",
        "rank": 4,
        "bottleneck": None,
        "official": False,
        "checkpointing": False,
        "sensor_dropout": 0.0,
    },
    "sam_cd": {
        "backbone": "tiny",
        "temporal": 1.0,
        "semantic": True,
        "adaptor": True,
        "symmetric": True,
        "official": False,
        "latent": 8,
        "temperature": 3.0,
        "fine": 64,
        "changed_weight": 1.0,
    },
    "samlp": {
        "backbone": "tiny",
        "rank": 4,
        "tuning": "lora",
        "official": False,
        "image_size": None,
    },
}
"""Every option that a run of an earlier version may hold."""


@pytest.mark.parametrize("model", sorted(OLD_OPTIONS))
def test_options_of_earlier_versions_are_understood(model, tmp_path):
    options = OLD_OPTIONS[model]
    replace(CONFIG, model=model, options=options).save(tmp_path)
    network = load_config(tmp_path).network
    assert {name: getattr(network, name) for name in options} == options


def test_a_run_that_spells_a_default_out_is_the_same_run(tmp_path):
    old = replace(CONFIG, model="mfnet", options=OLD_OPTIONS["mfnet"])
    new = replace(old, options=old.network.options())
    assert old.options != new.options
    check_same_run(old, new, tmp_path)
    with pytest.raises(ValueError, match="options was"):
        check_same_run(old, replace(new, options=new.options | {"rank": 2}), tmp_path)


def test_a_run_goes_on_with_the_same_pixels_in_the_same_order(tmp_path):
    sensors = {"optical": {"name": "optical", "select": [3, 2, 1]}, "dsm": {"name": "dsm"}}
    old = replace(CONFIG, channels={"optical": 3, "dsm": 1}, sensors=sensors, gsd=0.25)
    as_read = {name: facts | {"folder": "elsewhere"} for name, facts in sensors.items()}
    check_same_run(old, replace(old, sensors=as_read), tmp_path)
    check_same_run(replace(old, gsd=None), old, tmp_path)
    turned = {"dsm": 1, "optical": 3}
    assert turned == old.channels  # dictionaries do not compare their order
    unlike = {
        r"order of sensors .* was \[\('optical', 3\)": {"channels": turned},
        r"bands of optical was \(3, 2, 1\) and is now None": {
            "sensors": sensors | {"optical": {"name": "optical"}}
        },
        "scale of dsm was None and is now 10": {
            "sensors": sensors | {"dsm": {"name": "dsm", "scale": 10.0}}
        },
        "nodata-policy was any and is now first": {"holes": "first"},
        r"gsd was 0\.25 and is now 0\.5": {"gsd": 0.5},
        "ignore_index was 255 and is now 0": {"ignore_index": 0},
    }
    for said, changed in unlike.items():
        with pytest.raises(ValueError, match=f"cannot resume .*{said}"):
            check_same_run(old, replace(old, **changed), tmp_path)


def test_an_option_that_no_network_has_is_told(tmp_path):
    replace(CONFIG, options={"depth": 1, "colour": "red"}).save(tmp_path)
    with pytest.raises(ValueError, match="colour is no option of unet; available: width, depth"):
        load_config(tmp_path).build()


@pytest.mark.parametrize(
    "colour", [[float("inf"), 0, 0], [1.5, 0, 0], [300, 0, 0], [1, 2], 7, "red"]
)
def test_a_palette_that_is_none_is_refused(tmp_path, colour):
    CONFIG.save(tmp_path)
    path = tmp_path / "config.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    content["palette"][0] = colour
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(ValueError, match="is not the config of a run"):
        load_config(tmp_path)
