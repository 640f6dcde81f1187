"""Checkers of those exercises that take the reader's own data.

Nobody knows the right answer for a file that only its owner has seen. So each checker asks for something that holds
for any data: that an answer can be played again click by click, that a known displacement is found, that a house put
onto a row of heights is not taken for ground. Each says ``"not answered yet"`` to a stub, returns a sentence that
begins with *right*, or raises a ``ValueError`` that tells what was wrong and what to look at.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from mfnet_lite.utils.counted_nouns import counted
from mfnet_lite.utils.exercises import check_answer

__all__ = [
    "check_additions",
    "check_clicks",
    "check_ground",
    "check_offset",
    "check_reliance",
    "check_votes",
]

WAITING = "not answered yet"

Click = tuple[int, int, int]
"""Column, row, and 1 on the object or 0 beside it."""


def check_clicks(
    find: Callable[..., Sequence[Click]],
    ask: Callable[[Sequence[Click]], Bool[np.ndarray, "height width"]],
    truth: Bool[np.ndarray, "height width"],
    goal: float,
    most: int = 20,
) -> str:
    """Play a sequence of clicks again: each has to lie on a mistake, and the last one has to reach the goal.

    Args:
        find: The reader's ``find(ask, truth, goal, most)``, which returns the clicks.
        ask: From clicks to a mask.
        truth: The object.
        goal: Intersection over union at which to stop.
        most: Clicks after which to give up.

    Returns:
        The verdict, with the IoU after every click.

    Raises:
        ValueError: If a click lies where the answer was right already, is called inside where it lies outside or the
            other way round, comes too late, or is missing; or if the mask holds no object or has another size.
    """
    truth = np.asarray(truth, dtype=bool)
    if truth.all() or not truth.any():
        raise ValueError(
            f"expected a mask with an object and something beside it, found {truth.mean():.0%} of the pixels inside; "
            "make it 0 outside the object and anything else inside"
        )
    seen = np.shape(ask([(0, 0, 1)]))
    if seen != truth.shape:
        raise ValueError(
            f"expected a mask of the picture's size, {seen[0]} rows and {seen[1]} columns, found {truth.shape[0]} and "
            f"{truth.shape[1]}; draw it on the picture itself"
        )
    clicks = find(ask, truth, goal, most)
    if clicks is ...:
        return WAITING
    if (
        not isinstance(clicks, list | tuple)
        or not clicks
        or any(np.shape(c) != (3,) for c in clicks)
    ):
        _refuse(f"expected a list of (x, y, inside), got {clicks!r:.80}", "one triple per click")
    mask, scores = np.zeros_like(truth), [0.0]
    for number, (x, y, inside) in enumerate(clicks, start=1):
        here = f"click {number} at x = {x}, y = {y}"
        if scores[-1] >= goal:
            _refuse(f"{here} comes after an IoU of {scores[-1]:.2f}", f"stop at {goal:g}")
        if not (0 <= x < truth.shape[1] and 0 <= y < truth.shape[0]):
            _refuse(f"{here} lies beside the image", "x counts columns, y rows, both from 0")
        if mask[int(y), int(x)] == truth[int(y), int(x)]:
            _refuse(f"{here} lies where the mask is right", "click where mask and truth differ")
        if inside != truth[int(y), int(x)]:
            _refuse(f"{here} has the label {inside}", "1 on the object, 0 beside it")
        mask = np.asarray(ask(clicks[:number]), dtype=bool)
        scores.append(float((mask & truth).sum() / (mask | truth).sum()))
    if scores[-1] < goal and len(clicks) < most:
        _refuse(f"the last IoU is {scores[-1]:.2f}", f"go on to {goal:g}, or to {most} clicks")
    told = " ".join(f"{score:.2f}" for score in scores[1:])
    return f"right: {counted(len(clicks), 'click')}, IoU {told}"


def check_additions(
    attach: Callable[[nn.Module], Any],
    model: nn.Module,
    run: Callable[[nn.Module, Tensor], Tensor],
    images: Tensor,
    budget: int = 40_000,
) -> str:
    """Check what was added to a frozen network: it fits a budget, changes nothing at the start, and learns.

    Args:
        attach: The reader's function, which adds to a network in place.
        model: The frozen network; a copy of it is changed.
        run: From network and images to what the network says.
        images: Images of the reader, of which the first two are taken.
        budget: Largest number of weights that may learn.

    Returns:
        The verdict, with the number of weights.

    Raises:
        ValueError: If nothing was added or too much, a frozen weight learns, the answer moves before any training, or
            a matrix can never learn.
    """
    trial = copy.deepcopy(model)
    with torch.no_grad():
        before = run(trial, images[:2])
    frozen = {id(weight) for weight in trial.parameters()}
    if attach(trial) is ...:
        return WAITING
    named = {name: weight for name, weight in trial.named_parameters() if weight.requires_grad}
    added = list(named.values())
    if any(id(weight) in frozen for weight in added):
        _refuse("a weight of the frozen network learns", "leave the base as it is")
    count = sum(weight.numel() for weight in added)
    if not 0 < count <= budget:
        _refuse(f"{count:,} added weights learn", f"expected 1 to {budget:,}")
    after = run(trial, images[:2])
    if not torch.allclose(after, before, atol=1e-5):
        moved = float((after.detach() - before).norm() / before.norm())
        _refuse(f"the answer moves by {moved:.1%} before any training", "start the last layer at 0")
    dead = _never_learn(named, lambda: run(trial, images[:2]), after)
    if dead:
        _refuse(
            f"no gradient ever reaches {dead[0]}"
            + (f" and {len(dead) - 1} more" if dead[1:] else ""),
            "one of two layers must not be zero, and each must be called",
        )
    return f"right: {count:,} weights that change nothing at the start"


STEPS = 4
"""Of two layers the one behind, which starts at zero, has to move before the one ahead of it gets a gradient."""


def _never_learn(
    added: Mapping[str, nn.Parameter], run: Callable[[], Tensor], found: Tensor
) -> list[str]:
    """Take a few steps and name the matrices that none of them gave a gradient."""
    dead = [name for name, weight in added.items() if weight.ndim > 1]
    for _ in range(STEPS):
        found.square().sum().backward()
        dead = [n for n in dead if added[n].grad is None or not added[n].grad.any()]  # type: ignore[union-attr]
        if not dead:
            break
        with torch.no_grad():
            for weight in added.values():
                if weight.grad is not None and weight.grad.any():
                    weight.sub_(0.01 * weight.grad / weight.grad.abs().max())
                weight.grad = None
        found = run()
    return dead


def check_reliance(
    measure: Callable[..., float],
    net: nn.Module,
    samples: Sequence[Mapping[str, Tensor]],
    score: Callable[[nn.Module, Sequence[Mapping[str, Tensor]]], float],
) -> str:
    """Check, for every sensor of some samples, the points that a network loses when the sensor is out of place.

    Args:
        measure: The reader's ``measure(net, samples, sensor)``: the score as it is, less the score with the sensor
            rolled by half the width of each tile.
        net: The network.
        samples: ``{sensor: (channels, height, width), "label": (height, width)}``.
        score: From network and samples to a score.

    Returns:
        The verdict, with the loss per sensor.

    Raises:
        ValueError: If a loss is another one, or the samples were changed.
    """
    kept = [{name: value.clone() for name, value in sample.items()} for sample in samples]
    whole, told = score(net, kept), {}
    for sensor in (name for name in kept[0] if name != "label"):
        answer = measure(net, samples, sensor)
        if answer is ...:
            return WAITING
        if any(
            not torch.equal(s[k], v)
            for s, old in zip(samples, kept, strict=True)
            for k, v in old.items()
        ):
            _refuse(
                "your function changes the samples it is given", "make new ones: s | {sensor: …}"
            )
        moved = [
            sample | {sensor: sample[sensor].roll(sample[sensor].shape[-1] // 2, -1)}
            for sample in kept
        ]
        told[sensor] = whole - score(net, moved)
        check_answer(answer, told[sensor], f"{sensor}: as it is, less half a tile beside", 1e-3)
    return "right: points lost without " + ", ".join(f"{k} {v:.1f}" for k, v in told.items())


def check_votes(
    votes: Callable[..., Sequence[float]],
    labels: Sequence[Int[Tensor, "height width"]],
    objects: Sequence[Int[Tensor, "height width"]],
    classes: int,
) -> str:
    """Check, class by class, the share of pixels that keep their class when every object votes for one.

    Args:
        votes: The reader's ``votes(labels, objects, classes)``.
        labels: Classes of the pixels, tile by tile; what is no class (255) does not count.
        objects: Numbers of objects in the same tiles; 0 is no object, and each tile counts from 1.
        classes: How many classes there are.

    Returns:
        ``"not answered yet"`` or ``"right"``.

    Raises:
        ValueError: If a share is another one. ``nan`` is the share of a class of which no pixel lies in an object.
    """
    answer = votes([y.clone() for y in labels], [ids.clone() for ids in objects], classes)
    if answer is ...:
        return WAITING
    kept, asked = torch.zeros(classes), torch.zeros(classes)
    for y, ids in zip(labels, objects, strict=True):
        counted = (y < classes) & (ids > 0)
        numbers, places = torch.unique(ids[counted], return_inverse=True)
        table = torch.zeros(len(numbers), classes)  # pixels of each object, by class
        table.index_put_((places, y[counted].long()), torch.ones(len(places)), accumulate=True)
        won = torch.zeros_like(table)
        if len(numbers):  # of equal votes the first class wins
            won.scatter_(1, table.argmax(1, keepdim=True), 1.0)
        kept, asked = kept + (table * won).sum(0), asked + table.sum(0)
    hint = "per class: pixels in objects that vote for it, of its pixels in objects, over all tiles"
    return check_answer(answer, kept / asked, hint)  # 0 / 0 is nan


def check_offset(
    offset: Callable[[Tensor, Tensor], Sequence[float]],
    images: Sequence[Float[Tensor, "bands height width"]],
) -> str:
    """Check an estimate of how far two images lie apart on displacements that are known.

    Args:
        offset: The reader's ``offset(a, b)``: rows and columns by which what is seen in ``a`` lies further down and
            further right in ``b``.
        images: Images of the reader; each is displaced by a few pixels.

    Returns:
        The verdict.

    Raises:
        ValueError: If a displacement is missed by more than half a pixel, or an image has one colour only.
    """
    for number, image in enumerate(images, start=1):
        if image.flatten(1).std(1).max() == 0:
            raise ValueError(
                f"image {number} has one colour, so nothing can be seen to move; leave it out"
            )
        for known in ((0, 0), (3, 0), (0, 5), (-4, 2), (1, -7)):
            found = offset(image, image.roll(known, (-2, -1)))
            if found is ...:
                return WAITING
            check_answer(
                [float(f) for f in found] if np.shape(found) == (2,) else found,
                [float(k) for k in known],
                f"image {number}, moved by {known[0]} rows and {known[1]} columns",
                0.5,
            )
    return f"right: known displacements of {counted(len(images), 'image')} found"


def check_ground(
    ground: Callable[[Tensor], Tensor], z: Float[Tensor, " length"], house: int
) -> str:
    """Check flags of bare ground along a row of a surface model.

    Args:
        ground: The reader's function, from heights in metres to flags.
        z: Heights.
        house: Tokens that the widest house takes. Ground shows at least once in every three times as many.

    Returns:
        The verdict, with the share of flagged tokens.

    Raises:
        ValueError: If the flags are no flags, depend on the height above the sea, are missing over long stretches, or
            stand on a house that was put onto the row; or if the row is too short or has holes.
    """
    length = len(z)
    if length < 4 * house or not z.isfinite().all():
        raise ValueError(
            f"expected at least {4 * house} finite heights for houses of {house} tokens, got {length} of which "
            f"{int((~z.isfinite()).sum())} are not finite; take a longer row or a smaller house, or fill its holes"
        )
    flags = ground(z.clone())
    if flags is ...:
        return WAITING
    if not isinstance(flags, Tensor) or flags.dtype != torch.bool or flags.shape != z.shape:
        _refuse(f"expected {length} values of True or False, got {flags!r:.60}", "one per token")
    gaps = torch.diff(
        torch.nonzero(flags)[:, 0], prepend=torch.tensor([-1]), append=torch.tensor([length])
    )
    if int(gaps.max()) > 3 * house:
        _refuse(f"no ground in {int(gaps.max())} tokens", f"some shows in any {3 * house}")
    if not torch.equal(ground(z + 100), flags):
        _refuse("100 m further up other tokens are ground", "compare heights with their neighbours")
    for first in range(house, length - 2 * house + 1, house):
        built, inside = z.clone(), slice(first, first + house)
        built[inside] = z[first - house : first + 2 * house].max() + 6
        if ground(built)[inside].any():
            _refuse(
                f"a house of 6 m put onto the tokens {first} to {first + house - 1} is ground",
                f"look further than {house} tokens for something lower",
            )
    return f"right: {flags.float().mean():.0%} of {length} tokens are ground"


def _refuse(found: str, hint: str) -> NoReturn:
    raise ValueError(f"{found}; hint: {hint}")
