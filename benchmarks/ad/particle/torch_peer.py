# pyright: reportMissingImports=false
"""The charged particle in PyTorch, by graphs of graphs; steps that depend on values stop `torch.func`."""

from __future__ import annotations

from typing import Any

import torch

torch.set_num_threads(1)


def descent(f: Any, start: Any, kept: bool) -> Any:
    """Gradient descent whose step doubles after ten successes and halves after a failure; `kept`: it is differentiated again."""
    def gradient(x: Any) -> Any:
        at = x if x.requires_grad else x.detach().requires_grad_()
        return torch.autograd.grad(f(at), at, create_graph=kept)[0]

    x, rate, successes = start, 1e-5, 0
    lowest, slope = f(x), gradient(x)
    while torch.linalg.vector_norm(slope) > 1e-5:
        if successes == 10:
            rate, successes = 2 * rate, 0
            continue
        then = x - rate * slope
        if torch.linalg.vector_norm(then - x) <= 1e-5:
            break
        value = f(then)
        if value < lowest:
            x, lowest, slope, successes = then, value, gradient(then), successes + 1
        else:
            rate, successes = rate / 2, 0
    return x


def miss(w: Any) -> Any:
    """The squared distance from the origin where the particle crosses the axis."""
    ten = torch.full_like(w, 10.0)
    charges = torch.stack([torch.cat([ten, ten - w]), torch.cat([ten, 0.0 * w])])
    x, v = torch.tensor([0.0, 8.0], dtype=torch.float64), torch.tensor([0.75, 0.0], dtype=torch.float64)
    while True:
        at = x if x.requires_grad else x.detach().requires_grad_()
        potential = torch.sum(1.0 / torch.linalg.vector_norm(at - charges, dim=1))
        slope = torch.autograd.grad(potential, at, create_graph=True)[0]
        then = x + 0.1 * v
        if then[1] <= 0:
            return (then[0] - then[1] / v[1] * v[0]) ** 2
        x, v = then, v - 0.1 * slope


def programs(inputs: dict[str, Any]) -> tuple[Any, ...]:
    w = torch.from_numpy(inputs["w"].reshape(1))
    return None, None, None, lambda: (descent(miss, w, kept=False).detach()[0],)
