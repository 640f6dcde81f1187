"""Collages: class-free pictures closer to photographs than those of ``mfnet_lite.world.shapes.images``.

Shapes lie over each other as there (a dead-leaves model), with what a photograph adds: textures cut from real
photographs, families of similar things side by side, many small things, uneven outlines, light that falls from
one side, cast shadows and cloud shadows that are nobody's outline, specks that belong to nothing, and the blur
and blocks of JPEG. The photographs are those inside the packages scikit-image and scikit-learn: people, a cat, coffee,
bricks, grass, gravel, a temple, a flower, cells, stars. No remote-sensing scene and no height map is among them.
"""

from __future__ import annotations

import io
import math
from functools import cache
from importlib.resources import as_file, files
from importlib.util import find_spec

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from torch import Tensor

from mfnet_lite.world.shapes.images import REACH, Images
from mfnet_lite.world.shapes.outlines import SHAPES, inside_shape

PHOTOGRAPHS = {
    "skimage": (
        "data",
        "astronaut.png brick.png camera.png cell.png chelsea.png coffee.png coins.png grass.png gravel.png "
        "hubble_deep_field.jpg ihc.png moon.png motorcycle_left.png motorcycle_right.png retina.jpg rocket.jpg",
    ),
    "sklearn": ("datasets/images", "china.jpg flower.jpg"),
}
"""Folder and files inside each package; nothing is downloaded."""

TEXTURES = 4  # cut for each picture
BLOB = 1  # place of the blob in SHAPES


def make_collages(seed: int, count: int, size: int) -> Images:
    """Draw ``count`` collages of ``size`` × ``size`` pixels, with ids as in ``make_images``."""
    made = [_Collage(np.random.default_rng((seed, index)), size).draw() for index in range(count)]
    images, levels = zip(*made, strict=True)
    return Images(image=torch.stack(images), levels=torch.stack(levels))


@cache
def photographs() -> list[Image.Image]:
    """The photographs in the installed packages, at least one, as RGB images."""
    found = []
    for package, (folder, names) in PHOTOGRAPHS.items():
        if find_spec(package) is None:
            continue
        for name in names.split():
            with as_file(files(package).joinpath(folder, name)) as path, Image.open(path) as file:
                image = file.convert("RGB")
                image.thumbnail((1024, 1024))  # the largest hold no more detail than noise
                found.append(image)
    if not found:
        raise FileNotFoundError("no photograph found: install scikit-image or scikit-learn")
    return found


class _Collage:
    """One picture in the making.

    Attributes:
        image: Colour of every pixel, 0–1.
        levels: Ids of part, object and group.
    """

    def __init__(self, rng: np.random.Generator, size: int) -> None:
        self.rng, self.size = rng, size
        axis = (torch.arange(size) + 0.5) / size
        self.ys, self.xs = torch.meshgrid(axis, axis, indexing="ij")
        # Textures as deviations from their mean colour, in colour and in grey.
        textures = torch.stack([self._texture() for _ in range(TEXTURES)]).float() / 255
        self.means = textures.mean(dim=(1, 2))
        self.textures = textures - self.means[:, None, None]
        self.greys = self.textures.mean(dim=-1, keepdim=True)
        self.warp = torch.stack([self._noise(cells) for cells in (7, 9, 23, 29)])
        self.sun = rng.uniform(0, 2 * math.pi)
        self.shadow = rng.uniform(0.35, 0.9) if rng.random() < 0.75 else 1.0
        self.levels = torch.zeros(3, size, size, dtype=torch.int16)
        self.image = self._colour(self._material(), (slice(None), slice(None))).contiguous()
        self.objects = 0

    def draw(self) -> tuple[UInt8[Tensor, "3 y x"], Tensor]:
        """Lay all shapes and take the photograph."""
        rng = self.rng
        for _ in range(rng.integers(1, 5)):  # ground
            kind = self._kind(rng.uniform(0.3, 0.8))
            self._lay(kind, rng.uniform(0, 1, 2), casts=False)
        self._specks(rng.uniform(0, 0.02) if rng.random() < 0.4 else 0)
        # Families: few large things, many small ones; large ones first, so that small ones are seen.
        largest = 0.36
        families = rng.integers(4, 12)
        extents = np.sort(np.exp(rng.uniform(math.log(0.012), math.log(largest), families)))
        for extent in extents[::-1]:
            kind = self._kind(extent)
            for centre, angle in self._places(extent):
                instance = self._vary(kind, angle)
                group = self._lay(instance, centre)
                if extent > 0.04 and rng.random() < 0.25:
                    self._on_top(instance, centre, group)
        self._specks(rng.uniform(0, 0.01) if rng.random() < 0.3 else 0)
        return self._photograph(), self.levels

    def _texture(self) -> UInt8[Tensor, "y x 3"]:
        """A piece of a photograph, scaled, turned or mirrored."""
        rng, photographs_ = self.rng, photographs()
        photograph = photographs_[rng.integers(len(photographs_))]
        shortest = min(photograph.size)
        side = int(
            np.exp(rng.uniform(math.log(0.25 * min(shortest, self.size)), math.log(shortest)))
        )
        left, top = (int(rng.integers(0, n - side + 1)) for n in photograph.size)
        box = (left, top, left + side, top + side)
        piece = photograph.resize(
            (self.size, self.size), Image.Resampling.BILINEAR, box, reducing_gap=1.5
        )
        if rng.random() < 0.5:
            piece = piece.transpose(Image.Transpose(int(rng.integers(0, 7))))
        return torch.from_numpy(np.array(piece))

    def _noise(self, cells: int) -> Float[Tensor, "y x"]:
        """Smooth noise, roughly of unit variance."""
        coarse = Image.fromarray(self.rng.standard_normal((cells, cells)).astype(np.float32))
        return torch.from_numpy(
            np.array(coarse.resize((self.size, self.size), Image.Resampling.BICUBIC))
        )

    def _material(self) -> dict:
        """Colour, texture and shading of a part."""
        rng = self.rng
        grey = rng.uniform(0.05, 0.95)
        return {
            "colour": grey + 0.13 * rng.standard_normal(3) * rng.uniform(0, 1) ** 2,
            "texture": int(rng.integers(TEXTURES)),
            # A third of all surfaces is nearly plain, some are the photograph itself.
            "strength": rng.choice(
                [rng.uniform(0, 0.1), rng.uniform(0.1, 0.6), 1.0], p=[0.35, 0.45, 0.2]
            ),
            "grey": rng.random() < 0.5,
            "dome": rng.uniform(0, 0.45) if rng.random() < 0.4 else 0.0,
            "slope": rng.uniform(0, 0.3) * (rng.random() < 0.4),
        }

    def _kind(self, extent: float) -> dict:
        """What all members of a family share."""
        rng = self.rng
        natural = rng.random() < 0.5
        material, part = self._material(), self._material()
        if rng.random() < 0.6:  # the second part is the same surface in another light
            part = {**material, "colour": material["colour"] * rng.uniform(0.55, 1.4)}
        return {
            "code": BLOB if natural and rng.random() < 0.6 else int(rng.integers(len(SHAPES))),
            "numbers": rng.random(16),
            "extent": extent,
            "aspect": math.exp(rng.uniform(-0.5 if natural else -1.6, 0)),
            "angle": rng.uniform(0, 2 * math.pi),
            "uneven": rng.uniform(0.03, 0.3) if natural else 0.0,
            "split": rng.choice(["no", "line", "core"], p=[0.55, 0.27, 0.18]),
            "split_angle": rng.choice([0.0, math.pi / 2, rng.uniform(0, 2 * math.pi)]),
            "split_shift": rng.uniform(-0.35, 0.35) * (rng.random() < 0.6),
            "materials": (material, part),
            "height": rng.uniform(0.1, 0.9) if rng.random() < 0.7 else 0.0,
            "likeness": rng.uniform(0.0, 0.3),
        }

    def _vary(self, kind: dict, angle: float) -> dict:
        """One member of a family."""
        rng, unlike = self.rng, kind["likeness"]
        shift = 0.5 * unlike * rng.standard_normal() + 0.25 * unlike * rng.standard_normal(3)
        return {
            **kind,
            "angle": kind["angle"] + angle,
            "extent": kind["extent"] * math.exp(unlike * rng.standard_normal()),
            "numbers": np.clip(kind["numbers"] + unlike * rng.standard_normal(16), 0, 1),
            "materials": tuple({**m, "colour": m["colour"] + shift} for m in kind["materials"]),
        }

    def _places(self, extent: float) -> list[tuple[NDArray, float]]:
        """Centres of a family's members and how far each is turned."""
        rng = self.rng
        most = int(
            np.clip(0.12 / extent**1.8, 1, 40)
        )  # as many as would fill a good part of the picture
        count = int(np.clip(np.exp(rng.uniform(0, math.log(most + 1))), 1, most))
        way = rng.choice(["scattered", "row", "cluster"], p=[0.4, 0.3, 0.3])
        turned = rng.choice([0.0, 1.0], p=[0.6, 0.4]) if way != "row" else 0.0
        middle, direction = rng.uniform(0, 1, 2), rng.uniform(0, 2 * math.pi)
        if way == "scattered":
            centres = rng.uniform(-0.02, 1.02, (count, 2))
        elif way == "row":
            step = extent * rng.uniform(1.3, 3.5)
            rows = max(1, int(count / rng.integers(1, 9)))
            number = np.arange(count)
            along = step * (number // rows - count / rows / 2)
            beside = 1.3 * step * (number % rows)
            cos, sin = math.cos(direction), math.sin(direction)
            centres = middle + np.stack([cos * along - sin * beside, sin * along + cos * beside], 1)
        else:
            spread = extent * math.sqrt(count) * rng.uniform(0.7, 1.6)
            centres = middle + spread * rng.standard_normal((count, 2))
        angles = turned * rng.uniform(0, 2 * math.pi, count)
        seen = ((centres > -0.05) & (centres < 1.05)).all(axis=1)
        return list(zip(centres[seen], angles[seen], strict=True))

    def _on_top(self, kind: dict, centre: NDArray, group: int) -> None:
        """Small things that lie on a larger one and belong to its group."""
        rng = self.rng
        small = self._kind(kind["extent"] * rng.uniform(0.12, 0.4))
        for _ in range(rng.integers(1, 4)):
            offset = kind["extent"] * rng.uniform(-0.5, 0.5, 2) * (1, kind["aspect"])
            cos, sin = math.cos(kind["angle"]), math.sin(kind["angle"])
            turned = np.array(
                [cos * offset[0] - sin * offset[1], sin * offset[0] + cos * offset[1]]
            )
            self._lay({**small, "angle": kind["angle"]}, centre + turned, group)

    def _lay(self, kind: dict, centre: NDArray, group: int = 0, casts: bool = True) -> int:
        """Lay one shape over what is there; returns its group."""
        place = self._window(centre, REACH * kind["extent"] * 1.2)
        inside, u, v = self._inside(kind, centre, place)
        if not inside.any():
            return group
        if casts and self.shadow < 1 and kind["height"] > 0:
            length = 0.6 * kind["height"] * min(kind["extent"], 0.12)
            moved = centre + length * np.array([math.cos(self.sun), math.sin(self.sun)])
            around = self._window(moved, REACH * kind["extent"] * 1.2)
            shade, *_ = self._inside(kind, moved, around)
            self.image[around] *= torch.where(shade, self.shadow, 1.0)[..., None]
        self.objects += 1
        number, group = self.objects, group or self.objects
        second = torch.zeros_like(inside)
        if kind["split"] == "line":
            cos, sin = math.cos(kind["split_angle"]), math.sin(kind["split_angle"])
            second = cos * u + sin * v > kind["split_shift"]
        elif kind["split"] == "core":
            second = self._inside({**kind, "extent": 0.62 * kind["extent"]}, centre, place)[0]
        colour = self._colour(kind["materials"][0], place, u, v)
        if kind["split"] != "no":
            other = self._colour(kind["materials"][1], place, u, v)
            colour = torch.where(second[..., None], other, colour)
        self.image[place] = torch.where(inside[..., None], colour, self.image[place])
        ids = torch.stack(
            [
                2 * number + second.to(torch.int16) - 1,
                *(torch.full_like(second, n, dtype=torch.int16) for n in (number, group)),
            ]
        )
        piece = (slice(None), *place)
        self.levels[piece] = torch.where(inside, ids, self.levels[piece])
        return group

    def _window(self, centre: NDArray, reach: float) -> tuple[slice, slice]:
        low = np.clip(np.floor((centre - reach) * self.size), 0, self.size).astype(int)
        high = np.clip(np.ceil((centre + reach) * self.size), 0, self.size).astype(int)
        return slice(low[1], high[1]), slice(low[0], high[0])

    def _inside(
        self, kind: dict, centre: NDArray, place: tuple[slice, slice]
    ) -> tuple[Bool[Tensor, "y x"], Tensor, Tensor]:
        """Which pixels of a window a shape covers, and their coordinates in half extents."""
        dx, dy = self.xs[place] - centre[0], self.ys[place] - centre[1]
        if kind["uneven"]:
            # Coarse bends for large things, fine ones for small things.
            first = 0 if kind["extent"] > 0.12 else 2
            bend = kind["uneven"] * kind["extent"]
            dx, dy = dx + bend * self.warp[first][place], dy + bend * self.warp[first + 1][place]
        cos, sin = math.cos(kind["angle"]), math.sin(kind["angle"])
        u = (cos * dx + sin * dy) / kind["extent"]
        v = (cos * dy - sin * dx) / (kind["extent"] * kind["aspect"])
        numbers = torch.from_numpy(kind["numbers"]).float()[None]
        return inside_shape(torch.tensor([kind["code"]]), u[None], v[None], numbers)[0], u, v

    def _colour(
        self,
        material: dict,
        place: tuple[slice, slice],
        u: Tensor | None = None,
        v: Tensor | None = None,
    ) -> Float[Tensor, "y x 3"]:
        """Colour of a surface, with its texture and its shading."""
        number, strength = material["texture"], material["strength"]
        base = torch.from_numpy(material["colour"]).float()
        if strength == 1:  # the photograph itself
            base = self.means[number].mean() if material["grey"] else self.means[number]
        texture = self.greys if material["grey"] else self.textures
        piece = base + strength * texture[number][place]
        if u is not None and v is not None and (material["dome"] or material["slope"]):
            toward = -(math.cos(self.sun) * u + math.sin(self.sun) * v)
            light = 1 + material["slope"] * toward.clamp(-1, 1)
            light += material["dome"] * (toward.clamp(-1, 1) - 0.5 * (u * u + v * v).clamp(max=1))
            piece = piece * light[..., None]
        return piece.expand(-1, -1, 3)

    def _specks(self, share: float) -> None:
        """Small marks that belong to whatever they lie on."""
        if share <= 0:
            return
        noise = self._noise(int(self.rng.integers(40, self.size // 2)))
        marked = noise > torch.quantile(noise[::4, ::4], 1 - share)
        colour = torch.from_numpy(self.rng.uniform(0, 1, 3)).float()
        self.image = torch.where(marked[..., None], colour, self.image)

    def _photograph(self) -> UInt8[Tensor, "3 y x"]:
        """Light, lens, sensor and file."""
        rng, picture = self.rng, self.image
        if rng.random() < 0.25:  # the shadow of a cloud
            cloud = torch.sigmoid(rng.uniform(2, 12) * (self._noise(4) - rng.uniform(0, 1)))
            picture = picture * (1 - rng.uniform(0.2, 0.6) * cloud)[..., None]
        tilt = rng.uniform(-0.2, 0.2, 2)
        picture = picture * (1 + tilt[0] * (self.xs - 0.5) + tilt[1] * (self.ys - 0.5))[..., None]
        contrast, tint = rng.uniform(0.6, 1.2), rng.uniform(-0.08, 0.08, 3)
        picture = (picture - 0.5) * contrast + 0.5 + torch.from_numpy(tint).float()
        array = (picture.clamp(0, 1) * 255).to(torch.uint8).numpy()
        blurred = Image.fromarray(array).filter(ImageFilter.BoxBlur(rng.uniform(0.1, 1.0)))
        noisy = np.asarray(blurred, np.float32)
        sigma = 255 * 0.05 * rng.uniform(0, 1) ** 2
        noisy = noisy + sigma * rng.standard_normal(noisy.shape, np.float32)
        final = Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))
        if rng.random() < 0.5:
            buffer = io.BytesIO()
            final.save(buffer, "JPEG", quality=int(rng.integers(35, 95)))
            final = Image.open(buffer)
        return torch.from_numpy(np.array(final)).permute(2, 0, 1).contiguous()
