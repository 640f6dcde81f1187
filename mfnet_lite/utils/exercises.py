"""The checker of the book's exercises: not answered yet, right, or wrong with a hint."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["check_answer"]


def check_answer(answer: Any, expected: Any, hint: str = "", tolerance: float = 1e-4) -> str:
    """Compare a reader's answer with the right one.

    Args:
        answer: A number, array, tensor, or a list or tuple of such; ``...`` in it means that the stub stands unchanged.
        expected: The right answer, of the same form.
        hint: Told with a wrong answer.
        tolerance: Largest difference that still counts as right.

    Returns:
        ``"not answered yet"`` or ``"right"``.

    Raises:
        ValueError: If the answer is wrong; it shows both answers and the hint.

    Example:
        >>> check_answer(..., 4), check_answer([2, 0.5], (2, 1 / 2))
        ('not answered yet', 'right')
    """
    if answer is ... or (isinstance(answer, list | tuple) and any(one is ... for one in answer)):
        return "not answered yet"
    told = f"; hint: {hint}" if hint else ""
    if _same(answer, expected, tolerance):
        return "right"
    raise ValueError(f"expected {_short(expected)}, your answer is {_short(answer)}{told}")


def _same(answer: Any, expected: Any, tolerance: float) -> bool:
    """Whether two answers agree, place by place."""
    if isinstance(expected, list | tuple):
        if not isinstance(answer, list | tuple) and np.ndim(answer) == 0:
            return False
        return len(answer) == len(expected) and all(
            _same(one, right, tolerance) for one, right in zip(answer, expected, strict=True)
        )
    if isinstance(expected, str) or expected is None or answer is None:
        return bool(answer == expected)
    try:
        mine, right = _numbers(answer), _numbers(expected)
    except (TypeError, ValueError):
        return False
    return mine.shape == right.shape and bool(
        np.allclose(mine, right, rtol=0, atol=tolerance, equal_nan=True)
    )


def _numbers(value: Any) -> np.ndarray:
    """An array of floating-point numbers; a tensor may carry gradients or lie on a graphics card."""
    if hasattr(value, "detach"):
        value = value.detach().cpu()
    return np.asarray(value, dtype=np.float64)


def _short(value: Any) -> str:
    """A value in at most 120 characters."""
    text = " ".join(str(value).split())
    return text if len(text) <= 120 else f"{text[:117]}..."
