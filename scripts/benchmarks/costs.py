"""One table of all measured costs: ours beside the authors' code and the packages that users know.

    python -m scripts.benchmarks.costs                 collect the records into benchmarks.json and the page
    python -m scripts.benchmarks.costs --check         fail if either is not what the records say
    python -m scripts.benchmarks.costs --run --authors PATH [--groupvit PATH]
                                                       measure everything anew first; about an hour of a quiet machine

Each row is one comparison that a script of this folder measured side by side in one run: how many times faster ours is,
and its share of the other's memory. PATH are checkouts of https://github.com/sstary/SSRS and of
https://github.com/NVlabs/GroupViT. Without them, and without the packages monai, terratorch and mambapy, the records
keep what was measured before.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from mfnet_lite.utils.files import write_text
from scripts.benchmarks.common import RESULTS, ROOT
from scripts.book.marked_section import with_marked

PAGE = ROOT / "book" / "costs.md"
OUT = RESULTS / "benchmarks.json"
BEGIN, END = "<!-- table: python -m scripts.benchmarks.costs -->", "<!-- end of the table -->"
AUTHORS, GROUPVIT = ("mfnet", "objects", "scenes"), ("gopt",)
"""Scripts that take a checkout."""
SCRIPTS = ("sam", "mfnet", "lora", "objects", "gopt", "scan", "earthgpt", "scenes")

Record = dict[str, Any]


class Figures(NamedTuple):
    """What a comparison found.

    Args:
        faster: Times faster than the other; below 1 slower.
        memory: Share of the other's memory, or None if it was not measured.
        spread: Smallest and largest ratio of a turn, where the record has them.
    """

    faster: float
    memory: float | None = None
    spread: tuple[float, float] | None = None


class Comparison(NamedTuple):
    """One row of the table.

    Args:
        work: What is done.
        beside: What ours is compared with.
        record: The script, and the record ``RECORD_benchmark.json`` it writes.
        read: Takes the figures from the record.
    """

    work: str
    beside: str
    record: str
    read: Callable[[Record], Figures]


def _sam(name: str) -> Callable[[Record], Figures]:
    def read(record: Record) -> Figures:
        row = record["results"][name]
        return Figures(1 / row["time_ratio"], row["memory_ratio"])

    return read


def _mfnet(work: str, ours: str = "ours") -> Callable[[Record], Figures]:
    def read(record: Record) -> Figures:
        row = record["results"]["mmlora"][f"{ours} against"]["authors"]
        faster = f"{work}: times faster"
        least, most = row[f"{faster}, least"], row[f"{faster}, most"]
        return Figures(row[faster], row[f"{work}: share of peak memory"], (least, most))

    return read


def _objects(name: str) -> Callable[[Record], Figures]:
    def read(record: Record) -> Figures:
        row, ours = record["rows"][name], record["rows"]["ours"]
        low, high = row["times_ours_spread"]
        return Figures(row["times_ours"], ours["memory_mib"] / row["memory_mib"], (low, high))

    return read


def _ratios(faster: str, memory: str | None = None) -> Callable[[Record], Figures]:
    def read(record: Record) -> Figures:
        found = record["ratios"]
        return Figures(found[faster], None if memory is None else found[memory])

    return read


def _scenes(net: str, name: str) -> Callable[[Record], Figures]:
    def read(record: Record) -> Figures:
        row, grown = record["speed"][net][name], record["added_bytes"]
        memory = None
        if net == "narrow U-Net":  # the network that memory was measured with
            largest = max(grown["ours"], key=int)
            memory = grown["ours"][largest] / grown[name][largest]
        low, high = row["times_ours_spread"]
        return Figures(row["times_ours"], memory, (low, high))

    return read


def _lora(record: Record) -> Figures:
    row, grown = record["step"]["peft"], record["added_bytes"]
    low, high = row["times_ours_spread"]
    return Figures(row["times_ours"], grown["ours"] / grown["peft"], (low, high))


def _import(name: str) -> Callable[[Record], Figures]:
    def read(record: Record) -> Figures:
        found = record["import_seconds"]
        return Figures(found[name] / found["mfnet_lite, MFNet"])

    return read


OFFICIAL = "segment_anything"
COMPARISONS = (
    Comparison("SAM: automatic masks, 1,024 px", OFFICIAL, "sam", _sam("automatic masks, 1024 px")),
    Comparison("SAM: automatic masks, 256 px", OFFICIAL, "sam", _sam("automatic masks, 256 px")),
    Comparison("SAM: small encoder, 256 px", OFFICIAL, "sam", _sam("small encoder, 256 px")),
    Comparison("SAM: small encoder, training, batch of 4", OFFICIAL, "sam",
               _sam("small encoder, 256 px, batch of 4, with gradients")),
    Comparison("SAM: global attention of ViT-B, 1,024 px", OFFICIAL, "sam",
               _sam("ViT-B global attention, 1024 px (64 × 64)")),
    Comparison("MFNet, ViT-B: training step", "authors' code", "mfnet", _mfnet("train")),
    Comparison("MFNet, ViT-B: inference", "authors' code", "mfnet", _mfnet("inference")),
    Comparison("MFNet, ViT-B: training step, bf16-mixed", "authors' code, single precision", "mfnet",
               _mfnet("train", "ours, bf16-mixed")),
    Comparison("MFNet, ViT-B: training step, bf16-mixed, checkpointed", "authors' code, single precision", "mfnet",
               _mfnet("train", "ours, bf16-mixed, checkpointed")),
    Comparison("MFNet, ViT-B: inference, bf16-mixed", "authors' code, single precision", "mfnet",
               _mfnet("inference", "ours, bf16-mixed")),
    Comparison("LoRA on the small SAM: training step", "peft", "lora", _lora),
    Comparison("Object loss, forward and backward", "authors' code", "objects", _objects("authors")),
    Comparison("Object loss, forward and backward", "loop over objects", "objects", _objects("loop")),
    Comparison("GoPT: one prompter", "loop over groups", "gopt",
               _ratios("times faster than the loop over groups")),
    Comparison("GoPT: one prompter", "GroupViT's block", "gopt",
               _ratios("prompter: times faster than GroupViT's grouping block",
                       "prompter: share of the peak memory of GroupViT's grouping block")),
    Comparison("Selective scan, compiled", "mambapy", "scan",
               _ratios("ours, compiled: times faster than mambapy",
                       "ours, compiled: share of the peak memory of mambapy")),
    Comparison("Selective scan, plain PyTorch", "mambapy", "scan",
               _ratios("ours, segments: times faster than mambapy",
                       "ours, segments: share of the peak memory of mambapy")),
    Comparison("EarthGPT, SmolLM2: step of stage 2", "transformers", "earthgpt",
               _ratios("step: times faster", "step: share of the memory")),
    Comparison("EarthGPT, SmolLM2: greedy answer", "transformers", "earthgpt",
               _ratios("greedy answer: times faster")),
    *(
        Comparison(f"Map of a scene, {net}", beside, "scenes", _scenes(net, name))
        for net in ("one convolution", "narrow U-Net", "U-Net")
        for name, beside in (("MONAI", "MONAI"), ("TerraTorch", "TerraTorch"), ("authors", "MFNet's test loop"))
    ),
    *(
        Comparison("Import of MFNet, with all that it loads", name, "lora", _import(name))
        for name in ("segment_anything", "peft", "timm")
    ),
)  # fmt: skip


def collect(results: Path = RESULTS) -> list[dict[str, Any]]:
    """Read all rows from the records.

    Args:
        results: Folder of the records.
    """
    records = {
        name: json.loads((results / f"{name}_benchmark.json").read_text(encoding="utf-8"))
        for name in {c.record for c in COMPARISONS}
    }
    rows = []
    for work, beside, name, read in COMPARISONS:
        found, origin = read(records[name]), records[name]["provenance"]
        rows.append(
            {
                "work": work,
                "beside": beside,
                "times_faster": round(found.faster, 2),
                "spread": None if found.spread is None else [round(x, 2) for x in found.spread],
                "share_of_memory": None if found.memory is None else round(found.memory, 3),
                "script": Path("scripts", "benchmarks", f"{name}.py").as_posix(),
                "date": origin["time"][:10],
                "hardware": origin["hardware"],
                "commit": origin["commit"][:7],
            }
        )
    return rows


def number(value: float) -> str:
    """Write a ratio with two digits that count."""
    return f"{value:.0f}" if value >= 10 else f"{value:.1f}" if value >= 2 else f"{value:.2f}"


def table(rows: list[dict[str, Any]]) -> str:
    """Write the rows as Markdown."""
    lines = ["| work | beside | times faster | share of memory | measured |", "|---|---|--:|--:|---|"]  # fmt: skip
    for row in rows:
        spread, share = row["spread"], row["share_of_memory"]
        faster = number(row["times_faster"])
        if spread is not None:
            faster += f" ({number(spread[0])} to {number(spread[1])})"
        memory = "" if share is None else f"{share:.2g}"
        script = Path(row["script"]).stem
        lines.append(
            f"| {row['work']} | {row['beside']} | {faster} | {memory} | `{script}`, {row['date']} |"
        )
    return "\n".join(lines)


def memory_table(results: Path = RESULTS) -> str:
    """Write how much memory the map of a scene adds, by the side of the scene, as Markdown."""
    record = json.loads((results / "scenes_benchmark.json").read_text(encoding="utf-8"))
    grown = record["added_bytes"]
    sizes = sorted(next(iter(grown.values())), key=int)
    names = {"ours": "ours", "authors": "MFNet's test loop"}
    head = ["added by the map of a scene of", *(f"{int(size):,} px" for size in sizes)]
    lines = [f"| {' | '.join(head)} |", "|---|" + "--:|" * len(sizes)]
    for name, by_size in grown.items():
        cells = [names.get(name, name), *(f"{by_size[size] / 2**20:,.0f} MiB" for size in sizes)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def large_table(results: Path = RESULTS) -> str:
    """Write what the largest scene takes beside a hundredth of it, as Markdown.

    The record is written by ``python -m scripts.benchmarks.large_scene measure --sizes 2000 20000``.
    """
    record = json.loads((results / "scenes_20000.json").read_text(encoding="utf-8"))
    lines = [
        "| scene, mapped by `mfnet-lite predict` | inputs and logits, if held | peak of the process | CPU seconds |",
        "|---|--:|--:|--:|",
    ]
    for row in record["results"]:
        held, peak = row["pixels_in_memory_if_whole_bytes"], row["peak_bytes"]
        lines.append(
            f"| {row['size']:,} × {row['size']:,} px | {held / 2**30:.2f} GiB | {peak / 2**30:.2f} GiB | "
            f"{row['cpu_seconds']:.0f} |"
        )
    return "\n".join(lines)


def filled(page: str, rows: list[dict[str, Any]]) -> str:
    """Put the table into the page.

    Raises:
        ValueError: If the page has no place for it.
    """
    body = f"{table(rows)}\n\n{memory_table()}\n\n{large_table()}"
    return with_marked(page, (BEGIN, END), f"{BEGIN}\n\n{body}\n\n{END}")


def measure(authors: Path | None, groupvit: Path | None) -> None:
    """Run every script of the table, one after the other."""
    for name in SCRIPTS:
        words = [sys.executable, "-m", f"scripts.benchmarks.{name}"]
        if name in AUTHORS and authors is not None:
            words += ["--authors", str(authors)]
        if name in GROUPVIT and groupvit is not None:
            words += ["--groupvit", str(groupvit)]
        print(" ".join(words[1:]), flush=True)
        subprocess.run(words, check=True, cwd=ROOT)


def main(arguments: list[str] | None = None) -> None:
    """Collect, and measure first if that is wanted."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--run", action="store_true", help="measure everything anew")
    parser.add_argument("--authors", type=Path, help="a checkout of sstary/SSRS")
    parser.add_argument("--groupvit", type=Path, help="a checkout of NVlabs/GroupViT")
    parser.add_argument("--check", action="store_true")
    args = parser.parse_args(arguments)
    if args.run:
        measure(args.authors, args.groupvit)
    rows = collect()
    wanted = {
        OUT: json.dumps({"rows": rows}, indent=1) + "\n",
        PAGE: filled(PAGE.read_text(encoding="utf-8"), rows),
    }
    if args.check:
        for path, text in wanted.items():
            if not path.is_file() or path.read_text(encoding="utf-8") != text:
                sys.exit(
                    f"{path.name}: expected what the records say, found another table; run "
                    "python -m scripts.benchmarks.costs"
                )
        return
    for path, text in wanted.items():
        write_text(path, text)
    print(table(rows))


if __name__ == "__main__":
    main()
