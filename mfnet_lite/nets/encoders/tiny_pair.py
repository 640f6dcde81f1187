"""The small vision-language pair that ships with the package, and files of the same kind."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from importlib import resources
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mfnet_lite.language import load_words
from mfnet_lite.nets.encoders.conv_stem_vit import ConvStemConfig, ConvStemViT
from mfnet_lite.nets.encoders.plain_vit import Grid
from mfnet_lite.nets.encoders.sentence_encoder import SentenceEncoder
from mfnet_lite.nets.encoders.vision_language import TextEncoder, VisionLanguage
from mfnet_lite.nets.encoders.word_text import WordTextEncoder
from mfnet_lite.utils.checked_files import read_tensors
from mfnet_lite.utils.hashes import verify

__all__ = ["SmallPair", "SmallPairConfig", "load_tiny_pair", "tiny_pair_hash"]

METADATA_KEY = "vision_language_config"
NAMES = ("tiny",)


@dataclass(frozen=True)
class SmallPairConfig:
    """Sizes of a small pair.

    Attributes:
        joint: Channels of the joint space.
        image: Sizes of the image encoder.
        text: Empty for the packaged word vectors; otherwise the name or folder of a sentence encoder.
    """

    joint: int = 128
    image: ConvStemConfig = field(default_factory=ConvStemConfig)
    text: str = ""

    def to_json(self) -> str:
        """Return the sizes as text, for the metadata of a file."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> SmallPairConfig:
        """Read what :meth:`to_json` wrote."""
        values = json.loads(text)
        image = ConvStemConfig(**{**values["image"], "stem": tuple(values["image"]["stem"])})
        return cls(values["joint"], image, values["text"])


class SmallPair(VisionLanguage):
    """An image encoder and a text encoder trained together on the world's pictures and captions.

    Args:
        config: Sizes.
        text: The text encoder; built from the sizes when ``None``.

    Example:
        >>> from mfnet_lite.language import WordTable
        >>> from mfnet_lite.nets.encoders.word_text import WordTextEncoder
        >>> words = WordTable(["car", "roof"], torch.eye(2, 8).char(), torch.ones(2))
        >>> sizes = ConvStemConfig(width=16, depth=1, heads=2, stem=(4, 8, 8))
        >>> pair = SmallPair(SmallPairConfig(8, sizes), WordTextEncoder(words, joint=8, heads=2))
        >>> pair(torch.rand(1, 3, 32, 48), [["car"], ["roof", "roofs"]]).shape
        torch.Size([1, 2, 4, 6])
    """

    form = "softmax"
    shift = 0.0

    def __init__(self, config: SmallPairConfig, text: TextEncoder | None = None) -> None:
        super().__init__()
        self.config = config
        self.joint = config.joint
        self.image: ConvStemViT = ConvStemViT(config.image)
        self.text = text if text is not None else _text_encoder(config)
        self.project = nn.Linear(config.image.width, config.joint)
        self.project_whole = nn.Linear(config.image.width, config.joint)
        self.log_scale = nn.Parameter(torch.tensor(1 / 0.07).log())

    @property
    def scale(self) -> float:  # type: ignore[override]
        """What a cosine is multiplied by to become a logit."""
        return float(self.log_scale.detach().exp())

    def train(self, mode: bool = True) -> SmallPair:
        """Stay in evaluation mode: there is nothing that behaves otherwise in training."""
        del mode
        super().train(False)
        return self

    def visual(
        self, tokens: Float[Tensor, "batch token width"], grid: Grid
    ) -> Float[Tensor, "batch one_and_patches joint"]:
        """Project the last tokens into the joint space: the whole picture, then the patches.

        Args:
            tokens: As the last block left them, the global one in front.
            grid: Rows and columns of patches.
        """
        del grid
        tokens = self.image.norm(tokens)
        return torch.cat([self.project_whole(tokens[:, :1]), self.project(tokens[:, 1:])], dim=1)


def load_tiny_pair(name_or_path: str | Path = "tiny") -> SmallPair:
    """Load a frozen vision-language pair.

    Args:
        name_or_path: ``tiny`` for the pair that ships with the package; or a file that
            ``scripts/pretraining/vision_language.py`` wrote.

    Returns:
        The pair in evaluation mode, single precision, without gradients.

    Raises:
        FileNotFoundError: If nothing of that name exists, or a file is missing from the installation.
        ImportError: If the file needs a library that is not installed.
        ValueError: If the file is damaged or is no such pair.
    """
    name = str(name_or_path)
    if name == "tiny":
        return _read_pair(_packaged_tiny())
    path = Path(name_or_path).expanduser()
    if not path.is_file():
        raise FileNotFoundError(
            f"{name!r} is neither a known vision-language pair ({', '.join(NAMES)}) nor an existing file; "
            "check the spelling or the path."
        )
    return _read_pair(path)


def tiny_pair_hash() -> str:
    """Return the SHA-256 of the packaged pair, which is verified.

    Raises:
        FileNotFoundError: If it is missing from this installation.
        ValueError: If it is another file.
    """
    card = _packaged_tiny().with_suffix(".json")
    return str(json.loads(card.read_text(encoding="utf-8"))["sha256"])


def _read_pair(path: Path) -> SmallPair:
    """Read a small pair: sizes from the metadata, then tensors."""
    stored, facts = read_tensors(path)
    tensors = {key: value.float() for key, value in stored.items()}
    if METADATA_KEY not in facts:
        raise ValueError(
            f"{path} has no metadata {METADATA_KEY!r}, so it is no vision-language pair of this package."
        )
    pair = SmallPair(SmallPairConfig.from_json(facts[METADATA_KEY]))
    kept = {key for key in pair.state_dict() if not key.startswith(SentenceEncoder.FOREIGN)}
    if kept != set(tensors):
        raise ValueError(
            f"{path} does not hold the tensors of a pair of its own sizes: "
            f"{sorted(kept ^ set(tensors))[0]} is lacking or too many."
        )
    pair.load_state_dict(tensors, strict=False)
    return pair.requires_grad_(False).eval()


def _text_encoder(config: SmallPairConfig) -> TextEncoder:
    """Build the text encoder that the sizes name."""
    if config.text:
        return SentenceEncoder(config.text, config.joint)
    return WordTextEncoder(load_words(), config.joint)


def _packaged_tiny() -> Path:
    """Find and verify the small pair among the package's files."""
    folder = Path(str(resources.files("mfnet_lite"))) / "weights"
    weights, card = (
        folder / "vision_language_tiny.safetensors",
        folder / "vision_language_tiny.json",
    )
    for file in (weights, card):
        if not file.is_file():
            raise FileNotFoundError(
                f"{file} is missing from this installation; install mfnet-lite again."
            )
    facts = json.loads(card.read_text(encoding="utf-8"))
    verify(weights, facts["sha256"], facts["size"], "install mfnet-lite again")
    return weights
