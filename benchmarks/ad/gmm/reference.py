"""Mixture of Gaussians with a Wishart prior, by its definition: densities, inverses and determinants of whole matrices.

The derivative is written by hand, from the same matrices: the responsibilities weigh what each point says of each Gaussian.
"""

from __future__ import annotations

from math import lgamma, log, pi
from typing import Any

import numpy as np

SIZES = {"small": {"d": 3, "k": 4, "n": 20}, "d10 k25": {"d": 10, "k": 25, "n": 1000}, "d32 k25": {"d": 32, "k": 25, "n": 1000}}
TOLERANCE = 1e-11


def inputs(*, d: int, k: int, n: int, m: int = 1, gamma: float = 1.2, seed: int = 31337) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    return {"x": rng.normal(size=(n, d)), "alpha": rng.normal(size=k), "mu": rng.uniform(size=(k, d)), "q": 0.3 * rng.normal(size=(k, d)),
            "l": rng.normal(size=(k, d * (d - 1) // 2)) / d**0.5, "m": m, "gamma": gamma}


def factors(q: np.ndarray, l: np.ndarray) -> np.ndarray:
    """The lower triangles, k of them."""
    k, d = q.shape
    made = np.zeros((k, d, d))
    columns, rows = np.triu_indices(d, 1)  # row by row of the upper triangle is column by column of the lower one
    made[:, rows, columns] = l
    made[:, range(d), range(d)] = np.exp(q)
    return made


def log_densities(x: np.ndarray, alpha: np.ndarray, mu: np.ndarray, precisions: np.ndarray) -> np.ndarray:
    """log(phi_k N(x_i; mu_k)) for each point and Gaussian."""
    d = x.shape[1]
    away = x[:, None, :] - mu
    distances = np.einsum("nkd,kde,nke->nk", away, precisions, away)
    weights = alpha - np.log(np.sum(np.exp(alpha)))
    return weights - 0.5 * (d * log(2 * pi) - np.linalg.slogdet(precisions)[1] + distances)


def objective(*, x: np.ndarray, alpha: np.ndarray, mu: np.ndarray, q: np.ndarray, l: np.ndarray, m: int, gamma: float) -> tuple[Any, ...]:
    d = x.shape[1]
    precisions = [f.T @ f for f in factors(q, l)]
    densities = log_densities(x, alpha, mu, np.array(precisions))
    top = densities.max(axis=1, keepdims=True)
    likelihood = np.sum(top[:, 0] + np.log(np.exp(densities - top).sum(axis=1)))
    freedom = d + m + 1
    scale = np.eye(d) / gamma**2
    gammas = 0.25 * d * (d - 1) * log(pi) + sum(lgamma(0.5 * (freedom - j)) for j in range(d))
    prior = sum(0.5 * (freedom - d - 1) * np.linalg.slogdet(p)[1] - 0.5 * np.trace(np.linalg.inv(scale) @ p)
                - 0.5 * freedom * d * log(2) - 0.5 * freedom * np.linalg.slogdet(scale)[1] - gammas for p in precisions)
    return (likelihood + prior,)


def derivative(*, x: np.ndarray, alpha: np.ndarray, mu: np.ndarray, q: np.ndarray, l: np.ndarray, m: int, gamma: float) -> tuple[Any, ...]:
    (n, d), k = x.shape, len(alpha)
    triangles = factors(q, l)
    precisions = np.einsum("kij,kil->kjl", triangles, triangles)
    densities = log_densities(x, alpha, mu, precisions)
    responsible = np.exp(densities - densities.max(axis=1, keepdims=True))
    responsible /= responsible.sum(axis=1, keepdims=True)
    totals = responsible.sum(axis=0)
    away = x[:, None, :] - mu
    by_mu = np.einsum("nk,kde,nke->kd", responsible, precisions, away)
    scatter = np.einsum("nk,nkd,nke->kde", responsible, away, away)
    by_factor = -triangles @ scatter - gamma**2 * triangles
    columns, rows = np.triu_indices(d, 1)
    by_q = by_factor[:, range(d), range(d)] * np.exp(q) + totals[:, None] + m
    weights = np.exp(alpha - alpha.max()) / np.exp(alpha - alpha.max()).sum()
    return totals - n * weights, by_mu, by_q, by_factor[:, rows, columns].reshape(k, -1)
