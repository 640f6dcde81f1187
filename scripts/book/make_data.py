"""Make the small data set in ``data/``: eight scenes and four pairs of the procedural world.

    python -m scripts.book.make_data          rewrite data/scenes and data/pairs, seconds
    python -m scripts.book.make_data OUT      write OUT/scenes and OUT/pairs

The same version of the package gives the same files.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from mfnet_lite.world import write_folder, write_pairs

LIMIT_MB = 8
SIZE = 256


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("out", nargs="?", type=Path, default=Path(__file__).parents[2] / "data")
    out: Path = parser.parse_args().out
    write_folder(out / "scenes", tiles=8, size=SIZE, seed=2100, splits=(0.75, 0.0, 0.25))
    write_pairs(out / "pairs", tiles=4, size=SIZE, seed=2200, splits=(0.75, 0.0, 0.25))
    megabytes = sum(p.stat().st_size for p in out.rglob("*") if p.is_file()) / 2**20
    print(f"{out}: {megabytes:.1f} MB")
    if megabytes > LIMIT_MB:
        raise SystemExit(f"{out} holds {megabytes:.1f} MB, more than {LIMIT_MB} MB; lower SIZE.")


if __name__ == "__main__":
    main()
