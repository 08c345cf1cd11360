# pyright: reportMissingImports=false
"""The mixture in PyTorch: one batched contraction over all points and Gaussians."""

from __future__ import annotations

from math import log, pi
from typing import Any

import numpy as np
import torch

torch.set_num_threads(1)


def log_posterior(unknown: Any, x: Any, m: Any, gamma: Any) -> Any:
    alpha, mu, q, l = unknown
    (n, d), k = x.shape, len(alpha)
    columns, rows = np.triu_indices(d, 1)
    diagonals = torch.exp(q)
    below = torch.zeros((k, d, d), dtype=torch.float64)
    below[:, rows, columns] = l
    away = x[:, None, :] - mu
    turned = diagonals * away + torch.einsum("kij,nkj->nki", below, away)
    logs = torch.sum(q, dim=1)
    inner = alpha + logs - 0.5 * torch.sum(turned**2, dim=2)
    likelihood = torch.sum(torch.logsumexp(inner, 1)) - n * (torch.logsumexp(alpha, 0) + 0.5 * d * log(2 * pi))
    freedom = d + m + 1
    constant = freedom * d * log(gamma / 2**0.5) - torch.special.multigammaln(torch.tensor(0.5 * freedom, dtype=torch.float64), d)
    return likelihood + k * constant + m * torch.sum(logs) - 0.5 * gamma**2 * (torch.sum(diagonals**2) + torch.sum(l**2))


def programs(inputs: dict[str, Any]) -> tuple[Any, Any]:
    unknown = [torch.tensor(inputs[name], requires_grad=True) for name in ("alpha", "mu", "q", "l")]
    fixed = [one.detach() for one in unknown]
    rest = torch.tensor(inputs["x"]), inputs["m"], inputs["gamma"]
    return (lambda: (log_posterior(fixed, *rest),)), lambda: torch.autograd.grad(log_posterior(unknown, *rest), unknown)
