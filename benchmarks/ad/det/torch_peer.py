# pyright: reportMissingImports=false
"""Expansion by minors in PyTorch."""

from __future__ import annotations

from typing import Any

import torch

torch.set_num_threads(1)


def expanded(rows: list[list[Any]], columns: list[int]) -> Any:
    """The determinant of the last rows, in these columns."""
    row = rows[len(rows) - len(columns)]
    if len(columns) == 1:
        return row[columns[0]]
    total = 0.0
    for place, column in enumerate(columns):
        total += (-1.0) ** place * row[column] * expanded(rows, columns[:place] + columns[place + 1:])
    return total


def objective(a: Any) -> Any:
    return expanded([[a[i, j] for j in range(len(a))] for i in range(len(a))], list(range(len(a))))


def programs(inputs: dict[str, Any]) -> tuple[Any, Any]:
    if len(inputs["a"]) > 6:
        raise ValueError("the recursion in Python takes minutes")
    a = torch.from_numpy(inputs["a"])
    slope = torch.func.grad(objective)
    return lambda: (objective(a),), lambda: (slope(a),)
