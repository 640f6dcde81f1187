"""What is odd about the labels of public benchmarks as they are handed out, and what is done about it.

Each entry was checked against a public source, which it names; the same table stands in ``data/README.md``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

LOSSY_MASK = 128.0
"""Middle of a byte: a mask saved with loss is class 1 from here on."""
CDD_MASKS = (
    "the masks in OUT/ are JPEG and hold blended values, as CDD is handed out: changed from 128 on "
    '(write "label_threshold" in dataset.json for another value)'
)
HUNAN_CODES = (
    "land cover codes are read as MFNet's preparation does: 8 is unused land, 9 built-up area, 4, 7, 10 and "
    "11 are not labelled; the publisher's own code takes 4 for forest, 9 for bare land and 7, 8, 10 for "
    'others (write "label_values" in dataset.json for that)'
)
OFF_PALETTE: Mapping[str, Mapping[str, str]] = {
    "potsdam": {
        "4_12": "its label is known to be handed out saved with loss (5_Labels_all), so colours outside the "
        "palette take the nearest class",
        "6_7": "most cars of its label are known to be (252, 255, 0) instead of (255, 255, 0), so colours "
        "outside the palette take the nearest class",
    }
}
"""Benchmark → tile → why its label is read by the nearest colour, whatever ``unknown`` says."""


@dataclass(frozen=True)
class Oddity:
    """Something a reader of a benchmark has to know.

    Attributes:
        dataset: The benchmark.
        where: Tile, file or folder.
        what: What is odd.
        done: What the package does.
        source: Where it can be looked up.
    """

    dataset: str
    where: str
    what: str
    done: str
    source: str


TWO_CODES = "two unrelated public preprocessing codes mend this very tile"

ODDITIES: tuple[Oddity, ...] = (
    Oddity(
        "ISPRS Potsdam",
        "4_12 in 5_Labels_all",
        "saved with loss: some 25,000 colours near the six, none exact",
        "nearest colour of the palette, with a note",
        f"torchgeo/torchgeo#1727; {TWO_CODES}",
    ),
    Oddity(
        "ISPRS Potsdam",
        "6_7 in 5_Labels_all",
        "most cars are (252, 255, 0) instead of (255, 255, 0)",
        "nearest colour of the palette, with a note",
        TWO_CODES,
    ),
    Oddity(
        "ISPRS Potsdam and Vaihingen",
        "labels as converted by mmsegmentation",
        "0 is the boundary, then 1 impervious, 2 clutter, 3 car, 4 tree, 5 low vegetation, 6 building",
        'folder layout: "label_offset": -1 with the classes in that order',
        "open-mmlab/mmsegmentation#2867, cv516Buaa/ST-DASegNet#7",
    ),
    Oddity(
        "LoveDA",
        "masks_png",
        "classes count from 1; 0 is no data",
        "0 is not labelled, class 0 is background",
        "Junjue-Wang/LoveDA#25",
    ),
    Oddity(
        "LEVIR-CD, SECOND",
        "label",
        "changed is 255, where many tools expect 1 and take 255 for not labelled",
        "both are changed",
        "Z-Zheng/ChangeStar#17, ChenHongruixuan/ChangeMamba#91",
    ),
    Oddity(
        "DSIFN",
        "mask of train and val",
        "changed is 1, so that the masks look black",
        "1 is changed",
        "GeoZcx/A-deeply-supervised-image-fusion-network-for-change-detection-in-remote-sensing-images#20",
    ),
    Oddity(
        "DSIFN",
        "mask",
        "in some copies of another size than the images",
        "refused: resample the mask (nearest neighbour) or cut the images",
        "justchenhao/BIT_CD#4",
    ),
    Oddity(
        "DSIFN",
        "A/1285_1.png of one copy",
        "cut off",
        "refused as unreadable",
        "Event-AHU/VcT_Remote_Sensing_Change_Detection#2",
    ),
    Oddity(
        "CDD (Lebedev et al. 2018)",
        "OUT/*.jpg",
        "masks saved with loss: all values from 0 to 255",
        "changed from 128 on, with a note",
        "Bobholamovic/CDLab#5, wenhwu/awesome-remote-sensing-change-detection#5",
    ),
    Oddity(
        "WHU building, Inria, Massachusetts",
        "masks in the folder layout",
        "building is 255",
        'asks for "label_values": {"0": 0, "255": 1} or "ignore_index": 255',
        "Henryjiepanli/Uncertainty-aware-Network#3, open-mmlab/mmsegmentation#1609",
    ),
    Oddity(
        "WHU-CD",
        "change label",
        "one image of the whole town, named otherwise than the images of the dates",
        "a single scene may be named by its dates, with a note",
        "liumency/SRCDNet#5",
    ),
    Oddity(
        "SYSU-CD",
        "time1",
        "noisier than time2; the labels are sound",
        "nothing",
        "liumency/SYSU-CD#2",
    ),
    Oddity(
        "MMHunan",
        "lc",
        "codes 0 to 11 of a land cover product; its publisher and MFNet's preparation disagree on 4 and 7 to 11",
        "as MFNet's preparation, with a note",
        "LauraChow/HunanMultimodalDataset#2, sstary/SSRS MFNet/scripts/process_hunan.py",
    ),
    Oddity(
        "MFNet street set",
        "images/*.png",
        "four channels that a PNG calls red, green, blue and opacity; the fourth is thermal",
        "bands 1 to 3 are optical, band 4 is thermal and hides nothing",
        "Ha et al. 2017, the data set's description; yuxiangsun/RTFNet#20",
    ),
    Oddity(
        "MFNet street set",
        "*_flip.png, and their names in lists",
        "mirrored copies that make_flip.py writes",
        "left out everywhere, with a note",
        "Ha et al. 2017, the data set's description",
    ),
    Oddity(
        "MFNet street set",
        "labels",
        "0 is unlabelled, and the field scores it as a ninth class",
        'class background; "label_values": {"0": "ignore"} leaves it out',
        "huaaaliu/RGBX_Semantic_Segmentation#52",
    ),
    Oddity(
        "MFNet street set",
        "train.txt of some copies",
        "training and validation names in one list",
        "a name in train and in another list is a fault of data check",
        "zifuwan/Sigma#37",
    ),
    Oddity(
        "PST900",
        "thermal",
        "holes of value 0, from the projection into the colour camera",
        "read as they are; in thermal_raw and depth 0 is missing",
        "ShreyasSkandanS/pst900_thermal_rgb README and toolkit",
    ),
    Oddity(
        "PST900",
        "README",
        "the comments beside train/ and test/ are exchanged",
        "the folder's name counts",
        "ShreyasSkandanS/pst900_thermal_rgb README",
    ),
    Oddity(
        "NYUDv2, SUN RGB-D",
        "Label",
        "0 is void, classes count from 1",
        "0 is not labelled",
        "shelhamer/fcn.berkeleyvision.org data/nyud, ankurhanda/sunrgbd-meta-data#1",
    ),
    Oddity(
        "NYUDv2, SUN RGB-D",
        "Label of some copies",
        "classes count from 0 and 255 is void",
        "255 is refused, since every class would be read as the one before it",
        "laughtervv/DepthAwareCNN#39, microsoft/X-Decoder#83",
    ),
    Oddity(
        "WHU-OPT-SAR",
        "optical",
        "bands are blue, green, red, near infrared",
        "bands 3, 2, 1 are taken",
        "AmberHen/WHU-OPT-SAR-dataset#3",
    ),
    Oddity(
        "WHU-OPT-SAR",
        "NH49E010015",
        "a gap in the middle of the optical image",
        "nothing: it counts as data unless its label is 0",
        "AmberHen/WHU-OPT-SAR-dataset#3",
    ),
    Oddity(
        "WHU-OPT-SAR",
        "files",
        "no split is published",
        "a fifth of the whole scenes is test, with a note",
        "AmberHen/WHU-OPT-SAR-dataset#18, Margin1996/Assisted_learning#2",
    ),
)
