"""Put the small EarthGPT into the package: ``python -m scripts.pretraining.ship_earthgpt RUN``.

RUN is the run folder that ``scripts/pretraining/earthgpt.py`` trained. Weights are written in bfloat16, in which most
of them are used anyway, with the digest that ``load_tiny_earthgpt`` checks.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from mfnet_lite.nets.earthgpt_tiny import FITTING, NAME, encoders_hash
from mfnet_lite.runs.dialogue_run import load_earthgpt, stage_folder
from mfnet_lite.utils.files import replacing, write_text
from mfnet_lite.utils.hashes import sha256_of
from mfnet_lite.utils.provenance import versions

WEIGHTS = Path("mfnet_lite/weights")


def ship(run: Path, folder: Path = WEIGHTS) -> None:
    """Write weights and digest.

    Args:
        run: The run folder.
        folder: Where they go.
    """
    record, model = load_earthgpt(run)
    frozen = ("perception.vit.", "perception.scales.")
    tensors = {
        name: value.to(torch.bfloat16).contiguous()
        for name, value in model.state_dict().items()
        if not name.startswith(frozen) and name != "language.network.lm_head.weight"
    }
    target = folder / f"{NAME}.safetensors"
    with replacing(target) as temporary:
        save_file(tensors, temporary)
    config = record.network
    stages: dict[str, Any] = {
        number: json.loads((stage_folder(run, int(number)) / "summary.json").read_text())
        for number in record.stages
    }
    facts = {
        "file": target.name,
        "size": target.stat().st_size,
        "sha256": sha256_of(target),
        "options": {name: getattr(config, name) for name in FITTING} | {"words": config.words},
        "perception": encoders_hash(model.perception),
        "training": {
            "stages": {
                number: {
                    key: stage[key] for key in ("steps", "loss", "seconds", "trained_parameters")
                }
                for number, stage in stages.items()
            },
            "versions": versions(),
        },
    }
    write_text(folder / f"{NAME}.json", json.dumps(facts, indent=1) + "\n")


def main() -> None:
    """Read the command line and ship."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("run", type=Path, help="run folder of the training")
    ship(parser.parse_args().run)


if __name__ == "__main__":
    main()
