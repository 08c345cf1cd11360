# pyright: reportMissingImports=false
"""Gradient descent through gradient descent in PyTorch, by graphs of graphs; steps that depend on values stop `torch.func`."""

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


def objective(x: Any, y: Any) -> Any:
    return x @ x - y @ y


def programs(inputs: dict[str, Any]) -> tuple[Any, ...]:
    start = torch.from_numpy(inputs["start"])

    def rr() -> tuple[Any]:
        x = descent(lambda x: objective(x, descent(lambda y: -objective(x, y), start, kept=True)), start, kept=False).detach()
        return (torch.cat((x, descent(lambda y: -objective(x, y), start, kept=False))).detach(),)

    return None, None, None, rr
