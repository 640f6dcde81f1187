"""Wrong answers to an exercise, and whether its checker takes one of them for right.

The source of this file is put into a copy of a chapter and runs in its kernel, behind solutions and checkers.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from IPython import get_ipython
from IPython.utils.capture import capture_output


def _like(value: Any, number: Callable[[Any], Any]) -> Any:
    """Change every number of an answer; tensors and arrays as a whole."""
    if isinstance(value, dict):
        return {key: _like(one, number) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return type(value)([_like(one, number) for one in value])
    if isinstance(value, bool | np.bool_):
        return not value
    if isinstance(value, torch.Tensor) and value.dtype == torch.bool:
        return ~value
    if isinstance(value, np.ndarray) and value.dtype == bool:
        return ~value
    if isinstance(value, str):
        return f"{value}?"
    if isinstance(value, int | float | complex | np.number | np.ndarray | torch.Tensor):
        return number(value)
    return None


WRONG = {
    "all zeros": lambda value: _like(value, lambda number: number * 0),
    "a constant": lambda value: _like(value, lambda number: number * 0 + 7),
    "off by one": lambda value: _like(value, lambda number: number + 1),
    "twice as much": lambda value: _like(value, lambda number: number * 2),
    "nothing": lambda value: None,
    "the stub": lambda value: ...,
}


def _run(code: str) -> tuple[bool, str]:
    """Run a cell and return whether it ended without an error, and what it showed.

    IPython's own way would send an error to the notebook even though it is expected here.
    """
    space, last = get_ipython().user_ns, None
    tree = ast.parse(get_ipython().transform_cell(code))
    if tree.body and isinstance(tree.body[-1], ast.Expr):
        last = ast.Expression(tree.body.pop().value)
    with capture_output() as seen:
        try:
            exec(compile(tree, "checker", "exec"), space)
            if (
                last is not None
                and (value := eval(compile(last, "checker", "eval"), space)) is not None
            ):
                print(repr(value))
        except Exception as error:
            return False, f"{type(error).__name__}: {error}"
        finally:
            plt.close("all")
    return True, seen.stdout


def _same(one: Any, other: Any) -> bool:
    """Whether two answers are equal, so that neither is wrong beside the other."""
    if isinstance(one, dict):
        return isinstance(other, dict) and all(_same(one[k], other.get(k)) for k in one)
    if isinstance(one, list | tuple):
        return isinstance(other, list | tuple) and all(
            _same(a, b) for a, b in zip(one, other, strict=False)
        )
    try:
        return bool(torch.equal(torch.as_tensor(one), torch.as_tensor(other)))
    except (TypeError, ValueError, RuntimeError):
        return one is other


def _in_place(space: dict[str, Any], name: str, checker: str) -> bool:
    """Whether a solution changes what it is given and returns nothing."""
    original, answers = space[name], []

    def noted(*given: Any, **named: Any) -> Any:
        answers.append(original(*given, **named))
        return answers[-1]

    space[name] = noted
    _run(checker)
    space[name] = original
    return all(answer is None for answer in answers)


def judge_wrong_answers(label: str, solution: str, checker: str, names: list[str]) -> None:
    """Let a checker judge wrong answers in place of a solution's functions.

    Args:
        label: Of the exercise.
        solution: Its code, which has run.
        checker: Code of the checker's cell.
        names: Functions that the reader writes.

    Raises:
        AssertionError: If the checker says of a wrong answer what it says of the solution.
    """
    space = get_ipython().user_ns
    right, told = _run(checker)
    assert right, f"{label}: the checker refuses its own solution: {told}"
    taken = []
    for name in names:
        original = space[name]
        if _in_place(space, name, checker):
            space[name] = lambda *given, **named: None
            accepted, said = _run(checker)
            taken += [f"{name}: nothing done"] if accepted and said == told else []
            space[name] = original
            continue
        for what, change in (*WRONG.items(), ("what was given", None)):
            differs = []

            def wrong(*given: Any, **named: Any) -> Any:
                answer = original(*given, **named)  # noqa: B023
                false = (*given, *named.values())[0] if change is None else change(answer)  # noqa: B023
                differs.append(not _same(answer, false))  # noqa: B023
                return false

            space[name] = wrong
            accepted, said = _run(checker)
            if accepted and said == told and any(differs):
                taken.append(f"{name}: {what}")
        space[name] = original
    _run(solution)
    assert not taken, f"{label}: the checker takes wrong answers for right: {'; '.join(taken)}"
