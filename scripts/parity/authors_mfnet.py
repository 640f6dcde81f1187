"""The authors' MFNet beside ours: build it from a checkout of their repository, and translate its weights.

Nothing of that repository is part of this one. A checkout (https://github.com/sstary/SSRS, MFNet was
last looked at in commit 707b454) is imported from the path a user gives; it needs timm, OpenCV and
matplotlib. Its constructor reads ``sys.argv``, opens a checkpoint by a fixed relative path and builds
ViT-L; :func:`build_authors` gives it a command line, an empty checkpoint and any size instead.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import platform
import re
import sys
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import torch
from einops import rearrange
from torch import Tensor, nn

from mfnet_lite.nets import MFNet
from mfnet_lite.sam import SamConfig, build_sam
from mfnet_lite.utils.provenance import commit

CHECKPOINT = "weights/sam_vit_l_0b3195.pth"
MODES = {"mmlora": "sam_lora", "mmadapter": "sam_adpt"}
SENSORS = ("optical", "dsm")
TRAINED = {"mmlora": "lora_", "mmadapter": "Adapter"}


def find_authors(path: Path) -> Path:
    """Return the folder with the authors' network, from a path to it or to the whole checkout.

    Raises:
        FileNotFoundError: If neither holds ``UNetFormer_MMSAM.py``.
    """
    for folder in (path, path / "MFNet"):
        if (folder / "UNetFormer_MMSAM.py").is_file():
            return folder.resolve()
    raise FileNotFoundError(
        f"{path}: expected a checkout of sstary/SSRS with MFNet/UNetFormer_MMSAM.py, found none; "
        "clone it and give its path."
    )


@contextlib.contextmanager
def _in_their_world(folder: Path, mode: str) -> Iterator[None]:
    """Give their code the command line, import path and working folder it expects."""
    argv, path, here = sys.argv, list(sys.path), Path.cwd()
    with tempfile.TemporaryDirectory() as work:
        checkpoint = Path(work) / CHECKPOINT
        checkpoint.parent.mkdir()
        torch.save({}, checkpoint)  # their loader skips every key it does not find
        sys.argv = ["train.py", "-mod", MODES[mode]]
        sys.path.insert(0, str(folder))
        os.chdir(work)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # deprecations inside their code and its libraries
                yield
        finally:
            os.chdir(here)
            sys.argv, sys.path = argv, path


def build_authors(
    checkout: Path, tuning: str, config: SamConfig, num_classes: int = 6, seed: int = 0
) -> nn.Module:
    """Build the authors' network with random weights everywhere, so that no term is hidden by a zero.

    Args:
        checkout: Path of their repository.
        tuning: ``"mmlora"`` or ``"mmadapter"``.
        config: Sizes of the encoder: width, depth, heads and global blocks. Patch 16, window 14 and the
            position tables of 1024 pixels are fixed in their code.
        num_classes: Number of classes.
        seed: Seed of all weights.

    Returns:
        The network ``net(optical (B, 3, H, W), dsm (B, H, W)) -> logits``, frozen as they freeze it.
    """
    fixed = (config.patch_size, config.window, config.prompt_dim, config.image_size)
    if fixed != (16, 14, 256, 1024):
        raise ValueError(
            f"their code fixes patch, window, channels, image size to 16, 14, 256, 1024, got {fixed}."
        )
    with _in_their_world(find_authors(checkout), tuning):
        build_sam = importlib.import_module("MedSAM.models.sam.build_sam")
        network = importlib.import_module("UNetFormer_MMSAM")

        def small(args: object, checkpoint: str) -> nn.Module:
            return build_sam._build_sam(
                args,
                config.width,
                config.depth,
                config.heads,
                list(config.global_blocks),
                checkpoint,
            )

        original = network.sam_model_registry["vit_l"]
        network.sam_model_registry["vit_l"] = small
        torch.manual_seed(seed)
        try:
            net = network.UNetFormer(num_classes=num_classes)
        finally:
            network.sam_model_registry["vit_l"] = original
    for name, parameter in net.image_encoder.named_parameters():
        parameter.requires_grad_(TRAINED[tuning] in name)
    fill(net, seed)
    return net


def fill(net: nn.Module, seed: int) -> None:
    """Draw every tensor their construction leaves at zero, one or one half."""
    generator = torch.Generator().manual_seed(seed)

    def normal(tensor: Tensor, deviation: float, mean: float = 0.0) -> None:
        tensor.copy_(mean + deviation * torch.randn(tensor.shape, generator=generator))

    with torch.no_grad():
        for name, tensor in (*net.named_parameters(), *net.named_buffers()):
            last = name.rpartition(".")[2]
            if last in ("lora_Bx", "lora_By", "rel_h", "rel_w", "pos_embed"):
                normal(tensor, 0.05)
            elif last in ("lora_wx", "lora_wy", "wx_Adapter", "wy_Adapter"):
                tensor.copy_(torch.rand(tensor.shape, generator=generator))
            elif last in ("relative_position_bias_table", "running_mean"):
                normal(tensor, 0.3)
            elif last in ("running_var", "weights"):
                tensor.copy_(0.5 + torch.rand(tensor.shape, generator=generator))
            elif last == "bias":
                normal(tensor, 0.1)
            elif last == "weight" and tensor.ndim == 1:  # of a normalisation
                normal(tensor, 0.2, mean=1.0)
        for module in net.modules():
            if isinstance(module, nn.Dropout2d):
                module.p = 0.0  # the only chance in a training step; parity needs none


def encoder_state(theirs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Pick the frozen encoder out of their state dict, under the official names of SAM."""
    prefix = "image_encoder."
    return {
        name.removeprefix(prefix).replace(".rel_", ".rel_pos_"): tensor
        for name, tensor in theirs.items()
        if name.startswith(prefix) and not any(mark in name for mark in TRAINED.values())
    }


def translate(theirs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Carry weights, running statistics or gradients of their network over to the names and shapes of ours.

    Args:
        theirs: Tensors by their names; the frozen encoder and SAM's unused heads are passed over.

    Returns:
        Tensors by the names within our ``encoder``, ``fusion`` and ``decoder``.
    """
    depth = {
        int(m[1]) for name in theirs if (m := re.match(r"image_encoder\.blocks\.(\d+)\.", name))
    }
    ours = {}
    for block in sorted(depth):
        prefix = f"image_encoder.blocks.{block}."
        inside = {n.removeprefix(prefix): t for n, t in theirs.items() if n.startswith(prefix)}
        added = _additions(inside)
        ours |= {f"encoder.additions.{block}.{name}": tensor for name, tensor in added.items()}
    ours |= {f"fusion.{name}": tensor for name, tensor in _fusion(theirs).items()}
    for name, tensor in theirs.items():
        if name.startswith("decoder.") and not name.endswith("relative_position_index"):
            ours[_decoder_name(name)] = tensor
    return ours


def _additions(theirs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Stack the additions of one block over the two sensors."""

    def pair(name: str) -> Tensor:
        return torch.stack([theirs[name.format("x")], theirs[name.format("y")]])

    ours = {}
    if "attn.qkv.lora_Ax" in theirs:  # the rows of query and value are parts of one matrix
        a, b = pair("attn.qkv.lora_A{}"), pair("attn.qkv.lora_B{}")
        ours["qkv.lora_a"] = rearrange(a, "m (part r) d -> m part r d", part=2)
        ours["qkv.lora_b"] = rearrange(b, "m (part d) r -> m part d r", part=2)
    for layer in ("lin1", "lin2"):
        if f"mlp.{layer}.lora_Ax" in theirs:
            ours[f"{layer}.lora_a"] = pair(f"mlp.{layer}.lora_A{{}}")
            ours[f"{layer}.lora_b"] = pair(f"mlp.{layer}.lora_B{{}}")
            ours[f"{layer}.mix"] = pair(f"mlp.{layer}.lora_w{{}}").flatten()
    if "wx_Adapter" in theirs:
        ours["beside_mlp.mix"] = pair("w{}_Adapter").flatten()
        adapters = {
            "after_attention": ("Img_Adapter", "DSM_Adapter"),
            "beside_mlp.adapter": ("MLPx_Adapter", "MLPy_Adapter"),
        }
        for mine, names in adapters.items():
            for layer, direction in (("D_fc1", "down"), ("D_fc2", "up")):
                for kind in ("weight", "bias"):
                    both = [theirs[f"{name}.{layer}.{kind}"] for name in names]
                    ours[f"{mine}.{direction}_{kind}"] = torch.stack(both)
    return ours


def _fusion(theirs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Stack both pyramids and the gates; a transposed convolution becomes one matrix per pixel."""
    ours = {}
    for mine, layer in (("up1a", "fpn1{}.0"), ("up1b", "fpn1{}.3"), ("up2", "fpn2{}.0")):
        names = [layer.format(sensor) for sensor in "xy"]
        if f"{names[0]}.weight" in theirs:
            weight = torch.stack([theirs[f"{name}.weight"] for name in names])
            ours[f"{mine}.weight"] = rearrange(weight, "m i o a b -> m i a b o")
            ours[f"{mine}.bias"] = torch.stack([theirs[f"{name}.bias"] for name in names])
    for kind in ("weight", "bias"):
        if f"fpn1x.1.ln.{kind}" in theirs:
            both = theirs[f"fpn1x.1.ln.{kind}"], theirs[f"fpn1y.1.{kind}"]
            ours[f"norm.{kind}"] = torch.stack(both)
    for kind in ("running_mean", "running_var"):
        if f"fpn1y.1.{kind}" in theirs:
            ours[f"norm.{kind}"] = theirs[f"fpn1y.1.{kind}"][None]
    for level in range(4):
        for mine, layer in (("squeeze", 0), ("excite", 2)):
            for kind, end in (("weight", ""), ("bias", "_bias")):
                names = [
                    f"fusion{level + 1}.{se}.fc.{layer}.{kind}" for se in ("se_rgb", "se_depth")
                ]
                if names[0] in theirs:
                    both = torch.stack([theirs[name] for name in names])
                    ours[f"fuse.{level}.{mine}{end}"] = both.reshape(both.shape[:3])
    return ours


# Their decoder's names and ours, in the order of replacement.
_DECODER = (
    (r"\.b([432])\.", lambda m: f".blocks.{4 - int(m[1])}."),
    (r"\.p([32])\.", lambda m: f".fuse.{3 - int(m[1])}."),
    (r"\.p1\.(?=pre_conv|weights|post_conv)", ".refine.fuse."),
    (r"\.p1\.", ".refine."),
    (r"decoder\.pre_conv\.", "decoder.entry."),
    (r"\.pre_conv\.0\.", ".lateral."),
    (r"\.post_conv\.", ".mix."),
    (r"\.weights$", ".theta"),
    (r"refine\.proj\.", "refine.detail."),
    (r"\.pa\.0\.", ".place."),
    (r"\.ca\.([13])\.0\.", r".channel.\1."),
    (r"\.attn\.", ".attention."),
    (r"\.qkv\.0\.", ".qkv."),
    (r"relative_position_bias_table", "table"),
    (r"\.local1\.", ".wide."),
    (r"\.local2\.", ".narrow."),
    (r"attention\.proj\.", "attention.project."),
    (r"\.mlp\.fc1\.", ".mlp.0."),
    (r"\.mlp\.fc2\.", ".mlp.2."),
    (r"segmentation_head\.0\.", "head."),
    (r"segmentation_head\.2\.0\.", "head.4."),
)


def _decoder_name(name: str) -> str:
    """Translate one name of their decoder."""
    for pattern, replacement in _DECODER:
        name = re.sub(pattern, replacement, name)
    return name


def build_ours(theirs: nn.Module, tuning: str, config: SamConfig, num_classes: int = 6) -> MFNet:
    """Build our network with the weights of theirs, every tensor of it checked for name and shape."""
    state = theirs.state_dict()
    sam = build_sam(config, seed=0)
    sam.image_encoder.load_state_dict(encoder_state(state))
    ours = MFNet(sam, num_classes, sensors=SENSORS, tuning=tuning, official=True)
    found = translate(state)
    missing, unexpected = ours.load_state_dict(found, strict=False)
    missing = [name for name in missing if not name.startswith("encoder.image_encoder.")]
    if missing or unexpected:
        raise ValueError(f"translation misses {missing} and does not know {unexpected}")
    for module in ours.modules():
        if isinstance(module, nn.Dropout2d):
            module.p = 0.0
    return ours


def provenance(script: str, checkout: Path | None, threads: int | None = None) -> dict[str, str]:
    """Describe where figures come from: commits of both repositories, hardware, versions, time."""
    here = Path(__file__).parent
    found = {
        "script": f"scripts/{script}",
        "commit": commit(here),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "hardware": platform.processor() or platform.machine(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "threads": str(torch.get_num_threads() if threads is None else threads),
        "load_average": ", ".join(f"{load:.1f}" for load in os.getloadavg()),
    }
    if checkout is not None:
        found["authors"] = "https://github.com/sstary/SSRS, MFNet"
        found["authors_commit"] = commit(find_authors(checkout)) or "unknown (no git there)"
    return found
