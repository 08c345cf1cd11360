# pyright: reportMissingImports=false
"""The objective of least squares in PyTorch, all points side by side."""

from __future__ import annotations

from typing import Any

import torch

torch.set_num_threads(1)


def objective(x: Any, n: int) -> Any:
    t = -1.0 + 2.0 * torch.arange(n, dtype=torch.float64) / (n - 1)
    powers = torch.cumprod(t.expand(len(x) - 1, n), dim=0)
    y = x[0] + x[1:] @ powers
    return torch.sum((torch.sign(t) - y) ** 2) / 2.0


def programs(inputs: dict[str, Any]) -> tuple[Any, Any]:
    x, n = torch.from_numpy(inputs["x"]), int(inputs["n"])
    slope = torch.func.grad(objective)
    return lambda: (objective(x, n),), lambda: (slope(x, n),)
